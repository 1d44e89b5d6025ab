"""Accuracy against winning score, batch by batch, as a density (Thulasidasan et al. 2019, figure 1).

The examples are dealt to batches at random, the same ones at every epoch; a batch is a point. Over the diagonal a
model knows more than it says, under it less. N examples, M batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style
from levelhead.plots.confidence import log_odds, probability
from levelhead.predictions import Predictions

BATCH = 100


@dataclass(frozen=True, eq=False)
class Density:
    """One state of a model: `(M,)` mean winning score and accuracy of each batch, in [0, 1]."""

    name: str
    confidence: np.ndarray
    accuracy: np.ndarray
    n: int

    def table(self) -> list[dict[str, Any]]:
        """One row a batch: name, confidence, accuracy."""
        rows = zip(self.confidence, self.accuracy, strict=True)
        return [{"name": self.name, "confidence": float(c), "accuracy": float(a)} for c, a in rows]


def density(
    name: str,
    *,
    logits: np.ndarray | None = None,
    probs: np.ndarray | None = None,
    labels: np.ndarray,
    batch: int = BATCH,
    seed: int = 0,
) -> Density:
    """Deal `logits` or `probs` `(N, C)` with `labels` `(N,)` to batches; what is left over is not used.

    Raises:
        ValueError: both or neither of logits and probs, or fewer examples than make one batch.
    """
    if (logits is None) == (probs is None):
        raise ValueError(f"give exactly one of logits= and probs=; got {'neither' if logits is None else 'both'}")
    scores, labels = np.asarray(logits if probs is None else probs), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or len(scores) < batch:
        raise ValueError(
            f"scores (N, C) and labels (N,) with N >= {batch}, a batch, are needed; got {scores.shape}, {labels.shape}"
        )
    odds, predicted = log_odds(scores, probs is None)
    order = np.random.default_rng(seed).permutation(len(labels))[: len(labels) // batch * batch].reshape(-1, batch)
    return Density(name, probability(odds)[order].mean(1), (predicted == labels)[order].mean(1), len(labels))


def of(name: str, predictions: Predictions) -> Density:
    """The batches of predictions."""
    return density(name, logits=predictions.logits, probs=predictions.probs, labels=predictions.labels)


def draw(ax: Any, data: Density, *, title: str | None = None) -> None:
    """Draw onto a matplotlib axis: batches as hexagons, darker where more fall; the diagonal.

    `title` defaults to the name and n; give "" for none.
    """
    low = max(0.0, min(data.confidence.min(), data.accuracy.min()) - 0.03)
    drawn = ax.hexbin(data.confidence, data.accuracy, gridsize=28, extent=(low, 1, low, 1), cmap=style.RISING, mincnt=1)
    highest = float(drawn.get_array().max())
    drawn.set_clim(-highest / 2, highest)  # a single batch must not be as pale as none
    ax.plot([low, 1], [low, 1], color=style.MUTED, linewidth=0.8, linestyle="--")
    ax.set(xlim=(low, 1), ylim=(low, 1), xlabel="mean winning score of a batch", ylabel="its accuracy", aspect="equal")
    said = f"{data.name}\n{len(data.accuracy)} batches" if title is None else title
    ax.set_title(style.plain(said))
