"""Logit matching (LogitMix, eq. 3): the logits of a mixture should be the mixture of the logits.

    t = lam z + (1 - lam) z_partner,   L_sim = mean_k (t_k - z'_k)^2

Nothing is detached: the clean and the mixed logits are both pulled (as released); ``detach=target`` holds the mixture
of the clean logits still, ``detach=mixed`` the logits of the mixture. The mean over classes is the released code's;
the paper writes a norm: ``norm=sum`` is the squared one, ``norm=euclid`` the distance itself. Weight 1 over mixup;
0.1 over CutMix in the released code, 1 in the paper. Originals and mixtures go through the network as one batch (as
released) and share its batch statistics; ``batch_norm=separate`` passes them one after the other. The partner's
logits are those of the same batch, permuted: two views, never a third. It composes with every mixer, the hidden ones
and PuzzleMix too.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from levelhead.losses.loss import Consistency, full_precision
from levelhead.member import choice, number
from levelhead.mixing import lerp
from levelhead.types import Mix


def logit_match(clean: Tensor, mixed: Tensor, *, partner: Tensor, lam: Tensor | float, norm: str = "mean") -> Tensor:
    """Distance between mixed logits and logits of the mixture, per example; by default squared, mean over classes.

    ``clean``, ``mixed`` ``(B, C[, H, W])``; ``partner (B,)`` integer; ``lam`` a float or ``(B,)``, the weight of the
    original (or ``(B, P)`` and ``(B, 1 + P)``, as in :class:`levelhead.Mix`). ``norm="sum"`` adds the squares up,
    ``norm="euclid"`` is the root of that. Returns ``(B[, H, W])``.
    """
    if clean.shape != mixed.shape:
        raise ValueError(f"clean and mixed logits differ in shape: {tuple(clean.shape)}, {tuple(mixed.shape)}")
    clean = full_precision(clean)
    if not isinstance(lam, Tensor):
        lam = clean.new_full((), lam)
    if lam.ndim < 2:
        lam = lam.expand(clean.shape[0])
    return distance(lerp(clean, Mix(partner, lam)), full_precision(mixed), norm)


def distance(mixture: Tensor, mixed: Tensor, norm: str) -> Tensor:
    """``mean_k``, ``sum_k`` or the root of ``sum_k`` of the squared differences."""
    squares = (mixture - mixed).square()
    if norm == "mean":
        return squares.mean(1)
    if norm == "sum":
        return squares.sum(1)
    if norm != "euclid":
        raise ValueError(f"norm must be 'mean', 'sum' or 'euclid', not {norm!r}")
    # the root has no slope at zero, where there is nothing to pull
    total = squares.sum(1)
    return total.clamp_min(1e-24).sqrt() * (total > 0)


@dataclass(frozen=True)
class LogitMatch(Consistency):
    """Match the mixture of the clean logits with the logits of the mixture."""

    word: ClassVar[str] = "logit_match"
    weight: float = number(1.0, low=0, open_low=True)
    norm: str = choice("mean", "sum", "euclid")
    detach: str = choice("none", "target", "mixed")
    batch_norm: str = choice("joint", "separate")

    def unsaid(self) -> set[str]:
        """The released code's choices go without saying."""
        usual = {"norm": "mean", "detach": "none", "batch_norm": "joint"}
        return {name for name, value in usual.items() if getattr(self, name) == value}

    @property
    def separate(self) -> bool:
        """Whether the two views are passed one after the other."""
        return self.batch_norm == "separate"

    def __call__(self, mixture: Tensor, mixed: Tensor) -> Tensor:
        """Per example."""
        mixture = mixture.detach() if self.detach == "target" else mixture
        mixed = mixed.detach() if self.detach == "mixed" else mixed
        return distance(full_precision(mixture), full_precision(mixed), self.norm)
