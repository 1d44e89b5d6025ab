"""One pass over the scores, with everything the measures read from a row.

Shapes: n rows, C classes. Two sizes: a *block* is a matrix that stays in the cache while it is worked on, in memory
that the next block uses again; a *chunk* is many blocks' numbers a row, so that work on rows is done on long vectors.
`weights` are exp(logit - max), so probabilities are weights / total; for scores given as probabilities, weights are
the probabilities themselves and total is one. With few classes a block is transposed (classes down, rows along),
because reductions over short rows vectorise badly: 21 classes take a third of the time this way. Float64 input is
worked in float64, everything narrower in float32; sums over rows are always float64 (the measures' side).
"""

import math
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics.given import Given

#: Scores in a block, 4 MB in float32. Smaller ones stay in the cache, but threads hand the interpreter's lock over at
#: every operation: at 1 MB that took half of the time of two threads.
CPU_CHUNK = 1 << 20
CPU_CHUNK_TRANSPOSED = 1 << 19  # half of it where a block is transposed, which moves through memory badly
GPU_CHUNK = 1 << 22
CPU_BLOCKS = 4  # blocks in a chunk
TRANSPOSE_BELOW = 64
REGISTER = 64  # rows that any CPU's vector registers divide
SUM_TOLERANCE = 1e-3  # how far a row of probabilities may be from summing to one
SUM_TOLERANCE_BFLOAT16 = 1e-2  # eight bits of mantissa cannot do better


class Workspace:
    """Memory for the matrices of one block after another."""

    def __init__(self, device: torch.device, working: torch.dtype) -> None:
        self._device = device
        self._working = working
        self._slots: dict[str, Tensor] = {}

    def matrix(self, slot: str, rows: int, columns: int, dtype: torch.dtype | None = None) -> Tensor:
        """A (rows, columns) view of a slot's memory, in the working dtype if none is said; what it held is gone."""
        size = rows * columns
        if slot not in self._slots or self._slots[slot].numel() < size:
            self._slots[slot] = torch.empty(size, dtype=dtype or self._working, device=self._device)
        return self._slots[slot][:size].view(rows, columns)


class Block:
    """n rows of scores as a matrix in the workspace: valid until the next block is made."""

    def __init__(self, scores: Tensor, labels: Tensor, kind: str, space: Workspace) -> None:
        self.labels = labels
        self.kind = kind
        self.scores = scores  # (n, C) as given
        self.transposed = scores.shape[1] < TRANSPOSE_BELOW
        self.class_dim = 0 if self.transposed else 1
        self._space = space
        self._index = labels[None] if self.transposed else labels[:, None]
        self._full = self._copied(scores)
        if kind == "logits":
            self._full.sub_(self._full.amax(self.class_dim, keepdim=True))
            self.own = self._of_label(self._full)  # the label's logit less the highest
        else:
            self.top = self._full.amax(self.class_dim)[: len(self)]
            self.own = self._of_label(self._full)  # the label's probability
        self._exponentiated = self._normalized = False

    def __len__(self) -> int:
        return self.labels.shape[0]

    def _copied(self, scores: Tensor) -> Tensor:
        n, num_classes = scores.shape
        if not self.transposed:
            return self._space.matrix("weights", n, num_classes).copy_(scores)
        # Spare columns fill the last vector register up: a reduction over the first dimension adds in another order
        # in columns that do not, and a row's sum, on the edge of a bin its bin, would depend on the split into batches.
        spare = -n % REGISTER
        full = self._space.matrix("weights", num_classes, n + spare)
        if spare:
            full[:, n:] = 0
        copy_class_major(scores, full[:, :n])
        return full

    def _of_label(self, values: Tensor) -> Tensor:
        return values.gather(self.class_dim, self._index).squeeze(self.class_dim)

    def in_top5(self) -> Tensor:
        """(n,) bool: the label is among the five highest scores; before `weights` is asked for."""
        assert not self._exponentiated
        if self.scores.shape[1] <= 5:
            return torch.ones_like(self.labels, dtype=torch.bool)
        upto = self._count("greater_equal")
        if bool((upto <= 5).all()):
            return upto <= 5
        above = self._count("greater")
        found = above < 5
        unsure = where_true(found & (upto > 5))  # a tie over the fifth place: equal scores rank by class index
        if unsure.numel():
            rows, labels = self.scores[unsure], self.labels[unsure, None]
            earlier = torch.arange(rows.shape[1], device=rows.device) < labels
            found[unsure] = above[unsure] + ((rows == rows.gather(1, labels)) & earlier).sum(1) < 5
        return found

    def _count(self, compare: str) -> Tensor:
        """(n,) number of classes whose score compares ("greater", "greater_equal") so to the label's."""
        if self.transposed and self._full.device.type == "cpu":  # bytes are added up fast, and 64 classes fit
            ahead = getattr(np, compare)(self._full[:, : len(self)].numpy(), self.own.numpy()[None])
            return torch.from_numpy(ahead.view(np.uint8).sum(0, dtype=np.uint8))
        own = torch.nn.functional.pad(self.own, (0, -len(self) % REGISTER)) if self.transposed else self.own
        held = getattr(torch, compare)(self._full, own.unsqueeze(self.class_dim), out=self._scratch())
        return held.sum(self.class_dim)[: len(self)]

    def _scratch(self) -> Tensor:
        return self._space.matrix("scratch", *self._full.shape)

    @cached_property
    def weights(self) -> Tensor:
        """exp(logit - max), or the probabilities: (n, C), or (C, n) where `transposed`; before `normalize`."""
        if self.kind == "logits":
            self._full.exp_()
        self._exponentiated = True
        return self._full.narrow(1 - self.class_dim, 0, len(self))

    def sums(self) -> Tensor:
        """(n,) sums of the weights over classes."""
        assert self._exponentiated
        assert not self._normalized
        return self._full.sum(self.class_dim)[: len(self)]

    def sums_of_squares(self) -> Tensor:
        """(n,) sums of the squared weights over classes."""
        assert self._exponentiated
        assert not self._normalized
        if self._full.device.type == "cpu":  # in one pass, without memory for the squares
            full = self._full.numpy()
            return torch.from_numpy(np.einsum("ij,ij->j" if self.transposed else "ij,ij->i", full, full))[: len(self)]
        return torch.square(self._full, out=self._scratch()).sum(self.class_dim)[: len(self)]

    def sums_below_top(self) -> Tensor:
        """(n,) sums of the weights less those that are exactly one: the maximum's own, and ties with it."""
        assert self._exponentiated
        assert not self._normalized
        return torch.frac(self._full, out=self._scratch()).sum(self.class_dim)[: len(self)]

    def normalize(self, total: Tensor) -> None:
        """Turn the weights into probabilities where they are; sums of weights cannot be had any more."""
        if self.kind == "logits" and not self._normalized:
            self.weights.mul_(total.reciprocal().unsqueeze(self.class_dim))
        self._normalized = True

    def probs_above(self, least: float) -> tuple[Tensor, Tensor]:
        """Classes (int64) and values of all probabilities above `least`."""
        assert self._normalized
        probs = self.weights
        if probs.device.type != "cpu":
            first, second = (probs > least).nonzero(as_tuple=True)
            return (first if self.transposed else second), probs[first, second]
        spread, num_rows = probs.numpy(), probs.shape[1 - self.class_dim]
        mask = self._space.matrix("mask", probs.shape[0], probs.shape[1], torch.bool).numpy()
        flat = true_places(np.greater(spread, spread.dtype.type(least), out=mask).ravel())
        if not self.transposed:
            return torch.from_numpy(flat % probs.shape[1]), torch.from_numpy(spread.ravel()[flat])
        classes = np.arange(len(spread))
        each = np.diff(np.searchsorted(flat, classes * num_rows + num_rows), prepend=0)
        return torch.from_numpy(np.repeat(classes, each)), torch.from_numpy(spread.ravel()[flat])

    def label_probs(self) -> Tensor:
        """(n,) the label's probability."""
        assert self._normalized
        return self._of_label(self.weights)

    def probs_by_class(self) -> Tensor:
        """(C,) float64: each class's probabilities, summed over the rows."""
        assert self._normalized
        if self.weights.device.type == "cpu":  # adds as it converts
            return torch.from_numpy(self.weights.numpy().sum(1 - self.class_dim, dtype=np.float64))
        return self.weights.sum(1 - self.class_dim, dtype=torch.float64)

    @property
    def stored_as(self) -> torch.dtype:
        """The type to whose precision the edges of bins are rounded."""
        return self.scores.dtype if self.kind == "probs" else self._full.dtype


#: What is done to each block while it is in the cache, with its sums over classes.
Visit = Callable[[Block, Tensor], None]


class Chunk:
    """n rows and what a measure can ask about each; values are computed when first asked for.

    `needs` names what else is to be summed over classes in the same look at the scores: "rest" for `rest`, "brier"
    for `brier`, "top5" for `top5`. Without it they cost a second look.
    """

    def __init__(
        self,
        scores: Tensor,
        labels: Tensor,
        kind: str,
        working: torch.dtype,
        *,
        space: Workspace | None = None,
        needs: tuple[str, ...] = (),
        visits: tuple[Visit, ...] = (),
    ) -> None:
        self.labels = labels
        self.kind = kind
        self.scores = scores  # (n, C) as given
        self.working = working
        self._space = space or Workspace(scores.device, working)
        self.bad = False
        self._read(needs, visits)

    def __len__(self) -> int:
        return self.labels.shape[0]

    def _blocks(self) -> Iterator[Block]:
        step = rows_together(self.scores)
        for scores, labels in zip(self.scores.split(step), self.labels.split(step), strict=True):
            yield Block(scores, labels, self.kind, self._space)

    def _read(self, needs: tuple[str, ...], visits: tuple[Visit, ...]) -> None:
        columns: dict[str, list[Tensor]] = {}
        for block in self._blocks():
            row = {"own": block.own}
            if "top5" in needs:
                row["top5"] = block.in_top5()
            weights = block.weights
            row["total"] = total = block.sums()
            if self.kind == "logits":
                bad = not math.isfinite(float(total.sum()))  # NaN or +inf anywhere makes the sum so
                if "rest" in needs:
                    row["below_top"] = block.sums_below_top()
            else:
                row["top"] = block.top
                bad = not bool(((total - 1).abs().amax() <= sum_tolerance(self.scores)) & (weights.amin() >= 0))
            if bad:
                self.bad = True
                return
            if "brier" in needs:
                row["squares"] = block.sums_of_squares()
            for visit in visits:
                visit(block, total)
            for name, values in row.items():
                columns.setdefault(name, []).append(values)
        for name, parts in columns.items():
            # what is not asked for here is not set, and computed by the property of its name
            self.__dict__[f"_{name}"] = torch.cat(parts) if len(parts) > 1 else parts[0]

    def _again(self, look: Callable[[Block], Tensor]) -> Tensor:
        parts = []
        for block in self._blocks():
            block.weights  # noqa: B018  exponentiated by being asked for
            parts.append(look(block))
        return torch.cat(parts)

    _own: Tensor
    _total: Tensor
    _top: Tensor

    @cached_property
    def _below_top(self) -> Tensor:
        return self._again(Block.sums_below_top)

    @cached_property
    def _squares(self) -> Tensor:
        return self._again(Block.sums_of_squares)

    @cached_property
    def _top5(self) -> Tensor:
        return torch.cat([block.in_top5() for block in self._blocks()])

    @cached_property
    def confidence(self) -> Tensor:
        """(n,) probability of the predicted class, in the working dtype."""
        return self._total.reciprocal() if self.kind == "logits" else self._top

    @property
    def stored_as(self) -> torch.dtype:
        """The type to whose precision the edges of bins are rounded."""
        return self.scores.dtype if self.kind == "probs" else self.working

    @cached_property
    def correct(self) -> Tensor:
        """(n,) bool: the label is the prediction, which is the first class with the highest score."""
        at_top = self._own == 0 if self.kind == "logits" else self._own == self._top
        # Two classes can share the top only where it is at most one half: only there is an argmax needed.
        unsure = where_true(at_top & (self.confidence <= 0.501))
        if unsure.numel():
            scores, labels = class_major(self.scores[unsure], self.scores.dtype), self.labels[unsure]
            tied = where_true((scores == scores.gather(0, labels[None])).sum(0) > 1)
            at_top[unsure[tied]] = scores[:, tied].argmax(0) == labels[tied]
        return at_top

    @property
    def top5(self) -> Tensor:
        """(n,) bool: the label is among the five highest scores; equal scores rank by class index."""
        return self._top5

    @cached_property
    def rest(self) -> Tensor:
        """(n,) float64: one minus the confidence, without cancellation where it came from logits.

        log((1 - rest) / rest) is the log-odds max - logsumexp(others), which still ranks rows whose
        confidence rounds to one; it saturates at 700 nats, where float64 underflows.
        """
        if self.kind == "probs":
            return (1 - self._top.double()).clamp_(min=0)
        others = torch.where(self._total >= 1.5, self._total - 1, self._below_top).double()
        small = where_true(others < 1e-30)  # near the end of float32, beyond which all would tie
        if small.numel():
            z = self.scores[small].double()
            top, first = z.max(1, keepdim=True)
            others[small] = z.sub_(top).scatter_(1, first, -torch.inf).exp_().sum(1)
        return others / (1 + others)

    @cached_property
    def nll(self) -> Tensor:
        """(n,) float64: minus the log-probability of the label, in nats; infinite where that is zero."""
        if self.kind == "logits":
            return self._total.double().log() - self._own
        return -self._own.double().log()

    @cached_property
    def brier(self) -> Tensor:
        """(n,) float64: squared distance between the probabilities and the one-hot label, in [0, 2]."""
        squares = self._squares.double()
        if self.kind == "logits":
            total = self._total.double()
            return (squares / total - 2 * self._own.double().exp()) / total + 1
        return squares - 2 * self._own.double() + 1


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


def sum_tolerance(probs: Tensor) -> float:
    """How far a row of such numbers may be from summing to one."""
    return SUM_TOLERANCE_BFLOAT16 if probs.dtype == torch.bfloat16 else SUM_TOLERANCE


def copy_class_major(scores: Tensor, out: Tensor) -> None:
    """Copy (n, C) scores into (C, n) `out`: classes down, rows along."""
    # the extra dimension keeps torch off its special case for transposing, which uses one thread only
    out.unsqueeze(1).copy_(scores.unsqueeze(1).permute(2, 1, 0))


def class_major(scores: Tensor, working: torch.dtype) -> Tensor:
    """A (C, n) copy of (n, C) scores: classes down, rows along."""
    copy = torch.empty(scores.shape[1], scores.shape[0], dtype=working, device=scores.device)
    copy_class_major(scores, copy)
    return copy


def rows_together(scores: Tensor) -> int:
    """How many rows of `scores` make a block."""
    on_cpu = CPU_CHUNK_TRANSPOSED if scores.shape[1] < TRANSPOSE_BELOW else CPU_CHUNK
    rows = (on_cpu if scores.device.type == "cpu" else GPU_CHUNK) // scores.shape[1]
    return rows // REGISTER * REGISTER or max(1, rows)


def rows_in_chunk(scores: Tensor) -> int:
    """How many rows of `scores` make a chunk."""
    return rows_together(scores) * (CPU_BLOCKS if scores.device.type == "cpu" else 1)


def chunks(given: Given, needs: tuple[str, ...] = ("rest",), visits: tuple[Visit, ...] = ()) -> Iterator[Chunk]:
    """The rows of `given` in order, chunk by chunk; raises ValueError at the first chunk with a bad row.

    `needs` is what a chunk is to have at once, `visits` are called with each block; see `Chunk`.
    """
    working = given.working_dtype
    space = Workspace(given.scores.device, working)
    for piece in given.pieces(rows_in_chunk(given.scores)):
        if piece.labels.numel() == 0:
            continue
        labels = piece.labels.to(torch.int64)
        chunk = Chunk(piece.scores, labels, given.kind, working, space=space, needs=needs, visits=visits)
        if chunk.bad:
            _refuse_given(given.part_of or given)
        yield chunk


def _refuse_given(given: Given) -> None:
    if given.scores.ndim == 2 and not given.ignored:
        refuse(given.scores, given.kind)
    # dense or with ignored rows: those that count, one after another, with the places where they stood
    reasons = _BAD_LOGITS if given.kind == "logits" else _BAD_PROBS
    for reason, is_bad in reasons:
        count, first = 0, ""
        for piece in given.pieces(rows_in_chunk(given.scores)):
            wrong = is_bad(piece.scores).nonzero().flatten()
            if wrong.numel() and not count:
                row = int(wrong[0])
                place = piece.places + row if isinstance(piece.places, int) else int(piece.places[row])
                first = f"{place} (count from 0){_shown(piece.scores[row])}"
            count += wrong.numel()
        if count:
            raise ValueError(f"{given.kind} of {count} of {given.num_rows} rows {reason}, the first is row {first}")
    raise AssertionError("a chunk was called bad and no bad row was found")


def refuse(scores: Tensor, kind: str) -> None:
    """Raise the ValueError that names the first bad row of `scores` and counts them; read in blocks."""
    reasons = _BAD_LOGITS if kind == "logits" else _BAD_PROBS
    step = max(1, GPU_CHUNK // scores.shape[1])
    for reason, is_bad in reasons:
        flags = torch.cat([is_bad(block) for block in scores.split(step)])
        count = int(flags.sum())
        if count:
            first = int(flags.nonzero()[0])
            raise ValueError(
                f"{kind} of {count} of {scores.shape[0]} rows {reason}, the first is row {first}"
                f" (count from 0){_shown(scores[first])}"
            )
    raise AssertionError("a chunk was called bad and no bad row was found")


def _shown(row: Tensor) -> str:
    values = ", ".join(f"{v:.4g}" for v in row[:5].tolist())
    return f": [{values}{', ...' if row.numel() > 5 else ''}]"


def _sums_badly(block: Tensor) -> Tensor:
    working = torch.float64 if block.dtype == torch.float64 else torch.float32
    return ~((block.to(working).sum(1) - 1).abs() <= sum_tolerance(block))


_BAD_LOGITS = (
    ("hold NaN", lambda b: b.isnan().any(1)),
    (
        "hold plus infinity; only minus infinity is allowed, for a class that is ruled out",
        lambda b: b.isposinf().any(1),
    ),
    ("are minus infinity for every class, which leaves none to predict", lambda b: b.isneginf().all(1)),
)
_BAD_PROBS = (
    ("hold NaN", lambda b: b.isnan().any(1)),
    ("hold infinity", lambda b: b.isinf().any(1)),
    ("hold a negative number; if these are logits, say logits=", lambda b: (b < 0).any(1)),
    (
        f"do not sum to one within {SUM_TOLERANCE:g} ({SUM_TOLERANCE_BFLOAT16:g} in bfloat16); "
        "if these are logits, say logits=",
        _sums_badly,
    ),
)
