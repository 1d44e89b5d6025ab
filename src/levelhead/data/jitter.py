"""Random colours of training images: how strong, as one word, and the images so changed, in batch on their device.

Brightness multiplies; contrast and saturation blend with the image's mean luma and with its luma (ITU-R 601); hue turns
the colour circle: each as torchvision's ColorJitter has it, but always in this order, where torchvision draws one.
Lighting adds a random mixture of the principal colours of ImageNet (Krizhevsky et al. 2012). B batch, C, H, W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from levelhead.binding import built
from levelhead.grammar import parse_term
from levelhead.member import Member, number, show

if TYPE_CHECKING:  # names of data sets are listed without torch
    import torch
    from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
#: Principal components of ImageNet's colours in [0, 1] units and their deviations: those of the Torch recipe of 2015.
_COMPONENTS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
_DEVIATIONS = (0.2175, 0.0188, 0.0045)
_KINDS = ("brightness", "contrast", "saturation", "hue", "lighting")


@dataclass(frozen=True)
class Jitter(Member):
    """How far colours are changed; the default is not at all.

    Attributes:
        brightness: a factor within so much of 1.
        contrast: likewise.
        saturation: likewise.
        hue: a turn of at most this part of the circle, either way.
        lighting: the deviation of the mixture of principal colours.
        prob: how likely each of these is done to an image, each by a coin of its own.
    """

    word: ClassVar[str] = "jitter"
    brightness: float = number(0.0, low=0, high=1)
    contrast: float = number(0.0, low=0, high=1)
    saturation: float = number(0.0, low=0, high=1)
    hue: float = number(0.0, low=0, high=0.5)
    lighting: float = number(0.0, low=0, high=1)
    prob: float = number(1.0, low=0, high=1, open_low=True)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in _KINDS)

    @property
    def needs_colours(self) -> bool:
        """Whether it is for images of three channels alone."""
        return bool(self.saturation or self.hue or self.lighting)

    def moot(self) -> set[str]:
        """A probability of nothing."""
        return set() if self else {"prob"}

    def unsaid(self) -> set[str]:
        """What is not done."""
        return {name for name in _KINDS if not getattr(self, name)} | (
            {"prob"} if self.prob == 1 or not self else set()
        )

    def __str__(self) -> str:
        """What `parse_jitter` reads: `none`, or `brightness=0.4, contrast=0.4`."""
        return super().__str__().removeprefix(self.word).strip("()") or "none"


def parse_jitter(text: str) -> Jitter:
    """`none`; one number for brightness, contrast and saturation; or `brightness=0.3, hue=0.1, prob=0.5` and the like.

    Raises:
        ValueError: other words or numbers.

    >>> print(parse_jitter("0.4"))
    brightness=0.4, contrast=0.4, saturation=0.4
    """
    text = text.strip()
    if text in ("none", "0"):
        return Jitter()
    if "," in text and "=" not in text.split(",")[0]:
        raise ValueError(f"{text!r}: one number alone stands for three; beside others say brightness=..., and so on")
    try:
        each = show(float(text))
        text = f"brightness={each}, contrast={each}, saturation={each}"
    except ValueError:
        pass
    found = built(Jitter, parse_term(text if text.startswith("jitter(") else f"jitter({text})"))
    if not found:
        raise ValueError(f"{text} changes no colour; say none, or how much of {', '.join(_KINDS)}")
    return found


def jittered(images: Tensor, jitter: Jitter, generator: torch.Generator) -> Tensor:
    """The images with their colours changed, each in its own way.

    Args:
        images: `(B, C, H, W)`, uint8 or float32 in [0, 1].
        jitter: how far; saturation, hue and lighting are for three channels.
        generator: a CPU generator; what is drawn from it depends on B alone.

    Returns:
        float32 in [0, 1], new memory.
    """
    import torch

    num, unit = len(images), 255 if images.dtype == torch.uint8 else 1
    coins = torch.rand(len(_KINDS), num, generator=generator) < jitter.prob
    amounts = 2 * torch.rand(4, num, generator=generator) - 1
    mixture = torch.randn(num, 3, generator=generator) * coins[4].unsqueeze(1)
    bright, contrast, saturation, hue = (
        (coins[row] * amounts[row] * getattr(jitter, name)).to(images.device).view(-1, 1, 1, 1)
        for row, name in enumerate(_KINDS[:4])
    )
    found = images.to(torch.float32, copy=True).div_(unit)
    if jitter.brightness:
        found.mul_(1 + bright).clamp_(0, 1)
    if jitter.contrast:
        found = _blended(found, _luma(found).mean((2, 3), keepdim=True), 1 + contrast)
    if jitter.saturation:
        found = _blended(found, _luma(found), 1 + saturation)
    if jitter.hue:
        found = _turned(found, hue.view(-1, 1, 1))
    if jitter.lighting:
        shift = (mixture * jitter.lighting * torch.tensor(_DEVIATIONS)) @ torch.tensor(_COMPONENTS).T
        found = found.add_(shift.to(found.device).view(-1, 3, 1, 1)).clamp_(0, 1)
    return found


def _luma(images: Tensor) -> Tensor:
    """`(B, 1, H, W)`: the luma of colours, the mean of other channels."""
    import torch

    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    return (images * torch.tensor(_LUMA, device=images.device).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _blended(images: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return images.sub(other).mul_(share).add_(other).clamp_(0, 1)


def _turned(images: Tensor, turn: Tensor) -> Tensor:
    """Colours `(B, 3, H, W)` with their hue turned by a part of the circle, `(B, 1, 1)`."""
    import torch

    red, green, blue = images.unbind(1)
    high, low = images.amax(1), images.amin(1)
    spread = high - low
    over = torch.where(spread == 0, torch.ones_like(spread), spread)
    sector = torch.where(
        high == red,
        (green - blue) / over,
        torch.where(high == green, 2 + (blue - red) / over, 4 + (red - green) / over),
    )
    sector = sector + 6 * turn
    # of hue, saturation and value back to colours: each is the value less its part of the spread
    parts = [(start + sector) % 6 for start in (5, 3, 1)]
    return torch.stack([high - spread * torch.minimum(part, 4 - part).clamp(0, 1) for part in parts], 1)
