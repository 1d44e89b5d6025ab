"""Two models on the same examples: differences with intervals that use the pairing, and McNemar's test for accuracy."""

import math
from dataclasses import dataclass

import numpy as np

from levelhead.metrics.chunks import chunks
from levelhead.metrics.given import check
from levelhead.metrics.intervals import Interval, check_level
from levelhead.predictions import Predictions


@dataclass(frozen=True)
class McNemar:
    """Examples that only the first, and only the second model got right, and the mid-p value of their difference."""

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_correct: np.ndarray, second_correct: np.ndarray) -> McNemar:
    """McNemar's test with the mid-p correction: is one of two models right more often on the same examples?

    `first_correct`, `second_correct` (N,) bool, aligned. Examples on which they agree say nothing; with no other the
    p-value is one. Raises ValueError where the shapes differ.
    """
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"both need one value for each example, got shapes {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    if differing == 0:
        return McNemar(0, 0, 1.0)
    from scipy.stats import binom

    fewer = min(only_first, only_second)
    two_sided = 2 * binom.cdf(fewer, differing, 0.5) - binom.pmf(fewer, differing, 0.5)
    return McNemar(only_first, only_second, float(min(1.0, two_sided)))


@dataclass(frozen=True)
class PairedDifference:
    """First model less second, on the same n examples; the intervals are of the mean of per-example differences."""

    accuracy: Interval
    nll: Interval
    brier: Interval
    gap: Interval
    mcnemar: McNemar


def paired_difference(first: Predictions, second: Predictions, *, level: float = 0.95) -> PairedDifference:
    """Compare two models example by example. Infinite likelihoods make the difference of NLL NaN.

    Raises ValueError unless both hold the same examples: equal ids, where both have them, and equal labels.
    """
    check_level(level)
    if first.num_examples != second.num_examples:
        raise ValueError(
            f"the models were not run on the same examples: {first.num_examples} and {second.num_examples} of them"
        )
    if first.ids is not None and second.ids is not None and not np.array_equal(first.ids, second.ids):
        raise ValueError("the ids differ or stand in another order: sort both files by id first")
    if not np.array_equal(first.labels, second.labels):
        place = int((first.labels != second.labels).argmax())
        raise ValueError(f"the labels differ, first at row {place}: these are not the same examples in the same order")
    ours, theirs = _per_example(first), _per_example(second)
    with np.errstate(invalid="ignore"):
        parts = {name: _interval(ours[name] - theirs[name], level) for name in ("correct", "nll", "brier", "gap")}
    return PairedDifference(
        accuracy=parts["correct"],
        nll=parts["nll"],
        brier=parts["brier"],
        gap=parts["gap"],
        mcnemar=mcnemar(ours["correct"] > 0, theirs["correct"] > 0),
    )


def _per_example(predictions: Predictions) -> dict[str, np.ndarray]:
    given = check(predictions.logits, predictions.probs, predictions.labels)
    rows: dict[str, list[np.ndarray]] = {"correct": [], "nll": [], "brier": [], "gap": []}
    for chunk in chunks(given):
        correct = chunk.correct.double()
        values = {"correct": correct, "nll": chunk.nll, "brier": chunk.brier, "gap": 1 - chunk.rest - correct}
        for name, value in values.items():
            rows[name].append(value.numpy())
    return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in rows.items()}


def _interval(differences: np.ndarray, level: float) -> Interval:
    n = len(differences)
    mean = float(differences.mean()) if n else math.nan
    if n < 2:
        return Interval(mean, math.nan, math.nan, n)
    from scipy.special import ndtri

    half = float(ndtri((1 + level) / 2) * differences.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)
