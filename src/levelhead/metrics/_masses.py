"""The accumulator's sums where labels are distributions: right by the mass of the prediction (`_distributions.py`).

Same names as for integer labels wherever the same reader serves; counts of right predictions become float64 masses.
"""

from collections.abc import Iterable

import numpy as np

from levelhead.metrics import _bins, _cells
from levelhead.metrics._bins import Bins
from levelhead.metrics._counting import histogram
from levelhead.metrics._distributions import Rows
from levelhead.metrics._edges import bin_index
from levelhead.metrics._pointwise import State, real, whole
from levelhead.metrics._samples import tied

_POINTWISE = {"correct": "mass", "top5": "top5", "nll": "nll", "brier": "brier"}
_FROM_BINS = tuple(getattr(_bins, name) for name in ("gap", "ece", "oe", "mce", "ace", "rmsce"))
_COLUMNS = ("mass", "square", "confidence", "right", "variance")  # sums over a bin; see `_add_bins`


def zeros(parts: Iterable[str], num_classes: int, n_bins: int) -> State:
    """The sums of these parts before the first example."""
    state: State = {}
    for part in parts:
        if part in _POINTWISE:
            state[part] = real()
        elif part == "top_label":
            state |= {"bin_count": whole(n_bins), "bin_gap_square": real()}
            state |= {f"bin_{name}": real(n_bins) for name in _COLUMNS}
        elif part == "class_bins":
            state |= {"class_count": whole(num_classes, n_bins), "class_square": real()}
            state |= {f"class_{name}": real(num_classes, n_bins) for name in ("confidence", "correct")}
        else:
            state |= {"cell_count": whole(_cells.CELLS)}
            state |= {f"cell_{name}": real(_cells.CELLS) for name in ("correct", "confidence")}
    return state


def add(state: State, rows: Rows, parts: Iterable[str]) -> None:
    """Put a chunk's rows into the sums of these parts."""
    for part in parts:
        if part in _POINTWISE:
            state[part] += getattr(rows, _POINTWISE[part]).sum()
        elif part == "top_label":
            _add_bins(state, rows)
        elif part == "class_bins":
            _add_class_bins(state, rows)
        else:
            _add_cells(state, rows)


def _add_bins(state: State, rows: Rows) -> None:
    n_bins = len(state["bin_count"])
    c, m = rows.chunk.confidence.double(), rows.mass
    place = bin_index(rows.chunk.confidence, n_bins, rows.chunk.stored_as)
    state["bin_gap_square"] += (c - m).square().sum()
    found = histogram(place, n_bins, m, m.square(), c, c * m, c * (1 - c))
    for name, values in zip(("count", *_COLUMNS), found, strict=True):
        state[f"bin_{name}"] += values


def _add_class_bins(state: State, rows: Rows) -> None:
    shape = state["class_count"].shape
    probs = rows.probs
    state["class_square"] += rows.targets.square().sum()
    step = max(1, (1 << 20) // shape[0])  # in pieces: three wide columns of all scores would not be small
    for p, q in zip(probs.split(step), rows.targets.split(step), strict=True):
        cell = bin_index(p, shape[1], rows.stored_as(p))
        cell += cell.new_tensor(range(shape[0])) * shape[1]
        found = histogram(cell.flatten(), shape.numel(), p.flatten(), q.flatten())
        for name, values in zip(("count", "confidence", "correct"), found, strict=True):
            state[f"class_{name}"] += values.view(shape)


def _add_cells(state: State, rows: Rows) -> None:
    index = _cells.cell_index(rows.chunk.rest)
    found = histogram(index, _cells.CELLS, rows.mass, 1 - rows.chunk.rest)
    for name, values in zip(("count", "correct", "confidence"), found, strict=True):
        state[f"cell_{name}"] += values


def bins_of(state: State) -> Bins:
    """The reliability diagram's numbers, with expected numbers of right predictions."""
    count = state["bin_count"].numpy()
    mass, _, confidence, right, variance = (state[f"bin_{name}"].numpy() for name in _COLUMNS)
    outcomes = np.stack([count - mass, mass], axis=1)
    return Bins(
        edges=np.arange(len(count) + 1) / len(count),
        count=count.copy(),
        confidence=_mean(confidence, count),
        accuracy=_mean(mass, count),
        variance=np.maximum(_mean(variance, count), 0.0),
        outcomes=outcomes,
        outcome_confidence=_mean(np.stack([confidence - right, right], axis=1), outcomes),
        gap_square=float(state["bin_gap_square"]),
    )


def from_bins(state: State) -> dict[str, float]:
    """What is read from the bins; the spread within a bin is the masses' own."""
    bins = bins_of(state)
    values = {measure.__name__: float(measure(bins)) for measure in _FROM_BINS}
    full = bins.count > 0
    size = bins.count[full]
    spread = np.sqrt(np.maximum(state["bin_square"].numpy()[full] / size - bins.accuracy[full] ** 2, 0) / size)
    gaps = np.abs(bins.confidence[full] - bins.accuracy[full])
    debiased = ((2 * gaps - _bins.folded_normal_mean(gaps, spread)) * size).sum() / size.sum() if size.size else np.nan
    return values | {"debiased_ece": max(0.0, float(debiased)) if size.size else float("nan")}


def _mean(sums: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.where(size > 0, sums / np.where(size > 0, size, 1), np.nan)


class MassSamples:
    """Each example's one minus confidence, and the mass that its prediction missed; 16 bytes an example."""

    def __init__(self) -> None:
        self.keys: list[np.ndarray] = []

    def add(self, rows: Rows) -> None:
        """Take the examples of a chunk."""
        self.keys.append(np.stack([rows.chunk.rest.cpu().numpy(), 1 - rows.mass.cpu().numpy()]))

    def merge(self, other: "MassSamples") -> None:
        """Take the examples of `other` as well."""
        self.keys = self.keys + other.keys

    def joined(self) -> np.ndarray:
        """(2, n): all of them, in the order they came."""
        return np.concatenate(self.keys, axis=1) if self.keys else np.zeros((2, 0))

    def ranked(self) -> tuple[np.ndarray, np.ndarray]:
        """One minus the confidence, rising, and the missed mass."""
        rest, wrong = self.joined()
        order = np.argsort(rest, kind="stable")
        return rest[order], wrong[order]

    def groups(self) -> tuple[np.ndarray, np.ndarray]:
        """Examples and missed mass of each distinct confidence, by falling confidence."""
        return tied(*self.ranked())
