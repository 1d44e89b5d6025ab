"""The accumulator: any order, any split and any merge tree say the same, and say what the functions say."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from levelhead import metrics

from .synthetic import overconfident

EXACT = ("accuracy", "top5", "nll", "brier", "gap", "ece", "oe", "mce", "ace", "rmsce", "debiased_ece", "classwise_ece")
FROM_CELLS = ("adaptive_ece", "aurc", "smooth_ece")


def accumulated(logits, labels, splits=1, n_bins=15):
    acc = metrics.Calibration(logits.shape[1], n_bins)
    for part in np.array_split(np.arange(len(labels)), splits):
        acc.update(logits=logits[part], labels=labels[part])
    return acc


@pytest.mark.parametrize("num_classes", [2, 10, 100])
@pytest.mark.parametrize("n_bins", [10, 15])
def test_it_says_what_the_functions_say(num_classes, n_bins):
    logits, labels = overconfident(5000, num_classes)
    got = accumulated(logits, labels, splits=7, n_bins=n_bins).compute()
    assert set(got) == set(EXACT) | set(FROM_CELLS)
    for name in EXACT:
        binned = name not in ("accuracy", "top5", "nll", "brier", "gap")
        options = {"n_bins": n_bins} if binned else {}
        exact = getattr(metrics, name)(logits=logits, labels=labels, **options)
        assert got[name] == pytest.approx(exact, abs=1e-13), name
    assert got["adaptive_ece"] == pytest.approx(
        metrics.adaptive_ece(logits=logits, labels=labels, n_bins=n_bins), abs=5e-4
    )
    assert got["aurc"] == pytest.approx(metrics.aurc(logits=logits, labels=labels), abs=5e-4)


@pytest.mark.parametrize("scale", [0.05, 0.5, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("num_classes", [2, 10, 1000])
def test_cells_are_fine_enough_from_doubt_to_saturation(scale, num_classes):
    logits, labels = overconfident(20_000 if num_classes < 1000 else 2000, num_classes, scale)
    got = accumulated(logits, labels).compute()
    assert got["adaptive_ece"] == pytest.approx(metrics.adaptive_ece(logits=logits, labels=labels), abs=5e-4)
    assert got["aurc"] == pytest.approx(metrics.aurc(logits=logits, labels=labels), abs=5e-4)


scores = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.integers(-6, 6).map(float), min_size=3, max_size=3), min_size=n, max_size=n),
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        st.permutations(range(n)),
    )
)


@given(scores)
@settings(max_examples=40, deadline=None)
def test_order_split_and_merge_do_not_matter(drawn):
    rows, labels, owner, order = drawn
    logits, labels = np.array(rows, dtype=np.float32), np.array(labels)
    whole = accumulated(logits, labels).compute()
    shuffled = accumulated(logits[list(order)], labels[list(order)]).compute()
    parts = []
    for k in range(4):
        mine = np.array(owner) == k
        parts.append(accumulated(logits[mine], labels[mine]))
    tree = parts[3].merge(parts[1]).merge(parts[0].merge(parts[2])).compute()
    one_by_one = accumulated(logits, labels, splits=len(labels)).compute()
    for name, value in whole.items():
        for other in (shuffled, tree, one_by_one):
            assert other[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


@given(scores)
@settings(max_examples=80, deadline=None)
def test_overconfidence_error_is_never_above_ece_and_bins_hold_everybody(drawn):
    rows, labels, _, _ = drawn
    acc = accumulated(np.array(rows), np.array(labels))
    got, bins = acc.compute(), acc.bins()
    assert got["oe"] <= got["ece"] + 1e-12
    assert abs(got["gap"]) <= got["ece"] + 1e-12
    assert got["debiased_ece"] <= got["ece"] + 1e-12
    assert got["ece"] <= got["rmsce"] + 1e-12
    assert got["ece"] <= got["mce"] + 1e-12
    assert bins.count.sum() == len(labels)
    assert (acc._state["class_count"].sum(1) == len(labels)).all()
    assert int(acc._state["cell_count"].sum()) == len(labels)


def test_batches_of_one_decide_alike_about_logits_and_probabilities():
    # an implementation that guesses per batch turns small rows into probabilities
    logits = np.array([[0.2, 0.7], [0.1, 0.9], [3.0, -1.0]])
    labels = np.array([1, 0, 0])
    whole = metrics.ece(logits=logits, labels=labels)
    assert accumulated(logits, labels, splits=3).compute()["ece"] == pytest.approx(whole)


def test_a_refused_batch_leaves_no_trace():
    logits, labels = overconfident(50_000, 10)  # several chunks: the bad row is in the last
    acc = accumulated(logits[:100], labels[:100])
    before = acc.compute()
    bad = logits.clone()
    bad[-1] = math.nan
    with pytest.raises(ValueError, match="the first is row 49999"):
        acc.update(logits=bad, labels=labels)
    assert acc.compute() == before
    assert acc.num_examples == 100


def test_merging_leaves_the_other_alone_and_the_same_accumulator_may_be_merged_twice():
    logits, labels = overconfident(200, 4)
    one, two = accumulated(logits[:100], labels[:100]), accumulated(logits[100:], labels[100:])
    before = two.compute()
    one.merge(two).merge(two)
    assert one.num_examples == 300
    assert two.compute() == before
    one.merge(one)
    assert one.num_examples == 600


def test_accumulators_that_differ_cannot_be_merged():
    with pytest.raises(ValueError, match="cannot be merged"):
        metrics.Calibration(3).merge(metrics.Calibration(4))
    with pytest.raises(ValueError, match="cannot be merged"):
        metrics.Calibration(3).merge(metrics.Calibration(3, n_bins=10))


def test_wrong_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="4 columns, but this accumulator was made for num_classes=3"):
        metrics.Calibration(3).update(logits=np.zeros((1, 4)), labels=np.array([0]))


@pytest.mark.parametrize("num_classes", [1, 0, 2.0, True])
def test_a_number_of_classes_that_is_none_is_refused(num_classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number"):
        metrics.Calibration(num_classes)


def test_only_what_was_asked_for_is_computed():
    acc = metrics.Calibration(3, parts=["nll", "correct"])
    acc.update(logits=np.zeros((2, 3)), labels=np.array([0, 1]))
    assert acc.compute() == {"nll": pytest.approx(math.log(3)), "accuracy": 0.5}
    with pytest.raises(ValueError, match="no part is called 'ecee'"):
        metrics.Calibration(3, parts=["ecee"])


def test_the_state_does_not_grow():
    acc = accumulated(*overconfident(10, 10))
    size = sum(value.numel() for value in acc._state.values())
    acc.update(**dict(zip(("logits", "labels"), overconfident(30_000, 10), strict=True)))
    assert sum(value.numel() for value in acc._state.values()) == size


def test_twenty_million_examples_in_one_bin_do_not_drift():
    # float32 counts stop at 2^24 = 16.8 million; doubling by merging is exact and fast
    probs = np.tile([[0.96, 0.04]], (1000, 1))
    labels = (np.arange(1000) >= 940).astype(int)
    acc = metrics.Calibration(2)
    acc.update(probs=probs, labels=labels)
    for _ in range(15):
        acc.merge(acc)
    assert acc.num_examples == 1000 * 2**15 > 2e7
    got = acc.compute()
    assert got["ece"] == pytest.approx(0.02, abs=1e-9)
    assert got["gap"] == pytest.approx(0.02, abs=1e-9)
    assert got["adaptive_ece"] == pytest.approx(0.02, abs=1e-9)
    assert got["aurc"] == pytest.approx(0.06, abs=1e-9)


def test_twenty_million_pixels_in_one_call_do_not_drift():
    n = 20_000_000
    logits = torch.zeros(n, 2)
    logits[:, 0] = math.log(0.96 / 0.04)
    labels = torch.zeros(n, dtype=torch.int64)
    labels[: n * 6 // 100] = 1
    assert metrics.ece(logits=logits, labels=labels) == pytest.approx(0.02, abs=1e-6)


@given(scores, st.floats(0.05, 20))
@settings(max_examples=50, deadline=None)
def test_a_temperature_does_not_change_accuracy(drawn, temperature):
    rows, labels, _, _ = drawn
    logits, labels = np.array(rows), np.array(labels)
    same = metrics.accuracy(logits=logits / temperature, labels=labels)
    assert same == metrics.accuracy(logits=logits, labels=labels)


def test_ece_of_a_calibrated_source_shrinks_to_its_known_bias():
    g = torch.Generator().manual_seed(0)
    seen = {}
    for n in (500, 8000):
        errors = []
        for _ in range(20):
            logits = 2 * torch.randn(n, 2, generator=g, dtype=torch.float64)
            labels = torch.multinomial(logits.softmax(1), 1, generator=g).flatten()
            errors.append(metrics.ece(logits=logits, labels=labels))
        bins = metrics.reliability(logits=logits, labels=labels)
        full = bins.count > 0
        # each bin's |gap| has mean sqrt(2 / pi) sqrt(v / n) when the model is calibrated
        known = np.sqrt(2 / np.pi * bins.variance[full] * bins.count[full]).sum() / n
        seen[n] = np.mean(errors)
        assert seen[n] == pytest.approx(known, rel=0.2)
    assert seen[8000] == pytest.approx(seen[500] / 4, rel=0.25)  # one over the root of n
