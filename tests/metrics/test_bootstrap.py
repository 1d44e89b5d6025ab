"""Resampling the state is resampling the examples."""

import math
import time

import numpy as np
import pytest

from levelhead import metrics
from levelhead.metrics import bootstrap, paired_bootstrap, paired_difference
from levelhead.predictions import Predictions

from .synthetic import overconfident


def accumulated(n, seed=0):
    logits, labels = overconfident(n, 4, seed=seed)
    acc = metrics.Calibration(4)
    acc.update(logits=logits, labels=labels)
    return acc, logits, labels


def test_it_agrees_with_resampling_the_rows():
    acc, logits, labels = accumulated(1500)
    got = bootstrap(acc)
    rng = np.random.default_rng(1)
    rows = [rng.integers(0, 1500, 1500) for _ in range(300)]
    for name in ("accuracy", "gap", "aurc", "augrc"):
        measure = getattr(metrics, name)
        values = [measure(logits=logits[r], labels=labels[r]) for r in rows]
        width = np.quantile(values, 0.975) - np.quantile(values, 0.025)
        assert got[name].hi - got[name].lo == pytest.approx(width, rel=0.2), name
        assert got[name].lo == pytest.approx(np.quantile(values, 0.025), abs=0.15 * width), name
        assert got[name].mean == pytest.approx(measure(logits=logits, labels=labels), abs=5e-4), name
        assert got[name].n == 1500


def test_a_thousand_replicates_take_about_a_second_at_any_size():
    acc, _, _ = accumulated(2000)
    for _ in range(15):
        acc.merge(acc)  # 65 million examples
    start = time.perf_counter()
    got = bootstrap(acc)
    assert time.perf_counter() - start < 5  # a second or less on an idle machine
    assert got["accuracy"].hi - got["accuracy"].lo < 5e-4


def test_the_same_state_gives_the_same_intervals_and_no_state_moves():
    acc, _, _ = accumulated(300)
    before = np.random.get_state()[1].copy()
    assert bootstrap(acc, replicates=50) == bootstrap(acc, replicates=50)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_nothing_to_resample_is_refused():
    with pytest.raises(ValueError, match="seen no example"):
        bootstrap(metrics.Calibration(3))
    acc = metrics.Calibration(3, parts=["nll"])
    acc.update(logits=np.zeros((1, 3)), labels=np.array([0]))
    with pytest.raises(ValueError, match="without its part 'cells'"):
        bootstrap(acc)


def two_models(n, seed=0):
    """An overconfident model, and the same one scaled and slightly shaken."""
    logits, labels = (t.numpy() for t in overconfident(n, 4, seed=seed))
    shaken = logits / 1.8 + np.random.default_rng(seed).normal(size=logits.shape)
    ids = np.arange(n)
    return Predictions(labels=labels, logits=logits, ids=ids), Predictions(labels=labels, logits=shaken, ids=ids)


@pytest.mark.parametrize("n", [700, 3000])  # each example by itself, and examples dealt to groups
def test_pairs_are_resampled_as_rows_are(n):
    first, second = two_models(n)
    got = paired_bootstrap(first, second, replicates=2000)
    rng, values = np.random.default_rng(5), []
    for _ in range(150):
        rows = rng.integers(0, n, n)
        one, other = (metrics.aurc(logits=p.logits[rows], labels=p.labels[rows]) for p in (first, second))
        values.append(one - other)
    width = np.quantile(values, 0.975) - np.quantile(values, 0.025)
    # the ends of 150 draws are known to about a seventh of the width
    assert got["aurc"].hi - got["aurc"].lo == pytest.approx(width, rel=0.25)
    one, other = (metrics.aurc(logits=p.logits, labels=p.labels) for p in (first, second))
    assert got["aurc"].mean == pytest.approx(one - other, abs=1e-12)
    normal = paired_difference(first, second)
    for name in ("accuracy", "nll", "brier", "gap"):
        expected = getattr(normal, name)
        assert got[name].mean == pytest.approx(expected.mean, abs=1e-12)
        # 2 % of the groups, 3 % of the ends of 2000 draws
        assert got[name].hi - got[name].lo == pytest.approx(expected.hi - expected.lo, rel=0.12), name
        assert got[name].n == n


def test_pairs_share_their_resamples():
    first, second = two_models(2000)
    same = paired_bootstrap(first, first)
    assert all((i.mean, i.lo, i.hi) == (0, 0, 0) for i in same.values())
    there, back = paired_bootstrap(first, second), paired_bootstrap(second, first)
    for name, interval in there.items():
        assert (back[name].lo, back[name].hi) == pytest.approx((-interval.hi, -interval.lo), abs=1e-12)


def test_pairs_are_matched_by_id():
    first, second = two_models(300)
    order = np.random.default_rng(0).permutation(300)
    shuffled = Predictions(labels=second.labels[order], logits=second.logits[order], ids=second.ids[order])
    assert paired_bootstrap(first, shuffled, replicates=50) == paired_bootstrap(first, second, replicates=50)


def test_an_infinite_likelihood_and_a_single_example_have_no_interval():
    certain = Predictions(labels=np.array([1, 0, 0]), probs=np.array([[1.0, 0.0], [0.5, 0.5], [0.7, 0.3]]))
    got = paired_bootstrap(certain, certain, replicates=50)
    assert math.isnan(got["nll"].mean)
    assert math.isnan(got["nll"].hi)
    assert got["accuracy"].hi == 0
    one = Predictions(labels=np.array([0]), probs=np.array([[0.7, 0.3]]))
    alone = paired_bootstrap(one, one, replicates=50)
    assert all(math.isnan(i.lo) and i.n == 1 for i in alone.values())
    empty = Predictions(labels=np.zeros(0, dtype=int), probs=np.zeros((0, 2)))
    with pytest.raises(ValueError, match="nothing to resample"):
        paired_bootstrap(empty, empty)
