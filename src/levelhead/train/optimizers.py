"""The optimisers that a recipe names, by the arguments that the papers give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim import Optimizer

if TYPE_CHECKING:
    from levelhead.train.recipe import Recipe

Parameters = Iterable[nn.Parameter]


def _sgd(recipe: Recipe, parameters: Parameters) -> Optimizer:
    return torch.optim.SGD(
        parameters,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )


def _adam(recipe: Recipe, parameters: Parameters) -> Optimizer:
    return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def _adamw(recipe: Recipe, parameters: Parameters) -> Optimizer:
    return torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def _adadelta(recipe: Recipe, parameters: Parameters) -> Optimizer:
    # Kim (2014): rho 0.95
    return torch.optim.Adadelta(parameters, lr=recipe.lr, rho=0.95, eps=1e-6, weight_decay=recipe.weight_decay)


OPTIMIZERS: dict[str, Callable[[Recipe, Parameters], Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
    "adadelta": _adadelta,
}


def make_optimizer(recipe: Recipe, parameters: Parameters) -> Optimizer:
    """The recipe's optimiser over these parameters."""
    return OPTIMIZERS[recipe.optimizer](recipe, parameters)
