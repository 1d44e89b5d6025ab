"""Binary cross-entropy on the softmax: what Manifold Mixup and PuzzleMix released in place of cross-entropy.

    -(1 / C) sum_k [ q_k log p_k + (1 - q_k) log(1 - p_k) ],   p = softmax(z)

The mean over classes is the released code's; it divides gradients by about C, so learning rates tuned with it do not
carry over to cross-entropy. Deviation: torch's loss cuts logarithms off at -100, here they stay exact.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from levelhead.losses.loss import Loss, checked, expected, full_precision


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of softmax probabilities, mean over classes, per example, in nats, in [0, inf).

    Shapes as :func:`cross_entropy`.

    >>> import torch
    >>> bce(torch.zeros(1, 2), torch.tensor([0]))
    tensor([0.6931])
    """
    targets = checked(logits, targets)
    logits = full_precision(logits)
    log_probs = F.log_softmax(logits, 1)
    return -(expected(targets, log_probs) + expected(1 - targets, _log_rest(logits, log_probs))) / logits.shape[1]


def _log_rest(logits: Tensor, log_probs: Tensor) -> Tensor:
    """``log(1 - p)``: for the largest logit as the log of the others' sum, where ``1 - p`` has lost every digit."""
    largest = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, logits.argmax(1, keepdim=True), True)
    others = logits.masked_fill(largest, -torch.inf).logsumexp(1, keepdim=True) - logits.logsumexp(1, keepdim=True)
    # p is at most one half outside the largest; the mask keeps the unused branch's gradient finite
    rest = torch.log1p(-log_probs.masked_fill(largest, -1.0).exp())
    return torch.where(largest, others, rest)


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Every class's probability against its share of the target."""

    word: ClassVar[str] = "bce"

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Per example."""
        return bce(logits, targets)
