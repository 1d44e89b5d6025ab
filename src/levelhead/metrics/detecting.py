"""AUROC, AUPR and FPR95 in one pass and constant memory: `Detection`.

A score may be any number, so no fixed grid fits. Scores are counted in cells of a grid that starts as fine as float64
itself (every distinct score has a cell of its own) and is halved as a whole whenever more than `CELLS` cells hold
something. How often it was halved depends on what was seen, never on the order, the split or the merges, so the result
does not either. While there are at most `CELLS` distinct scores, the measures are exact.

The grid runs over the order of the floating-point numbers: its cells are narrow near zero and wide far away. A
confidence is therefore counted by its distance from one, where an overconfident network puts most of its examples.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from levelhead.metrics import detection
from levelhead.metrics._sharing import gathered
from levelhead.metrics.given import Array, as_tensor
from levelhead.metrics.scores import SCORES

CELLS = 1 << 16  # 1.5 MB; twice as many do not change any measure by 1e-4
PENDING = 1 << 17  # scores that are kept back until they are put into cells together, and that are worked out at once

MEASURES = {
    "auroc": detection.auroc_of,
    "aupr_in": detection.aupr_in_of,
    "aupr_out": detection.aupr_out_of,
    "fpr95": detection.fpr95_of,
}


class Detection:
    """Streaming accumulator of how well a score tells in-distribution examples from others.

    `score`: "max_softmax", "negative_entropy", "energy" or "max_logit", worked out from logits or probabilities; or
    None (the default), and `update` takes the numbers themselves. Higher = more in, and in is the positive side. AUROC,
    AUPR and FPR95 are within 5e-4 of the plain functions and the same for every order, split and merge (see the head
    of this file); `exact=True` keeps 9 bytes an example and equals them.

    >>> import numpy as np
    >>> acc = Detection()
    >>> acc.update(scores=np.array([2.0, 3.0]), inside=True)
    >>> acc.update(scores=np.array([1.0, 2.0]), inside=False)
    >>> acc.compute()["auroc"]
    0.875
    """

    def __init__(self, score: str | None = None, *, exact: bool = False) -> None:
        if score is not None and score not in SCORES:
            raise ValueError(f"no score is called {score!r}; there are {', '.join(SCORES)}, or None to give numbers")
        self.score = score
        self.exact = exact
        self._clear()

    def _clear(self) -> None:
        self._halved = 0
        self._cells = np.zeros(0, dtype=np.int64)  # places in the grid that hold something, rising
        self._counts = np.zeros((0, 2), dtype=np.int64)  # out, in
        self._pending: list[tuple[np.ndarray, np.ndarray]] = []

    def update(
        self,
        *,
        inside: bool | Array,
        scores: Array | None = None,
        logits: Array | None = None,
        probs: Array | None = None,
    ) -> None:
        """Add a batch: `scores` (N,), or for a named score `logits` or `probs` (N, C).

        `inside`: whether the examples are in-distribution, one bool for all or (N,). N = 0 adds nothing. Raises
        ValueError, and leaves the state as it was, for NaN, wrong shapes, and what the score itself refuses.
        """
        if self.score is None:
            if scores is None:
                raise ValueError("scores= is missing: this accumulator was made without a named score")
            if logits is not None or probs is not None:
                raise ValueError("this accumulator takes scores=; to give logits, make it with score='max_softmax'")
            values = self._numbers(scores)
        else:
            if scores is not None:
                raise ValueError(f"this accumulator works out {self.score} itself: give logits= or probs=")
            given = {name: value for name, value in (("logits", logits), ("probs", probs)) if value is not None}
            if self.score in ("energy", "max_logit") and "probs" in given:
                raise ValueError(f"{self.score} needs logits=: probabilities have lost it")
            if not given:
                raise ValueError(f"give logits= or probs= for {self.score}")
            shape = np.shape(next(iter(given.values())))
            if not self.exact and shape and shape[0] > PENDING:
                self._add_piecewise(given, _sides(inside, shape[0]))
                return
            values = SCORES[self.score](**given)
        sides = _sides(inside, len(values))
        if len(values):
            self._pending.append((values, sides))
            if not self.exact and sum(len(part) for part, _ in self._pending) > PENDING:
                self._settle()

    def _add_piecewise(self, given: dict[str, Array], sides: np.ndarray) -> None:
        """Add a batch whose scores are not to be held all at once."""
        fresh = type(self)(self.score)
        assert self.score is not None
        for start in range(0, len(sides), PENDING):
            piece = slice(start, start + PENDING)
            try:
                fresh.update(inside=sides[piece], **{kind: values[piece] for kind, values in given.items()})
            except ValueError:
                SCORES[self.score](**given)  # says the same and counts rows from the first
                raise
        self.merge(fresh)

    @staticmethod
    def _numbers(scores: Array) -> np.ndarray:
        if as_tensor(scores, "scores").numel() == 0:
            return np.zeros(0)
        return detection.checked(scores, "scores").astype(np.float64)

    def _settle(self) -> None:
        """Put what is pending into cells."""
        for values, sides in self._pending:
            for start in range(0, len(values), PENDING):
                piece = slice(start, start + PENDING)
                self._count(self._places(values[piece]), np.stack([~sides[piece], sides[piece]], axis=1), 0)
        self._pending = []

    def _places(self, values: np.ndarray) -> np.ndarray:
        """Whole numbers in the order of the scores: the bits of float64, negative ones turned around."""
        distance = values - 1 if self.score == "max_softmax" else values
        bits = (distance + 0.0).view(np.int64)  # adding zero makes minus zero plus zero
        return bits ^ ((bits >> 63) & np.int64(0x7FFF_FFFF_FFFF_FFFF))

    def _count(self, places: np.ndarray, counts: np.ndarray, halved: int) -> None:
        """Add `counts` at `places` of a grid that was halved `halved` times."""
        coarser = max(self._halved, halved)
        cells = np.concatenate([self._cells >> (coarser - self._halved), places >> (coarser - halved)])
        self._halved = coarser
        order = np.argsort(cells, kind="stable")
        cells, counts = cells[order], np.concatenate([self._counts, counts.astype(np.int64)])[order]
        more = bisect_left(range(64), True, key=lambda halvings: _distinct(cells >> halvings) <= CELLS)
        cells = cells >> more
        self._halved += more
        first = np.flatnonzero(np.append(True, cells[1:] != cells[:-1])[: len(cells)])
        self._cells = cells[first]
        self._counts = np.add.reduceat(counts, first, axis=0) if len(first) else counts

    def compute(self) -> dict[str, float]:
        """`auroc`, `aupr_in`, `aupr_out` and `fpr95`; NaN while a side has no example."""
        if self.exact:
            values, sides = self._samples()
            inside, outside = values[sides], values[~sides]
            if not (len(inside) and len(outside)):
                return dict.fromkeys(MEASURES, float("nan"))
            return {name: getattr(detection, name)(inside, outside) for name in MEASURES}
        self._settle()
        outside, inside = self._counts.T
        if not (inside.any() and outside.any()):
            return dict.fromkeys(MEASURES, float("nan"))
        return {name: measure(inside, outside) for name, measure in MEASURES.items()}

    def _samples(self) -> tuple[np.ndarray, np.ndarray]:
        """All scores and sides, for `exact`."""
        if len(self._pending) != 1:
            columns = (
                zip(*self._pending, strict=True) if self._pending else (([np.zeros(0)]), [np.zeros(0, dtype=bool)])
            )
            values, sides = (np.concatenate(list(column)) for column in columns)
            self._pending = [(values, sides)]
        return self._pending[0]

    @property
    def num_examples(self) -> tuple[int, int]:
        """Examples seen: in-distribution, out-of-distribution."""
        pending = sum(int(sides.sum()) for _, sides in self._pending)
        others = sum(len(sides) for _, sides in self._pending) - pending
        return int(self._counts[:, 1].sum()) + pending, int(self._counts[:, 0].sum()) + others

    def merge(self, other: "Detection") -> Self:
        """Add everything `other` has seen; `other` stays as it is. Returns self."""
        if (self.score, self.exact) != (other.score, other.exact):
            raise ValueError(
                f"accumulators cannot be merged: score, exact are {(self.score, self.exact)} and "
                f"{(other.score, other.exact)}"
            )
        self._pending = self._pending + list(other._pending)
        self._count(other._cells, other._counts, other._halved)
        if not self.exact:
            self._settle()
        return self

    def state_dict(self) -> dict[str, Any]:
        """Everything seen so far as numbers and tensors, for `load_state_dict` or `torch.save`."""
        import torch

        made = {"score": self.score, "exact": self.exact}
        if self.exact:
            values, sides = self._samples()
            return made | {"values": torch.from_numpy(values.copy()), "sides": torch.from_numpy(sides.copy())}
        self._settle()
        held = {"cells": torch.from_numpy(self._cells.copy()), "counts": torch.from_numpy(self._counts.copy())}
        return made | {"halved": self._halved} | held

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Replace everything seen so far by what `state_dict` gave; ValueError if it is of another kind."""
        mine, theirs = (self.score, self.exact), (state_dict.get("score"), state_dict.get("exact"))
        if mine != theirs:
            raise ValueError(f"the state is of another accumulator: score, exact {theirs}, not {mine}")
        self._clear()
        if self.exact:
            self._pending = [(state_dict["values"].numpy().copy(), state_dict["sides"].numpy().copy())]
        else:
            self._count(state_dict["cells"].numpy(), state_dict["counts"].numpy(), int(state_dict["halved"]))

    def all_reduce(self, group: Any = None) -> Self:
        """Bring together what all processes of `group` (default: all) have seen, in every one of them. Returns self.

        Counts are added up, at most 1.5 MB a process. Alone nothing happens; called twice, everything counts twice.
        """
        states = gathered(self.state_dict(), group)
        self.load_state_dict(states[0])
        for state in states[1:]:
            other = type(self)(self.score, exact=self.exact)
            other.load_state_dict(state)
            self.merge(other)
        return self


def _sides(inside: Any, n: int) -> np.ndarray:
    """(n,) bool from one bool or an array of them."""
    if isinstance(inside, bool | np.bool_):
        return np.full(n, bool(inside))
    sides = as_tensor(inside, "inside").cpu().numpy().copy()  # kept, while the caller may use the array again
    if sides.dtype != np.bool_ or sides.shape != (n,):
        raise ValueError(f"inside must be one bool or a bool for each of {n} examples, got {sides.dtype} {sides.shape}")
    return sides


def _distinct(rising: np.ndarray) -> int:
    return int(np.count_nonzero(rising[1:] != rising[:-1])) + 1 if len(rising) else 0
