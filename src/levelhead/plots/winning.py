"""Winning scores, the probability of the predicted class, as densities: of the data, and of data from elsewhere.

LogitMix and PLS show them on test (PLS, figures 2 and 5) and out of distribution (figure 7; Thulasidasan et al. 2019,
figures 8 and 9). N examples, K bins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style
from levelhead.plots.confidence import log_odds, probability
from levelhead.predictions import Predictions

BINS = 40


@dataclass(frozen=True, eq=False)
class Winning:
    """Shares of examples by winning score: `edges (K + 1,)` in [0, 1], `share (K,)`, which sum to one."""

    name: str
    edges: np.ndarray
    share: np.ndarray
    median: float
    n: int

    def table(self) -> list[dict[str, Any]]:
        """One row a bin: name, from, to, share."""
        return [
            {"name": self.name, "from": float(self.edges[k]), "to": float(self.edges[k + 1]), "share": float(s)}
            for k, s in enumerate(self.share)
        ]


def winning(
    name: str, *, logits: np.ndarray | None = None, probs: np.ndarray | None = None, n_bins: int = BINS
) -> Winning:
    """Count the winning scores of `logits` or `probs` `(N, C)`; raises ValueError for both, neither or none."""
    if (logits is None) == (probs is None):
        raise ValueError(f"give exactly one of logits= and probs=; got {'neither' if logits is None else 'both'}")
    scores = np.asarray(logits if probs is None else probs)
    if scores.ndim != 2 or len(scores) == 0:
        raise ValueError(f"scores (N, C) with N >= 1 are needed; got {scores.shape}")
    top = probability(log_odds(scores, probs is None)[0])
    edges = np.linspace(0, 1, n_bins + 1)
    counts, _ = np.histogram(top, edges)
    return Winning(name, edges, counts / len(top), float(np.median(top)), len(top))


def of(name: str, predictions: Predictions) -> Winning:
    """The winning scores of predictions."""
    return winning(name, logits=predictions.logits, probs=predictions.probs)


def draw(ax: Any, data: Iterable[Winning], *, title: str | None = None) -> None:
    """Draw onto a matplotlib axis: an outline each, with its median as a tick below.

    `title` defaults to n of the first; give "" for none.
    """
    data = tuple(data)
    style.tidy(ax)
    for position, each in enumerate(data):
        colour, dash = style.method_colour(position), style.method_dash(position)
        ax.stairs(each.share, each.edges, color=colour, linestyle=dash, label=style.plain(each.name))
        ax.plot([each.median], [0], marker=style.method_marker(position), color=colour, clip_on=False, markersize=4)
    ax.set(xlim=(0, 1), xlabel="winning score (marks: medians)", ylabel="share of examples")
    ax.set_title(style.plain((f"n = {data[0].n:,}" if data else "") if title is None else title))
    if data:
        ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
