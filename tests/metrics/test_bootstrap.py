"""Resampling the state is resampling the examples."""

import time

import numpy as np
import pytest

from levelhead import metrics
from levelhead.metrics import bootstrap

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
    for name in ("accuracy", "gap", "aurc"):
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
