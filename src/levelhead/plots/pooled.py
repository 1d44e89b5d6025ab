"""Reliability diagrams and confidence histograms of a comparison's methods, pooled over seeds, before and
after scaling.

Each run is scaled by its own temperature, the one that was fitted on cal, and its predictions are let go
before the next run's are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from levelhead.metrics import Bins, reliability
from levelhead.plots.comparison import Comparison
from levelhead.plots.confidence import Histogram, histogram, pool
from levelhead.plots.reliability import Diagram, diagram
from levelhead.predictions import Predictions


@dataclass(frozen=True, eq=False)
class View:
    """A method's predictions in one state, before or after scaling, all seeds together."""

    diagram: Diagram
    histogram: Histogram


@dataclass(frozen=True, eq=False)
class Pooled:
    """A method's predictions; a state is None where there is nothing to show, and `problems` says why."""

    method: str
    raw: View | None
    scaled: View | None
    problems: tuple[str, ...]


def pooled(comparison: Comparison, method: str, *, role: str = "test", n_bins: int | None = None) -> Pooled:
    """Read a method's predictions and count them.

    Args:
        comparison: where they lie.
        method: a name of `comparison.methods`.
        role: the split to look at.
        n_bins: of the reliability diagram; by default as many as the comparison's measures used.
    """
    bins = n_bins or int(comparison.summary.get("n_bins") or 15)
    views: dict[str, list[tuple[Bins, Histogram]]] = {"raw": [], "scaled": []}
    problems = []
    for result in comparison.of(method, role):
        try:
            counted = _counted(comparison.predictions(result), result.get("temperature"), bins)
        except (OSError, ValueError) as error:
            problems.append(f"The predictions of {method}, seed {result['seed']}, cannot be shown: {error}")
            continue
        for state, part in counted.items():
            views[state].append(part)
    return Pooled(method, _view(views["raw"]), _view(views["scaled"]), tuple(problems))


def scaled(scores: Mapping[str, np.ndarray], temperature: float) -> dict[str, np.ndarray]:
    """`{"logits": ...}` divided by a temperature; probabilities are taken through their logarithm first."""
    if "logits" in scores:
        return {"logits": scores["logits"] / np.asarray(temperature, scores["logits"].dtype)}
    with np.errstate(divide="ignore"):  # a probability of zero is a class ruled out: its logit is minus infinity
        return {"logits": np.log(scores["probs"].astype(np.float64)) / temperature}


def _counted(predictions: Predictions, temperature: float | None, n_bins: int) -> dict[str, tuple[Bins, Histogram]]:
    states = {"raw": predictions.scores}
    if temperature:
        states["scaled"] = scaled(predictions.scores, float(temperature))
    return {state: _count(scores, predictions.labels, n_bins) for state, scores in states.items()}


def _count(scores: Mapping[str, np.ndarray], labels: np.ndarray, n_bins: int) -> tuple[Bins, Histogram]:
    logits, probs = scores.get("logits"), scores.get("probs")
    return (
        reliability(logits=logits, probs=probs, labels=labels, n_bins=n_bins),
        histogram(logits=logits, probs=probs, labels=labels),
    )


def _view(parts: list[tuple[Bins, Histogram]]) -> View | None:
    if not parts:
        return None
    return View(diagram([bins for bins, _ in parts]), pool([counted for _, counted in parts]))
