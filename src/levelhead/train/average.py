"""Weights averaged over the updates: evaluated and saved in place of the last ones.

Batch norm's running averages, and all other buffers, are copied from the network that trains, not averaged with the
weights: they are means over the last batches already.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Average(AveragedModel):
    """``average <- decay * average + (1 - decay) * weights`` after every update; the first one is taken as it is."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.requires_grad_(False)

    @contextmanager
    def inside(self, model: nn.Module) -> Iterator[None]:
        """The averaged weights in the network itself, and its own again afterwards."""
        if not self.n_averaged:  # nothing was learned yet
            yield
            return
        own = [tensor.detach().clone() for tensor in tensors(model)]
        self.put(model)
        try:
            yield
        finally:
            _copy(tensors(model), own)

    def put(self, model: nn.Module) -> None:
        """The averaged weights in the network, for good."""
        _copy(tensors(model), list(tensors(self.module)))


def tensors(model: nn.Module) -> Iterator[Tensor]:
    """The parameters and buffers of a network."""
    return chain(model.parameters(), model.buffers())


def _copy(into: Iterator[Tensor], values: list[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(into, values, strict=True):
            tensor.copy_(value)
