"""Classes of a set mapped onto the model's: by hand, and from a folder."""

import numpy as np
import pytest
from PIL import Image
from tests.data.named_sets import IDS, imagenet_a, tiny

import levelhead as lh
from levelhead.probes.natural_adversarial import NaturalAdversarial

LOGITS = np.array([[5.0, 1.0, 2.0], [5.0, 2.0, 1.0], [0.0, 9.0, 1.0], [5.0, 1.0, 0.0]])


def test_only_the_classes_of_the_set_compete():
    columns = lh.probes.class_columns(["dog", "unicorn", "cat"], ["car", "cat", "dog"])
    assert columns == {"dog": 2, "cat": 1}
    said = lh.probes.natural_adversarial(
        LOGITS, ["dog", "dog", "unicorn", "cat"], columns, classes=("car", "cat", "dog"), ids=np.arange(4)
    )
    np.testing.assert_array_equal(said.logits, [[2.0, 1.0], [1.0, 2.0], [0.0, 1.0]])
    np.testing.assert_array_equal(said.labels, [0, 0, 1])
    np.testing.assert_array_equal(said.ids, [0, 1, 3])
    assert said.classes == ("dog", "cat")
    assert lh.metrics.accuracy(**said.scores, labels=said.labels) == pytest.approx(2 / 3)


def test_all_classes_may_compete():
    said = lh.probes.natural_adversarial(LOGITS, np.array([7, 7, 1, 3]), {7: 2, 3: 1}, all_classes=True)
    np.testing.assert_array_equal(said.logits, LOGITS[[0, 1, 3]])
    np.testing.assert_array_equal(said.labels, [2, 2, 1])
    assert lh.metrics.accuracy(**said.scores, labels=said.labels) == 0


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": 0, "b": 3}, r"\[0, 3\)"),
        ({"a": 0, "b": 0}, "column of its own"),
        ({"a": 0}, "two or more"),
        ({"x": 0, "y": 1}, "no label is among"),
    ],
)
def test_what_is_refused(columns, said):
    with pytest.raises(ValueError, match=said):
        lh.probes.natural_adversarial(LOGITS, list("abab"), columns)
    with pytest.raises(ValueError, match="one of N labels a row"):
        lh.probes.natural_adversarial(LOGITS, list("aba"), {"a": 0, "b": 1})


def test_sets_that_share_no_class_are_refused():
    with pytest.raises(ValueError, match="name the classes alike"):
        lh.probes.class_columns(["1", "2"], ["one", "two"])


def test_a_folder_of_class_folders_is_brought_to_size_and_mapped(tmp_path):
    for name, level in (("7", 70), ("3", 30), ("unicorn", 255)):
        (tmp_path / "nae" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (20, 12), (level, level, level)).save(tmp_path / "nae" / name / f"{number}.png")
    (probe,) = lh.probes.parse(f"natural_adversarial:{tmp_path / 'nae'}")
    assert probe.name == "natural_adversarial:nae"
    made = probe.prepare(lh.data.load("digits"))
    assert made["inputs"].shape == (4, 1, 8, 8)
    np.testing.assert_array_equal(made["columns"], [3, 3, 7, 7])
    np.testing.assert_array_equal(made["inputs"][:, 0, 0, 0], [30, 30, 70, 70])


@pytest.mark.parametrize(("name", "side"), [("imagenet-a", 64), ("imagenet-a-tiny", 64)])
def test_imagenet_a_finds_the_columns_of_tiny_imagenet_and_its_size(name, side, tmp_path):
    tiny(tmp_path / "tiny-imagenet-200")
    truth = imagenet_a(tmp_path / "imagenet-a")["test"]
    data = lh.data.load("tiny-imagenet", data_dir=tmp_path, cal_size=6)
    prepared = NaturalAdversarial(source=name, data_dir=str(tmp_path)).prepare(data)
    assert prepared["columns"].tolist() == truth.labels
    assert [data.classes[column].split()[0] for column in prepared["columns"][::3]] == list(IDS)
    assert prepared["inputs"].shape == (9, 3, side, side)
