"""Where training made a network surer but not better: the NLL on cal was lower at an earlier epoch than at the last.

Runs may end at different epochs; the last is each run's own.
The epoch with the lowest mean NLL is chosen by the numbers that are then compared, so a rise is a little too large; the
smallest rises are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.metrics import paired

SMALLEST = 0.01  # nats


@dataclass(frozen=True)
class Turn:
    """One method: its `epoch` of the lowest mean NLL, NLL and accuracy then and at the last, means over `seeds`.

    The epoch is one that all runs recorded, the last is each run's own.
    `lo` and `hi` bound the mean rise of the NLL, seed by seed. Accuracies are None where the runs recorded none.
    """

    method: str
    epoch: float
    nll: tuple[float, float]
    lo: float
    hi: float
    accuracy: tuple[float, float] | None
    seeds: int

    def table(self) -> dict[str, Any]:
        """All of it, as a row."""
        return vars(self) | {"nll": list(self.nll), "accuracy": None if self.accuracy is None else list(self.accuracy)}


def turns(
    runs: Iterable[Mapping[str, Any]], *, role: str = "cal", order: Iterable[str] = (), level: float = 0.95
) -> tuple[Turn, ...]:
    """The methods whose NLL rose again by more than chance over the seeds; none of a single seed.

    Args:
        runs: objects of `run.json`, with method and history.
        role: the split whose NLL the history holds.
        order: methods in the order they should be listed; others follow in the order they come.
        level: coverage of the Student-t interval.
    """
    by_method: dict[str, list[dict[float, Mapping[str, Any]]]] = {name: [] for name in order}
    for run in runs:
        known = {entry["epoch"]: entry for entry in run.get("history") or () if _finite(entry.get(f"{role}_nll"))}
        by_method.setdefault(run["method"], []).append(known)
    found = (_turn(method, histories, role, level) for method, histories in by_method.items())
    return tuple(turn for turn in found if turn is not None)


def _turn(method: str, histories: list[dict[float, Mapping[str, Any]]], role: str, level: float) -> Turn | None:
    epochs = sorted(set.intersection(*map(set, histories))) if histories else []
    if len(histories) < 2 or not epochs:
        return None

    def of(name: str, epoch: float | None = None) -> np.ndarray:
        at = (history[max(history) if epoch is None else epoch] for history in histories)
        return np.array([entry.get(f"{role}_{name}", np.nan) for entry in at], np.float64)

    best = min(epochs, key=lambda epoch: of("nll", epoch).mean())
    then, now = of("nll", best), of("nll")
    rise = paired(now, then, level)
    if rise.mean < SMALLEST or rise.lo <= 0:
        return None
    right = float(of("accuracy", best).mean()), float(of("accuracy").mean())
    accuracy = right if np.isfinite(right).all() else None
    return Turn(method, best, (float(then.mean()), float(now.mean())), rise.lo, rise.hi, accuracy, len(histories))


def _finite(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))
