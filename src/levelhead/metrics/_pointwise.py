"""Sums over rows that need no bins: accuracy, top-5 accuracy, negative log-likelihood, Brier score.

Each part of the accumulator is a pair of functions: `zeros` makes its state, a dict of tensors that add up
over chunks, files and machines; `add` puts one chunk into it. What the state says is read by `_measures.py`.
"""

import torch
from torch import Tensor

from levelhead.metrics.chunks import Chunk

State = dict[str, Tensor]


def whole(*shape: int) -> Tensor:
    """An int64 tensor of zeros: every count is one."""
    return torch.zeros(shape, dtype=torch.int64)


def real(*shape: int) -> Tensor:
    """A float64 tensor of zeros: every sum is one."""
    return torch.zeros(shape, dtype=torch.float64)


def zeros_correct(num_classes: int, n_bins: int) -> State:
    """Number of right predictions."""
    return {"correct": whole()}


def add_correct(state: State, chunk: Chunk) -> None:
    """Count the right predictions of a chunk."""
    state["correct"] += chunk.correct.sum()


def zeros_top5(num_classes: int, n_bins: int) -> State:
    """Number of rows whose label is among the five highest scores."""
    return {"top5": whole()}


def add_top5(state: State, chunk: Chunk) -> None:
    """Count the rows whose label is among the five highest scores of a chunk."""
    state["top5"] += chunk.top5.sum()


def zeros_nll(num_classes: int, n_bins: int) -> State:
    """Sum of minus the log-probability of the label, in nats, and of its square, for the interval."""
    return {"nll": real(), "nll_square": real()}


def add_nll(state: State, chunk: Chunk) -> None:
    """Add a chunk's negative log-likelihoods."""
    state["nll"] += chunk.nll.sum()
    state["nll_square"] += chunk.nll.square().sum()


def zeros_brier(num_classes: int, n_bins: int) -> State:
    """Sum of squared distances to the one-hot label, and of the squares of these, for the interval."""
    return {"brier": real(), "brier_square": real()}


def add_brier(state: State, chunk: Chunk) -> None:
    """Add a chunk's Brier scores."""
    state["brier"] += chunk.brier.sum()
    state["brier_square"] += chunk.brier.square().sum()
