"""Training curves: a quantity of the runs' histories against the epoch, a mean over seeds for each method.

Training losses of different methods are different quantities (mixed labels cannot be fitted to zero): compare
their shapes, not their heights. `cal_nll`, where a run recorded it, is the same quantity for all. E epochs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style

NAMES = {
    "loss": "training loss",
    "cal_nll": "NLL on cal",
    "cal_accuracy": "accuracy on cal",
    "lr": "learning rate",
}


@dataclass(frozen=True, eq=False)
class Curve:
    """One method: `(E,)` arrays of epochs, and of the mean, least and greatest value over the seeds at each.

    `seeds (E,)` counts the runs with a finite value at the epoch; epochs where none has one are left out.
    """

    method: str
    quantity: str
    epochs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: np.ndarray

    def table(self) -> list[dict[str, Any]]:
        """One row an epoch: method, epoch, mean, low, high, seeds."""
        columns = zip(self.epochs, self.mean, self.low, self.high, self.seeds, strict=True)
        return [
            {
                "method": self.method,
                "epoch": float(e),
                "mean": float(m),
                "low": float(lo),
                "high": float(hi),
                "seeds": int(s),
            }
            for e, m, lo, hi, s in columns
        ]


def curves(
    runs: Iterable[Mapping[str, Any]], *, quantity: str = "loss", order: Iterable[str] = ()
) -> tuple[Curve, ...]:
    """One curve a method from its runs (the objects of `run.json`); methods without the quantity are left
    out.

    Args:
        runs: objects with method and history, a list with an `epoch` and quantities in each entry.
        quantity: loss, lr, cal_nll, cal_accuracy, or any other number of the history.
        order: methods in the order they should be listed; others follow in the order they come.
    """
    by_method: dict[str, dict[float, list[float]]] = {name: {} for name in order}
    for run in runs:
        values = by_method.setdefault(run["method"], {})
        for entry in run.get("history") or ():
            value = entry.get(quantity)
            if value is not None and np.isfinite(value):
                values.setdefault(entry["epoch"], []).append(float(value))
    return tuple(_curve(method, quantity, values) for method, values in by_method.items() if values)


def _curve(method: str, quantity: str, values: dict[float, list[float]]) -> Curve:
    epochs = sorted(values)
    return Curve(
        method,
        quantity,
        np.array(epochs),
        np.array([np.mean(values[e]) for e in epochs]),
        np.array([min(values[e]) for e in epochs]),
        np.array([max(values[e]) for e in epochs]),
        np.array([len(values[e]) for e in epochs]),
    )


def draw(ax: Any, data: Iterable[Curve], *, baseline: str | None = None, title: str | None = None) -> None:
    """Draw onto a matplotlib axis: each method's mean, with a band from its lowest to its highest seed.

    `baseline` is drawn in black. `title` defaults to the number of seeds; give "" for none.
    """
    data = tuple(data)
    style.tidy(ax)
    position = 0
    for curve in data:
        is_baseline = curve.method == baseline
        colour = style.INK if is_baseline else style.method_colour(position)
        dash = "-" if is_baseline else style.method_dash(position)
        position += not is_baseline
        # A single epoch makes no line; a point shows it.
        marker = "o" if len(curve.epochs) == 1 else None
        ax.plot(
            curve.epochs,
            curve.mean,
            color=colour,
            linestyle=dash,
            marker=marker,
            label=style.plain(curve.method),
        )
        if curve.seeds.max() > 1:
            ax.fill_between(curve.epochs, curve.low, curve.high, color=colour, alpha=0.12, linewidth=0)
    quantity = data[0].quantity if data else ""
    ax.set(xlabel="epoch", ylabel=NAMES.get(quantity, quantity))
    seeds = max((int(c.seeds.max()) for c in data), default=0)
    ax.set_title(style.plain((f"mean over {seeds} seeds" if seeds != 1 else "1 seed") if title is None else title))
    if data:
        ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
