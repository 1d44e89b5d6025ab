"""What holds for every measure whatever the scores: order, names of classes, copies, and the bounds between them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from levelhead import metrics

from .synthetic import overconfident, two_columns

ALL = ("accuracy", "top5", "nll", "brier", "gap", "ece", "oe", "mce", "ace", "rmsce", "debiased_ece")
ALL += ("classwise_ece", "adaptive_ece", "smooth_ece", "aurc")
BOUNDED = tuple(name for name in ALL if name not in ("nll", "brier", "gap"))


@st.composite
def given_scores(draw):
    n = draw(st.integers(1, 25))
    scores = draw(arrays(np.int64, (n, 3), elements=st.integers(-5, 5)))  # whole numbers, so that many tie
    labels = draw(arrays(np.int64, n, elements=st.integers(0, 2)))
    return {"logits": scores.astype(float), "labels": labels}


def every(scores):
    return {name: getattr(metrics, name)(**scores) for name in ALL}


@given(given_scores(), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_examples_does_not_matter(scores, random):
    order = list(range(len(scores["labels"])))
    random.shuffle(order)
    assert every({k: v[order] for k, v in scores.items()}) == pytest.approx(every(scores), abs=1e-12)


@given(given_scores())
@settings(max_examples=40)
def test_every_example_twice_is_the_same_but_for_what_depends_on_their_number(scores):
    twice = every({k: np.concatenate([v, v]) for k, v in scores.items()})
    for name, value in every(scores).items():
        if name not in ("debiased_ece", "aurc", "adaptive_ece"):  # these know how many there are
            assert twice[name] == pytest.approx(value, abs=1e-12), name


@given(given_scores(), st.permutations(range(3)))
@settings(max_examples=40)
def test_the_names_of_classes_do_not_matter_where_none_tie(scores, names):
    untied = scores["logits"] + np.array([0.0, 0.1, 0.2])  # a tie is decided by the class that stands first
    renamed = {"logits": untied[:, list(names)], "labels": np.argsort(names)[scores["labels"]]}
    assert every(renamed) == pytest.approx(every({**scores, "logits": untied}), abs=1e-9)


@given(given_scores(), arrays(np.float64, 25, elements=st.floats(-50, 50)))
@settings(max_examples=40)
def test_adding_a_number_to_a_row_of_logits_changes_nothing(scores, shift):
    moved = {**scores, "logits": scores["logits"] + np.round(shift[: len(scores["labels"]), None])}
    assert every(moved) == pytest.approx(every(scores), abs=1e-9)


@given(given_scores())
@settings(max_examples=60)
def test_bounds_and_the_order_of_the_measures(scores):
    got = every(scores)
    assert all(-1e-12 <= got[name] <= 1 + 1e-12 for name in BOUNDED)
    assert 0 <= got["brier"] <= 2
    assert got["nll"] >= 0
    assert got["oe"] <= got["ece"] + 1e-12  # the weight of a bin is its confidence, at most one
    assert abs(got["gap"]) <= got["ece"] + 1e-12  # the triangle inequality over bins
    assert got["debiased_ece"] <= got["ece"] + 1e-12
    assert got["ece"] <= got["rmsce"] + 1e-12 <= got["mce"] + 2e-12
    assert got["ace"] <= got["mce"] + 1e-12
    assert got["accuracy"] <= got["top5"] == 1
    assert metrics.reliability(**scores).count.sum() == len(scores["labels"])


@given(given_scores(), st.floats(0.1, 10))
@settings(max_examples=40)
def test_a_temperature_changes_neither_accuracy_nor_the_order_of_two_classes(scores, temperature):
    two = {"logits": scores["logits"][:, :2], "labels": scores["labels"] % 2}
    scaled = {**two, "logits": two["logits"] / temperature}
    assert metrics.accuracy(**scaled) == metrics.accuracy(**two)
    assert metrics.aurc(**scaled) == pytest.approx(metrics.aurc(**two), abs=1e-12)
    assert metrics.accuracy_at_coverage(0.5, **scaled) == pytest.approx(metrics.accuracy_at_coverage(0.5, **two))


@given(given_scores())
@settings(max_examples=40)
def test_one_bin_is_the_gap(scores):
    gap = abs(metrics.gap(**scores))
    for name in ("ece", "mce", "ace", "rmsce", "adaptive_ece"):
        assert getattr(metrics, name)(**scores, n_bins=1) == pytest.approx(gap, abs=1e-12), name


@pytest.mark.parametrize("n", [1, 3, 14])
def test_fewer_examples_than_bins_are_no_trouble(n):
    confidence = np.linspace(0.6, 0.9, n)
    labels = np.arange(n) % 2
    got = metrics.adaptive_ece(probs=two_columns(confidence), labels=labels)
    # one example a bin, where there is more than one: its own distance
    assert got == pytest.approx(np.abs(confidence - (labels == 0)).mean())
    assert all(math.isfinite(v) for v in every({"probs": two_columns(confidence), "labels": labels}).values())


def test_labels_of_one_class_only_are_all_right_or_all_wrong_and_nothing_is_undefined():
    logits, _ = overconfident(500, 4)
    got = every({"logits": logits, "labels": np.full(500, 2)})
    assert all(math.isfinite(value) for value in got.values())
    assert got["accuracy"] == (logits.argmax(1) == 2).double().mean().item()
    probs = logits.double().softmax(1)
    one_bin = metrics.classwise_ece(logits=logits.double(), labels=np.full(500, 2), n_bins=1)
    assert one_bin == pytest.approx((probs.mean(0).sum() + 1 - 2 * probs[:, 2].mean()).item() / 4)
