"""Histograms of confidence, for right and for wrong answers.

The axis is the log-odds of the confidence, log(c / (1 - c)), labelled with the confidence itself: trained
networks crowd near 1, and 0.99, 0.999 and 0.9999 are very different claims. N examples, C classes, K bins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style

WIDTH = 0.5  # of a bin, in log-odds: at a confidence of one half about 12 points, at 0.99 about half a point
TOP = 11.5  # the last bin holds all that is surer than 0.99999
TICKS = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
_BLOCK = 1 << 18  # scores worked on at once, 2 MB in float64


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of right and wrong answers by confidence.

    Attributes:
        edges: `(K + 1,)` log-odds; what lies beyond either end is counted in the end's bin, so no example is
            lost.
        right, wrong: `(K,)` integers, summed over the pooled runs.
        mean_confidence: in [0, 1]; NaN without examples.
        runs: how many runs were pooled.
    """

    edges: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    mean_confidence: float
    runs: int

    @property
    def n(self) -> int:
        """Predictions in all: examples times runs."""
        return int(self.right.sum() + self.wrong.sum())

    @property
    def accuracy(self) -> float:
        """Share of right answers, in [0, 1]; NaN without examples."""
        return float(self.right.sum() / self.n) if self.n else float("nan")

    def table(self) -> list[dict[str, float | int]]:
        """One row a bin: the confidences it spans (`from`, `to`), `right` and `wrong` answers."""
        bounds = probability(self.edges)
        bounds[0], bounds[-1] = 0.0, 1.0  # the end bins take all beyond them
        return [
            {"from": float(bounds[k]), "to": float(bounds[k + 1]), "right": int(r), "wrong": int(w)}
            for k, (r, w) in enumerate(zip(self.right, self.wrong, strict=True))
        ]


def histogram(
    *,
    logits: np.ndarray | None = None,
    probs: np.ndarray | None = None,
    labels: np.ndarray,
    num_classes: int = 0,
) -> Histogram:
    """Count right and wrong answers by confidence.

    Args:
        logits: `(N, C)` scores before softmax; or
        probs: `(N, C)` probabilities. Exactly one of the two.
        labels: `(N,)` integers.
        num_classes: sets where the axis begins, at 1 / num_classes; by default C.

    Raises:
        ValueError: both or neither of logits and probs, or shapes that do not fit.
    """
    scores, given_logits = _one_of(logits, probs)
    labels = np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError(
            f"scores (N, C) and labels (N,) are needed; got {tuple(scores.shape)} and {tuple(labels.shape)}"
        )
    edges = axis(num_classes or scores.shape[1])
    right, wrong = np.zeros(len(edges) - 1, np.int64), np.zeros(len(edges) - 1, np.int64)
    total = 0.0
    for rows in _blocks(scores):
        odds, predicted = log_odds(scores[rows], given_logits)
        correct = predicted == labels[rows]
        index = np.clip(np.searchsorted(edges, odds, side="left") - 1, 0, len(right) - 1)
        right += np.bincount(index[correct], minlength=len(right))
        wrong += np.bincount(index[~correct], minlength=len(wrong))
        total += float(probability(odds).sum())
    return Histogram(edges, right, wrong, total / len(labels) if len(labels) else float("nan"), 1)


def pool(histograms: Iterable[Histogram]) -> Histogram:
    """The histogram of several runs together; raises ValueError where there is none or their axes differ."""
    several = list(histograms)
    if not several:
        raise ValueError("a histogram needs the predictions of at least one run; got none")
    if any(not np.array_equal(h.edges, several[0].edges) for h in several):
        raise ValueError("histograms can be pooled only over the same axis: give all the same num_classes")
    n = sum(h.n for h in several)
    mean = sum(h.mean_confidence * h.n for h in several if h.n) / n if n else float("nan")
    return Histogram(
        several[0].edges,
        np.sum([h.right for h in several], 0),
        np.sum([h.wrong for h in several], 0),
        mean,
        sum(h.runs for h in several),
    )


def axis(num_classes: int) -> np.ndarray:
    """`(K + 1,)` edges in log-odds, from 1 / num_classes, the least confidence, or below to 0.99999."""
    if num_classes < 2:
        raise ValueError(f"a classifier has at least 2 classes; got {num_classes}")
    start = np.floor(-np.log(num_classes - 1) / WIDTH) * WIDTH
    return np.arange(start, TOP + WIDTH / 2, WIDTH)


def log_odds(scores: np.ndarray, given_logits: bool) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of the confidence and the predicted class, `(N,)` each; infinite where nothing is left for the
    others.

    Computed from the other classes' mass, not from 1 - c, which is zero in floating point long before it is
    small.
    """
    scores = np.asarray(scores, dtype=np.float64)
    predicted = scores.argmax(1)
    row = np.arange(len(scores))
    top = scores[row, predicted]
    mass = np.exp(scores - top[:, None]) if given_logits else scores.copy()
    mass[row, predicted] = 0.0
    with np.errstate(divide="ignore"):
        return (0.0 if given_logits else np.log(top)) - np.log(mass.sum(1)), predicted


def probability(odds: np.ndarray) -> np.ndarray:
    """The confidence, in [0, 1], whose log-odds these are."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(odds, dtype=np.float64)))


def _one_of(logits: np.ndarray | None, probs: np.ndarray | None) -> tuple[np.ndarray, bool]:
    if logits is not None and probs is None:
        return np.asarray(logits), True
    if probs is not None and logits is None:
        return np.asarray(probs), False
    raise ValueError(f"give exactly one of logits= and probs=; got {'both' if logits is not None else 'neither'}")


def _blocks(scores: np.ndarray) -> Iterator[slice]:
    step = max(1, _BLOCK // scores.shape[1])
    return (slice(start, start + step) for start in range(0, len(scores), step))


def draw(ax: Any, data: Histogram, *, title: str | None = None) -> None:
    """Draw onto a matplotlib axis: stacked shares of right and wrong answers, lines at accuracy and mean
    confidence.

    Where the two lines stand apart the model is over-confident (confidence to the right) or under-confident.
    `title` defaults to n; give "" for none.
    """
    style.tidy(ax)
    n, left, width = max(data.n, 1), data.edges[:-1], np.diff(data.edges)
    right = data.right / n
    ax.bar(left, right, width, align="edge", color=style.RIGHT, label="right")
    ax.bar(
        left,
        data.wrong / n,
        width,
        bottom=right,
        align="edge",
        color=style.WRONG,
        hatch="////",
        label="wrong",
    )
    if data.n:
        low, high = data.edges[0], data.edges[-1]
        for value, dash, label in (
            (data.accuracy, "-", "accuracy"),
            (data.mean_confidence, "--", "mean confidence"),
        ):
            with np.errstate(divide="ignore"):
                place = np.clip(np.log(value) - np.log1p(-value), low, high)
            ax.axvline(place, color=style.INK, linewidth=0.9, linestyle=dash, label=label)
    ticks = [t for t in TICKS if data.edges[0] <= np.log(t / (1 - t)) <= data.edges[-1]]
    ax.set_xticks([np.log(t / (1 - t)) for t in ticks], [f"{t:g}" for t in ticks])
    ax.set(xlim=(data.edges[0], data.edges[-1]), xlabel="confidence", ylabel="share of examples")
    runs = "" if data.runs == 1 else f" × {data.runs} seeds"
    ax.set_title(style.plain(f"n = {data.n // data.runs:,}{runs}" if title is None else title))
