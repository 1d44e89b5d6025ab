"""Measures over examples in order of confidence: pure functions of groups of tied examples.

Shapes: G groups, each with a count, a number right or wrong, and a confidence. The exact functions hand in
one group a distinct confidence (or one an example), the accumulator one a cell: the same formulas serve both.
"""

import math
from itertools import pairwise

import numpy as np


def aurc(count: np.ndarray, wrong: np.ndarray) -> float:
    """`aurc_of_each` of one set of groups (G,)."""
    return float(aurc_of_each(count, wrong))


def aurc_of_each(count: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Area under the risk-coverage curve: the mean error rate of the k most confident examples over k = 1..N.

    `count`, `wrong` (..., G): groups by falling confidence, empty ones too; the result is (...). Within a group the
    order is unknowable, so its mean over all orders is taken: N examples tied at one confidence give their error rate.
    NaN for no example.
    """
    count, wrong = count.astype(np.float64), wrong.astype(np.float64)
    rate = wrong / np.maximum(count, 1)
    before = np.cumsum(count, axis=-1) - count
    wrong_before = np.cumsum(wrong, axis=-1) - wrong
    # within a group, after j of it: (wrong_before + j rate) / (before + j) = rate + excess / (before + j)
    excess = wrong_before - rate * before
    total = count.sum(-1)
    area = (count * rate + excess * _harmonic_span(before, count)).sum(-1)
    return area / np.where(total > 0, total, np.nan)


def augrc(count: np.ndarray, wrong: np.ndarray) -> float:
    """`augrc_of_each` of one set of groups (G,)."""
    return float(augrc_of_each(count, wrong))


def augrc_of_each(count: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Area under the generalised risk-coverage curve: wrong examples above a threshold, as a share of all N.

    `count`, `wrong` (..., G): groups by falling confidence, empty ones too; the result is (...). The curve is a line
    between its points, from nothing at coverage 0 to the error rate at 1 (Traub et al. 2024, eq. 7); over the orders of
    a tie it is a line on average, so a tie is one step. NaN for no example.
    """
    count, wrong = count.astype(np.float64), wrong.astype(np.float64)
    total = count.sum(-1)
    area = (count * (np.cumsum(wrong, axis=-1) - wrong / 2)).sum(-1)
    return area / np.where(total > 0, total, np.nan) ** 2


def _harmonic_span(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """1/(start+1) + ... + 1/(start+length), elementwise, for whole numbers given as floats."""
    span = np.where(length > 0, 1.0 / (start + 1), 0.0)
    many = length > 1
    span[many] = _harmonic(start[many] + length[many]) - _harmonic(start[many])
    return span


def _harmonic(n: np.ndarray) -> np.ndarray:
    """The n-th harmonic number; exact sums below 32, the asymptotic series (error < 1e-13) above."""
    exact = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, 32))])
    large = np.maximum(n, 32)
    series = np.log(large) + np.euler_gamma + 1 / (2 * large) - 1 / (12 * large**2) + 1 / (120 * large**4)
    return np.where(n < 32, exact[np.minimum(n, 31).astype(np.int64)], series)


def wrong_among(count: np.ndarray, wrong: np.ndarray, k: int) -> float:
    """Expected number wrong among the `k` most confident examples; groups (G,) by falling confidence.

    Of a group that is only partly among them, the share that is taken is wrong at the group's rate.
    """
    before = np.cumsum(count) - count
    taken = np.clip(k - before, 0, count)
    return float((wrong * taken / np.maximum(count, 1)).sum())


def equal_mass_ece(
    confidence: np.ndarray,
    total: np.ndarray,
    correct: np.ndarray,
    count: np.ndarray | None,
    n_bins: int,
    *,
    reference: bool = False,
) -> float:
    """Calibration error over bins that hold equally many examples.

    `confidence` (G,) rising, `total` (G,) its sum over the group, `correct` (G,), `count` (G,) or None for
    one each. Edges are the sorted confidences, linearly interpolated at positions 0, N/M, 2N/M, ... (beyond
    the last: the last), and bins are (lo, hi], so tied examples stay together. The lowest confidence belongs
    to the first bin; with `reference=True` it is left out, as the code that the papers used does. NaN for no
    example.
    """
    ends = np.arange(1, len(confidence) + 1) if count is None else np.cumsum(count)
    n = int(ends[-1]) if len(ends) else 0
    if n == 0:
        return math.nan
    position = np.minimum(np.linspace(0, n, n_bins + 1), n - 1)
    low, high = np.floor(position), np.ceil(position)
    at_low = confidence[np.searchsorted(ends, low, side="right")]
    at_high = confidence[np.searchsorted(ends, high, side="right")]
    edges = at_low + (position - low) * (at_high - at_low)
    bounds = np.searchsorted(confidence, edges, side="right")
    if not reference:
        bounds[0] = 0
    gaps = [abs(float(total[a:b].sum()) - float(correct[a:b].sum())) for a, b in pairwise(bounds) if b > a]
    return sum(gaps) / n
