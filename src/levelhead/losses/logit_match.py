"""Logit matching (LogitMix, eq. 3): the logits of a mixture should be the mixture of the logits.

    t = lam z + (1 - lam) z_partner,   L_sim = mean_k (t_k - z'_k)^2

Nothing is detached: the clean and the mixed logits are both pulled (as released). The mean over classes is the released
code's; the paper writes a squared norm. Weight 1 over mixup; 0.1 over CutMix in the released code. The partner's logits
are those of the same batch, permuted: two views, never a third.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from levelhead.losses.loss import Consistency, full_precision
from levelhead.member import number
from levelhead.mixing import lerp
from levelhead.types import Mix


def logit_match(clean: Tensor, mixed: Tensor, *, partner: Tensor, lam: Tensor | float) -> Tensor:
    """Mean over classes of the squared distance between mixed logits and logits of the mixture, per example.

    ``clean``, ``mixed`` ``(B, C[, H, W])``; ``partner (B,)`` integer; ``lam`` a float or ``(B,)``, the weight of the
    original. Returns ``(B[, H, W])``.
    """
    if clean.shape != mixed.shape:
        raise ValueError(f"clean and mixed logits differ in shape: {tuple(clean.shape)}, {tuple(mixed.shape)}")
    clean, mixed = full_precision(clean), full_precision(mixed)
    if not isinstance(lam, Tensor):
        lam = clean.new_full((clean.shape[0],), lam)
    return (lerp(clean, Mix(partner, lam.expand(clean.shape[0]))) - mixed).square().mean(1)


@dataclass(frozen=True)
class LogitMatch(Consistency):
    """Match the mixture of the clean logits with the logits of the mixture."""

    word: ClassVar[str] = "logit_match"
    weight: float = number(1.0, low=0, open_low=True)

    def __call__(self, clean: Tensor, mixed: Tensor, mix: Mix) -> Tensor:
        """Per example."""
        return logit_match(clean, mixed, partner=mix.partner, lam=mix.lam)
