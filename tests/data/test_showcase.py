"""`levelhead data`: the table, one set with its counts and examples, and what is not there."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from levelhead.cli import app
from levelhead.data import examples as room
from levelhead.data import names, read_source, synsets
from levelhead.data.examples import as_text, examples
from levelhead.data.source import Part, Source
from levelhead.plots.examples import mosaic
from levelhead.probes.natural_adversarial import class_columns

from .named_sets import cifar10_parquet, imagenet_a, trec


def call(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["data", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_table_has_every_name_and_whether_it_is_there(tmp_path):
    trec(tmp_path / "trec")
    status, output, _ = call("--data-dir", tmp_path, "--json")
    rows = {row["name"]: row for row in json.loads(output)}
    assert status == 0
    assert tuple(rows) == names()
    assert rows["trec"]["files"] == "in trec"
    assert rows["digits"]["files"] == "embedded"
    assert rows["svhn"]["files"] == "not found (246 MB are downloaded when asked for)"
    assert rows["imagenet"]["sizes"] == {"train": 1_281_167, "test": 50_000}
    status, output, _ = call("--data-dir", tmp_path)
    assert status == 0
    assert all(name in output for name in names())


def test_one_set_shows_facts_counts_and_texts(tmp_path):
    trec(tmp_path / "trec")
    status, output, _ = call("trec", "--data-dir", tmp_path)
    assert status == 0
    for words in ("TREC", "Li and Roth 2002", "abbreviation", "What is it 0 ?", "not the 5,452 and 500", "in trec"):
        assert words in output
    shown = json.loads(call("trec", "--data-dir", tmp_path, "--json")[1])
    assert shown["counts"] == {"train": [10] * 6, "test": [2] * 6}
    assert shown["examples"]["location"][0] == "Who is it 4 ?"
    assert shown["originals"][0] == {"file": "train_5500.label", "bytes": 335_858}


def test_images_are_drawn_a_row_a_class(tmp_path):
    cifar10_parquet(tmp_path / "cifar10")
    picture = tmp_path / "new" / "examples.png"
    status, output, _ = call("cifar10", "--data-dir", tmp_path, "--out", picture)
    assert status == 0
    assert f"Examples: {picture}" in output.replace("\n", "")
    with Image.open(picture) as image:
        assert image.width > 300
        assert len(image.getcolors(1 << 20) or range(1 << 20)) > 100
    assert "--out FILE.png" in call("cifar10", "--data-dir", tmp_path)[1]


def test_what_is_not_there_is_described_and_not_fetched(tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("a download")

    monkeypatch.setattr("levelhead.data.named.download", refuse)
    status, output, _ = call("svhn", "--data-dir", tmp_path)
    assert status == 0
    assert "train_32x32.mat (182,040,794 bytes)" in output
    assert "not found" in output
    status, _, errors = call("svhn", "--data-dir", tmp_path, "--out", tmp_path / "x.png")
    assert status == 2
    assert "nothing to draw" in errors


def test_a_users_own_data_are_shown_too(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"train_x": rng.random((40, 3)), "train_y": np.arange(40) % 2}
    np.savez(tmp_path / "mine.npz", **arrays, test_x=arrays["train_x"], test_y=arrays["train_y"])
    status, output, _ = call(tmp_path / "mine.npz")
    assert status == 0
    assert "vector" in output
    assert " ".join(f"{value:.3g}" for value in arrays["train_x"][0].astype(np.float32)) in output
    for arguments, words in (
        ((tmp_path / "mine.npz", "--out", tmp_path / "x.png"), "holds vectors, which are shown as text"),
        (("digits", "--out", tmp_path / "x.jpeg2"), "pictures end in .png, .pdf or .svg"),
        (("fashon-mnist",), "Did you mean 'fashion-mnist'"),
    ):
        status, _, errors = call(*arguments)
        assert status == 2
        assert words in errors


def test_examples_are_of_their_class_and_no_more_than_asked(tmp_path):
    cifar10_parquet(tmp_path / "cifar10")
    source = read_source("cifar10", data_dir=tmp_path)
    part = source.parts["train"]
    images = part.read(np.arange(len(part.labels)))
    for label, each in enumerate(examples(source, per_class=4)):
        assert each.name == source.classes[label]
        own = {image.tobytes() for image in images[part.labels == label]}
        assert len(each.inputs) == 4
        assert {image.tobytes() for image in each.inputs} <= own
    assert len(examples(source, most_classes=3)) == 3


def test_an_example_with_a_map_is_of_every_class_in_it():
    maps = np.array([[[0, 0], [0, 2]], [[1, 1], [255, 1]], [[2, 2], [2, 2]]], np.uint8)
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] + np.zeros((3, 3, 2, 2), np.uint8)
    part = Part(maps, lambda positions: images[positions])
    source = Source("maps", "image", ("a", "b", "c"), {"train": part}, "made here")
    assert [each.inputs[:, 0, 0, 0].tolist() for each in examples(source)] == [[0], [1], [0, 2]]


def test_long_texts_are_cut(tmp_path):
    trec(tmp_path / "trec")
    source = read_source("trec", data_dir=tmp_path)
    (line,) = as_text(source, source.parts["train"].read(np.array([0])), longest=8)
    assert line == "What is…"


def test_a_mosaic_keeps_every_pixel_and_leaves_gaps_white():
    rows = [np.full((2, 1, 3, 4), 7, np.uint8), np.full((1, 1, 3, 4), 0.2, np.float32)]
    canvas = mosaic(rows)
    assert canvas.shape == (8, 10, 3)
    assert (canvas[:3, :4] == 7).all()
    assert (canvas[5:, :4] == 51).all()
    assert (canvas[3:5] == 255).all()
    assert (canvas[5:, 4:] == 255).all()


def test_classes_of_imagenets_relatives_are_matched_by_their_ids(tmp_path):
    imagenet_a(tmp_path / "imagenet-a")
    names_here = read_source("imagenet-a", data_dir=tmp_path).classes
    model = ["n01443537", "n01629819 fire salamander", *(f"class {number}" for number in range(5))]
    assert class_columns(names_here, classes=model) == {names_here[0]: 0, names_here[1]: 1}
    assert names_here[0] == "n01443537 goldfish"


@pytest.mark.parametrize("module", [room, synsets], ids=["examples", "synsets"])
def test_the_examples_in_the_docstrings(module):
    import doctest

    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_how_a_set_is_augmented_is_said():
    for name, said in (
        ("cub-200-2011", "windows of 224x224 and flip"),
        ("cifar10", "crop 4 and flip"),
        ("mnist", "no"),
    ):
        result = CliRunner().invoke(app, ["data", name, "--data-dir", "nowhere"])
        assert result.exit_code == 0, result.output
        assert re.search(rf"^augmented\s+{said}$", result.output, re.MULTILINE)
