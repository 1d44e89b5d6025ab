"""What every loss and every penalty is: a number per example, never a mean over the batch.

The one mean is taken where the objective is put together. A loss takes logits and targets; a penalty takes logits; a
consistency takes the mixture of the clean logits and the logits of the mixture. Shapes: B batch, C classes, (H, W)
optional trailing axes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from levelhead.member import Member, number


@dataclass(frozen=True, kw_only=True)
class Loss(Member):
    """Base of the losses; ``clean`` and ``mixed`` weigh the two views, by default the mixed one alone.

    Where there is one view only, its weight is 1 and the two say nothing.
    """

    clean: float = number(0.0, low=0)
    mixed: float = number(1.0, low=0)

    def check(self) -> None:
        """Some view must count."""
        if self.clean == 0 and self.mixed == 0:
            raise ValueError(f"{self.word}(clean=0, mixed=0) would learn nothing; give one of them a weight")

    def unsaid(self) -> set[str]:
        """The default, the mixed view alone, goes without saying."""
        return {"clean", "mixed"} if self.says_default_views else set()

    @property
    def repeats(self) -> int:
        """How often each view goes through the network; with more than one, the loss is given every pass's logits."""
        return 1

    @property
    def says_default_views(self) -> bool:
        """Whether the view weights are the default ones."""
        return (self.clean, self.mixed) == (0, 1)

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Per example ``(B, ...)`` from logits and target distributions ``(B, C, ...)``."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Penalty(Member):
    """Base of the penalties on the logits of a view; each declares the ``weight`` it is added with."""

    if TYPE_CHECKING:  # a field of every member, where its place among the arguments is the member's to say
        weight: float

    def weight_at(self, epoch: int) -> float:
        """The weight after ``epoch`` whole epochs."""
        return self.weight

    def __call__(self, logits: Tensor) -> Tensor:
        """Per example ``(B, ...)``, not yet weighted."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Consistency(Member):
    """Base of the penalties that compare the clean with the mixed view; needs mixing, and both views."""

    if TYPE_CHECKING:  # a field of every member, where its place among the arguments is the member's to say
        weight: float

    @property
    def separate(self) -> bool:
        """Whether the two views must not share a forward pass."""
        return False

    def weight_at(self, epoch: int) -> float:
        """The weight after ``epoch`` whole epochs."""
        return self.weight

    def __call__(self, mixture: Tensor, mixed: Tensor) -> Tensor:
        """Per example ``(B, ...)``, not yet weighted: the mixture of the clean logits against the mixed logits."""
        raise NotImplementedError


def full_precision(values: Tensor) -> Tensor:
    """Half precision widened to float32: a log-softmax in bfloat16 has two digits."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def expected(targets: Tensor, surprise: Tensor) -> Tensor:
    """``sum_k q_k s_k`` over the class axis, with 0 * inf taken as 0 (a masked class nobody asks for)."""
    return (targets * surprise.masked_fill(targets == 0, 0)).sum(1)


def checked(logits: Tensor, targets: Tensor) -> Tensor:
    """Hard labels or distributions as distributions over the classes of ``logits``; anything else is refused."""
    if logits.ndim < 2 or not logits.is_floating_point():
        raise ValueError(f"logits must be floating point (B, C, ...), not {logits.dtype} {tuple(logits.shape)}")
    if targets.is_floating_point():
        if targets.shape != logits.shape:
            raise ValueError(
                f"target distributions must have the logits' shape {tuple(logits.shape)}, not {tuple(targets.shape)}"
            )
        return targets
    if targets.shape != logits.shape[:1] + logits.shape[2:]:
        raise ValueError(
            f"labels for logits {tuple(logits.shape)} must have shape "
            f"{tuple(logits.shape[:1] + logits.shape[2:])}, not {tuple(targets.shape)}"
        )
    return one_hot(targets, logits.shape[1], logits.dtype)


def one_hot(labels: Tensor, num_classes: int, dtype: torch.dtype) -> Tensor:
    """Labels ``(B, ...)`` as distributions ``(B, C, ...)``; labels out of range are refused (on the CPU at once)."""
    if labels.device.type == "cpu" and labels.numel():
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= num_classes:
            raise ValueError(f"labels must be in 0..{num_classes - 1} for {num_classes} classes, not {low}..{high}")
    opened = torch.zeros((labels.shape[0], num_classes, *labels.shape[1:]), dtype=dtype, device=labels.device)
    return opened.scatter_(1, labels.long().unsqueeze(1), 1)
