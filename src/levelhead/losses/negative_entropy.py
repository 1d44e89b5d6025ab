"""Confidence penalty (Pereyra et al. 2017, "ERL"): sum_k p_k log p_k, the negative entropy of the prediction.

    loss = CE - weight * H(p)

Default weight 0.1 with the entropy summed over classes (Thulasidasan et al. 2019). ``over=mean`` divides by C, which is
what MbLS's code compares with: its 0.1 is a C-th of the paper's.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from levelhead.losses.loss import Penalty, expected, full_precision
from levelhead.member import choice, number


def negative_entropy(logits: Tensor, over: str = "sum") -> Tensor:
    """``sum_k p_k log p_k`` per example, in [-log C, 0] nats; ``over="mean"`` divides by the number of classes.

    ``logits (B, C[, H, W])``; returns ``(B[, H, W])``. A probability of exactly zero adds nothing.
    """
    if over not in ("sum", "mean"):
        raise ValueError(f"over must be 'sum' or 'mean', not {over!r}")
    log_probs = F.log_softmax(full_precision(logits), 1)
    total = expected(log_probs.exp(), log_probs)
    return total / logits.shape[1] if over == "mean" else total


@dataclass(frozen=True)
class NegativeEntropy(Penalty):
    """Reward the entropy of the prediction."""

    word: ClassVar[str] = "negative_entropy"
    weight: float = number(0.1, low=0, open_low=True)
    over: str = choice("sum", "mean")

    def unsaid(self) -> set[str]:
        """The sum is the paper's."""
        return {"over"} if self.over == "sum" else set()

    def __call__(self, logits: Tensor) -> Tensor:
        """Per example."""
        return negative_entropy(logits, self.over)
