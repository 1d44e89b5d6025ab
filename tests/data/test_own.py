"""`package.module:function` as data: what a user's function may return, and what is said of what it may not."""

import sys

import numpy as np
import pytest

from levelhead.data import load, read_source

CODE = """
import numpy as np, torch
from PIL import Image
from torch.utils.data import TensorDataset
import levelhead as lh
from levelhead.data.source import Part, Source

rng = np.random.default_rng(0)
PIXELS = rng.integers(0, 256, (60, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(60) % 3

class Photos:
    classes = ["ant", "bee", "cat"]
    def __init__(self, first, last, kind):
        self.rows, self.kind = range(first, last), kind
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, place):
        pixels = PIXELS[self.rows[place]]
        kinds = {"pil": Image.fromarray, "array": lambda x: x, "tensor": lambda x: torch.from_numpy(x).permute(2, 0, 1),
                 "float": lambda x: torch.from_numpy(x).permute(2, 0, 1) / 255, "wild": lambda x: x * 1.0}
        return kinds[self.kind](pixels), int(LABELS[self.rows[place]])

def photos(kind="pil"):
    return Photos(0, 40, kind), Photos(40, 60, kind)

def roles():
    return {"train": Photos(0, 30, "pil"), "cal": Photos(30, 45, "pil"), "test": Photos(45, 60, "pil")}

def vectors(shift=0):
    return TensorDataset(torch.arange(80.0).reshape(40, 2), torch.arange(40) % 2 + shift)

def dataset():
    return lh.data.load("digits", train_size=50)

def source():
    part = Part.of_array(np.zeros((40, 2), np.float32), np.arange(40) % 2)
    return Source("mine", "vector", ("a", "b"), {"train": part}, "made")

def nothing():
    return None

def mixed():
    return [(np.zeros(2), 0), (np.zeros(3), 1)]

def bare():
    return [np.zeros(2), np.zeros(2)]

def half():
    return [(np.zeros(2), 0.5), (np.zeros(2), 1)]

def fails():
    raise ValueError("no such year")
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "my_sets.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("my_sets", None)


@pytest.mark.parametrize("kind", ["pil", "array", "tensor", "float"])
def test_sets_as_torchvision_has_them(kind):
    import my_sets

    data = load(f"my_sets:photos(kind={kind})", cal_size=6)
    assert (data.name, data.kind, data.classes) == ("my_sets.photos", "image", ("ant", "bee", "cat"))
    assert data.split_info["sizes"] == {"train": 34, "cal": 6, "test": 20}
    wanted = my_sets.PIXELS[40:].transpose(0, 3, 1, 2)
    test = data.splits["test"]
    assert test.inputs.dtype == (np.float32 if kind == "float" else np.uint8)
    assert np.allclose(test.inputs, wanted / 255 if kind == "float" else wanted)
    assert np.array_equal(test.labels, my_sets.LABELS[40:])


def test_roles_by_name():
    assert load("my_sets:roles").split_info["given"] == ["train", "cal", "test"]


def test_a_set_alone_is_split_and_its_labels_are_numbered():
    data = load("my_sets:vectors(shift=3)", cal_size=4, test_size=4)
    assert (data.kind, data.classes, data.shape) == ("vector", ("3", "4"), (2,))
    assert np.array_equal(data.splits["test"].inputs[:, 0], 2.0 * data.splits["test"].ids)


def test_records_of_ours_are_taken_as_they_are():
    ours, direct = load("my_sets:dataset"), load("digits", train_size=50)
    assert ours.counts() == direct.counts()
    assert np.array_equal(ours.splits["test"].inputs, direct.splits["test"].inputs)
    assert len(set(ours.notes)) == len(ours.notes)
    assert read_source("my_sets:source").name == "mine"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("my_sets:nothing", "must return a levelhead Dataset or Source, .* it returned NoneType"),
        ("my_sets:mixed", r"one shape and type; item 0 is float32 \(2,\), item 1 is float32 \(3,\)"),
        ("my_sets:bare", "item 0 must be an input and a label, got ndarray"),
        ("my_sets:half", "a label must be one whole number, got 0.5"),
        ("my_sets:fails", "could not be made: no such year"),
        ("my_sets:photos(kind=wild)", r"images of floating point must lie in \[0, 1\]"),
        ("my_sets:photos(size=3)", "could not be made: .*size"),
        ("my_sets:photos(3)", "give a data set's arguments by name"),
        ("my_sets:absent", "cannot find the data set 'my_sets:absent': .*run from the folder"),
        ("no_such_module:photos", "cannot find the data set 'no_such_module:photos'"),
    ],
)
def test_what_cannot_be_used_is_said(text, words):
    with pytest.raises(ValueError, match=words):
        load(text)


def test_options_of_other_data_have_no_effect():
    with pytest.raises(ValueError, match="label= has no effect here"):
        load("my_sets:photos", label="x")
