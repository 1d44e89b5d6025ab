"""What callers hand in, checked once and turned into tensors without a copy.

Everything in this room starts here: the scores of N examples over C classes, said to be logits or
probabilities by the caller (never guessed), and one integer label an example. Values are checked later, chunk
by chunk, while they are in the cache anyway (`chunks.py`); shapes, types and labels are checked here.
"""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Array = Tensor | np.ndarray
Kind = Literal["logits", "probs"]


@dataclass(frozen=True, eq=False)
class Given:
    """N rows of scores over C classes with labels, on one device; they share the caller's memory."""

    scores: Tensor  # (N, C) floating
    kind: Kind
    labels: Tensor  # (N,) int64, all in [0, C)

    @property
    def working_dtype(self) -> torch.dtype:
        """float64 for float64 scores, float32 for everything narrower."""
        return torch.float64 if self.scores.dtype == torch.float64 else torch.float32


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
    """Scores and labels as tensors, or a ValueError that says what came and what is needed."""
    if (logits is None) == (probs is None):
        came = "both" if logits is not None else "neither"
        raise ValueError(f"give exactly one of logits= and probs=, got {came}: which one it is, is never guessed")
    kind: Kind = "logits" if probs is None else "probs"
    scores = check_scores(logits if probs is None else probs, kind)
    return Given(scores, kind, check_labels(labels, scores))


def check_scores(values: object, kind: Kind) -> Tensor:
    """`values` as a floating (N, C) tensor with at least two columns."""
    scores = as_tensor(values, kind)
    if scores.dtype == torch.bool or scores.is_complex():
        raise ValueError(f"{kind} must be floating-point numbers, got dtype {scores.dtype}")
    if scores.ndim != 2:
        raise ValueError(
            f"{kind} must have shape (N, C), a row an example and a column a class, got {tuple(scores.shape)}"
        )
    if scores.shape[1] < 2:
        raise ValueError(
            f"{kind} must have at least two columns, got {tuple(scores.shape)}; "
            "for a binary classifier give one column for each of the two classes"
        )
    return scores if scores.is_floating_point() else scores.to(torch.float64)


def check_labels(values: object, scores: Tensor) -> Tensor:
    """`values` as int64 labels beside `scores`, one a row and each the index of a column."""
    labels = as_tensor(values, "labels")
    rows, classes = scores.shape
    if labels.is_floating_point() or labels.dtype == torch.bool or labels.is_complex():
        raise ValueError(f"labels must be integers, got dtype {labels.dtype}; convert with .astype('int64') or .long()")
    if labels.ndim != 1 or labels.shape[0] != rows:
        raise ValueError(
            f"labels must have shape ({rows},) to match the {rows} rows of scores, got {tuple(labels.shape)}"
            + ("; for one-hot rows give labels.argmax(1)" if labels.ndim == 2 else "")
        )
    labels = labels.to(device=scores.device, dtype=torch.int64)
    if rows and (int(labels.min()) < 0 or int(labels.max()) >= classes):
        wrong = ((labels < 0) | (labels >= classes)).nonzero().flatten()
        first = int(wrong[0])
        raise ValueError(
            f"labels must lie in [0, {classes}) for {classes} columns: {wrong.numel()} of {rows} do not, "
            f"the first is {int(labels[first])} at index {first}; drop such rows before the call"
        )
    return labels
