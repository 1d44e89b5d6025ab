"""What confidence bins say: the reliability diagram's numbers and every measure read from them."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Bins:
    """A reliability diagram's numbers: M bins (lo, hi] of the confidence; zero in the first, one in the last.

    An empty bin has count 0 and NaN for both means: it is not a point at zero and is never to be drawn as
    one.
    """

    edges: np.ndarray  # (M + 1,) float64
    count: np.ndarray  # (M,) int64
    confidence: np.ndarray  # (M,) mean probability of the predicted class, NaN where empty
    accuracy: np.ndarray  # (M,) share of right predictions, NaN where empty
    variance: np.ndarray  # (M,) mean of confidence * (1 - confidence), NaN where empty
    outcomes: np.ndarray  # (M, 2) int64: wrong and right predictions
    outcome_confidence: np.ndarray  # (M, 2) mean confidence of the wrong and of the right ones, NaN where none
    gap_square: float  # sum over examples of (confidence - correct)^2

    @property
    def total(self) -> int:
        """Number of examples."""
        return int(self.count.sum())

    @property
    def correct(self) -> np.ndarray:
        """(M,) int64: number of right predictions."""
        return self.outcomes[:, 1]


def make_bins(outcomes: np.ndarray, confidence: np.ndarray, square: np.ndarray) -> Bins:
    """Means from the sums over each bin (M) and outcome (wrong, right): counts, confidence, its square."""
    count = outcomes.sum(1)

    def mean(sums: np.ndarray, size: np.ndarray) -> np.ndarray:
        return np.where(size > 0, sums / np.where(size > 0, size, 1), np.nan)

    return Bins(
        edges=np.arange(len(count) + 1) / len(count),
        count=count,
        confidence=mean(confidence.sum(1), count),
        accuracy=mean(outcomes[:, 1], count),
        variance=np.maximum(mean((confidence - square).sum(1), count), 0.0),
        outcomes=outcomes,
        outcome_confidence=mean(confidence, outcomes),
        gap_square=float(square.sum() - 2 * confidence[:, 1].sum() + outcomes[:, 1].sum()),
    )


def gap(bins: Bins) -> float:
    """Mean confidence minus accuracy; above zero the model is overconfident."""
    n = bins.total
    return float(np.nansum((bins.confidence - bins.accuracy) * bins.count) / n) if n else math.nan


def ece(bins: Bins) -> float:
    """Expected calibration error: the mean over examples of their bin's |accuracy - confidence|."""
    n = bins.total
    return float(np.nansum(np.abs(bins.accuracy - bins.confidence) * bins.count) / n) if n else math.nan


def oe(bins: Bins) -> float:
    """Overconfidence error: like ECE, but only where confidence exceeds accuracy, times the confidence."""
    n = bins.total
    if not n:
        return math.nan
    over = bins.confidence * np.maximum(bins.confidence - bins.accuracy, 0)
    return float(np.nansum(over * bins.count) / n)


def mce(bins: Bins) -> float:
    """Maximum calibration error: the largest |accuracy - confidence| of a bin that is not empty."""
    return float(np.nanmax(np.abs(bins.accuracy - bins.confidence))) if bins.total else math.nan


def ace(bins: Bins) -> float:
    """Average calibration error: the plain mean of |accuracy - confidence| over bins that are not empty."""
    return float(np.nanmean(np.abs(bins.accuracy - bins.confidence))) if bins.total else math.nan


def rmsce(bins: Bins) -> float:
    """Root of the mean over examples of their bin's (accuracy - confidence)^2."""
    n = bins.total
    return float(np.sqrt(np.nansum((bins.accuracy - bins.confidence) ** 2 * bins.count) / n)) if n else math.nan


def debiased_ece(bins: Bins) -> float:
    """ECE less its estimated bias: what chance alone adds to |accuracy - confidence| in bins of this size.

    In a bin of n examples the gap is about normal around the true one with variance a (1 - a) / n, and the
    absolute value of a noisy number is too large on average. The bias is the mean of that folded normal
    distribution around the observed gap, less the gap (Kumar et al. 2019, for the absolute error, in closed
    form). Never below zero.
    """
    n = bins.total
    if not n:
        return math.nan
    full = bins.count > 0
    size, accuracy = bins.count[full], bins.accuracy[full]
    gaps = np.abs(accuracy - bins.confidence[full])
    spread = np.sqrt(accuracy * (1 - accuracy) / size)
    debiased = 2 * gaps - folded_normal_mean(gaps, spread)
    return max(0.0, float((debiased * size).sum() / n))


def folded_normal_mean(center: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Mean of |x| for x normal around `center` >= 0 with standard deviation `spread` >= 0."""
    ratio = np.divide(center, spread, out=np.full_like(center, np.inf), where=spread > 0)
    erf = np.array([math.erf(r / math.sqrt(2)) for r in ratio])
    return spread * math.sqrt(2 / math.pi) * np.exp(-(ratio**2) / 2) + center * erf
