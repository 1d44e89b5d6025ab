"""One pass over the scores, with everything the measures read from a row.

A *block* is a matrix of rows that stays in the cache while it is worked on (`_blocks.py`); a *chunk* is many blocks'
numbers a row, so that work on rows is done on long vectors. Shapes: n rows, C classes. Float64 input is worked in
float64, everything narrower in float32; sums over rows are always float64 (the measures' side).
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics._blocks import (
    GPU_BLOCK,
    SUM_TOLERANCE,
    SUM_TOLERANCE_BFLOAT16,
    Block,
    Workspace,
    block_of,
    joined,
    rows_together,
    sum_tolerance,
    where_true,
)
from levelhead.metrics.given import Given

CPU_BLOCKS = 2  # blocks in a chunk

#: What is done to each block while it is in the cache, with its sums over classes.
Visit = Callable[[Block, Any], None]


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
            yield block_of(scores, labels, self.kind, self._space)

    def _read(self, needs: tuple[str, ...], visits: tuple[Visit, ...]) -> None:
        columns: dict[str, list[Any]] = {}
        with np.errstate(all="ignore"):  # what is bad is said by `bad`
            for block in self._blocks():
                row: dict[str, Any] = {"own": block.own}
                if "top5" in needs:
                    row["top5"] = block.in_top5()
                block.exponentiate()
                total: Any = block.sums()
                row["total"] = total
                if block.is_bad(total):
                    self.bad = True
                    return
                if self.kind == "probs":
                    row["top"] = block.top
                elif "rest" in needs:
                    row["below_top"] = block.sums_below_top()
                if "brier" in needs:
                    row["squares"] = block.sums_of_squares()
                for visit in visits:
                    visit(block, total)
                for name, values in row.items():
                    columns.setdefault(name, []).append(values)
        for name, parts in columns.items():
            # what is not asked for here is not set, and computed by the property of its name
            self.__dict__[f"_{name}"] = joined(parts)

    def _again(self, look: Callable[[Block], Any]) -> Tensor:
        parts = []
        with np.errstate(all="ignore"):  # logits may lie further apart than float32 reaches
            for block in self._blocks():
                block.exponentiate()
                parts.append(look(block))
        return joined(parts)

    _own: Tensor
    _total: Tensor
    _top: Tensor

    @cached_property
    def _below_top(self) -> Tensor:
        return self._again(lambda block: block.sums_below_top())

    @cached_property
    def _squares(self) -> Tensor:
        return self._again(lambda block: block.sums_of_squares())

    @cached_property
    def _top5(self) -> Tensor:
        with np.errstate(all="ignore"):
            return joined([block.in_top5() for block in self._blocks()])

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
            scores, labels = self.scores[unsure], self.labels[unsure]
            tied = where_true((scores == scores.gather(1, labels[:, None])).sum(1) > 1)
            at_top[unsure[tied]] = scores[tied].argmax(1) == labels[tied]
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
        # A tie with the maximum is not in `_below_top`; where there may be one, the total says it as well.
        whole = torch.nn.functional.threshold(self._total - 1, 0.5, 0.0)
        others = torch.maximum(self._below_top, whole).double()
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
            scale = self._total.double().reciprocal()
            return squares.mul(scale).sub_(self._own.double().exp(), alpha=2).mul_(scale).add_(1)
        return squares - 2 * self._own.double() + 1


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
    step = max(1, GPU_BLOCK // scores.shape[1])
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
