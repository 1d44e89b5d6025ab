"""Weights averaged over the updates: evaluated and saved in place of the last ones.

Batch norm's running averages are averaged with the weights that they belong to; buffers that are no floating point
numbers are copied. (Copied running averages belong to the last weights: on digits, constant rate, 15 epochs, 4 seeds,
the NLL on cal was 0.43 with them over epochs 6 to 15, 0.16 with averaged ones, and 0.22 without any average.)
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
        self.decay = decay
        self.requires_grad_(False)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take up the weights after an update."""
        pairs = zip(self.module.buffers(), model.buffers(), strict=True)
        before = [(mine, mine.clone(), now) for mine, now in pairs if mine.is_floating_point()]
        begun = bool(self.n_averaged)
        # torch would average whole numbers too, and cut 4.9999 to 4
        super().update_parameters(model)
        if begun:
            for mine, old, now in before:
                mine.copy_(old.lerp(now, 1 - self.decay))

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
