"""Focal loss: -sum_k q_k (1 - p_k)^gamma log p_k (Lin et al. 2017; Mukhoti et al. 2020 for calibration).

Default gamma 3, the value the calibration papers use. gamma 0 is cross-entropy. Soft targets weigh each class's own
term, which is the only reading that is linear in the target.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from levelhead.losses.loss import Loss, checked, expected, full_precision
from levelhead.member import number


def focal(logits: Tensor, targets: Tensor, gamma: float = 3.0) -> Tensor:
    """Focal loss of each example, in nats, in [0, inf); shapes as :func:`cross_entropy`.

    The gradient passes through ``(1 - p)^gamma`` too, as in the paper. ``gamma`` must be 0 or at least 1: between,
    the slope at p = 1 is infinite.
    """
    refuse_gamma(gamma)
    targets = checked(logits, targets)
    log_probs = F.log_softmax(full_precision(logits), 1)
    if gamma == 0:
        return -expected(targets, log_probs)
    # 1 - p as -expm1(log p): exact where p is near one, where 1 - exp(log p) would lose every digit. The clamp
    # keeps a masked class (log p = -inf) from turning 0 * inf into NaN in the backward pass.
    return -expected(targets, (-log_probs.expm1()).pow(gamma) * log_probs.clamp_min(-1e30))


def refuse_gamma(gamma: float) -> None:
    """Refuse a gamma whose gradient is infinite at p = 1."""
    if not (gamma == 0 or gamma >= 1):
        raise ValueError(f"gamma must be 0 or at least 1 (between, its gradient is infinite at p = 1), not {gamma}")


@dataclass(frozen=True)
class Focal(Loss):
    """Cross-entropy with well-classified examples weighed down by (1 - p)^gamma."""

    word: ClassVar[str] = "focal"
    gamma: float = number(3.0, low=0)

    def check(self) -> None:
        """Refuse a gamma whose gradient is infinite at p = 1."""
        super().check()
        refuse_gamma(self.gamma)

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Per example."""
        return focal(logits, targets, self.gamma)
