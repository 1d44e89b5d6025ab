"""The optimisers that a recipe names, by the arguments that the papers give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import Optimizer

if TYPE_CHECKING:
    from levelhead.train.recipe import Recipe

Groups = list[dict[str, Any]]


def _sgd(recipe: Recipe, groups: Groups) -> Optimizer:
    return torch.optim.SGD(
        groups,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )


def _adam(recipe: Recipe, groups: Groups) -> Optimizer:
    return torch.optim.Adam(groups, lr=recipe.lr, weight_decay=recipe.weight_decay)


def _adamw(recipe: Recipe, groups: Groups) -> Optimizer:
    return torch.optim.AdamW(groups, lr=recipe.lr, weight_decay=recipe.weight_decay)


def _adadelta(recipe: Recipe, groups: Groups) -> Optimizer:
    # Kim (2014): rho 0.95
    return torch.optim.Adadelta(groups, lr=recipe.lr, rho=0.95, eps=1e-6, weight_decay=recipe.weight_decay)


OPTIMIZERS: dict[str, Callable[[Recipe, Groups], Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
    "adadelta": _adadelta,
}


def make_optimizer(recipe: Recipe, groups: Groups) -> Optimizer:
    """The recipe's optimiser over these groups of parameters, each with its own rate."""
    return OPTIMIZERS[recipe.optimizer](recipe, groups)
