"""All measures in one pass and constant memory: feed batches in any split, merge, read.

Counts are int64 and sums float64, so 1e9 examples are as exact as ten. The plain functions of this room are
this accumulator, run once.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics import _cells, _class_bins, _pointwise, _top_label
from levelhead.metrics._bins import Bins
from levelhead.metrics._edges import check_n_bins
from levelhead.metrics._measures import READERS, accuracy_at_coverage, bins_of, class_ece
from levelhead.metrics._pointwise import State
from levelhead.metrics.chunks import Chunk, chunks, rows_together
from levelhead.metrics.given import Array, Given, check

_Part = tuple[Callable[[int, int], State], Callable[[State, Chunk], None]]

_PARTS: Mapping[str, _Part] = {
    "correct": (_pointwise.zeros_correct, _pointwise.add_correct),
    "top5": (_pointwise.zeros_top5, _pointwise.add_top5),
    "nll": (_pointwise.zeros_nll, _pointwise.add_nll),
    "brier": (_pointwise.zeros_brier, _pointwise.add_brier),
    "top_label": (_top_label.zeros, _top_label.add),
    "class_bins": (_class_bins.zeros, _class_bins.add),
    "cells": (_cells.zeros, _cells.add),
}


class Calibration:
    """Streaming accumulator of every measure of one model on one set of examples.

    `num_classes`: columns of the scores. `n_bins`: bins of ECE and its relatives, fixed here. `parts`
    restricts what is computed; the default is everything. The size does not depend on the number of examples:
    about 200 KB and 24 bytes a class and bin. Accuracy, NLL, Brier, gap, ECE, OE, MCE, class-wise ECE and
    what is read from the same bins equal the plain functions; adaptive ECE and AURC come from fine cells
    (`_cells.py`), within 5e-4 of them.

    >>> import numpy as np
    >>> acc = Calibration(num_classes=2)
    >>> acc.update(probs=np.array([[0.9, 0.1]]), labels=np.array([0]))
    >>> acc.update(probs=np.array([[0.2, 0.8]]), labels=np.array([0]))
    >>> round(acc.compute()["gap"], 6)
    0.35
    """

    def __init__(self, num_classes: int, n_bins: int = 15, *, parts: Iterable[str] | None = None) -> None:
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
            raise ValueError(f"num_classes must be a whole number of at least 2, got {num_classes!r}")
        self.num_classes = num_classes
        self.n_bins = check_n_bins(n_bins)
        self._parts = tuple(_PARTS) if parts is None else tuple(parts)
        unknown = [p for p in self._parts if p not in _PARTS]
        if unknown:
            raise ValueError(f"no part is called {unknown[0]!r}; there are {', '.join(_PARTS)}")
        self.num_examples = 0
        self._state = self._zeros()

    def update(self, *, logits: Array | None = None, probs: Array | None = None, labels: Array | None = None) -> None:
        """Add a batch: `logits` or `probs` (N, C) with C = num_classes, and `labels` (N,) integers in [0, C).

        NumPy arrays and tensors on any device, of any floating type; nothing is copied as a whole. N = 0 adds
        nothing. Raises ValueError, and leaves the state as it was, for NaN, plus infinity, a row of only
        minus infinity, probabilities that are negative or do not sum to one within 1e-3 (1e-2 in bfloat16),
        or wrong labels.
        """
        if labels is None:
            raise ValueError("labels= is missing: one integer class for each row of scores")
        given = check(logits, probs, labels)
        if given.scores.shape[1] != self.num_classes:
            raise ValueError(
                f"{given.kind} have {given.scores.shape[1]} columns, but this accumulator was made for "
                f"num_classes={self.num_classes}"
            )
        self._add(given)

    def _add(self, given: Given) -> None:
        rows = given.scores.shape[0]
        if rows <= rows_together(given.scores):  # one chunk, which is refused before anything is added
            target = self._state
        else:
            target = self._zeros()
        for chunk in chunks(given):
            for part in self._parts:
                _PARTS[part][1](target, chunk)
        if target is self._state:
            self.num_examples += rows
        else:
            self._absorb(target, rows)

    def _zeros(self) -> State:
        state: State = {}
        for part in self._parts:
            state.update(_PARTS[part][0](self.num_classes, self.n_bins))
        return state

    def _absorb(self, state: Mapping[str, Tensor], num_examples: int) -> None:
        for name, value in state.items():
            self._state[name] += value
        self.num_examples += num_examples

    def merge(self, other: "Calibration") -> Self:
        """Add everything `other` has seen; `other` stays as it is. Returns self."""
        mine, theirs = (
            (self.num_classes, self.n_bins, self._parts),
            (other.num_classes, other.n_bins, other._parts),
        )
        if mine != theirs:
            raise ValueError(f"accumulators cannot be merged: num_classes, n_bins, parts are {mine} and {theirs}")
        self._absorb({name: value.clone() for name, value in other._state.items()}, other.num_examples)
        return self

    def compute(self) -> dict[str, float]:
        """Every measure by name, as the plain functions define them; NaN for all before the first example."""
        return {
            name: read(self._state, self.num_examples, self.n_bins)
            for part in self._parts
            for name, read in READERS[part].items()
        }

    def bins(self) -> Bins:
        """The reliability diagram's numbers of everything seen so far."""
        return bins_of(self._state)

    def cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Examples, right ones and sum of confidence of each fine cell, by rising confidence (`_cells.py`)."""
        if "cells" not in self._parts:
            raise ValueError("this accumulator was made without its part 'cells'")
        return tuple(self._state[f"cell_{name}"].numpy() for name in ("count", "correct", "confidence"))  # type: ignore[return-value]

    def accuracy_at_coverage(self, coverage: float) -> float:
        """Accuracy of the most confident share `coverage` of everything seen; NaN before the first example."""
        return accuracy_at_coverage(self._state, self.num_examples, coverage)

    def class_ece(self) -> Tensor:
        """(C,) float64: the calibration error of each class's probability; `classwise_ece` is its mean."""
        return torch.from_numpy(class_ece(self._state))

    def state_dict(self) -> dict[str, Any]:
        """Everything seen so far as numbers and tensors on the CPU, for `load_state_dict` or `torch.save`."""
        return {
            "num_classes": self.num_classes,
            "n_bins": self.n_bins,
            "parts": list(self._parts),
            "num_examples": self.num_examples,
            "state": {name: value.clone() for name, value in self._state.items()},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Replace everything seen so far by what `state_dict` gave; ValueError if it is of another shape."""
        mine = (self.num_classes, self.n_bins, list(self._parts))
        theirs = tuple(state_dict[name] for name in ("num_classes", "n_bins", "parts"))
        if mine != theirs:
            raise ValueError(f"the state is of another accumulator: num_classes, n_bins, parts {theirs}, not {mine}")
        self._state = {name: state_dict["state"][name].clone() for name in self._state}
        self.num_examples = int(state_dict["num_examples"])

    def all_reduce(self, group: Any = None) -> Self:
        """Add up what all processes of `group` (default: all) have seen, in every one of them. Returns self.

        Counts and sums are added, never averages of batches, so two processes equal one. Two collective calls of fixed
        size, on the GPU where the backend is NCCL. Without `torch.distributed` nothing happens; called twice, it counts
        everything twice.
        """
        from torch import distributed

        if not (distributed.is_available() and distributed.is_initialized()):
            return self
        device = torch.device("cuda") if distributed.get_backend(group) == "nccl" else torch.device("cpu")
        for dtype in (torch.int64, torch.float64):
            names = [name for name, value in self._state.items() if value.dtype == dtype]
            parts = [self._state[name].flatten() for name in names]
            if dtype == torch.int64:
                parts.append(torch.tensor([self.num_examples]))
            if not parts:
                continue
            flat = torch.cat(parts).to(device)
            distributed.all_reduce(flat, group=group)
            pieces = flat.cpu().split([part.numel() for part in parts])
            for name, piece in zip(names, pieces, strict=False):  # the number of examples has no name
                self._state[name] = piece.view_as(self._state[name]).clone()
            if dtype == torch.int64:
                self.num_examples = int(pieces[-1])
        return self
