"""Accuracy at coverage and smooth calibration error."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from levelhead import metrics

from .synthetic import overconfident, two_columns

PROBS, LABELS = two_columns([0.9, 0.8, 0.7, 0.6]), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(("coverage", "expected"), [(0.25, 1), (0.5, 1 / 2), (0.75, 2 / 3), (1, 1 / 2), (0.3, 1 / 2)])
def test_accuracy_at_coverage_by_hand(coverage, expected):
    assert metrics.accuracy_at_coverage(coverage, probs=PROBS, labels=LABELS) == pytest.approx(expected)


def test_at_full_coverage_it_is_accuracy_and_at_almost_none_one_example():
    logits, labels = overconfident(999, 5)
    assert metrics.accuracy_at_coverage(1.0, logits=logits, labels=labels) == pytest.approx(
        metrics.accuracy(logits=logits, labels=labels)
    )
    assert metrics.accuracy_at_coverage(1e-9, probs=PROBS, labels=LABELS) == 1


def test_a_tie_counts_at_its_rate():
    probs = two_columns([0.7] * 10)
    labels = (np.arange(10) < 3).astype(int)
    assert metrics.accuracy_at_coverage(0.5, probs=probs, labels=labels) == pytest.approx(0.7)


def test_streaming_accuracy_at_coverage_is_close():
    logits, labels = overconfident(5000, 5)
    acc = metrics.Calibration(5)
    acc.update(logits=logits, labels=labels)
    for coverage in (0.1, 0.5, 0.9):
        exact = metrics.accuracy_at_coverage(coverage, logits=logits, labels=labels)
        assert acc.accuracy_at_coverage(coverage) == pytest.approx(exact, abs=5e-4)
    assert math.isnan(metrics.Calibration(5).accuracy_at_coverage(0.5))


@pytest.mark.parametrize("coverage", [0, -0.1, 1.1, 80])
def test_a_coverage_that_is_no_share_is_refused(coverage):
    with pytest.raises(ValueError, match="coverage must lie in"):
        metrics.accuracy_at_coverage(coverage, probs=PROBS, labels=LABELS)


def test_smooth_ece_is_the_fixed_point_of_its_definition():
    probs, labels = two_columns([0.95, 0.9, 0.8, 0.55]), np.array([0, 1, 1, 0])
    confidence, residual = probs.max(1), probs.max(1) - (labels == 0)
    s = metrics.smooth_ece(probs=probs, labels=labels)

    def smoothed(t):  # the Gaussian and its images at both ends
        images = np.concatenate([confidence + 2 * k for k in range(-2, 3)] + [2 * k - confidence for k in range(-2, 3)])
        return abs((np.tile(residual, 10) * norm.pdf(t, images, s)).sum()) / 4

    integral, _ = quad(smoothed, 0, 1, limit=500, points=[0.55, 0.8, 0.9, 0.95])
    assert integral == pytest.approx(s, abs=1e-4)


def test_smooth_ece_is_small_for_a_calibrated_and_large_for_an_overconfident_model():
    calibrated, labels = overconfident(20_000, 5, 1.0)
    assert metrics.smooth_ece(logits=calibrated, labels=labels) < 0.012
    assert metrics.smooth_ece(logits=calibrated * 3, labels=labels) > 0.1


def test_smooth_ece_of_one_confidence_that_is_always_wrong_by_a_tenth():
    probs = two_columns([0.7] * 1000)
    labels = (np.arange(1000) >= 600).astype(int)
    assert metrics.smooth_ece(probs=probs, labels=labels) == pytest.approx(0.1, abs=1e-3)
