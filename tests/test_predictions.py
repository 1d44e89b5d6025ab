"""The predictions record: what it accepts, and that every format gives back what was written."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from levelhead.predictions import Predictions

FORMATS = (".safetensors", ".npz", ".parquet", ".csv")
LOGITS = np.array([[1.5, -2.25, 0.1], [0.0, 3.0, -np.inf], [7.0, 0.3, 1e-30]], dtype=np.float32)
PROBS = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0], [1 / 3, 1 / 3, 1 / 3]])
LABELS = np.array([0, 1, 2])


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize(
    "ids", [None, np.array([7, -1, 2**60]), np.array(["a", "007", ""]), np.array(["x,y", 'quo"te', "é 漢"])]
)
def test_what_is_written_is_read_back(tmp_path, ending, kind, ids):
    scores = LOGITS if kind == "logits" else PROBS
    written = Predictions(
        labels=LABELS, **{kind: scores}, ids=ids, role="cal", classes=("cat", "dog", "é"), meta={"run": "ab12"}
    )
    path = tmp_path / f"predictions{ending}"
    assert written.save(path) == path
    read = Predictions.load(path)
    assert list(read.scores) == [kind]
    np.testing.assert_array_equal(read.scores[kind], scores)
    np.testing.assert_array_equal(read.labels, LABELS)
    assert read.labels.dtype == np.int64
    assert (read.ids is None) == (ids is None)
    if ids is not None:
        np.testing.assert_array_equal(read.ids, ids)
    assert read.role == "cal"
    if ending != ".csv":  # which has no place for these
        assert read.scores[kind].dtype == scores.dtype
        assert read.classes == ("cat", "dog", "é")
        assert dict(read.meta) == {"run": "ab12"}


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=6))
@settings(max_examples=50, deadline=None)
def test_csv_loses_no_bit(tmp_path_factory, row):
    path = tmp_path_factory.mktemp("csv") / "p.csv"
    logits = np.array([row], dtype=np.float32)
    Predictions(labels=np.array([0]), logits=logits).save(path)
    np.testing.assert_array_equal(Predictions.load(path).logits, logits)


def test_columns_may_stand_in_any_order_and_beside_others(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("split,probs_1,label,probs_0,id\nx,0.25,1,0.75,b\ny,0.5,0,0.5,a\n")
    read = Predictions.load(path)
    np.testing.assert_array_equal(read.probs, [[0.75, 0.25], [0.5, 0.5]])
    assert read.labels.tolist() == [1, 0]
    assert read.ids.tolist() == ["b", "a"]
    assert read.role == "unknown"


def test_eleven_columns_are_ordered_by_number(tmp_path):
    path = tmp_path / "p.csv"
    Predictions(labels=np.array([10]), logits=np.arange(11.0)[None]).save(path)
    np.testing.assert_array_equal(Predictions.load(path).logits, np.arange(11.0)[None])


def test_somebody_elses_npz_needs_scores_and_labels_only(tmp_path):
    path = tmp_path / "p.npz"
    np.savez(path, probs=PROBS, labels=LABELS.astype(np.uint8), classes=np.array(["a", "b", "c"]), extra=np.ones(2))
    read = Predictions.load(path)
    assert read.classes == ("a", "b", "c")
    assert read.labels.dtype == np.int64


def test_tensors_are_taken():
    bfloat = Predictions(labels=torch.tensor([0, 1]), logits=torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True))
    assert bfloat.logits.dtype == np.float32
    assert isinstance(bfloat.labels, np.ndarray)


def test_arrays_are_not_copied():
    predictions = Predictions(labels=LABELS, logits=LOGITS)
    assert predictions.logits is LOGITS
    assert predictions.labels is LABELS


def test_counts():
    predictions = Predictions(labels=LABELS, logits=LOGITS)
    assert (predictions.num_examples, predictions.num_classes) == (3, 3)
    assert predictions.scores["logits"] is predictions.logits


def test_names_of_ours_go_before_others_that_would_do(tmp_path):
    more = {
        "y": LABELS[:2],
        "test_logits": PROBS[:, ::-1],
        "test_probs": PROBS,
        "prob": np.ones((3, 2, 2)),
        "ID": PROBS,
    }
    np.savez(tmp_path / "p.npz", logits=LOGITS, labels=LABELS, ids=np.arange(3), **more)
    np.testing.assert_array_equal(Predictions.load(tmp_path / "p.npz").logits, LOGITS)
    with zipfile.ZipFile(tmp_path / "p.npz", "a") as archive:
        archive.writestr("README.txt", "not an array")
    np.testing.assert_array_equal(Predictions.load(tmp_path / "p.npz").labels, LABELS)
    path = tmp_path / "p.csv"
    path.write_text(
        "target,label,logits_0,logits_1,softmax_note,prob,ids,old_probs_0,old_probs_1\n9,1,0.5,2,sure,0.8,0.5,1,0\n"
    )
    read = Predictions.load(path)
    assert (read.logits.tolist(), read.labels.tolist()) == ([[0.5, 2.0]], [1])


def test_what_others_call_it_is_found_and_what_is_unclear_is_said(tmp_path):
    np.savez(tmp_path / "p.npz", test_probs=PROBS, y_true=LABELS.astype(float), output=LOGITS)
    np.testing.assert_array_equal(Predictions.load(tmp_path / "p.npz").probs, PROBS)
    said = Predictions.load(tmp_path / "p.npz", kind="logits", scores="output", label="y_true")
    np.testing.assert_array_equal(said.logits, LOGITS)
    np.savez(tmp_path / "p.npz", a_logits=LOGITS, b_logits=-LOGITS, labels=LABELS)
    with pytest.raises(ValueError, match=r"a_logits and b_logits: say which with --scores NAME \(scores='NAME'\)"):
        Predictions.load(tmp_path / "p.npz")
    np.savez(tmp_path / "p.npz", logits=LOGITS, labels=PROBS)
    with pytest.raises(ValueError, match=r"labels must have shape \(N,\).*levelhead evaluate.*argmax"):
        Predictions.load(tmp_path / "p.npz")
    path = tmp_path / "p.csv"
    path.write_text("true,predicted,confidence\n1,1,0.9\n")
    with pytest.raises(ValueError, match="holds only the predicted class"):
        Predictions.load(path)


@pytest.mark.parametrize("ending", FORMATS[:3])
def test_no_example_and_arrays_that_may_be_written_to(tmp_path, ending):
    empty = Predictions(labels=LABELS[:0], logits=LOGITS[:0]).save(tmp_path / f"p{ending}")
    read = Predictions.load(empty)
    assert (read.num_examples, read.num_classes, read.logits.dtype) == (0, 3, np.float32)
    read = Predictions.load(Predictions(labels=LABELS, logits=LOGITS).save(empty))
    read.logits[0, 0] = 9
    read.labels[0] = 1


def test_a_row_longer_than_a_block_of_text(tmp_path):
    wide = np.random.default_rng(0).normal(size=(3, 30_000))
    path = Predictions(labels=LABELS, logits=wide).save(tmp_path / "p.csv")
    assert path.stat().st_size / 4 > 1 << 19
    np.testing.assert_array_equal(Predictions.load(path).logits, wide)


# ---- what is refused


@pytest.mark.parametrize("ending", [".pkl", ".pt", ".pth", ".npy"])
def test_pickles_are_refused_with_the_reason(tmp_path, ending):
    path = tmp_path / f"p{ending}"
    torch.save({"logits": torch.ones(2, 3)}, path)
    with pytest.raises(ValueError, match="run code when"):
        Predictions.load(path)
    with pytest.raises(ValueError, match="run code when"):
        Predictions(labels=LABELS, logits=LOGITS).save(path)


def test_a_pickle_inside_an_npz_is_not_opened(tmp_path):
    path = tmp_path / "p.npz"

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    np.savez(path, logits=np.array([Bomb()], dtype=object), labels=np.array([0]))
    with pytest.raises(ValueError, match="npz"):
        Predictions.load(path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("ending", [".txt", "", ".h5"])
def test_other_endings_are_refused(tmp_path, ending):
    with pytest.raises(ValueError, match=r"are \.safetensors, \.npz, \.parquet, \.csv files"):
        Predictions.load(tmp_path / f"p{ending}")


@pytest.mark.parametrize("ending", FORMATS)
def test_a_missing_file_is_named(tmp_path, ending):
    path = tmp_path / f"nowhere{ending}"
    with pytest.raises(ValueError, match=r"nowhere.*there is no such file"):
        Predictions.load(path)


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".parquet"])
@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.95])
def test_a_file_cut_short_is_refused(tmp_path, ending, kept):
    path = tmp_path / f"p{ending}"
    Predictions(labels=np.zeros(50, dtype=int), logits=np.random.default_rng(0).normal(size=(50, 4))).save(path)
    contents = path.read_bytes()
    path.write_bytes(contents[: kept if isinstance(kept, int) else int(len(contents) * kept)])
    with pytest.raises(ValueError, match=rf"p\{ending}: not a complete"):
        Predictions.load(path)


def test_a_csv_cut_short_is_refused(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("label,logits_0,logits_1\n0,1.0,2.0\n1,3")
    with pytest.raises(ValueError, match=r"p\.csv: not a complete csv file"):
        Predictions.load(path)
    path.write_text("")
    with pytest.raises(ValueError, match=r"p\.csv: not a complete csv file"):
        Predictions.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,score\n0,1\n", r"needs `logits` or `probs`.*but holds label, score"),
        ("a,b\n0,1\n", r"needs labels, but holds a, b"),
        ("logits_0,logits_1\n0,1\n", r"needs labels.*name the column label"),
        ("label,logits_0,logits_2\n0,1,2\n", r"logits_1 is missing"),
        ("label,logits_0,logits_1\n0,1,\n", r"column logits_1 has an empty cell in row 0"),
        ("label,logits_0,logits_1\n0,1,x\n", r"column logits_1 must hold numbers"),
        ("label,logits_0,logits_1\ncat,1,2\n", r"the label 'cat' is a word that no class has"),
        ("label,logits_0,logits_1\n0.5,1,2\n", r"labels must be whole numbers.*0\.5 in row 0"),
        ("label,logits_0,logits_1\n0,1,2\n,1,2\n", r"column label has an empty cell in row 1"),
        ("label,logits_0,logits_1\n5,1,2\n", r"labels must lie in \[0, 2\)"),
        ("label,logits_0,logits_1\n0,nan,2\n", r"logits of 1 of 1 rows hold NaN"),
        ("label,logits_0,logits_1,probs_0,probs_1\n0,1,2,0.5,0.5\n", r"both logits and probabilities"),
        ("label,logits_0,logits_1,role\n0,1,2,cal\n0,1,2,test\n", r"several roles \(cal, test\)"),
        ("label,logits_0,logits_1,role\n0,1,2,holdout\n", r"role must be one of"),
        ("label;logits_0;logits_1\n0;0,5;-0,5\n", r"columns are separated by ';'"),
        ("2,0.16,-.08e-2\n0,0.5,0.6\n", r"the first line must hold the names.*but holds numbers: 2,0\.16"),
    ],
)
def test_a_csv_that_is_no_predictions_is_refused_with_its_path(tmp_path, text, message):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"p\.csv.*{message}"):
        Predictions.load(path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "got neither"),
        ({"logits": LOGITS, "probs": PROBS}, "got both"),
        ({"logits": LOGITS[0]}, r"must have shape \(N, C\)"),
        ({"logits": LOGITS[:, :1]}, r"must have shape \(N, C\)"),
        ({"logits": LOGITS[:2]}, r"labels must have shape \(2,\)"),
        ({"logits": LOGITS, "labels": np.array([0, 1, -1])}, r"1 of 3 do not, the first is -1 at index 2"),
        ({"logits": LOGITS, "labels": np.array([0, 3, 255])}, r"2 of 3 do not, the first is 3 at index 1"),
        ({"logits": LOGITS, "labels": np.array([0.0, 1, 2])}, "labels must be integers, got dtype float64"),
        ({"logits": np.where(LOGITS == 3, np.nan, LOGITS)}, "1 of 3 rows hold NaN, the first is row 1"),
        ({"logits": np.where(LOGITS == 3, np.inf, LOGITS)}, "1 of 3 rows hold plus infinity.*the first is row 1"),
        ({"logits": np.full((3, 2), -np.inf), "labels": LABELS % 2}, "3 of 3 rows are minus infinity"),
        ({"probs": PROBS * 1.01}, "3 of 3 rows do not sum to one within 0.001"),
        ({"probs": np.array([[1.5, -0.5]] * 3), "labels": LABELS % 2}, "3 of 3 rows hold a negative number"),
        ({"logits": LOGITS.astype(str)}, "logits must be numbers"),
        ({"logits": LOGITS, "ids": np.arange(2)}, r"ids must have shape \(3,\)"),
        ({"logits": LOGITS, "ids": np.array([0.5, 1, 2])}, "ids must be integers or strings"),
        ({"logits": LOGITS, "role": "Test"}, "role must be one of train, val, cal, test, unknown"),
        ({"logits": LOGITS, "classes": ("a", "b")}, "2 class names were given for 3 columns"),
    ],
)
def test_what_is_no_predictions_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Predictions(**{"labels": LABELS, **given})


# ---- how it is written


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "p.npz"
    Predictions(labels=LABELS, logits=LOGITS).save(path)
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Predictions(labels=LABELS, probs=PROBS).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


def test_the_folder_is_made_and_the_file_is_as_readable_as_any(tmp_path):
    path = Predictions(labels=LABELS, logits=LOGITS).save(tmp_path / "a" / "b" / "p.safetensors")
    plain = tmp_path / "plain"
    plain.write_text("")
    assert path.stat().st_mode == plain.stat().st_mode


def test_the_safetensors_header_is_plain_text(tmp_path):
    path = tmp_path / "p.safetensors"
    Predictions(labels=LABELS, logits=LOGITS, role="val", classes=("a", "b", "c")).save(str(path))
    contents = Path(path).read_bytes()
    header = json.loads(contents[8 : 8 + int.from_bytes(contents[:8], "little")])
    assert json.loads(header["__metadata__"]["levelhead"])["role"] == "val"
    assert sorted(k for k in header if k != "__metadata__") == ["labels", "logits"]


def test_the_record_cannot_be_changed_by_accident():
    predictions = Predictions(labels=LABELS, logits=LOGITS, meta={"a": "b"})
    with pytest.raises(AttributeError):
        predictions.role = "test"
    with pytest.raises(TypeError):
        predictions.meta["a"] = "c"
