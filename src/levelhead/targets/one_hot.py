"""Targets as they come: one-hot labels, or the mixture of two (Zhang et al. 2018)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from levelhead.targets.rule import Rule


@dataclass(frozen=True)
class OneHot(Rule):
    """Leave the targets as they are."""

    word: ClassVar[str] = "one_hot"

    def __call__(self, targets: Tensor, head_logits: Tensor | None = None) -> Tensor:
        """The targets, unchanged."""
        return targets
