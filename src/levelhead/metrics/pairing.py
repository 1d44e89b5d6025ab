"""Two models on the same examples: differences with intervals that use the pairing, and McNemar's test for accuracy."""

import math
from dataclasses import dataclass

import numpy as np

from levelhead.metrics.chunks import chunks
from levelhead.metrics.given import check
from levelhead.metrics.intervals import Interval, check_level, normal
from levelhead.predictions import Predictions

MEASURES = ("accuracy", "nll", "brier", "gap")  # means over examples, of numbers that each example has by itself


@dataclass(frozen=True)
class McNemar:
    """Examples that only the first, and only the second model got right, and the mid-p value of their difference."""

    only_first: int
    only_second: int
    p_value: float
    n: int  # examples in all, agreed on or not


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
        return McNemar(0, 0, 1.0, len(first))
    from scipy.stats import binom

    fewer = min(only_first, only_second)
    two_sided = 2 * binom.cdf(fewer, differing, 0.5) - binom.pmf(fewer, differing, 0.5)
    return McNemar(only_first, only_second, float(min(1.0, two_sided)), len(first))


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

    Examples are matched by id where both have ids, by position otherwise. Raises ValueError unless both hold the same
    examples: the same ids, and equal labels.
    """
    check_level(level)
    ours, theirs = per_example(first), per_example(aligned(first, second))
    with np.errstate(invalid="ignore"):
        parts = {name: _interval(ours[name] - theirs[name], level) for name in MEASURES}
    return PairedDifference(**parts, mcnemar=mcnemar(ours["accuracy"] > 0, theirs["accuracy"] > 0))


def aligned(first: Predictions, second: Predictions) -> Predictions:
    """`second` with its rows in the order of `first`: by id where both have ids, as they stand otherwise.

    Raises ValueError unless they are the same examples: as many, the same ids, each once, and equal labels.
    """
    if first.num_examples != second.num_examples:
        raise ValueError(
            f"the models were not run on the same examples: {first.num_examples} and {second.num_examples} of them"
        )
    if first.ids is not None and second.ids is not None and not np.array_equal(first.ids, second.ids):
        second = _ordered(second, _places(first.ids, second.ids))
    if not np.array_equal(first.labels, second.labels):
        place = int((first.labels != second.labels).argmax())
        raise ValueError(f"the labels differ, first at row {place}: these are not the same examples in the same order")
    return second


def _places(wanted: np.ndarray, there: np.ndarray) -> np.ndarray:
    """For each of the `wanted` ids its row in `there`."""
    if wanted.dtype.kind != there.dtype.kind:
        raise ValueError(f"the ids are of different kinds, {wanted.dtype} and {there.dtype}")
    missing = np.setdiff1d(wanted, there)
    if len(missing):
        raise ValueError(
            f"the ids differ: {len(missing)} of the first model's are not among the second's: {missing[0]}"
        )
    order = np.argsort(there, kind="stable")
    if len(np.unique(wanted)) < len(wanted) or len(np.unique(there)) < len(there):
        raise ValueError("an id stands at more than one example, so rows cannot be matched by id")
    return order[np.searchsorted(there, wanted, sorter=order)]


def _ordered(predictions: Predictions, rows: np.ndarray) -> Predictions:
    scores = {kind: values[rows] for kind, values in predictions.scores.items()}
    assert predictions.ids is not None
    return Predictions(
        labels=predictions.labels[rows],
        ids=predictions.ids[rows],
        role=predictions.role,
        classes=predictions.classes,
        meta=predictions.meta,
        **scores,
    )


def per_example(predictions: Predictions) -> dict[str, np.ndarray]:
    """(N,) float64 of each of `accuracy` (zero or one), `nll`, `brier` and `gap`, whose means are the measures."""
    rows = columns(predictions)
    return {name: rows[name] for name in MEASURES}


def columns(predictions: Predictions) -> dict[str, np.ndarray]:
    """As `per_example`, and `rest`: one minus the confidence, which from logits ranks beyond where it rounds to one."""
    given = check(predictions.logits, predictions.probs, predictions.labels)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in (*MEASURES, "rest")}
    for chunk in chunks(given, needs=("rest", "brier")):
        correct = chunk.correct.double()
        found = (correct, chunk.nll, chunk.brier, 1 - chunk.rest - correct, chunk.rest)
        for column, value in zip(rows.values(), found, strict=True):
            column.append(value.numpy())
    return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in rows.items()}


def _interval(differences: np.ndarray, level: float) -> Interval:
    n = len(differences)
    mean = float(differences.mean()) if n else math.nan
    return normal(mean, float(differences.var()) if n else math.nan, n, level)
