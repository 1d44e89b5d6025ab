"""Intervals over runs: hand-worked, against SciPy, and by their coverage."""

import math

import numpy as np
import pytest
from scipy import stats

from levelhead.metrics import Interval, paired, student_t


def test_three_values_by_hand():
    # mean 2, standard error 1 / sqrt 3, t(.975, 2) = 4.302653
    got = student_t([1.0, 2.0, 3.0])
    half = 4.302652729911275 / math.sqrt(3)
    assert got == Interval(2.0, pytest.approx(2 - half), pytest.approx(2 + half), 3)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_it_is_scipys_interval(level):
    values = np.random.default_rng(0).normal(size=7)
    lo, hi = stats.t.interval(level, 6, loc=values.mean(), scale=stats.sem(values))
    got = student_t(values, level)
    assert (got.lo, got.hi) == (pytest.approx(lo), pytest.approx(hi))


def test_one_value_has_a_mean_and_no_interval():
    got = student_t([0.3])
    assert (got.mean, got.n) == (0.3, 1)
    assert math.isnan(got.lo)
    assert math.isnan(got.hi)


def test_equal_values_have_an_interval_of_no_width():
    assert student_t([0.5, 0.5, 0.5]) == Interval(0.5, 0.5, 0.5, 3)


def test_a_missing_value_makes_everything_missing():
    got = student_t([0.1, math.nan])
    assert all(math.isnan(v) for v in (got.mean, got.lo, got.hi))


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]]])
def test_no_value_is_refused(values):
    with pytest.raises(ValueError, match="at least one number"):
        student_t(values)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        student_t([1.0, 2.0], level)


def test_pairing_removes_what_runs_share():
    shared = np.array([0.1, 0.5, 0.9])
    got = paired(shared + np.array([0.01, 0.02, 0.03]), shared)
    assert got.mean == pytest.approx(0.02)
    assert got.hi - got.lo == pytest.approx(2 * 4.302652729911275 * 0.01 / math.sqrt(3))


def test_pairs_must_match():
    with pytest.raises(ValueError, match=r"shapes \(3,\) and \(2,\)"):
        paired([1.0, 2.0, 3.0], [1.0, 2.0])


def test_a_95_per_cent_interval_covers_95_per_cent_of_the_time():
    rng = np.random.default_rng(1)
    hits = [abs(i.mean) <= (i.hi - i.lo) / 2 for i in (student_t(rng.normal(size=4)) for _ in range(1500))]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.017)  # three standard errors
