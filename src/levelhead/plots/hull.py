"""Leaving the data along random directions: accuracy, confidence or entropy against the distance, a line a method.

A model that knows what it does not know loses confidence with accuracy; one that does not stays sure, or grows surer,
of inputs that are far from all it has seen (Thulasidasan et al. 2019, appendix D, figure 10). K distances.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style

NAMES = {"accuracy": "accuracy", "confidence": "mean confidence", "entropy": "mean entropy in nats"}
FEW = 12  # distances up to which each is marked


@dataclass(frozen=True, eq=False)
class Departure:
    """One method: `(K,)` rising distances, the mean over seeds at each, and its interval (NaN where there is none)."""

    method: str
    quantity: str
    distance: np.ndarray
    mean: np.ndarray
    lo: np.ndarray
    hi: np.ndarray

    def table(self) -> list[dict[str, Any]]:
        """One row a distance: method, distance, mean, lo, hi; None where there is no interval."""
        return [
            {"method": self.method, "distance": float(d), "mean": float(m), "lo": _known(lo), "hi": _known(hi)}
            for d, m, lo, hi in zip(self.distance, self.mean, self.lo, self.hi, strict=True)
        ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def departures(
    tables: Iterable[Mapping[str, Any]], *, quantity: str = "accuracy", state: str = "raw", order: Iterable[str] = ()
) -> tuple[Departure, ...]:
    """One line a method from the tables of a comparison's probes (`probes` in `summary.json`) that are one curve.

    Args:
        tables: objects with `at`, the distance, and `rows` of methods with their `metrics`.
        quantity: accuracy, confidence or entropy.
        state: raw, or scaled by the temperature that was fitted on cal.
        order: methods in the order they should be listed; others follow in the order they come.

    Raises:
        ValueError: another quantity or state.
    """
    if quantity not in NAMES or state not in ("raw", "scaled"):
        raise ValueError(f"quantity is one of {', '.join(NAMES)}, state raw or scaled; got {quantity!r} and {state!r}")
    by_method: dict[str, dict[float, tuple[float, float, float]]] = {method: {} for method in order}
    for table in tables:
        for row in table["rows"]:
            cell = row["metrics"].get(f"{quantity}_{state}") or {}
            mean, lo, hi = (np.nan if cell.get(name) is None else cell[name] for name in ("mean", "lo", "hi"))
            if np.isfinite(mean):
                by_method.setdefault(str(row["method"]), {})[float(table["at"])] = (mean, lo, hi)
    return tuple(
        Departure(method, quantity, np.array(sorted(found)), *np.array([found[at] for at in sorted(found)]).T)
        for method, found in by_method.items()
        if found
    )


def of_curves(curves: Mapping[str, Any], *, quantity: str = "accuracy") -> tuple[Departure, ...]:
    """The same of single models, by name, from what `lh.probes.leave_hull.hull_curve` gives; without intervals."""
    if quantity not in NAMES:
        raise ValueError(f"quantity is one of {', '.join(NAMES)}; got {quantity!r}")
    found = []
    for method, curve in curves.items():
        none = np.full(len(curve.distance), np.nan)
        found.append(Departure(method, quantity, curve.distance, getattr(curve, quantity), none, none))
    return tuple(found)


def draw(ax: Any, data: Iterable[Departure], *, baseline: str | None = None, title: str | None = None) -> None:
    """Draw onto a matplotlib axis: each method's mean against the distance, with a band for its interval.

    Distances are on a logarithmic axis, in which a distance of zero has a place left of the others. `baseline` is drawn
    in black. `title` defaults to what the bands are; give "" for none.
    """
    data = tuple(data)
    style.tidy(ax)
    position = 0
    bands = False
    for line in data:
        is_baseline = line.method == baseline
        colour = style.INK if is_baseline else style.method_colour(position)
        dash = "-" if is_baseline else style.method_dash(position)
        position += not is_baseline
        marker = "o" if len(line.distance) <= FEW else None
        ax.plot(
            line.distance,
            line.mean,
            color=colour,
            linestyle=dash,
            marker=marker,
            markersize=2.5,
            label=style.plain(line.method),
        )
        if np.isfinite(line.lo).any():
            bands = True
            ax.fill_between(line.distance, line.lo, line.hi, color=colour, alpha=0.12, linewidth=0)
    distances = np.unique(np.concatenate([line.distance for line in data])) if data else np.zeros(0)
    positive = distances[distances > 0]
    if len(positive) and positive[0] == distances[0]:
        ax.set_xscale("log")
    elif len(positive):
        ax.set_xscale("symlog", linthresh=positive[0])
    quantity = data[0].quantity if data else ""
    ax.set(xlabel="distance from the example", ylabel=NAMES.get(quantity, quantity))
    if quantity in ("accuracy", "confidence"):
        ax.set_ylim(0, 1)  # both on one scale, whatever they do; an interval may reach beyond
    elif quantity:
        ax.set_ylim(bottom=0)
    ax.set_title(style.plain(("bands: intervals of the mean over seeds" if bands else "") if title is None else title))
    if data:
        ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
