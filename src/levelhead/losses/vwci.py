"""Variance-weighted confidence-integrated loss (Seo et al. 2019). Experimental.

    (1 - a) mean_j CE(q, p_j) + a mean_j CE(u, p_j),   a = 1 - mean_j sum_k sqrt(pbar_k p_jk)

p_1 ... p_T are stochastic passes over one example (dropout), pbar their mean, u uniform: the more the passes
disagree, the more the target is flattened. Default T = 5, as LogitMix's table 3 quotes it. Gaps: no code was
published, and the paper's normalisation of a could not be verified; a is one minus the mean Bhattacharyya
coefficient, in [0, 1), and no gradient passes through it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from levelhead.losses.loss import Loss, checked, expected, full_precision
from levelhead.member import whole


def vwci(logits: Tensor | Sequence[Tensor], targets: Tensor) -> Tensor:
    """The loss of each example from its stochastic passes, in nats, in [0, inf).

    ``logits`` is a sequence of T tensors ``(B, C[, H, W])``, one a pass; a lone tensor is one pass, which leaves
    cross-entropy. ``targets`` as for :func:`cross_entropy`. Returns ``(B[, H, W])``.
    """
    passes = [logits] if isinstance(logits, Tensor) else list(logits)
    if not passes or any(each.shape != passes[0].shape for each in passes):
        raise ValueError(f"vwci needs passes of one shape, not {[tuple(each.shape) for each in passes]}")
    targets = checked(passes[0], targets)
    log_probs = torch.stack([F.log_softmax(full_precision(each), 1) for each in passes])
    with torch.no_grad():
        probs = log_probs.exp()
        strength = (1 - (probs.mean(0) * probs).sqrt().sum(2).mean(0)).clamp_min(0)
    to_target = torch.stack([-expected(targets, each) for each in log_probs]).mean(0)
    # a class that is ruled out (log p = -inf) has no share in the uniform target
    to_uniform = -log_probs.masked_fill(log_probs == -torch.inf, 0).mean(2).mean(0)
    return (1 - strength) * to_target + strength * to_uniform


@dataclass(frozen=True)
class VWCI(Loss):
    """Smooth each target by how much stochastic passes over its example disagree."""

    word: ClassVar[str] = "vwci"
    passes: int = whole(5, low=2, high=100)

    @property
    def repeats(self) -> int:
        """Every view goes through the network this often."""
        return self.passes

    def __call__(self, logits: Tensor | Sequence[Tensor], targets: Tensor) -> Tensor:
        """Per example, from the logits of every pass."""
        return vwci(logits, targets)
