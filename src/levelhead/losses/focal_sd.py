"""Sample-dependent focal loss, "FLSD-53" (Mukhoti et al. 2020): gamma follows the current probability.

    -sum_k q_k (1 - p_k)^gamma_k log p_k,   gamma_k = 5 where p_k < 0.2, else 3

No gradient passes through the choice of gamma. Defaults as in the authors' recommendation; ``low`` is the gamma of
improbable targets. Soft targets weigh each class's own term, with that class's own gamma. The released code sums over
the batch; here, as everywhere, the objective takes the mean.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from levelhead.losses.focal import refuse_gamma
from levelhead.losses.loss import Loss, checked, expected, full_precision
from levelhead.member import number


def focal_sd(logits: Tensor, targets: Tensor, low: float = 5.0, high: float = 3.0, threshold: float = 0.2) -> Tensor:
    """Focal loss of each example with gamma ``low`` below ``threshold`` and ``high`` above, in nats, in [0, inf).

    Shapes as :func:`cross_entropy`. The loss jumps where a probability crosses the threshold, as in the paper.

    >>> import torch
    >>> focal_sd(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([0]))  # .75^3 log 4
    tensor([0.5848])
    """
    refuse_gamma(low)
    refuse_gamma(high)
    targets = checked(logits, targets)
    log_probs = F.log_softmax(full_precision(logits), 1)
    gamma = torch.where(log_probs.detach().exp() < threshold, low, high).to(log_probs.dtype)
    return -expected(targets, (-log_probs.expm1()).pow(gamma) * log_probs.clamp_min(-1e30))


@dataclass(frozen=True)
class FocalSD(Loss):
    """Focal loss with a larger gamma for targets that are still improbable."""

    word: ClassVar[str] = "focal_sd"
    low: float = number(5.0, low=1)
    high: float = number(3.0, low=1)
    threshold: float = number(0.2, low=0, high=1)

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Per example."""
        return focal_sd(logits, targets, self.low, self.high, self.threshold)
