"""Is the difference real? Each method's measure less the baseline's, seed by seed, with the interval of the
mean.

Runs with the same seed saw the same data order and started from the same weights, so their difference is less
noisy than either: an interval that leaves zero out is a difference that the seeds can tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.metrics import paired
from levelhead.plots import style


@dataclass(frozen=True, eq=False)
class Difference:
    """One method against the baseline: `(S,)` differences for the seeds that both have.

    `lo` and `hi` bound the mean; NaN for a single seed.
    """

    method: str
    seeds: tuple[int, ...]
    values: np.ndarray
    mean: float
    lo: float
    hi: float

    @property
    def told_apart(self) -> bool | None:
        """Whether the interval leaves zero out; None without an interval."""
        return None if math.isnan(self.lo) else not self.lo <= 0 <= self.hi

    def table(self) -> list[dict[str, Any]]:
        """One row a seed (method, seed, difference)."""
        return [
            {"method": self.method, "seed": s, "difference": float(v)}
            for s, v in zip(self.seeds, self.values, strict=True)
        ]


def differences(
    results: Iterable[Mapping[str, Any]],
    *,
    baseline: str,
    measure: str = "nll",
    state: str = "scaled",
    role: str = "test",
    order: Iterable[str] = (),
    level: float = 0.95,
) -> tuple[Difference, ...]:
    """Paired differences of every other method to `baseline`; a method that shares no seed with it is left
    out.

    Args:
        results: objects of `results.json`.
        baseline: the method to subtract.
        measure: a key of the raw and scaled measures.
        state: raw or scaled.
        role: the split the numbers come from.
        order: methods in the order they should be listed; others follow in the order they come.
        level: coverage of the Student-t interval.
    """
    by_method: dict[str, dict[int, float]] = {name: {} for name in order}
    for result in results:
        value = (result.get(state) or {}).get(measure)
        if result.get("role") == role and value is not None and np.isfinite(value):
            by_method.setdefault(result["method"], {})[result["seed"]] = float(value)
    against = by_method.pop(baseline, {})
    found = []
    for method, values in by_method.items():
        seeds = tuple(sorted(values.keys() & against.keys()))
        if seeds:
            ours, theirs = np.array([values[s] for s in seeds]), np.array([against[s] for s in seeds])
            interval = paired(ours, theirs, level)
            found.append(Difference(method, seeds, ours - theirs, interval.mean, interval.lo, interval.hi))
    return tuple(found)


def draw(ax: Any, data: Iterable[Difference], *, baseline: str, name: str = "NLL after scaling") -> None:
    """Draw onto a matplotlib axis: a row a method: its seeds as dots, their mean and interval."""
    data = tuple(data)
    style.tidy(ax)
    ax.axvline(0, color=style.INK, linewidth=0.8)
    for row, item in enumerate(data):
        colour = style.BLUE if item.told_apart else style.MUTED
        if item.told_apart is not None:
            ax.plot([item.lo, item.hi], [row, row], color=colour, linewidth=1.4)
        ax.scatter(
            item.values,
            np.full(len(item.values), row),
            s=9,
            facecolors="none",
            edgecolors=colour,
            linewidths=0.7,
        )
        ax.scatter([item.mean], [row], s=26, color=colour, marker="D", zorder=3)
    ax.set_yticks(range(len(data)), [style.plain(item.method, width=30) for item in data])
    ax.set_ylim(len(data) - 0.5, -0.5)
    ax.set_xlabel(style.plain(f"{name}, difference to {baseline}"))
    seeds = max((len(d.seeds) for d in data), default=0)
    ax.set_title(f"{seeds} paired seed{'s' * (seeds != 1)}")
