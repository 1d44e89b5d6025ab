"""Intervals of a mean: normal for many values; Student's t for few, such as runs, and for their paired differences."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate, the range that covers the truth at the stated level, and how many values are behind it."""

    mean: float
    lo: float
    hi: float
    n: int


def check_level(level: float) -> None:
    """Refuse a level that is no share."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}; 0.95 is a 95 % interval")


def normal(mean: float, variance: float, n: int, level: float) -> Interval:
    """The interval of a mean of `n` values from their `variance` (over n, not n - 1); NaN bounds for fewer than two."""
    if n < 2:
        return Interval(mean, math.nan, math.nan, n)
    from scipy.special import ndtri

    half = float(ndtri((1 + level) / 2)) * math.sqrt(variance / (n - 1))
    return Interval(mean, mean - half, mean + half, n)


def student_t(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Interval:
    """Mean of independent `values` and its Student-t interval at `level`.

    One value has a mean and no interval: lo and hi are NaN. Raises ValueError for none, or for a level
    outside (0, 1).

    >>> interval = student_t([1.0, 2.0, 3.0])
    >>> round(interval.mean, 3), round(interval.lo, 3), round(interval.hi, 3), interval.n
    (2.0, -0.484, 4.484, 3)
    """
    check_level(level)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"values must be a list of at least one number, got shape {array.shape}")
    mean = float(array.mean())
    if array.size == 1:
        return Interval(mean, math.nan, math.nan, 1)
    from scipy.stats import t  # a quarter of a second to import; only intervals need it

    half = float(t.ppf((1 + level) / 2, array.size - 1) * array.std(ddof=1) / math.sqrt(array.size))
    return Interval(mean, mean - half, mean + half, int(array.size))


def paired(
    values: Sequence[float] | np.ndarray, baseline_values: Sequence[float] | np.ndarray, level: float = 0.95
) -> Interval:
    """Interval of the mean difference `values` - `baseline_values`, matched by position (the same seed).

    Raises ValueError when the lengths differ: unmatched runs have no difference.
    """
    ours, theirs = np.asarray(values, dtype=np.float64), np.asarray(baseline_values, dtype=np.float64)
    if ours.shape != theirs.shape:
        raise ValueError(f"paired values need the same runs on both sides, got shapes {ours.shape} and {theirs.shape}")
    return student_t(ours - theirs, level)
