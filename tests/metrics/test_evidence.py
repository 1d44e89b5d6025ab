"""Tests and intervals of calibration error: hand-worked, bounded, and true to their level by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from levelhead import metrics
from levelhead.metrics import calibration_test, calibration_test_of, clopper_pearson, gap_interval
from levelhead.predictions import Predictions

from .synthetic import overconfident, two_columns


def draw(n, overconfident_by, seed):
    rng = np.random.default_rng(seed)
    confidence = 0.5 + 0.5 * rng.beta(2, 1, n)
    wrong = rng.random(n) >= np.clip(confidence - overconfident_by, 0, 1)
    return two_columns(confidence), wrong.astype(int)


def test_the_intervals_hold_what_they_promise_for_a_calibrated_model():
    covered, rejected, gaps = [], [], []
    for seed in range(120):
        probs, labels = draw(500, 0, seed)
        got = calibration_test(probs=probs, labels=labels, replicates=200)
        covered.append(got.debiased.lo <= 0 <= got.debiased.hi)
        rejected.append(got.p_value < 0.05)
        gaps.append(got.gap.lo <= 0 <= got.gap.hi)
        # the percentile bootstrap of the plain ECE never reaches zero here; the floor says why
        assert got.floor == pytest.approx(0.034, abs=0.004)
    assert np.mean(covered) >= 0.90
    assert np.mean(rejected) <= 0.11
    assert np.mean(gaps) >= 0.89


@pytest.mark.parametrize(("n", "by"), [(2000, 0.02), (2000, 0.08), (500, 0.08)])
def test_the_intervals_hold_the_truth_for_an_overconfident_model(n, by):
    results = []
    for seed in range(200):
        probs, labels = draw(n, by, 1000 + seed)
        results.append(calibration_test(probs=probs, labels=labels, replicates=200))
    # measured over 400 samples: 0.90 to 0.92 for the error, 0.95 for the gap; less three standard errors of 200
    assert np.mean([r.debiased.lo <= by <= r.debiased.hi for r in results]) >= 0.835
    assert np.mean([r.gap.lo <= by <= r.gap.hi for r in results]) >= 0.90
    assert np.mean([r.debiased.mean for r in results]) == pytest.approx(by, abs=0.004)


def test_a_clear_error_is_seen_and_the_interval_leaves_zero():
    got = calibration_test(**dict(zip(("probs", "labels"), draw(5000, 0.08, 0), strict=True)))
    assert got.p_value == pytest.approx(1 / 1001)
    assert 0.06 < got.debiased.lo < got.debiased.mean < got.debiased.hi < 0.1
    assert got.ece > got.detectable > got.floor
    assert got.n == got.debiased.n == 5000
    # resamples carry the bias of ECE twice, .008 here: the interval has their spread, not their place
    small = calibration_test(**dict(zip(("probs", "labels"), draw(500, 0.08, 0), strict=True))).debiased
    assert small.hi - small.mean == pytest.approx(small.mean - small.lo, abs=0.004)


def test_a_small_sample_cannot_reject():
    got = calibration_test(**dict(zip(("probs", "labels"), draw(30, 0, 0), strict=True)))
    assert got.p_value > 0.05
    assert got.debiased.lo == 0
    assert got.detectable > 0.1


def test_the_same_input_gives_the_same_answer_and_no_state_moves():
    probs, labels = draw(300, 0, 0)
    before = np.random.get_state()[1].copy()
    assert calibration_test(probs=probs, labels=labels) == calibration_test(probs=probs, labels=labels)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_it_works_on_streamed_bins_and_says_nan_for_nothing():
    probs, labels = draw(300, 0.05, 0)
    acc = metrics.Calibration(2)
    for start in range(0, 300, 37):
        acc.update(probs=probs[start : start + 37], labels=labels[start : start + 37])
    whole = calibration_test(probs=probs, labels=labels)
    assert calibration_test_of(acc.bins()).debiased.mean == pytest.approx(whole.debiased.mean, abs=1e-12)
    nothing = calibration_test_of(metrics.Calibration(2).bins())
    assert math.isnan(nothing.ece)
    assert nothing.n == 0


def test_gap_interval_is_the_normal_interval_of_the_mean():
    probs, labels = draw(400, 0.05, 3)
    differences = probs.max(1) - (probs.argmax(1) == labels)
    lo, hi = stats.norm.interval(0.95, differences.mean(), stats.sem(differences))
    got = gap_interval(metrics.reliability(probs=probs, labels=labels))
    assert (got.mean, got.lo, got.hi) == pytest.approx((differences.mean(), lo, hi), abs=1e-12)
    assert got.n == 400


def test_gap_of_one_example_has_no_interval():
    got = gap_interval(metrics.reliability(probs=two_columns([0.7]), labels=np.array([0])))
    assert got.mean == pytest.approx(-0.3)
    assert math.isnan(got.lo)


def test_the_gap_of_few_errors_has_the_exact_interval_of_its_accuracy():
    # three right answers at .9: their mean is .9 every time, and the accuracy may be anything from .29 on
    got = gap_interval(metrics.reliability(probs=two_columns([0.9] * 3), labels=np.array([0, 0, 0])))
    exact = stats.binomtest(3, 3).proportion_ci(0.95)
    assert (got.mean, got.lo, got.hi) == pytest.approx((-0.1, -0.1, 0.9 - exact.low), abs=1e-12)
    confidence = np.array([0.6, 0.8, 0.9, 0.9, 0.7, 0.95, 0.99, 0.6])
    labels = np.array([1, 0, 0, 0, 0, 0, 0, 0])
    got = gap_interval(metrics.reliability(probs=two_columns(confidence), labels=labels), level=0.9)
    exact = stats.binomtest(7, 8).proportion_ci(0.9)
    half = stats.norm.ppf(0.95) * stats.sem(confidence)
    assert got.lo == pytest.approx(got.mean - np.hypot(half, exact.high - 7 / 8), abs=1e-12)
    assert got.hi == pytest.approx(got.mean + np.hypot(half, 7 / 8 - exact.low), abs=1e-12)


def test_predictions_that_are_all_right_do_not_say_how_large_an_error_can_be():
    got = calibration_test(probs=two_columns([0.999] * 4), labels=np.zeros(4, dtype=int))
    assert got.debiased.lo == 0
    assert got.debiased.hi == pytest.approx(0.999 - stats.binomtest(4, 4).proportion_ci(0.95).low)
    assert got.detectable == pytest.approx(1 - 0.05 ** (1 / 4))  # four of four are right half the time at .84
    assert math.isnan(calibration_test(probs=two_columns([0.9]), labels=np.array([0])).debiased.hi)


def test_clopper_pearson_is_scipys_exact_interval():
    successes, trials = np.array([0, 1, 5, 10, 10]), np.array([10, 10, 10, 10, 1000])
    lo, hi = clopper_pearson(successes, trials, level=0.9)
    for k, n, a, b in zip(successes, trials, lo, hi, strict=True):
        expected = stats.binomtest(int(k), int(n)).proportion_ci(0.9, "exact")
        assert (a, b) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_bounds_of_bins_are_nan_where_there_is_nobody():
    bins = metrics.reliability(probs=two_columns([0.95, 0.95]), labels=np.array([0, 0]), n_bins=10)
    lo, hi = metrics.bin_intervals(bins)
    assert np.isnan(lo[:9]).all()
    assert (lo[9], hi[9]) == (pytest.approx(0.025**0.5), 1.0)


def test_means_have_the_intervals_of_scipy():
    logits, labels = overconfident(700, 8)
    acc = metrics.Calibration(8)
    for start in range(0, 700, 300):
        acc.update(logits=logits[start : start + 300], labels=labels[start : start + 300])
    got, rows = metrics.mean_intervals(acc, level=0.9), metrics.per_example(Predictions(labels=labels, logits=logits))
    for name in ("nll", "brier", "gap"):
        values = rows[name]
        assert (got[name].lo, got[name].hi) == pytest.approx(
            stats.norm.interval(0.9, values.mean(), stats.sem(values)), abs=1e-6
        )
    right = stats.binomtest(int(rows["accuracy"].sum()), 700).proportion_ci(0.9, "exact")
    assert (got["accuracy"].lo, got["accuracy"].hi) == pytest.approx((right.low, right.high), abs=1e-12)
    measured = acc.compute()
    assert set(got) == {"accuracy", "top5", "nll", "brier", "gap"}
    assert all(i.mean == measured[name] and i.n == 700 and i.lo < i.mean < i.hi for name, i in got.items())


def test_means_without_an_interval_say_nan():
    acc = metrics.Calibration(2, parts=["nll", "correct"])
    assert all(math.isnan(v) for i in metrics.mean_intervals(acc).values() for v in (i.mean, i.lo, i.hi))
    acc.update(probs=two_columns([0.7]), labels=np.array([0]))
    one = metrics.mean_intervals(acc)
    assert set(one) == {"accuracy", "nll"}
    assert math.isnan(one["nll"].lo)
    assert one["accuracy"].lo == pytest.approx(0.025)
    acc.update(probs=two_columns([1.0]), labels=np.array([1]))
    infinite = metrics.mean_intervals(acc)["nll"]
    assert infinite.mean == math.inf
    assert math.isnan(infinite.lo)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="level must lie between"):
        calibration_test(probs=two_columns([0.7]), labels=np.array([0]), level=95)
    with pytest.raises(ValueError, match="successes must lie between"):
        clopper_pearson(np.array([3]), np.array([2]))
