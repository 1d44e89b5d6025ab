"""Verdicts on claims by rules that were fixed before anything ran: numbers in, a verdict with its interval out.

The unit is the seed: whatever is judged is one number a seed (a paired difference, a rank correlation, a slope, the
logarithm of a ratio of ranges), and its 95 % Student-t interval over the seeds decides. Pure functions; nothing here
knows of methods or files. S seeds, V values of a hyper-parameter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from levelhead.metrics import student_t

HOLDS, FAILS, CANNOT_TELL = "holds", "fails", "cannot tell"
ABSENT, NOT_RUN, OFF_REGIME = "premise absent", "not run", "fails at this scale (regime not reached)"
LEVEL = 0.95
#: How far a published value may lie from the interval.
TOLERANCE = 0.02
#: Vanilla's final training accuracy below which a claim that fails was not met in the papers' regime.
REGIME = 0.99


@dataclass(frozen=True)
class Finding:
    """One verdict: the mean over ``n`` seeds, its interval, the bound it is held against, and the two-sided p-value.

    ``detectable`` is the smallest distance from the bound that so many seeds with this spread could have shown: half
    the interval. All of them are NaN where one seed or none is there; ``p_value`` is NaN where the rule is no test.
    """

    verdict: str
    mean: float = math.nan
    lo: float = math.nan
    hi: float = math.nan
    n: int = 0
    p_value: float = math.nan
    detectable: float = math.nan


def side(values: Sequence[float], *, below: bool, bound: float = 0.0) -> Finding:
    """Whether the mean of one number a seed lies below ``bound`` (or above it), by the interval.

    ``not worse`` is this rule with the stated margin as the bound. Equal values have an interval of no width.

    >>> side([-0.02, -0.03, -0.04], below=True).verdict
    'holds'
    >>> side([-0.02, 0.03, -0.04], below=True).verdict
    'cannot tell'
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.size == 0 or not np.isfinite(numbers).all():
        return Finding(NOT_RUN, n=int(numbers.size))
    found = student_t(numbers, LEVEL)
    if found.n == 1:
        return Finding(CANNOT_TELL, found.mean, n=1)
    holds, fails = (found.hi < bound, found.lo > bound) if below else (found.lo > bound, found.hi < bound)
    verdict = HOLDS if holds else FAILS if fails else CANNOT_TELL
    return Finding(
        verdict, found.mean, found.lo, found.hi, found.n, _p_value(numbers - bound), (found.hi - found.lo) / 2
    )


def less(ours: Sequence[float], theirs: Sequence[float], *, margin: float = 0.0) -> Finding:
    """Whether ours is below theirs, paired by seed; with a margin: not above theirs by more than it."""
    return side(np.subtract(ours, theirs).tolist(), below=True, bound=margin)


def more(ours: Sequence[float], theirs: Sequence[float], *, margin: float = 0.0) -> Finding:
    """Whether ours is above theirs, paired by seed; with a margin: not below theirs by more than it."""
    return side(np.subtract(ours, theirs).tolist(), below=False, bound=-margin)


def value(values: Sequence[float], low: float, high: float) -> Finding:
    """Whether the interval of the mean comes within `TOLERANCE` of the published value, or range of values.

    >>> value([0.33, 0.33, 0.34], 0.35, 0.35).verdict
    'holds'
    """
    found = side(values, below=True)
    if found.verdict == NOT_RUN or found.n < 2:
        return found
    near = found.lo <= high + TOLERANCE and found.hi >= low - TOLERANCE
    return replace(found, verdict=HOLDS if near else FAILS, p_value=math.nan)


def argmin(table: np.ndarray, inside: Sequence[bool]) -> list[Finding]:
    """Whether the best value of the claimed range has a smaller measure than every value outside.

    ``table (V, S)``; ``inside (V,)`` marks the claimed values. The best is that of the lowest mean; a finding for every
    value outside, in order. All must hold (`together`).
    """
    claimed = np.asarray(inside, dtype=bool)
    means = np.where(claimed, table.mean(1), np.inf)
    return [less(table[int(means.argmin())], table[row]) for row in np.flatnonzero(~claimed)]


def monotone(at: Sequence[float], table: np.ndarray, *, falling: bool) -> Finding:
    """Whether a measure falls (or rises) with the hyper-parameter: Spearman's rank correlation, a seed each.

    ``at (V,)``, ``table (V, S)``. A seed whose values are all equal has no order: it counts as zero.
    """
    from scipy.stats import spearmanr

    def correlation(column: np.ndarray) -> float:
        return 0.0 if np.ptp(column) == 0 else float(spearmanr(at, column).statistic)

    return side([correlation(column) for column in table.T], below=falling)


def slope(at: Sequence[float], table: np.ndarray, *, falling: bool) -> Finding:
    """Whether the least-squares line through a seed's values falls (or rises); ``at (V,)``, ``table (V, S)``."""
    x = np.asarray(at, dtype=np.float64)
    x = x - x.mean()
    return side((x @ table / (x @ x)).tolist(), below=falling)


def narrower(ours: np.ndarray, theirs: np.ndarray) -> Finding:
    """Whether a measure varies less over our values than over theirs: the log of the ratio of ranges, below zero.

    ``(V, S)`` and ``(W, S)``: flat is inside the claimed range against outside; robust is one method's sweep against
    another's. A range of zero over a range of zero says nothing: not run.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log(np.ptp(ours, axis=0) / np.ptp(theirs, axis=0))
    return side(ratios.tolist(), below=True)


def nearer(curve: np.ndarray, to: np.ndarray, than: np.ndarray) -> Finding:
    """Whether a curve is closer to one curve than to another: mean distance over the values, ``(V, S)`` each."""
    return less(np.abs(curve - to).mean(0).tolist(), np.abs(curve - than).mean(0).tolist())


def together(findings: Sequence[Finding]) -> str:
    """The verdict of several that must all hold: one that fails decides, then one that was not run."""
    verdicts = {found.verdict for found in findings}
    for verdict in (FAILS, NOT_RUN, CANNOT_TELL):
        if verdict in verdicts:
            return verdict
    return HOLDS if verdicts else NOT_RUN


def given(premise: str, verdict: str) -> str:
    """A verdict under a premise, which must hold.

    A premise that fails decides alone: what the claim is about may not even have a number then.

    >>> given(FAILS, NOT_RUN), given(CANNOT_TELL, HOLDS), given(NOT_RUN, HOLDS), given(HOLDS, FAILS)
    ('premise absent', 'premise absent', 'not run', 'fails')
    """
    if premise == FAILS:
        return ABSENT
    if NOT_RUN in (premise, verdict):
        return NOT_RUN
    return verdict if premise == HOLDS else ABSENT


def within_regime(verdict: str, train_accuracy: float | None) -> str:
    """A claim that fails where vanilla did not reach the papers' regime fails at this scale only."""
    return OFF_REGIME if verdict == FAILS and train_accuracy is not None and train_accuracy < REGIME else verdict


def joint_p(findings: Sequence[Finding]) -> float:
    """The p-value of a conjunction: its weakest part's (intersection-union); NaN where no part has one."""
    known = [found.p_value for found in findings if not math.isnan(found.p_value)]
    return max(known, default=math.nan)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    adjusted, highest = [0.0] * len(order), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _p_value(distances: np.ndarray) -> float:
    """Two-sided, of a mean of zero; equal distances have no spread: zero, or one where they are zero."""
    from scipy.stats import t

    error = distances.std(ddof=1) / math.sqrt(distances.size)
    if error == 0:
        return 1.0 if distances.mean() == 0 else 0.0
    return float(2 * t.sf(abs(distances.mean()) / error, distances.size - 1))
