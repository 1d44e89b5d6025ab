"""Tables of paths of images, and the columns that all tables may have: splits and groups."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image
from pyarrow import csv

from levelhead.data import load

from .layouts import write_tree


def written(folder: Path, table: dict, ending: str = ".csv") -> Path:
    path = folder / f"table{ending}"
    if ending == ".jsonl":
        rows = [dict(zip(table, values)) for values in zip(*table.values())]
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        (csv.write_csv if ending == ".csv" else pyarrow.parquet.write_table)(pa.table(table), path)
    return path


def pictures(folder: Path, **others) -> dict:
    write_tree(folder / "files", {"one": 30, "two": 30})
    names = [f"files/{part}/{number:03d}.png" for part in ("one", "two") for number in range(30)]
    return {"file": names, "kind": ["yak" if row % 2 else "owl" for row in range(60)], **others}


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_paths_are_relative_to_the_table(tmp_path, ending, monkeypatch):
    monkeypatch.chdir("/")
    table = pictures(tmp_path)
    data = load(written(tmp_path, table, ending), image="file", label="kind", cal_size=10, test_size=10)
    assert data.kind == "image"
    assert data.classes == ("owl", "yak")
    for split in data.splits.values():
        for image, label, place in zip(split.inputs, split.labels, split.ids):
            pixels = np.asarray(Image.open(tmp_path / table["file"][place]))
            assert np.array_equal(image.transpose(1, 2, 0), pixels)
            assert data.classes[label] == table["kind"][place]
    assert "images at the paths in column 'file'" in data.origin


def test_a_column_says_the_splits(tmp_path):
    words = (["train"] * 5 + ["Validation", "cal", "test", "TEST", "train"]) * 6
    data = load(written(tmp_path, pictures(tmp_path, part=words)), image="file", label="kind", split="part")
    assert data.split_info["sizes"] == {"train": 36, "val": 6, "cal": 6, "test": 12}
    assert data.split_info["given"] == ["train", "val", "cal", "test"]
    assert data.split_info["split"] == "part"


def test_frames_of_one_object_stay_together(tmp_path):
    owner = [f"object {row // 6}" for row in range(60)]
    table = pictures(tmp_path, owner=owner)
    data = load(written(tmp_path, table), image="file", label="kind", group="owner", cal_size=12, test_size=12)
    found = [{owner[place] for place in split.ids} for split in data.splits.values()]
    assert sum(map(len, found)) == 10 == len(set().union(*found))
    assert data.split_info["sizes"] == {"train": 36, "cal": 12, "test": 12}


def test_missing_and_broken_files_are_named_or_left_out(tmp_path):
    table = pictures(tmp_path)
    table["file"][7] = "files/gone.png"
    (tmp_path / table["file"][9]).write_bytes(b"")
    path = written(tmp_path, table)
    with pytest.raises(ValueError, match=r"2 of 60 images .*gone.png \(there is no such file\).*009.png \(it has no b"):
        load(path, image="file", label="kind")
    data = load(path, image="file", label="kind", skip_broken=True)
    assert sum(len(split) for split in data.splits.values()) == 58
    assert data.split_info["broken"] == {"train": ["files/gone.png", "files/one/009.png"]}


def test_an_image_that_is_named_twice_is_pointed_out(tmp_path):
    table = pictures(tmp_path)
    table["file"][1] = table["file"][0]
    data = load(written(tmp_path, table), image="file", label="kind")
    assert any(note.startswith("1 rows name an image that an earlier row names") for note in data.notes)


def test_numbers_and_texts_have_splits_and_groups_too(tmp_path):
    rng = np.random.default_rng(0)
    table = {"x": rng.normal(size=80), "part": ["train", "test"] * 40, "y": [0, 0, 1, 1] * 20}
    table["who"] = [f"{'ab'[row % 2]}{row % 10}" for row in range(80)]
    data = load(written(tmp_path, table, ".jsonl"), label="y", split="part", group="who", cal_size=8)
    assert data.shape == (1,)
    assert len(data.splits["test"]) == 40
    np.testing.assert_allclose(data.splits["test"].inputs[:, 0], table["x"][1::2], rtol=1e-6)
    table["said"] = [f"word{row}" for row in range(80)]
    texts = load(written(tmp_path, table), text="said", label="y", split="part")
    assert texts.split_info["sizes"]["test"] == 40


BAD = {
    "no such image column": ({}, {"image": "fil"}, "has no column 'fil'; did you mean 'file'"),
    "no label": ({}, {"image": "file", "label": None}, "say which column holds the labels with --label"),
    "image is the label": (
        {},
        {"image": "file", "label": "file"},
        r"'file' cannot be both the label and the inputs \(texts or paths\)",
    ),
    "group is the label": ({}, {"image": "file", "group": "kind"}, "'kind' cannot be both the label and the group"),
    "no such group column": (
        {"owner": list(range(60))},
        {"image": "file", "group": "ownr"},
        "has no column 'ownr'; did you mean 'owner'",
    ),
    "an empty group": (
        {"owner": [None, *range(59)]},
        {"image": "file", "group": "owner"},
        r"'owner' says no group in 1 rows, the first is row 0",
    ),
    "no role": (
        {"part": ["train"] * 59 + ["holdout"]},
        {"image": "file", "split": "part"},
        "must say train, val, .* row 59 .* says 'holdout'",
    ),
    "no train": ({"part": ["test"] * 60}, {"image": "file", "split": "part"}, r"no row is of train .*\(there are test"),
    "paths that are numbers": (
        {"n": list(range(60))},
        {"image": "n"},
        "must hold paths of images, but row 0 .*holds 0",
    ),
    "an empty path": ({"p": ["", *["x"] * 59]}, {"image": "p"}, "must hold paths of images, but row 0"),
    "texts and images": ({}, {"image": "file", "text": "kind"}, "exclude each other"),
    "paths as numbers": ({}, {}, "column 'file' is not of numbers .*with --image"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(tmp_path, case):
    others, options, sentence = BAD[case]
    path = written(tmp_path, pictures(tmp_path, **others))
    with pytest.raises(ValueError, match=sentence):
        load(path, **{"label": "kind", **options})


def test_columns_are_of_tables(tmp_path):
    with pytest.raises(ValueError, match="image= has no effect here: it names a column"):
        load("digits", image="file")
    with pytest.raises(ValueError, match="split= has no effect here: it is for tables"):
        load("digits", split="part")


def test_a_file_without_anything(tmp_path):
    for ending in (".csv", ".jsonl"):
        path = tmp_path / f"nothing{ending}"
        path.write_text("")
        with pytest.raises(ValueError, match=rf"nothing{ending} (is empty|cannot be read as csv \(Empty CSV)"):
            load(path, label="kind")


def test_a_column_of_several_kinds_is_named(tmp_path):
    path = tmp_path / "mixed.jsonl"
    path.write_text('{"x": 1, "y": 0}\n{"x": "two", "y": 1}\n')
    with pytest.raises(ValueError, match=r"mixed.jsonl: column 'x' holds values of several kinds"):
        load(path, label="y")
