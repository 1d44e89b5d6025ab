"""Every format gives the same numbers; columns are found by name; what is unclear is asked, never guessed."""

import json
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from levelhead import metrics
from levelhead.evaluate import evaluate

from .conftest import network, softmax, table


def one(path, **options):
    return evaluate([path], **options)


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".parquet", ".csv"])
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_every_format_gives_the_measures_of_the_library(tmp_path, outputs, ending, kind):
    from levelhead.predictions import Predictions

    logits, labels = outputs
    scores = {kind: logits if kind == "logits" else softmax(logits)}
    path = Predictions(labels=labels, **scores, classes=tuple("abcde"), role="test").save(tmp_path / f"p{ending}")
    found = one(path)
    for name in ("accuracy", "nll", "brier", "gap", "ece", "oe", "mce", "classwise_ece", "adaptive_ece", "aurc"):
        wanted = getattr(metrics, name)(**scores, labels=labels)
        # a table of text is read in float64, and worked in it
        tolerance = 1e-6 if ending == ".csv" else 1e-12
        assert found["raw"][name] == pytest.approx(wanted, abs=tolerance), name
    assert (found["n"], found["num_classes"], found["kind"]) == (2000, 5, kind)
    assert found["role"] == "test"


def test_arrays_of_an_archive_in_any_order_and_layout(tmp_path, outputs):
    logits, labels = outputs
    wanted = metrics.ece(logits=logits, labels=labels)
    np.savez_compressed(tmp_path / "deflated.npz", y_true=labels.astype(np.int32), test_logits=logits)
    np.savez(tmp_path / "fortran.npz", logits=np.asfortranarray(logits), labels=labels)
    np.savez(tmp_path / "double.npz", logits=logits.astype(">f8"), labels=labels.astype(">i4"))
    for name in ("deflated", "fortran", "double"):
        assert one(tmp_path / f"{name}.npz")["raw"]["ece"] == pytest.approx(wanted, abs=1e-7), name
    assert "Fortran" in one(tmp_path / "fortran.npz")["notes"][0]


def test_narrow_tensors(tmp_path, outputs):
    logits, labels = outputs
    for dtype in (torch.bfloat16, torch.float16):
        scores = torch.from_numpy(logits).to(dtype)
        save_file({"logits": scores, "labels": torch.from_numpy(labels)}, tmp_path / "p.safetensors")
        found = one(tmp_path / "p.safetensors")
        assert found["raw"]["nll"] == pytest.approx(metrics.nll(logits=scores, labels=labels), abs=1e-12)
    probs = torch.from_numpy(softmax(logits)).bfloat16()
    save_file({"probs": probs, "labels": torch.from_numpy(labels)}, tmp_path / "p.safetensors")
    assert one(tmp_path / "p.safetensors")["raw"]["brier"] == pytest.approx(metrics.brier(probs=probs, labels=labels))


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_columns_named_after_the_classes_and_labels_in_words(tmp_path, ending):
    logits, labels = network(classes=3)
    names = ("cat", "dog", "a heron")
    probs = softmax(logits)
    columns = {f"probs_{name}": probs[:, k].astype(np.float64) for k, name in enumerate(names)}
    path = table(tmp_path / f"p{ending}", {"target": [names[k] for k in labels], **columns})
    found = one(path)
    assert found["classes"] == list(names)
    assert found["raw"]["accuracy"] == metrics.accuracy(probs=probs, labels=labels)
    assert {row["class"] for row in found["per_class"]["raw"]} == set(names)


def test_columns_without_a_clear_name_need_a_word(tmp_path):
    logits, labels = network(classes=2)
    path = table(tmp_path / "p.csv", {"label": labels, "cat": logits[:, 0], "dog": logits[:, 1]})
    with pytest.raises(ValueError, match="--logits or --probs"):
        one(path)
    found = one(path, kind="logits")
    assert found["raw"]["nll"] == pytest.approx(metrics.nll(logits=logits, labels=labels), abs=1e-6)
    assert found["classes"] == ["cat", "dog"]


def test_logits_inside_the_unit_interval_are_taken_at_their_name(tmp_path):
    logits = np.random.default_rng(0).uniform(0, 1, (50, 2))
    np.savez(tmp_path / "p.npz", logits=logits, labels=np.zeros(50, int))
    assert one(tmp_path / "p.npz")["raw"]["ece"] == metrics.ece(logits=logits, labels=np.zeros(50, int))


def test_lists_in_a_parquet_column(tmp_path, outputs):
    logits, labels = outputs
    path = table(tmp_path / "p.parquet", {"labels": labels, "logits": logits.tolist()})
    assert one(path)["raw"]["ece"] == pytest.approx(metrics.ece(logits=logits, labels=labels), abs=1e-7)
    path = table(tmp_path / "ragged.parquet", {"labels": [0, 1], "logits": [[1.0, 2.0], [1.0, 2.0, 3.0]]})
    with pytest.raises(ValueError, match="differ in length"):
        one(path)


def test_one_column_is_that_of_the_second_of_two_classes(tmp_path):
    logits, labels = network(classes=2)
    probs = softmax(logits)
    path = table(tmp_path / "p.csv", {"label": labels, "prob": probs[:, 1]})
    found = one(path)
    assert found["raw"]["nll"] == pytest.approx(metrics.nll(probs=probs, labels=labels), abs=1e-5)
    assert "class 1" in found["notes"][0]
    np.savez(tmp_path / "z.npz", logits=logits[:, 1] - logits[:, 0], labels=labels)
    assert one(tmp_path / "z.npz")["raw"]["nll"] == pytest.approx(metrics.nll(logits=logits, labels=labels), abs=1e-6)


@pytest.mark.parametrize("words", [False, True])
def test_true_predicted_confidence_gives_the_top_label_measures(tmp_path, words):
    logits, labels = network(classes=40)
    probs = softmax(logits)
    said = [f"n{k}" for k in range(40)] if words else list(range(40))
    path = table(
        tmp_path / "p.csv",
        {
            "true": [said[k] for k in labels],
            "predicted": [said[k] for k in probs.argmax(1)],
            "confidence": probs.max(1),
        },
    )
    found = one(path)
    for name in ("accuracy", "gap", "ece", "oe", "mce", "ace", "rmsce", "debiased_ece"):
        assert found["raw"][name] == pytest.approx(getattr(metrics, name)(probs=probs, labels=labels), abs=1e-7), name
    for name in ("adaptive_ece", "aurc", "augrc", "smooth_ece"):
        wanted = getattr(metrics, name)(probs=probs, labels=labels)
        assert found["raw"][name] == pytest.approx(wanted, abs=5e-4), name
    assert "nll" not in found["raw"]
    assert "scaled" not in found
    assert "NLL, Brier score" in found["verdict"][-1]


def test_labels_that_are_whole_floats_or_digits_are_integers(tmp_path, outputs):
    logits, labels = outputs
    np.savez(tmp_path / "p.npz", logits=logits, labels=labels.astype(float))
    assert one(tmp_path / "p.npz")["raw"]["accuracy"] == metrics.accuracy(logits=logits, labels=labels)
    np.savez(tmp_path / "p.npz", logits=logits, labels=labels[:, None])
    assert one(tmp_path / "p.npz")["raw"]["accuracy"] == metrics.accuracy(logits=logits, labels=labels)


# ---- what is refused, with the reason


def refused(path, *words, **options):
    with pytest.raises(ValueError) as caught:
        one(path, **options)
    for word in (str(path), *words):
        assert word in str(caught.value), caught.value


def test_pickles_are_refused_with_the_reason(tmp_path):
    for ending in (".pkl", ".pickle", ".pt", ".pth", ".npy", ".joblib"):
        (tmp_path / f"p{ending}").write_bytes(b"")
        refused(tmp_path / f"p{ending}", "pickle", "run code", "numpy.savez")
    np.savez(tmp_path / "p.npz", logits=np.zeros((2, 2)), labels=np.array([0, "1"], dtype=object))
    refused(tmp_path / "p.npz", "labels", "Python objects", "pickle", "astype")


def test_other_endings_and_missing_files(tmp_path):
    (tmp_path / "p.h5").write_bytes(b"")
    refused(tmp_path / "p.h5", ".npz", ".parquet")
    refused(tmp_path / "none.npz", "no such file")


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".parquet", ".csv"])
@pytest.mark.parametrize("keep", [0, 20, 0.5, 0.98])
def test_files_cut_short(tmp_path, outputs, ending, keep):
    from levelhead.predictions import Predictions

    path = Predictions(labels=outputs[1], logits=outputs[0]).save(tmp_path / f"p{ending}")
    whole = path.read_bytes()
    size = keep if isinstance(keep, int) else int(keep * len(whole))
    if ending == ".csv":
        size = whole.rfind(b",", 0, max(size, 1)) if size > 30 else size  # a row with a missing cell
    path.write_bytes(whole[: max(size, 0)])
    refused(path)


def test_a_flipped_byte_in_an_archive(tmp_path, outputs):
    path = tmp_path / "p.npz"
    np.savez_compressed(path, logits=outputs[0], labels=outputs[1])
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 255
    path.write_bytes(contents)
    refused(path, "not a complete npz")


def test_an_archive_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.npz", "w") as archive:
        archive.writestr("logits.npy", b"hello")
    refused(tmp_path / "p.npz", "no array")


@pytest.mark.parametrize("memory", [1 << 28, 0])
def test_scores_that_no_measure_takes_are_counted_over_the_whole_file(tmp_path, memory):
    logits, labels = network(600_000, 2)
    for rows, value, why in (
        ([300_000, 599_999], np.nan, "NaN"),
        ([7], np.inf, "plus infinity"),
        ([9, 10, 11], -np.inf, "minus infinity for every class"),
    ):
        broken = logits.copy()
        broken[rows] = value
        np.savez(tmp_path / "p.npz", logits=broken, labels=labels)
        refused(tmp_path / "p.npz", f"{len(rows)} of 600000", why, f"first is row {rows[0]}", memory=memory)
    np.savez(tmp_path / "p.npz", probs=logits, labels=labels)
    refused(tmp_path / "p.npz", "negative", "name them logits")
    np.savez(tmp_path / "p.npz", probs=np.full((5, 2), 0.4), labels=np.zeros(5, int))
    refused(tmp_path / "p.npz", "sum to one", "5 of 5")


def test_labels_that_name_no_class(tmp_path):
    logits, labels = network(20, 3)
    for bad, words in (
        (labels + 1, ("in [0, 3)", "counted from 1")),
        (labels - 1, ("in [0, 3)",)),
        (np.where(labels == 0, 255, labels), ("255",)),
        (labels + 0.5, ("whole numbers", f"{labels[0] + 0.5:g}")),
        (np.eye(4)[labels], ("each of 3 classes", "not (N, 4)")),
        (labels[:-1], ("differ in their number of rows", "20", "19")),
    ):
        np.savez(tmp_path / "p.npz", logits=logits, labels=bad)
        refused(tmp_path / "p.npz", *words)
    names = np.array([f"c{k}" for k in labels])
    np.savez(tmp_path / "p.npz", logits=logits, labels=names)
    refused(tmp_path / "p.npz", "is a word", "c")
    np.savez(tmp_path / "p.npz", logits=logits, labels=names, classes=np.array(["c0", "c1", "c2"]))
    assert one(tmp_path / "p.npz")["raw"]["accuracy"] == metrics.accuracy(logits=logits, labels=labels)
    np.savez(tmp_path / "p.npz", logits=logits, labels=labels, classes=np.array(["c0", "c1"]))
    refused(tmp_path / "p.npz", "2 class names for 3 columns")


def test_labels_of_an_ood_file_are_not_looked_at(tmp_path, outputs):
    logits, labels = outputs
    np.savez(tmp_path / "p.npz", logits=logits, labels=labels)
    for strange in (np.full(9, 77), np.full((9, 4), 0.3), np.array(["a frog"] * 9), np.full(9, np.nan)):
        np.savez(tmp_path / "o.npz", logits=logits[:9] / 2, labels=strange)
        assert evaluate([tmp_path / "p.npz"], ood=[tmp_path / "o.npz"])["ood"]["n_out"] == 9


def test_shapes(tmp_path):
    labels = np.zeros(4, int)
    np.savez(tmp_path / "p.npz", logits=np.zeros((4, 3, 2)), labels=labels)
    refused(tmp_path / "p.npz", "(N, C)", "reshape")
    np.savez(tmp_path / "p.npz", logits=np.zeros((0, 3)), labels=labels[:0])
    refused(tmp_path / "p.npz", "no example")
    table(tmp_path / "p.csv", {"label": np.zeros(0, int), "logits_0": np.zeros(0), "logits_1": np.zeros(0)})
    refused(tmp_path / "p.csv", "no example")


def test_columns_that_are_missing_or_too_many(tmp_path):
    logits, labels = network(20, 3)
    for columns, words in (
        ({"logits": logits}, ("needs labels", "logits")),
        ({"labels": labels}, ("needs `logits` or `probs`", "labels")),
        ({"target": labels, "y": labels, "logits": logits}, ("--label",)),
        ({"labels": labels, "logits": logits, "probs": softmax(logits)}, ("both logits and probabilities",)),
        ({"labels": labels, "a_logits": logits, "b_logits": logits}, ("--scores",)),
        ({"labels": labels, "logits": logits.astype(str)}, ("logits must hold numbers",)),
        ({"labels": labels, "output": logits}, ("--logits or --probs", "never guessed")),
    ):
        np.savez(tmp_path / "p.npz", **columns)
        refused(tmp_path / "p.npz", *words)
    np.savez(tmp_path / "p.npz", labels=labels, y=labels, logits=logits, old_logits=-logits)
    found = one(tmp_path / "p.npz")
    assert found["raw"]["nll"] == pytest.approx(metrics.nll(logits=logits, labels=labels))
    assert "The scores are `logits`; the file also has old_logits" in found["notes"][0]
    assert "The labels are `labels`; the file also has y" in found["notes"][1]
    np.savez(tmp_path / "p.npz", labels=labels, y=labels, a_logits=logits, b_logits=-logits)
    wanted = metrics.nll(logits=-logits, labels=labels)
    found = one(tmp_path / "p.npz", scores="b_logits", label="y")
    assert found["raw"]["nll"] == pytest.approx(wanted)
    refused(tmp_path / "p.npz", "c_logits", "There are", scores="c_logits", label="y")
    np.savez(tmp_path / "p.npz", labels=labels, logits=logits)
    refused(tmp_path / "p.npz", "told that they are probs", kind="probs")
    table(tmp_path / "p.csv", {"label": labels, "logits_0": logits[:, 0], "logits_2": logits[:, 2]})
    refused(tmp_path / "p.csv", "logits_1 is missing")


def test_cells_that_are_empty_or_words(tmp_path):
    (tmp_path / "p.csv").write_text("label,probs_0,probs_1\n0,0.5,0.5\n1,,0.5\n")
    refused(tmp_path / "p.csv", "probs_0", "empty cell", "row 1")
    (tmp_path / "p.csv").write_text("label,probs_0,probs_1\n0,0.5,0.5\n1,NaN,0.5\n")
    refused(tmp_path / "p.csv", "NaN", "row 1")
    (tmp_path / "p.csv").write_text("label,probs_0,probs_1\n0,0.5,0.5\n1,half,0.5\n")
    refused(tmp_path / "p.csv", "probs_0", "numbers")
    (tmp_path / "p.csv").write_text("label,probs_0,probs_1\n0,0.5,0.5\n" + "1,0.5,0.5\n" * 900_000 + "1,half,0.5\n")
    refused(tmp_path / "p.csv", "half")
    (tmp_path / "p.csv").write_text(
        "label,probs_0,probs_1,role\n0,0.5,0.5,cal\n" + "1,0.5,0.5,cal\n" * 90_000 + "1,1,0,test\n"
    )
    refused(tmp_path / "p.csv", "several roles (cal, test)", memory=0)
    (tmp_path / "p.csv").write_text("label,label,probs_0,probs_1\n0,0,0.5,0.5\n")
    refused(tmp_path / "p.csv", "several columns called 'label'")
    for mark in (";", "\t"):
        (tmp_path / "p.csv").write_text("label,probs_0,probs_1\n0,0.5,0.5\n".replace(",", mark))
        refused(tmp_path / "p.csv", f"separated by {mark!r}")
    (tmp_path / "p.csv").write_text("label,probs_cat,probs_dog,probs_ant\n0,0.5,0.5,none\n")
    refused(tmp_path / "p.csv", "probs_ant must hold numbers")
    (tmp_path / "p.csv").write_text("label,probs_0\n0,0.5\n1,0.6\n")
    refused(tmp_path / "p.csv", "needs `logits` or `probs`")
    (tmp_path / "p.csv").write_text("true,predicted,confidence\n1,1,90\n")
    refused(tmp_path / "p.csv", "[0, 1]", "row 0", "per cent")


def test_a_conflict_in_the_class_names(tmp_path):
    np.savez(tmp_path / "p.npz", logits=np.zeros((2, 2)), labels=np.zeros(2, int), classes=np.array("{not json"))
    refused(tmp_path / "p.npz", "not JSON")
    np.savez(
        tmp_path / "p.npz", logits=np.zeros((2, 2)), labels=np.zeros(2, int), classes=np.array(json.dumps(["a", "b"]))
    )
    assert one(tmp_path / "p.npz")["classes"] == ["a", "b"]
