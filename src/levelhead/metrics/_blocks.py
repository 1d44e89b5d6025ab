"""Blocks: some rows of scores as a matrix that stays in the cache while it is worked on.

Shapes: n rows, C classes. `weights` are exp(logit - max), so probabilities are weights / total; for scores given as
probabilities, weights are the probabilities themselves and total is one. Two layouts with one interface:

- `Rows`, (n, C), in torch on any device;
- `ClassMajor`, (C, n), in NumPy on the CPU for few classes, because reductions over short rows vectorise badly: 21
  classes take a third of the time this way. NumPy for a second reason: blocks are worked on side by side in threads,
  and torch lets go of the interpreter's lock at every call, even for a view of three numbers. Taking it back costs 0.1
  ms where another thread has it, so two threads were hardly faster than one.

The memory of a block is used again by the next one.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: Scores in a block on the CPU, 4 MB in float32: smaller ones stay closer, but two threads meet at every operation.
CPU_BLOCK = 1 << 20
GPU_BLOCK = 1 << 22
CLASS_MAJOR_BELOW = 64  # classes
TILE = 1 << 18  # scores transposed at once: what is read and what is written stay in the cache together
REGISTER = 64  # numbers that any CPU's vector registers divide
SUM_TOLERANCE = 1e-3  # how far a row of probabilities may be from summing to one
SUM_TOLERANCE_BFLOAT16 = 1e-2  # eight bits of mantissa cannot do better


class Workspace:
    """Memory for the matrices of one block after another; `working` is their type."""

    def __init__(self, device: torch.device, working: torch.dtype) -> None:
        self._device = device
        self.working = working
        self._slots: dict[str, Tensor] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._counting = np.zeros(0, dtype=np.int64)

    def flat(self, slot: str, size: int, dtype: torch.dtype | None = None) -> Tensor:
        """The first `size` numbers of a slot's memory, in the working type if none is said; what it held is gone."""
        if slot not in self._slots or self._slots[slot].numel() < size:
            self._slots[slot] = torch.empty(size, dtype=dtype or self.working, device=self._device)
            if self._device.type == "cpu":
                self._arrays[slot] = self._slots[slot].numpy()
        return self._slots[slot][:size]

    def array(self, slot: str, rows: int, columns: int, dtype: torch.dtype | None = None) -> np.ndarray:
        """A (rows, columns) view of a slot's memory on the CPU, with `REGISTER` numbers to spare behind it."""
        size = rows * columns
        if slot not in self._arrays or self._arrays[slot].size < size + REGISTER:
            self.flat(slot, size + REGISTER, dtype)
        return self._arrays[slot][:size].reshape(rows, columns)

    def counting(self, size: int) -> np.ndarray:
        """0, 1, ... size - 1."""
        if self._counting.size < size:
            self._counting = np.arange(size)
        return self._counting[:size]


def block_of(scores: Tensor, labels: Tensor, kind: str, space: Workspace) -> "Rows | ClassMajor":
    """n rows of (n, C) `scores`, which are "logits" or "probs", in `space`: valid until the next block is made."""
    return (ClassMajor if is_class_major(scores) else Rows)(scores, labels, kind, space)


def is_class_major(scores: Tensor) -> bool:
    """Whether blocks of (N, C) scores are class-major."""
    return scores.device.type == "cpu" and scores.shape[1] < CLASS_MAJOR_BELOW


def rows_together(scores: Tensor) -> int:
    """How many rows of `scores` make a block."""
    rows = (CPU_BLOCK if scores.device.type == "cpu" else GPU_BLOCK) // scores.shape[1]
    return rows // REGISTER * REGISTER or max(1, rows)


def sum_tolerance(probs: Tensor) -> float:
    """How far a row of such numbers may be from summing to one."""
    return SUM_TOLERANCE_BFLOAT16 if probs.dtype == torch.bfloat16 else SUM_TOLERANCE


def copy_class_major(scores: Tensor, out: np.ndarray) -> None:
    """Copy (n, C) scores on the CPU into (C, n) `out`: classes down, rows along."""
    # by force: a view may still have to be negated
    given = (scores.float() if scores.dtype == torch.bfloat16 else scores).numpy(force=True)
    step = max(1, TILE // given.shape[1])
    for start in range(0, len(given), step):
        out[:, start : start + step] = given[start : start + step].T


class Rows:
    """A block (n, C), in torch; what it returns are tensors (n,) in the working type if nothing else is said."""

    def __init__(self, scores: Tensor, labels: Tensor, kind: str, space: Workspace) -> None:
        self.labels = labels
        self.kind = kind
        self.scores = scores  # (n, C) as given
        self._space = space
        self._full = self._matrix("weights").copy_(scores)
        if kind == "logits":
            self._full.sub_(self._full.amax(1, keepdim=True))
        else:
            self.top = self._full.amax(1)
        self.own = self._of_label()  # the label's logit less the highest, or its probability

    def __len__(self) -> int:
        return self.labels.shape[0]

    @property
    def stored_as(self) -> torch.dtype:
        """The type to whose precision the edges of bins are rounded."""
        return self.scores.dtype if self.kind == "probs" else self._space.working

    def _matrix(self, slot: str, dtype: torch.dtype | None = None) -> Tensor:
        return self._space.flat(slot, self.scores.numel(), dtype).view(self.scores.shape)

    def _of_label(self) -> Tensor:
        return self._full.gather(1, self.labels[:, None]).squeeze(1)

    def in_top5(self) -> Tensor:
        """(n,) bool: the label is among the five highest scores; before `exponentiate`."""
        if self.scores.shape[1] <= 5:
            return torch.ones_like(self.labels, dtype=torch.bool)
        upto = torch.ge(self._full, self.own[:, None], out=self._matrix("scratch")).sum(1)
        if bool((upto <= 5).all()):
            return upto <= 5
        above = torch.gt(self._full, self.own[:, None], out=self._matrix("scratch")).sum(1)
        found = above < 5
        unsure = where_true(found & (upto > 5))
        if unsure.numel():
            found[unsure] = ahead_of_label(self.scores[unsure], self.labels[unsure]) < 5
        return found

    def exponentiate(self) -> None:
        """Turn logits into weights where they are."""
        if self.kind == "logits":
            self._full.exp_()

    def sums(self) -> Tensor:
        """(n,) sums of the weights over classes."""
        return self._full.sum(1)

    def is_bad(self, total: Tensor) -> bool:
        """Whether a row, with these sums, is none of logits, or none of probabilities."""
        if self.kind == "logits":
            return not math.isfinite(float(total.sum()))  # NaN or plus infinity anywhere makes the sum so
        return not bool(((total - 1).abs().amax() <= sum_tolerance(self.scores)) & (self._full.amin() >= 0))

    def sums_of_squares(self) -> Tensor:
        """(n,) sums of the squared weights over classes."""
        if self._full.device.type == "cpu":  # in one pass, without memory for the squares
            full = self._full.numpy()
            return torch.from_numpy(np.einsum("ij,ij->i", full, full))
        return torch.square(self._full, out=self._matrix("scratch")).sum(1)

    def sums_below_top(self) -> Tensor:
        """(n,) sums of the weights less those that are exactly one: the maximum's own, and ties with it."""
        return torch.frac(self._full, out=self._matrix("scratch")).sum(1)

    def normalize(self, total: Tensor) -> None:
        """Turn weights into probabilities where they are; sums of weights cannot be had any more."""
        if self.kind == "logits":
            self._full.mul_(total.reciprocal()[:, None])

    def other_probs_above(self, least: float) -> tuple[Tensor, Tensor]:
        """Classes (int64) and values of all probabilities above `least` but the labels'; after `normalize`."""
        if self._full.device.type != "cpu":
            rows, classes = (self._full > least).scatter_(1, self.labels[:, None], False).nonzero(as_tuple=True)
            return classes, self._full[rows, classes]
        spread = self._full.numpy()
        mask = self._matrix("mask", torch.bool)
        np.greater(spread, spread.dtype.type(least), out=mask.numpy())
        flat = true_places(mask.scatter_(1, self.labels[:, None], False).numpy().ravel())
        return torch.from_numpy(flat % spread.shape[1]), torch.from_numpy(spread.ravel()[flat])

    def label_probs(self) -> tuple[Tensor, Tensor]:
        """(n,) labels and their probabilities; after `normalize`."""
        return self.labels, self._of_label()

    def probs_by_class(self) -> Tensor:
        """(C,) float64: each class's probabilities, summed over the rows; after `normalize`."""
        if self._full.device.type == "cpu":  # adds as it converts
            return torch.from_numpy(self._full.numpy().sum(0, dtype=np.float64))
        return self._full.sum(0, dtype=torch.float64)


class ClassMajor:
    """A block (C, n), in NumPy: what `Rows` returns as tensors it returns as arrays."""

    def __init__(self, scores: Tensor, labels: Tensor, kind: str, space: Workspace) -> None:
        n, num_classes = scores.shape
        self.labels = labels
        self.kind = kind
        self.scores = scores  # (n, C) as given
        self._space = space
        self._full = space.array("weights", num_classes, n)
        copy_class_major(scores, self._full)
        self._places = labels.numpy() * n
        self._places += space.counting(n)
        top = np.maximum.reduce(self._full, axis=0)
        if kind == "logits":
            np.subtract(self._full, top, out=self._full)
        else:
            self.top = top
        self.own = self._of_label()

    def __len__(self) -> int:
        return self._full.shape[1]

    @property
    def stored_as(self) -> torch.dtype:
        """As in `Rows`."""
        return self.scores.dtype if self.kind == "probs" else self._space.working

    def _of_label(self) -> np.ndarray:
        return self._full.ravel().take(self._places)

    def _scratch(self) -> np.ndarray:
        return self._space.array("scratch", len(self._full), len(self))

    def in_top5(self) -> np.ndarray:
        """As in `Rows`."""
        if len(self._full) <= 5:
            return np.ones(len(self), dtype=np.bool_)
        upto = self._count(np.greater_equal)
        if (upto <= 5).all():
            return upto <= 5
        above = self._count(np.greater)
        found = above < 5
        unsure = true_places(found & (upto > 5))
        if unsure.size:
            found[unsure] = ahead_of_label(self.scores[unsure], self.labels[unsure]).numpy() < 5
        return found

    def _count(self, compare: np.ufunc) -> np.ndarray:
        """(n,) number of classes whose score compares so to the label's; bytes, as there are fewer than 64."""
        ahead = compare(self._full, self.own, out=self._space.array("mask", len(self._full), len(self), torch.bool))
        return ahead.view(np.uint8).sum(0, dtype=np.uint8)

    def exponentiate(self) -> None:
        """As in `Rows`."""
        if self.kind == "logits":
            # The spare numbers fill the last vector register up: without them a number's last bit, and on the edge of
            # a bin its bin, could depend on where it stands, and so on the split into batches.
            size = self._full.size
            spare = -size % REGISTER
            flat = self._space.flat("weights", size + spare)
            if spare:
                flat[size:].zero_()
            flat.exp_()

    def sums(self) -> np.ndarray:
        """As in `Rows`."""
        return _sums_down(self._full)

    def is_bad(self, total: np.ndarray) -> bool:
        """As in `Rows`."""
        if self.kind == "logits":
            return not math.isfinite(total.sum())
        return not (np.abs(total - 1).max() <= sum_tolerance(self.scores) and self._full.min() >= 0)

    def sums_of_squares(self) -> np.ndarray:
        """As in `Rows`."""
        return _sums_down(np.square(self._full, out=self._scratch()))

    def sums_below_top(self) -> np.ndarray:
        """As in `Rows`."""
        self._scratch()
        size = self._full.size
        torch.frac(self._space.flat("weights", size), out=self._space.flat("scratch", size))
        return _sums_down(self._scratch())

    def normalize(self, total: np.ndarray) -> None:
        """As in `Rows`."""
        if self.kind == "logits":
            np.multiply(self._full, 1 / total, out=self._full)

    def other_probs_above(self, least: float) -> tuple[np.ndarray, np.ndarray]:
        """As in `Rows`."""
        num_classes, n = self._full.shape
        mask = np.greater(
            self._full, self._full.dtype.type(least), out=self._space.array("mask", num_classes, n, torch.bool)
        ).ravel()
        mask[self._places] = False
        flat = true_places(mask)
        classes = np.arange(num_classes)
        each = np.diff(np.searchsorted(flat, classes * n + n), prepend=0)
        return np.repeat(classes, each), self._full.ravel().take(flat)

    def label_probs(self) -> tuple[np.ndarray, np.ndarray]:
        """As in `Rows`."""
        return self.labels.numpy(), self._of_label()

    def probs_by_class(self) -> np.ndarray:
        """As in `Rows`."""
        return np.einsum("ij->i", self._full, dtype=np.float64)  # four fifths of the time of `sum`


Block = Rows | ClassMajor


def _sums_down(matrix: np.ndarray) -> np.ndarray:
    """(n,) sums over the classes of (C, n), one after another: a single row NumPy would add up in pairs, and its last
    bit, on the edge of a bin its bin, would depend on the split into batches."""
    return np.add.reduce(matrix, axis=0) if matrix.shape[1] > 1 else np.add.accumulate(matrix, axis=0)[-1]


def joined(parts: Sequence[Any]) -> Tensor:
    """What blocks returned, one after another, as one tensor."""
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts)) if len(parts) > 1 else parts[0]
    return torch.from_numpy(np.concatenate(parts) if len(parts) > 1 else parts[0])


def ahead_of_label(scores: Tensor, labels: Tensor) -> Tensor:
    """(n,) number of classes that rank before the label in (n, C) scores; equal ones rank by class index.

    For scores as given: less the highest of their row, close ones may round to the same number.
    """
    own = scores.gather(1, labels[:, None])
    earlier = torch.arange(scores.shape[1], device=scores.device) < labels[:, None]
    return ((scores > own) | ((scores == own) & earlier)).sum(1)


def where_true(mask: Tensor) -> Tensor:
    """Places of the true entries of a flattened mask; NumPy finds few among many three times as fast."""
    if mask.device.type == "cpu":
        return torch.from_numpy(true_places(mask.numpy().ravel()))
    return mask.flatten().nonzero().flatten()


def true_places(mask: np.ndarray) -> np.ndarray:
    """`np.flatnonzero` of booleans (n,): up to a tenth of them true, it takes half the time this way.

    There NumPy looks for one after another, and each is a branch that the processor cannot foresee; above, it writes
    down every place and keeps those that count. So first the eights with a true entry are found, then the entries in
    them, of which an eighth is true at least.
    """
    whole = len(mask) // 8 * 8
    if np.count_nonzero(mask) * 10 > len(mask):
        return np.flatnonzero(mask)
    eights = mask[:whole].view(np.uint64)
    held = np.flatnonzero(eights != 0)
    inside = np.flatnonzero(eights[held].view(np.bool_))
    found = held[inside >> 3] * 8 + (inside & 7)
    return np.concatenate([found, np.flatnonzero(mask[whole:]) + whole]) if whole < len(mask) else found
