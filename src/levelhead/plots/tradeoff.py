"""Accuracy against calibration, before and after temperature scaling: what is left of the difference.

Scaling divides logits by a number, so a method's accuracy stays and only its calibration moves: each method
is a horizontal step from a hollow mark (before) to a filled one (after). S seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style


@dataclass(frozen=True, eq=False)
class Point:
    """One method: `(S,)` arrays of its seeds' accuracy and of a calibration measure before and after scaling.

    NaN where a seed has no such number. The means are over the seeds that have one; NaN where none has.
    """

    method: str
    seeds: tuple[int, ...]
    accuracy: np.ndarray
    raw: np.ndarray
    scaled: np.ndarray

    def mean(self, which: str) -> float:
        """Mean over seeds of `accuracy`, `raw` or `scaled`."""
        values = getattr(self, which)
        values = values[np.isfinite(values)]
        return float(values.mean()) if len(values) else float("nan")


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """All methods on one pair of axes; `n` is the number of examples behind each mark."""

    measure: str
    role: str
    n: int
    points: tuple[Point, ...]

    def table(self) -> list[dict[str, Any]]:
        """One row a method and seed: method, seed, accuracy, raw, scaled; None where there is no number."""
        return [
            {"method": p.method, "seed": seed}
            | {name: _finite(getattr(p, name)[i]) for name in ("accuracy", "raw", "scaled")}
            for p in self.points
            for i, seed in enumerate(p.seeds)
        ]


def tradeoff(
    results: Iterable[Mapping[str, Any]],
    *,
    measure: str = "ece",
    role: str = "test",
    order: Iterable[str] = (),
) -> Tradeoff:
    """Collect a comparison's results (the objects of `results.json`) into one point a method.

    Args:
        results: objects with method, seed, role, n, raw and scaled.
        measure: the calibration measure on the horizontal axis, a key of raw and scaled.
        role: the split the numbers come from.
        order: methods in the order they should be listed; others follow in the order they come.

    Raises:
        ValueError: no result of this role, or none with this measure.
    """
    chosen = [r for r in results if r.get("role") == role]
    if not chosen:
        raise ValueError(f"there are no results of role {role!r} to draw")
    if not any(measure in (r.get("raw") or {}) for r in chosen):
        raise ValueError(f"no result has the measure {measure!r}; there are {sorted(chosen[0].get('raw') or {})}")
    by_method: dict[str, list[Mapping[str, Any]]] = {name: [] for name in order}
    for result in chosen:
        by_method.setdefault(result["method"], []).append(result)
    points = tuple(_point(name, rows, measure) for name, rows in by_method.items() if rows)
    return Tradeoff(measure, role, int(chosen[0].get("n") or 0), points)


def _point(method: str, rows: list[Mapping[str, Any]], measure: str) -> Point:
    rows = sorted(rows, key=lambda r: r["seed"])
    return Point(
        method,
        tuple(r["seed"] for r in rows),
        np.array([_number(r, "raw", "accuracy") for r in rows]),
        np.array([_number(r, "raw", measure) for r in rows]),
        np.array([_number(r, "scaled", measure) for r in rows]),
    )


def _number(result: Mapping[str, Any], which: str, name: str) -> float:
    value = (result.get(which) or {}).get(name)
    return float("nan") if value is None else float(value)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def draw(ax: Any, data: Tradeoff, *, baseline: str | None = None, title: str | None = None) -> None:
    """Draw onto a matplotlib axis: means over seeds as large marks, single seeds as small dots beside them.

    `baseline` is drawn in black. `title` defaults to n; give "" for none.
    """
    style.tidy(ax)
    position = 0
    for point in data.points:
        is_baseline = point.method == baseline
        colour = style.INK if is_baseline else style.method_colour(position)
        marker = "*" if is_baseline else style.method_marker(position)
        position += not is_baseline
        _draw_point(ax, point, colour, marker)
    ax.set(xlabel=f"{data.measure.upper()} (hollow: before scaling, filled: after)", ylabel="accuracy")
    ax.set_xlim(left=0)
    seeds = max((len(p.seeds) for p in data.points), default=0)
    ax.set_title(style.plain(f"n = {data.n:,}, seeds: {seeds}" if title is None else title))
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)


def _draw_point(ax: Any, point: Point, colour: str, marker: str) -> None:
    accuracy, raw, scaled = (point.mean(which) for which in ("accuracy", "raw", "scaled"))
    ax.plot([raw, scaled], [accuracy, accuracy], color=colour, linewidth=0.8, zorder=2)
    if len(point.seeds) > 1:
        ax.scatter(point.raw, point.accuracy, s=4, facecolors="none", edgecolors=colour, linewidths=0.5, zorder=1)
        ax.scatter(point.scaled, point.accuracy, s=4, color=colour, linewidths=0, alpha=0.6, zorder=1)
    ax.scatter([raw], [accuracy], s=36, facecolors="white", edgecolors=colour, marker=marker, zorder=3)
    ax.scatter([scaled], [accuracy], s=36, color=colour, marker=marker, zorder=3, label=style.plain(point.method))
