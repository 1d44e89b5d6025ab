"""Paired comparison: aligned by id or by labels and order, refused with the reason otherwise, and right."""

import numpy as np
import pytest

from levelhead import metrics
from levelhead.evaluate import evaluate
from levelhead.predictions import Predictions

from .conftest import call, network, softmax, table


@pytest.fixture
def two(tmp_path):
    """Two models on the same examples: the second is the first with noise, and twice as sharp."""
    logits, labels = network(1500, 4, 1.0)
    noisy = (2 * (logits + 0.3 * np.random.default_rng(9).normal(size=logits.shape))).astype(np.float32)
    ids = np.array([f"x{k:05d}" for k in range(1500)])
    return logits, noisy, labels, ids


def written(path, logits, labels, ids=None):
    return Predictions(labels=labels, logits=logits, ids=ids).save(path)


def test_differences_are_those_of_the_library(tmp_path, two):
    logits, noisy, labels, _ = two
    files = [written(tmp_path / "a.npz", logits, labels), written(tmp_path / "b.csv", noisy, labels)]
    (pair,) = evaluate(files)["comparisons"]
    wanted = metrics.paired_difference(
        Predictions(labels=labels, logits=noisy), Predictions(labels=labels, logits=logits)
    )
    for name, interval in (("nll_raw", wanted.nll), ("brier_raw", wanted.brier), ("accuracy", wanted.accuracy)):
        assert pair[name]["difference"] == pytest.approx(interval.mean, abs=1e-6)
        assert pair[name]["interval"] == pytest.approx([interval.lo, interval.hi], abs=1e-6)
    assert pair["mcnemar"]["p_value"] == pytest.approx(wanted.mcnemar.p_value)
    assert pair["mcnemar"]["only_first_right"] == wanted.mcnemar.only_second
    assert pair["aligned_by"] == "labels and order"


def test_equal_models_that_differ_in_temperature_only_get_no_credit(tmp_path, two):
    logits, _, labels, _ = two
    files = [written(tmp_path / "a.npz", logits, labels), written(tmp_path / "b.npz", 3 * logits, labels)]
    found = evaluate(files)
    (pair,) = found["comparisons"]
    assert pair["nll_raw"]["interval"][0] > 0
    assert pair["nll_scaled"]["difference"] == pytest.approx(0, abs=1e-4)
    assert pair["mcnemar"]["p_value"] == 1


@pytest.mark.parametrize("memory", [1 << 28, 0])
def test_ids_bring_files_into_one_order(tmp_path, two, memory):
    logits, noisy, labels, ids = two
    straight = [written(tmp_path / "a.npz", logits, labels, ids), written(tmp_path / "b.npz", noisy, labels, ids)]
    order = np.random.default_rng(1).permutation(len(labels))
    mixed = written(tmp_path / "c.npz", noisy[order], labels[order], ids[order])
    (wanted,) = evaluate(straight)["comparisons"]
    (found,) = evaluate([straight[0], mixed], memory=memory)["comparisons"]
    assert found["aligned_by"] == "ids"
    assert found["nll_raw"]["difference"] == pytest.approx(wanted["nll_raw"]["difference"], abs=1e-7)
    assert found["mcnemar"] == wanted["mcnemar"]


def test_files_of_other_examples_are_measured_but_not_paired(tmp_path, two):
    logits, noisy, labels, ids = two
    first = written(tmp_path / "a.npz", logits, labels, ids)
    changed = labels.copy()
    changed[7] = (changed[7] + 1) % 4
    twice = ids.copy()
    twice[1] = twice[0]
    for other, reason in (
        (written(tmp_path / "short.npz", noisy[:-1], labels[:-1]), "1500 and 1499 examples"),
        (written(tmp_path / "labels.npz", noisy, changed), "labels differ"),
        (written(tmp_path / "ids.npz", noisy, labels, np.char.add(ids, "y")), "ids differ"),
        (written(tmp_path / "twice.npz", noisy, labels, twice), "more than once"),
        (written(tmp_path / "other.npz", noisy, changed, ids), "labels of equal ids differ"),
    ):
        found = evaluate([first, other])
        assert reason in found["comparisons"][0]["cannot"], reason
        assert "not compared as a pair" in found["verdict"][0]
        assert found["files"][1]["raw"]["accuracy"] is not None


def test_a_file_of_top_labels_is_compared_by_accuracy(tmp_path, two):
    logits, noisy, labels, _ = two
    probs = softmax(noisy)
    top = table(
        tmp_path / "b.csv",
        {"true": labels, "predicted": probs.argmax(1), "confidence": probs.max(1).astype(np.float64)},
    )
    found = evaluate([written(tmp_path / "a.npz", logits, labels), top])
    (pair,) = found["comparisons"]
    assert "nll_raw" not in pair
    wanted = (noisy.argmax(1) == labels).mean() - (logits.argmax(1) == labels).mean()
    assert pair["accuracy"]["difference"] == pytest.approx(wanted, abs=1e-9)


def test_p_values_of_several_comparisons_are_adjusted(tmp_path, two):
    logits, noisy, labels, _ = two
    rng = np.random.default_rng(2)
    third = (logits + 0.4 * rng.normal(size=logits.shape)).astype(np.float32)
    files = [written(tmp_path / f"{k}.npz", scores, labels) for k, scores in enumerate((logits, noisy, third))]
    for pair in evaluate(files)["comparisons"]:
        assert pair["mcnemar"]["p_value"] <= pair["mcnemar"]["p_adjusted"] <= 2 * pair["mcnemar"]["p_value"] + 1e-12


def test_files_stand_by_the_same_tests_as_the_words(tmp_path, two):
    logits, noisy, labels, _ = two
    other = logits + 0.02 * np.random.default_rng(3).normal(size=logits.shape).astype(np.float32)
    worst = np.random.default_rng(4).normal(size=logits.shape).astype(np.float32)
    files = {"sharp": 2 * noisy, "plain": logits, "near": other, "random": worst}
    found = evaluate([written(tmp_path / f"{name}.npz", each, labels) for name, each in files.items()])
    marks = {
        measure: {row["name"].removesuffix(".npz"): row["mark"] for row in rows}
        for measure, rows in found["standing"].items()
    }
    assert set(marks) == {"accuracy", "nll_raw", "nll_scaled"}
    assert {marks["nll_scaled"][name] for name in ("plain", "near")} == {"best", "same"}
    assert (marks["nll_scaled"]["sharp"], marks["nll_scaled"]["random"]) == ("worse", "worse")
    best = next(row for row in found["standing"]["nll_scaled"] if row["mark"] == "best")
    assert best["difference"] is None
    row = next(row for row in found["standing"]["nll_scaled"] if row["name"] == "sharp.npz")
    names = {entry["name"]: entry["scaled"]["nll"] for entry in found["files"]}
    assert row["difference"] == pytest.approx(names["sharp.npz"] - names[best["name"]], abs=1e-6)
    assert row["interval"][0] > 0


def test_files_of_other_examples_have_no_standing_beside_the_best(tmp_path, two):
    logits, noisy, labels, _ = two
    files = [written(tmp_path / "a.npz", logits, labels), written(tmp_path / "b.npz", noisy[1:], labels[1:])]
    assert {row["mark"] for row in evaluate(files)["standing"]["nll_scaled"]} == {"best", ""}


def test_a_gate_fails_where_a_file_is_worse_than_the_first_beyond_chance(tmp_path, two):
    logits, _, labels, _ = two
    sharp = written(tmp_path / "sharp.npz", 3 * logits, labels)
    plain = written(tmp_path / "plain.npz", logits, labels)

    def met(first, second, **options):
        return [gate["met"] for gate in evaluate([first, second], not_worse=["nll", "accuracy"], **options)["gates"]]

    assert met(plain, sharp) == [False, True]  # the answers are the same
    assert met(plain, sharp, gate_on="scaled") == [True, True]
    assert met(sharp, plain) == [True, True]
    status, output, errors = call("plain.npz", "sharp.npz", "--not-worse", "nll", "--report", "p.html", cwd=tmp_path)
    assert status == 3
    assert "GATE NOT MET: --not-worse nll: NLL (raw) differs by +" in output
    assert "from plain.npz" in errors
    assert "not worse than plain.npz beyond chance" in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_a_right_answer_at_probability_zero_is_no_better_whatever_the_rest(tmp_path):
    labels = np.random.default_rng(0).integers(0, 2, 1000)
    for name, sure in (("a", 0.7), ("b", 0.71)):
        probs = np.where(labels[:, None] == np.arange(2), sure, 1 - sure)
        probs[:20] = probs[:20] if name == "a" else labels[:20, None] != np.arange(2)
        np.savez(tmp_path / f"{name}.npz", probs=probs, labels=labels)
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for state in ("raw", "scaled"):
        found = evaluate(files, not_worse=["nll"], gate_on=state)
        (gate,), (pair,) = found["gates"], found["comparisons"]
        assert pair[f"nll_{state}"] == {"difference": None, "interval": None, "infinite": 20}
        assert (gate["met"], gate["value"], gate["reason"]) == (False, None, "infinite for 20 of 1000 examples")
        assert "NLL as they come is not compared: it is infinite for 20 of the examples." in found["verdict"]
        assert not any("is better" in sentence for sentence in found["verdict"])


def test_a_difference_without_an_interval_meets_no_gate(tmp_path):
    for name, sure in (("a", 0.7), ("b", 0.6)):
        np.savez(tmp_path / f"{name}.npz", probs=[[sure, 1 - sure]], labels=[0])
    (gate,) = evaluate([tmp_path / "a.npz", tmp_path / "b.npz"], not_worse=["nll"])["gates"]
    assert (gate["met"], gate["reason"]) == (False, "the difference has no interval")


def test_a_gate_on_differences_needs_pairs_and_a_known_measure(tmp_path, two):
    logits, noisy, labels, _ = two
    files = [written(tmp_path / "a.npz", logits, labels), written(tmp_path / "b.npz", noisy[1:], labels[1:])]
    (gate,) = evaluate(files, not_worse=["brier"])["gates"]
    assert (gate["met"], gate["reason"]) == (False, "they hold 1500 and 1499 examples")
    with pytest.raises(ValueError, match="give at least two"):
        evaluate(files[:1], not_worse=["nll"])
    with pytest.raises(ValueError, match="unknown measure for --not-worse 'ece'"):
        evaluate(files, not_worse=["ece"])


@pytest.mark.parametrize("errs", [True, False])
def test_no_temperature_mends_a_label_with_probability_0(tmp_path, errs):
    logits, labels = network(600, 4, 2.0)
    probs = softmax(logits if errs else 3.0 * np.eye(4)[labels])
    probs[:7] = np.eye(4)[(labels[:7] + 1) % 4]
    np.savez(tmp_path / "a.npz", probs=probs, labels=labels)
    found = evaluate([tmp_path / "a.npz"])
    said = " ".join(found["verdict"])
    assert found["raw"]["nll"] is None
    assert "NLL by" not in said
    expected = "NLL stays infinite" if errs else "every label that has a probability at all has the highest score"
    assert expected in said
    assert ("(7 examples)" in said) == errs
