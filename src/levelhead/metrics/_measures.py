"""From sums to numbers: what each part of the accumulator's state says."""

import math
from collections.abc import Callable

import numpy as np

from levelhead.metrics import _bins, _ranked
from levelhead.metrics._bins import Bins, make_bins
from levelhead.metrics._pointwise import State
from levelhead.metrics.smooth import smooth_ece

Reader = Callable[[State, int, int], float]


def _mean(name: str) -> Reader:
    def read(state: State, n: int, n_bins: int) -> float:
        return float(state[name]) / n if n else math.nan

    return read


def bins_of(state: State) -> Bins:
    """The reliability diagram's numbers."""
    return make_bins(*(state[f"bin_{name}"].numpy().copy() for name in ("count", "confidence", "square")))


def _from_bins(measure: Callable[[Bins], float]) -> Reader:
    def read(state: State, n: int, n_bins: int) -> float:
        return measure(bins_of(state))

    return read


def class_ece(state: State) -> np.ndarray:
    """(C,) calibration error of each class's probability over all rows; NaN for no row."""
    n = float(state["class_count"][0].sum())
    gaps = (state["class_confidence"] - state["class_correct"]).abs().sum(1)
    return (gaps / n if n else gaps * math.nan).numpy()


def _classwise(state: State, n: int, n_bins: int) -> float:
    return float(class_ece(state).mean())


def _adaptive(state: State, n: int, n_bins: int) -> float:
    count = state["cell_count"].numpy()
    full = count > 0
    count, total = count[full], state["cell_confidence"].numpy()[full]
    return _ranked.equal_mass_ece(total / count, total, state["cell_correct"].numpy()[full], count, n_bins)


def _aurc(state: State, n: int, n_bins: int) -> float:
    count, correct = state["cell_count"].numpy()[::-1], state["cell_correct"].numpy()[::-1]
    return _ranked.aurc(count, count - correct)


def _augrc(state: State, n: int, n_bins: int) -> float:
    count, correct = state["cell_count"].numpy()[::-1], state["cell_correct"].numpy()[::-1]
    return _ranked.augrc(count, count - correct)


def _smooth(state: State, n: int, n_bins: int) -> float:
    count = state["cell_count"].numpy()
    full = count > 0
    total = state["cell_confidence"].numpy()[full]
    return smooth_ece(total / count[full], total, state["cell_correct"].numpy()[full], count[full])


def accuracy_at_coverage(state: State, n: int, coverage: float) -> float:
    """Accuracy of the most confident share `coverage` of the examples."""
    count, correct = state["cell_count"].numpy()[::-1], state["cell_correct"].numpy()[::-1]
    k = covered(n, coverage)
    return 1 - _ranked.wrong_among(count, count - correct, k) / k if n else math.nan


def covered(n: int, coverage: float) -> int:
    """How many of `n` examples a share `coverage` is: rounded up, at least one."""
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage must lie in (0, 1], got {coverage!r}; 0.8 keeps the most confident 80 %")
    return max(1, math.ceil(coverage * n - 1e-9 * n))


READERS: dict[str, dict[str, Reader]] = {
    "correct": {"accuracy": _mean("correct")},
    "top5": {"top5": _mean("top5")},
    "nll": {"nll": _mean("nll")},
    "brier": {"brier": _mean("brier")},
    "top_label": {
        "gap": _from_bins(_bins.gap),
        "ece": _from_bins(_bins.ece),
        "oe": _from_bins(_bins.oe),
        "mce": _from_bins(_bins.mce),
        "ace": _from_bins(_bins.ace),
        "rmsce": _from_bins(_bins.rmsce),
        "debiased_ece": _from_bins(_bins.debiased_ece),
    },
    "class_bins": {"classwise_ece": _classwise},
    "cells": {"adaptive_ece": _adaptive, "aurc": _aurc, "augrc": _augrc, "smooth_ece": _smooth},
}
