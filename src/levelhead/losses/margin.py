"""Margin on logit distances (MbLS, Liu et al. 2022): mean_k max(0, max_j z_j - z_k - m).

Distances beyond the margin m are pushed back; within it nothing happens, so the model stays free to be sure. The
maximum is not detached, and the mean runs over all classes, its own included (as released). Defaults m 10, weight 0.1;
for CIFAR-like sets the authors use m 6. m 0 behaves as label smoothing (Proposition 1).

The released code can let the weight grow, by adding or by multiplying ``by`` every ``every`` epochs up to ``cap``;
all of the paper's results are without. The objective is told the epoch by ``set_epoch``.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from levelhead.losses.loss import Penalty, full_precision
from levelhead.member import choice, number, whole


def margin(logits: Tensor, m: float = 10.0) -> Tensor:
    """Mean over classes of the logit distance beyond ``m``, per example, in [0, inf).

    ``logits (B, C[, H, W])``; returns ``(B[, H, W])``. At a tie for the maximum all of the tied logits share its
    gradient.
    """
    logits = full_precision(logits)
    return (logits.amax(1, keepdim=True) - logits - m).clamp_min(0).mean(1)


@dataclass(frozen=True)
class Margin(Penalty):
    """Penalise logit distances beyond the margin ``m``."""

    word: ClassVar[str] = "margin"
    m: float = number(10.0, low=0)
    weight: float = number(0.1, low=0, open_low=True)
    growth: str = choice("none", "add", "multiply")
    by: float = number(0.1, low=0)
    every: int = whole(1, low=1)
    cap: float = number(100.0, low=0)

    def check(self) -> None:
        """A factor of at most one would let the weight shrink."""
        if self.growth == "multiply" and self.by <= 1:
            raise ValueError(f"margin: growth=multiply needs by= above 1, such as by=10, not {self.by:g}")

    def moot(self) -> set[str]:
        """A constant weight has no steps."""
        return {"by", "every", "cap"} if self.growth == "none" else set()

    def unsaid(self) -> set[str]:
        """A constant weight goes without saying."""
        return self.moot() | {"growth"} if self.growth == "none" else set()

    def weight_at(self, epoch: int) -> float:
        """The weight after ``epoch`` whole epochs."""
        steps = epoch // self.every
        if self.growth == "none":
            return self.weight
        try:
            grown = self.weight + steps * self.by if self.growth == "add" else self.weight * self.by**steps
        except OverflowError:  # past 1e308, and so past any cap
            grown = math.inf
        return min(grown, self.cap)

    def __call__(self, logits: Tensor) -> Tensor:
        """Per example."""
        return margin(logits, self.m)
