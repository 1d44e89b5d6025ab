"""How much of a calibration error is there, and how much is chance: tests and intervals that keep their word.

ECE is biased upwards, and resampling adds a second helping of the bias: the usual percentile bootstrap of ECE never
contains the truth for a calibrated model. So the question is split. The *noise floor* is the ECE that a perfectly
calibrated model of this size and these confidences would show; the *p-value* is how often it would show as much as this
one. The interval is the debiased ECE with the centred spread of the bootstrap, and it starts at zero unless the test
says that there is an error. The signed gap has an ordinary interval, which is honest as soon as a few predictions are
right and a few wrong; below `OUTCOMES` of either, where three right answers in a row would have no spread at all, it is
made of the exact bounds of the accuracy.

Everything is computed from the bins, so it costs the same for a thousand examples and for a billion.
"""

import math
from dataclasses import dataclass

import numpy as np

from levelhead.metrics import _bins
from levelhead.metrics._bins import Bins
from levelhead.metrics.functions import reliability
from levelhead.metrics.given import Array
from levelhead.metrics.intervals import Interval, check_level, normal
from levelhead.metrics.streaming import Calibration

OUTCOMES = 5  # right and wrong predictions each that a normal interval needs


@dataclass(frozen=True)
class CalibrationTest:
    """What can be said about the calibration error of one model from n examples."""

    ece: float  # as measured, with its bias
    floor: float  # mean ECE of a perfectly calibrated model of this size and these confidences
    p_value: float  # share of such models that show at least this ECE, in (0, 1]
    debiased: Interval  # of the ECE; starts at zero unless p_value < 1 - level
    gap: Interval  # of mean confidence minus accuracy
    detectable: float  # an ECE below this could not have been told from the floor
    level: float
    n: int


def calibration_test(
    *,
    logits: Array | None = None,
    probs: Array | None = None,
    labels: Array,
    n_bins: int = 15,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> CalibrationTest:
    """Test and intervals for the calibration error of one model; see the head of this file.

    Arguments as for `ece`. `replicates` simulated models and as many resamples are drawn from a private generator
    seeded by `seed`: the same input gives the same answer, and no global state moves. Raises as `ece` does.
    """
    check_level(level)
    bins = reliability(logits=logits, probs=probs, labels=labels, n_bins=n_bins)
    return calibration_test_of(bins, level=level, replicates=replicates, seed=seed)


def calibration_test_of(bins: Bins, *, level: float = 0.95, replicates: int = 1000, seed: int = 0) -> CalibrationTest:
    """The same from bins that are already there, such as `Calibration.bins()`. NaN for no example.

    Raises ValueError for bins judged by label distributions: there is no right and wrong to redraw.
    """
    check_level(level)
    _need_counts(bins, "the noise floor redraws labels")
    n = bins.total
    if n == 0:
        nothing = Interval(math.nan, math.nan, math.nan, 0)
        return CalibrationTest(math.nan, math.nan, math.nan, nothing, nothing, math.nan, level, 0)
    rng = np.random.default_rng(seed)
    ece = _bins.ece(bins)
    calibrated = _calibrated(bins, replicates, rng)
    p_value = float((1 + np.count_nonzero(calibrated >= ece * (1 - 1e-12))) / (1 + replicates))
    spread = _resampled(bins, replicates, rng)
    tails = np.quantile(spread - spread.mean(), [(1 - level) / 2, (1 + level) / 2])
    value, gap = _bins.debiased_ece(bins), gap_interval(bins, level=level)
    low = max(0.0, float(value + tails[0])) if p_value < 1 - level else 0.0
    high = max(value, float(value + tails[1]))
    if few_outcomes(bins):  # resamples of predictions that are all right are all right; an ECE is at least the gap
        sizes = abs(gap.lo), abs(gap.hi)
        low, high = min(low, 0.0 if gap.lo <= 0 <= gap.hi else min(sizes)), max(high, *sizes)
        low, high = (low, high) if n > 1 else (math.nan, math.nan)
    return CalibrationTest(
        ece=ece,
        floor=float(calibrated.mean()),
        p_value=p_value,
        debiased=Interval(value, low, high, n),
        gap=gap,
        # of sure predictions that are wrong at a rate e, n show no error at all with probability (1 - e)^n
        detectable=max(float(np.quantile(calibrated, level)), 1 - (1 - level) ** (1 / n)),
        level=level,
        n=n,
    )


def _calibrated(bins: Bins, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """(replicates,) ECE of models whose labels are drawn from their own confidences, bin by bin."""
    full = bins.count > 0
    size, confidence = bins.count[full], bins.confidence[full]
    right = rng.binomial(size, np.clip(confidence, 0, 1), size=(replicates, len(size)))
    return np.abs(right - size * confidence).sum(1) / bins.total


def _resampled(bins: Bins, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """(replicates,) ECE of resamples of the examples with replacement, drawn as counts of bins and outcomes."""
    full = bins.outcomes.ravel() > 0
    share = bins.outcomes.ravel()[full] / bins.total
    counts = np.zeros((replicates, bins.outcomes.size), dtype=np.int64)
    counts[:, full] = rng.multinomial(bins.total, share, size=replicates)
    gaps = np.nan_to_num(bins.outcome_confidence) - np.array([0.0, 1.0])  # confidence less outcome, per cell
    sums = (counts * gaps.ravel()).reshape(replicates, -1, 2).sum(2)
    return np.abs(sums).sum(1) / bins.total


def gap_interval(bins: Bins, *, level: float = 0.95) -> Interval:
    """Mean confidence minus accuracy with its normal interval; lo and hi are NaN for a single example.

    With fewer than `OUTCOMES` right or wrong predictions: from the bounds of Clopper and Pearson for the accuracy and
    normal ones for the confidence, joined as for independent estimates (Zou and Donner 2008), which errs on the wide
    side.
    """
    check_level(level)
    n, gap = bins.total, _bins.gap(bins)
    if n < 2 or not few_outcomes(bins):
        return normal(gap, max(0.0, bins.gap_square / n - gap**2) if n else math.nan, n, level)
    full = bins.count > 0
    size, mean = bins.count[full], bins.confidence[full]
    confidence = float(size @ mean / n)
    square = float(size @ (mean - bins.variance[full]) / n)
    half = normal(confidence, max(0.0, square - confidence**2), n, level).hi - confidence
    right = int(bins.correct.sum())
    least, most = (float(bound[0]) for bound in clopper_pearson(np.array([right]), np.array([n]), level=level))
    return Interval(gap, gap - math.hypot(half, most - right / n), gap + math.hypot(half, right / n - least), n)


def few_outcomes(bins: Bins) -> bool:
    """Whether fewer than `OUTCOMES` predictions are right, or wrong; never where a share of each is."""
    right = bins.correct.sum()
    return bins.outcomes.dtype.kind != "f" and bool(min(right, bins.total - right) < OUTCOMES)


def mean_intervals(accumulator: Calibration, *, level: float = 0.95) -> dict[str, Interval]:
    """Intervals for everything `accumulator` has seen: of the measures that are means over examples.

    `accuracy` and `top5` (Clopper-Pearson), `nll`, `brier` and `gap` (normal), as far as its parts have them. NaN
    before the first example, and for the normal ones with one; of `nll` also where it is infinite. For label
    distributions only `gap`: a mass is no count, and the others' squares are not kept.
    """
    check_level(level)
    n, state, values = accumulator.num_examples, accumulator.state_dict()["state"], accumulator.compute()
    intervals = {}
    for name, count in (("accuracy", "correct"), ("top5", "top5")):
        if count in state and not state[count].is_floating_point():
            lo, hi = clopper_pearson(np.array(int(state[count])), np.array(n), level=level)
            intervals[name] = Interval(values[name], float(lo), float(hi), n)
    for name in ("nll", "brier"):
        if f"{name}_square" in state:
            square = float(state[f"{name}_square"]) / n if n else math.nan
            # infinite less infinite is NaN, and max would hide it
            variance = square - values[name] ** 2 if math.isfinite(square) else math.nan
            intervals[name] = normal(values[name], max(variance, 0.0), n, level)
    if "gap" in values:
        intervals["gap"] = gap_interval(accumulator.bins(), level=level)
    return intervals


def bin_intervals(bins: Bins, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Clopper-Pearson bounds (M,), (M,) of each bin's accuracy: exact, also where all are right; NaN where empty."""
    _need_counts(bins, "Clopper-Pearson bounds are of a share of right predictions")
    return clopper_pearson(bins.correct, bins.count, level=level)


def _need_counts(bins: Bins, why: str) -> None:
    if bins.outcomes.dtype.kind == "f":
        raise ValueError(f"these bins were judged by distributions, and {why}; judge by integers: labels.argmax(1)")


def clopper_pearson(successes: np.ndarray, trials: np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Exact bounds of a share from `successes` of `trials`, elementwise; NaN where there is no trial.

    They cover at least `level` of the time, whatever the share.

    >>> lo, hi = clopper_pearson(np.array([5]), np.array([5]))
    >>> round(float(lo[0]), 4), float(hi[0])
    (0.4782, 1.0)
    """
    check_level(level)
    successes, trials = np.asarray(successes), np.asarray(trials)
    if np.any(successes < 0) or np.any(successes > trials):
        raise ValueError("successes must lie between 0 and the number of trials")
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    failures = trials - successes
    lo = np.where(successes > 0, betaincinv(np.maximum(successes, 1), failures + 1, tail), 0.0)
    hi = np.where(failures > 0, betaincinv(successes + 1, np.maximum(failures, 1), 1 - tail), 1.0)
    empty = trials == 0
    return np.where(empty, np.nan, lo), np.where(empty, np.nan, hi)
