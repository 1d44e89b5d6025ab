"""Uniform label smoothing (Szegedy et al. 2016).

    over=all:     q' = (1 - s) q + s / C                (PLS, LaMix, MbLS, torch)
    over=others:  q' = (1 - s) q + s (1 - q) / (C - 1)  (Thulasidasan et al. 2019; LogitMix's code)

The two agree with s_all = s_others * C / (C - 1). The second is linear in q, so it mixes as the first does.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from levelhead.member import choice, number
from levelhead.targets.rule import Rule


@dataclass(frozen=True)
class Smooth(Rule):
    """Move the mass ``smoothing`` from the target to all classes, or to the other classes."""

    word: ClassVar[str] = "smooth"
    smoothing: float = number(0.1, low=0, high=1)
    over: str = choice("all", "others")

    def unsaid(self) -> set[str]:
        """The usual convention goes without saying."""
        return super().unsaid() | ({"over"} if self.over == "all" else set())

    def __call__(self, targets: Tensor, head_logits: Tensor | None = None) -> Tensor:
        """Smoothed targets; rows still sum to one."""
        num_classes = targets.shape[1]
        if self.over == "all":
            return (1 - self.smoothing) * targets + self.smoothing / num_classes
        return (1 - self.smoothing) * targets + self.smoothing * (1 - targets) / (num_classes - 1)
