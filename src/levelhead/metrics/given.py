"""What callers hand in, checked once and turned into tensors without a copy.

Everything in this room starts here: the scores of N examples over C classes, said to be logits or
probabilities by the caller (never guessed), and one integer label an example. Values are checked later, chunk
by chunk, while they are in the cache anyway (`chunks.py`); shapes, types and labels are checked here.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics._side_by_side import shares_of

Array = Tensor | np.ndarray
Kind = Literal["logits", "probs"]


class Piece(NamedTuple):
    """Some rows of what was given, in order."""

    scores: Tensor  # (n, C), of any strides
    labels: Tensor  # (n,)
    places: Tensor | int  # where they stand among all rows: (n,), or the first of n in a row


@dataclass(frozen=True, eq=False)
class Given:
    """Scores over C classes with labels, on one device; they share the caller's memory.

    (N, C) scores with (N,) labels; or dense, an image of P pixels an example, each pixel a row: (N, C, P) with (N, P).
    Rows whose label is in `ignored` are left out.
    """

    scores: Tensor
    kind: Kind
    stored_labels: Tensor  # integers of any width, those that are not ignored in [0, C)
    ignored: tuple[int, ...] = ()
    part_of: "Given | None" = None  # what this is a share of: errors name its rows

    @property
    def labels(self) -> Tensor:
        """The labels in int64."""
        return self.stored_labels.to(torch.int64)

    @property
    def num_rows(self) -> int:
        """Number of rows, ignored ones too."""
        return self.stored_labels.numel()

    @property
    def working_dtype(self) -> torch.dtype:
        """float64 for float64 scores, float32 for everything narrower."""
        return torch.float64 if self.scores.dtype == torch.float64 else torch.float32

    def pieces(self, rows: int) -> Iterator[Piece]:
        """All rows but the ignored ones, about `rows` at a time; dense scores are never copied as a whole."""
        for scores, labels, start in self._views(rows):
            if self.ignored:
                keep = kept(labels, self.ignored).nonzero().flatten()
                if keep.numel() < labels.numel():
                    yield Piece(scores[keep], labels[keep], keep + start)
                    continue
            yield Piece(scores, labels, start)

    def shares(self) -> list["Given"]:
        """All rows in as many parts as are worth working on side by side, in order."""
        number = shares_of(self.scores)
        if number == 1:
            return [self]
        by_pixels = self.scores.ndim == 3 and self.scores.shape[0] < number
        scores_dim, labels_dim = (2, 1) if by_pixels else (0, 0)
        size = -(-self.scores.shape[scores_dim] // number)
        parts = zip(self.scores.split(size, scores_dim), self.stored_labels.split(size, labels_dim), strict=True)
        return [replace(self, scores=scores, stored_labels=labels, part_of=self) for scores, labels in parts]

    def _views(self, rows: int) -> Iterator[tuple[Tensor, Tensor, int]]:
        start = 0
        if self.scores.ndim == 2:
            for scores, labels in zip(self.scores.split(rows), self.stored_labels.split(rows), strict=True):
                yield scores, labels, start
                start += len(labels)
            return
        pixels = self.scores.shape[2]
        images = max(1, rows // max(1, pixels))  # small images are put side by side, large ones cut
        for block, marks in zip(self.scores.split(images), self.stored_labels.split(images), strict=True):
            side = block[0] if len(block) == 1 else block.permute(1, 0, 2).flatten(1)  # (C, n): classes down
            for scores, labels in zip(side.split(rows, 1), marks.flatten().split(rows), strict=True):
                yield scores.t(), labels, start
                start += len(labels)


def kept(labels: Tensor, ignored: tuple[int, ...]) -> Tensor:
    """Which labels are none of the ignored ones."""
    keep = torch.ones_like(labels, dtype=torch.bool)
    for value in ignored:
        keep &= labels != value
    return keep


def as_tensor(values: object, name: str) -> Tensor:
    """A tensor over the memory of `values` where that is possible; lists and odd strides are copied.

    Raises ValueError for anything that is not an array of numbers.
    """
    if isinstance(values, Tensor):
        return values.detach()
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be an array of numbers, got dtype {array.dtype}")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array)
    if array.dtype == np.longdouble and array.dtype != np.float64:
        array = array.astype(np.float64)
    with warnings.catch_warnings():  # a read-only array (a memory map) is fine: nothing here writes to it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def check(logits: Array | None, probs: Array | None, labels: Array) -> Given:
    """(N, C) scores and (N,) labels as tensors, or a ValueError that says what came and what is needed."""
    scores, kind = one_of(logits, probs)
    scores = check_scores(scores, kind)
    return Given(scores, kind, check_labels(labels, scores))


def check_dense(logits: Array | None, probs: Array | None, labels: Array, ignored: tuple[int, ...] = ()) -> Given:
    """As `check`; or (N, C, H, W) scores with (N, H, W) labels, or any other places an example. Skips `ignored`."""
    values, kind = one_of(logits, probs)
    scores, marks = as_tensor(values, kind), as_tensor(labels, "labels")
    if scores.ndim <= 2:
        scores = check_scores(scores, kind)
        return Given(scores, kind, check_labels(marks, scores, ignored), ignored)
    wanted = (scores.shape[0], *scores.shape[2:])
    if tuple(marks.shape) != wanted:
        raise ValueError(
            f"labels must have shape {wanted}, one for each place of {kind} of shape {tuple(scores.shape)} "
            f"(N, C, ...), got {tuple(marks.shape)}"
        )
    scores = _floating(scores.flatten(2), kind)
    return Given(scores, kind, _in_range(marks.flatten(1), scores, ignored), ignored)


def one_of(logits: Array | None, probs: Array | None) -> tuple[Array, Kind]:
    """Whichever of the two was given, and its name; ValueError unless it is exactly one."""
    if logits is not None and probs is None:
        return logits, "logits"
    if probs is not None and logits is None:
        return probs, "probs"
    came = "both" if logits is not None else "neither"
    raise ValueError(f"give exactly one of logits= and probs=, got {came}: which one it is, is never guessed")


def check_scores(values: object, kind: Kind) -> Tensor:
    """`values` as a floating (N, C) tensor with at least two columns."""
    scores = as_tensor(values, kind)
    if scores.ndim != 2:
        raise ValueError(
            f"{kind} must have shape (N, C), a row an example and a column a class, got {tuple(scores.shape)}"
        )
    return _floating(scores, kind)


def _floating(scores: Tensor, kind: Kind) -> Tensor:
    if scores.dtype == torch.bool or scores.is_complex():
        raise ValueError(f"{kind} must be floating-point numbers, got dtype {scores.dtype}")
    if scores.shape[1] < 2:
        raise ValueError(
            f"{kind} must have at least two columns, got {tuple(scores.shape)}; "
            "for a binary classifier give one column for each of the two classes"
        )
    if scores.device.type == "mps":
        scores = scores.cpu()  # Metal has no float64, which every sum needs
    return scores if scores.is_floating_point() else scores.to(torch.float64)


def check_labels(values: object, scores: Tensor, ignored: tuple[int, ...] = ()) -> Tensor:
    """`values` as integer labels beside (N, C) `scores`: one a row, each the index of a column or one of `ignored`."""
    labels = as_tensor(values, "labels")
    rows = scores.shape[0]
    if labels.ndim != 1 or labels.shape[0] != rows:
        raise ValueError(
            f"labels must have shape ({rows},) to match the {rows} rows of scores, got {tuple(labels.shape)}"
            + ("; for one-hot rows give labels.argmax(1)" if labels.ndim == 2 else "")
        )
    return _in_range(labels, scores, ignored)


def _in_range(labels: Tensor, scores: Tensor, ignored: tuple[int, ...]) -> Tensor:
    if labels.is_floating_point() or labels.dtype == torch.bool or labels.is_complex():
        raise ValueError(f"labels must be integers, got dtype {labels.dtype}; convert with .astype('int64') or .long()")
    if labels.dtype not in _SIGNED:  # torch compares and counts little else; a wider type costs a copy
        labels = labels.to(torch.int64)
    labels = labels.to(scores.device)
    classes = scores.shape[1]
    if labels.numel() == 0:
        return labels
    least, most = (int(value) for value in labels.aminmax())
    if least < 0 or most >= classes:
        wrong = ((labels < 0) | (labels >= classes)) & kept(labels, ignored)
        places = wrong.flatten().nonzero().flatten()
        if places.numel():
            first = int(places[0])
            raise ValueError(
                f"labels must lie in [0, {classes}) for {classes} columns: {places.numel()} of {labels.numel()} do not,"
                f" the first is {int(labels.flatten()[first])} at index {first}; drop such rows before the call"
            )
    return labels


_SIGNED = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
