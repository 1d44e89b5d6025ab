"""Reliability diagrams: how often predictions of a given confidence are right.

M bins of equal width on (0, 1], as `levelhead.metrics.reliability` fills them. Diagrams of several seeds are
pooled by adding counts. The seeds of a comparison are tested on the *same* examples, so an interval around a
bin's accuracy is that of one seed's share of the pooled count: three seeds do not make a test set three times
as large.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.metrics import Bins
from levelhead.plots import style

FEW = 10  # examples: the accuracy of fewer is hardly known


@dataclass(frozen=True, eq=False)
class Diagram:
    """What a reliability diagram shows; arrays but `edges` have one entry a bin, NaN where it is empty.

    Attributes:
        edges: `(M + 1,)`, bin m is (edges[m], edges[m + 1]].
        count: `(M,)` integers, examples in the bin, summed over the pooled runs.
        confidence: mean confidence in the bin, in [0, 1].
        accuracy: share of right answers in the bin, in [0, 1].
        lo, hi: Clopper-Pearson interval of the accuracy, at the size of one run.
        level: how often such an interval covers, for example 0.95.
        runs: how many runs were pooled.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    level: float
    runs: int

    @property
    def n(self) -> int:
        """Predictions in all bins together: examples times runs."""
        return int(self.count.sum())

    @property
    def filled(self) -> np.ndarray:
        """`(M,)` booleans: the bins that hold at least one example, the only ones that are drawn."""
        return self.count > 0

    @property
    def mean_accuracy(self) -> float:
        """Share of right answers, in [0, 1]; NaN without examples."""
        return self._mean(self.accuracy)

    @property
    def mean_confidence(self) -> float:
        """Mean confidence, in [0, 1]; NaN without examples."""
        return self._mean(self.confidence)

    @property
    def steady(self) -> np.ndarray:
        """`(M,)` booleans: bins with at least ten examples a run; others are drawn faint and joined to nothing."""
        return self.count >= FEW * self.runs

    def _mean(self, values: np.ndarray) -> float:
        return float(np.average(values[self.filled], weights=self.count[self.filled])) if self.n else float("nan")

    def table(self) -> list[dict[str, float | int | None]]:
        """One row a bin: from, to, count, confidence, accuracy, lo, hi, gap; None where the bin is empty."""
        rows: list[dict[str, float | int | None]] = []
        for m, count in enumerate(self.count):
            row: dict[str, float | int | None] = {
                "from": float(self.edges[m]),
                "to": float(self.edges[m + 1]),
                "count": int(count),
            }
            for name in ("confidence", "accuracy", "lo", "hi"):
                row[name] = float(getattr(self, name)[m]) if count else None
            row["gap"] = float(self.confidence[m] - self.accuracy[m]) if count else None
            rows.append(row)
        return rows


def diagram(bins: Bins | Iterable[Bins], *, level: float = 0.95) -> Diagram:
    """The diagram of one model's bins, or of several runs' bins pooled.

    Args:
        bins: what `levelhead.metrics.reliability` gives, or several of them with the same edges.
        level: coverage of the intervals, in (0, 1).

    Raises:
        ValueError: nothing to pool, edges that differ, or a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level is a coverage between 0 and 1, such as 0.95; got {level!r}")
    several = [bins] if isinstance(bins, Bins) else list(bins)
    if not several:
        raise ValueError("a reliability diagram needs the bins of at least one run; got none")
    edges = np.asarray(several[0].edges, dtype=np.float64)
    for other in several[1:]:
        if not np.array_equal(np.asarray(other.edges, dtype=np.float64), edges):
            raise ValueError(
                "runs can be pooled only with the same bins; "
                f"got {len(edges) - 1} and {len(other.edges) - 1}, or different edges"
            )
    counts = np.stack([np.asarray(b.count) for b in several]).astype(np.int64)
    count = counts.sum(0)
    confidence = _pooled(counts, [b.confidence for b in several])
    accuracy = _pooled(counts, [b.accuracy for b in several])
    lo, hi = clopper_pearson(accuracy * count / len(several), count / len(several), level)
    return Diagram(edges, count, confidence, accuracy, lo, hi, level, len(several))


def _pooled(counts: np.ndarray, means: list[Any]) -> np.ndarray:
    """`(M,)` means over all runs from each run's mean, NaN where no run has an example."""
    sums = np.where(counts > 0, np.stack([np.asarray(m, dtype=np.float64) for m in means]), 0.0) * counts
    total = counts.sum(0)
    return np.divide(sums.sum(0), total, out=np.full(len(total), np.nan), where=total > 0)


def clopper_pearson(right: np.ndarray, count: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact interval of a share of `right` in `count` trials, elementwise (Clopper and Pearson 1934).

    It stays in [0, 1] and has a width where all or none are right, which a bootstrap has not. Fractional
    counts, from averaging over runs, are interpolated by the beta distribution. NaN where `count` is not
    positive.
    """
    from scipy.special import betaincinv

    right = np.clip(right, 0, count)
    tail = (1 - level) / 2
    some = count > 0
    k, n = np.where(some, right, 0.0), np.where(some, count, 1.0)
    # A beta parameter of zero has no quantile; the bound there is 0 (none right) or 1 (all right) by
    # definition.
    lo = np.where(k > 0, betaincinv(np.where(k > 0, k, 1.0), n - k + 1, tail), 0.0)
    hi = np.where(k < n, betaincinv(k + 1, np.where(k < n, n - k, 1.0), 1 - tail), 1.0)
    return np.where(some, lo, np.nan), np.where(some, hi, np.nan)


def of_table(rows: Sequence[Mapping[str, Any]], *, level: float = 0.95) -> Diagram:
    """The diagram of one run whose `table()` these rows are; `level` is that of its intervals."""

    def column(name: str) -> np.ndarray:
        return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)

    count = column("count").astype(np.int64)
    bounds = column("lo"), column("hi")
    edges = np.append(column("from"), rows[-1]["to"])
    return Diagram(edges, count, column("confidence"), column("accuracy"), *bounds, level, 1)


def calibrated_range(data: Diagram) -> tuple[np.ndarray, np.ndarray]:
    """Where the accuracy of each bin falls if its confidence is honest: bounds `(M,)` each, NaN where it is empty.

    Quantiles of the binomial law of as many examples as one run has in the bin, at its mean confidence; they hold at
    least `level` of the outcomes. A point outside says that this bin is off; of twenty honest bins about one is.
    """
    from scipy.stats import binom

    count, some = np.rint(data.count / data.runs), data.filled
    trials, share = np.maximum(count[some], 1), np.clip(data.confidence[some], 0, 1)
    lo, hi = np.full(len(count), np.nan), np.full(len(count), np.nan)
    lo[some] = binom.ppf((1 - data.level) / 2, trials, share) / trials
    hi[some] = binom.ppf((1 + data.level) / 2, trials, share) / trials
    return np.maximum(lo, 0), hi


def isotonic(count: np.ndarray, correct: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best rising relabelling of the confidence, without bins (Dimitriadis, Gneiting and Jordan 2021).

    Args:
        count: `(G,)` examples of each confidence, or of narrow cells of it, from the least to the most.
        correct: `(G,)` how many of them are right.
        confidence: `(G,)` the confidence, or the mean in the cell.

    Returns:
        Confidences and accuracies at both ends of every level part of the curve, between which it is a line. Places
        without examples are passed over.
    """
    from scipy.optimize import isotonic_regression

    keep = count > 0
    count, correct, confidence = count[keep], correct[keep], confidence[keep]
    if not len(count):
        return np.zeros(0), np.zeros(0)
    share = np.clip(isotonic_regression(correct / count, weights=count).x, 0, 1)
    turns = share[1:] != share[:-1]
    ends = np.append(True, turns) | np.append(turns, True)
    return confidence[ends], share[ends]


def draw(
    ax: Any,
    data: Diagram,
    *,
    title: str | None = None,
    colour: str = style.RAW,
    marker: str = "o",
    label: str = "",
) -> None:
    """Draw onto a matplotlib axis: the diagonal, and for each filled bin a point with its interval.

    A point's area grows with the bin's share of the examples, and bins with hardly any are faint. Call it twice
    for before and after scaling. `title` defaults to n; give "" for none.
    """
    style.tidy(ax)
    ax.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
    steady = data.steady
    ax.plot(data.confidence[steady], data.accuracy[steady], color=colour, linewidth=0.8, alpha=0.7, zorder=3)
    for keep, alpha in ((steady, 1.0), (data.filled & ~steady, 0.35)):
        if not keep.any():
            continue
        x, y = data.confidence[keep], data.accuracy[keep]
        # Rounding can put an all-right bin's accuracy a hair outside its interval, but no bar may be negative.
        reach = np.maximum(np.stack([y - data.lo[keep], data.hi[keep] - y]), 0)
        ax.errorbar(x, y, yerr=reach, fmt="none", ecolor=colour, elinewidth=0.7, alpha=0.6 * alpha, zorder=2)
        area = 6 + 60 * data.count[keep] / data.n
        ax.scatter(
            x,
            y,
            s=area,
            color=colour,
            marker=marker,
            linewidths=0,
            alpha=alpha,
            zorder=4,
            clip_on=False,
            label=label or None,
        )
        label = ""  # once is enough for the legend
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", aspect="equal")
    ax.set_title(style.plain(caption(data) if title is None else title))


def caption(data: Diagram) -> str:
    """How many predictions the diagram stands on."""
    if data.runs == 1:
        return f"n = {data.n:,}"
    return f"n = {data.n // data.runs:,} × {data.runs} seeds"
