"""Risk against coverage: how often the model errs where it answers only the examples it is surest of.

Examples with one confidence are answered together or not at all, so the curve has a place for each distinct
confidence. N examples, C classes, G places.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style
from levelhead.plots.confidence import log_odds

MOST = 2000  # places that are kept


@dataclass(frozen=True, eq=False)
class Coverage:
    """One method: `(G,)` shares answered, in (0, 1], and the share of errors among these."""

    method: str
    coverage: np.ndarray
    risk: np.ndarray
    n: int

    def table(self) -> list[dict[str, Any]]:
        """One row a place: method, coverage, risk."""
        places = zip(self.coverage, self.risk, strict=True)
        return [{"method": self.method, "coverage": float(c), "risk": float(r)} for c, r in places]


def coverage(
    method: str, *, logits: np.ndarray | None = None, probs: np.ndarray | None = None, labels: np.ndarray
) -> Coverage:
    """The curve of one set of predictions: `logits` or `probs` `(N, C)`, `labels` `(N,)`.

    Raises:
        ValueError: both or neither of logits and probs, no example, shapes that do not fit.
    """
    if (logits is None) == (probs is None):
        raise ValueError(f"give exactly one of logits= and probs=; got {'neither' if logits is None else 'both'}")
    scores = np.asarray(logits if probs is None else probs)
    labels = np.asarray(labels)
    if scores.ndim != 2 or len(scores) == 0 or labels.shape != scores.shape[:1]:
        raise ValueError(f"scores (N, C) and labels (N,) with N >= 1 are needed; got {scores.shape} and {labels.shape}")
    odds, predicted = log_odds(scores, probs is None)
    order = np.argsort(-odds, kind="stable")
    wrong = np.cumsum(predicted[order] != labels[order])
    ranked = odds[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of each run of equal confidences, also infinite
    if len(last) > MOST:
        last = last[np.unique(np.linspace(0, len(last) - 1, MOST).round().astype(int))]
    answered = last + 1
    return Coverage(method, answered / len(labels), wrong[last] / answered, len(labels))


def draw(ax: Any, data: Iterable[Coverage], *, baseline: str | None = None, title: str | None = None) -> None:
    """Draw onto a matplotlib axis: a line a method, `baseline` in black. `title` defaults to n; give "" for none."""
    data = tuple(data)
    style.tidy(ax)
    position = 0
    for curve in data:
        own = curve.method == baseline
        colour, dash = (style.INK, "-") if own else (style.method_colour(position), style.method_dash(position))
        position += not own
        ax.plot(curve.coverage, curve.risk, color=colour, linestyle=dash, label=style.plain(curve.method))
    ax.set(xlabel="share answered, surest first", ylabel="share of errors among these", xlim=(0, 1))
    ax.set_ylim(bottom=0)
    ax.set_title(style.plain((f"n = {data[0].n:,}" if data else "") if title is None else title))
    if data:
        ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
