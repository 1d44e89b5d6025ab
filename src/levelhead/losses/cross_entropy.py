"""Cross-entropy with soft targets: -sum_k q_k log p_k (nats).

With a mixed target lam Y + (1 - lam) Y' it equals lam CE(Y) + (1 - lam) CE(Y'), with the same gradient p - q.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from levelhead.losses.loss import Loss, checked, expected, full_precision


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each example, in nats, in [0, inf).

    ``logits (B, C[, H, W])``; ``targets`` integer labels ``(B[, H, W])`` or distributions of the logits' shape.
    Returns ``(B[, H, W])``. Half precision is computed in float32. Raises ``ValueError`` for shapes that do not fit.

    >>> import torch
    >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
    tensor([1.3863])
    """
    targets = checked(logits, targets)
    return -expected(targets, F.log_softmax(full_precision(logits), 1))


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """The negative log-likelihood of the target distribution."""

    word: ClassVar[str] = "cross_entropy"

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Per example."""
        return cross_entropy(logits, targets)
