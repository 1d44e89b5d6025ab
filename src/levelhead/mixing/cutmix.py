"""CutMix: a box of the partner pasted into the image (Yun et al. 2019; LogitMix, section 2.1).

The box has the side ratio sqrt(1 - lam) and a uniform centre, is clipped at the border, and lam is then corrected to
the share of pixels that was kept, for labels and logits alike. With probability ``1 - prob`` a batch is left as it is.
Defaults alpha 1 and prob 0.5, as the authors' code has for CIFAR. Deviation from the released LogitMix code, which
pastes into the originals in place and keeps the uncorrected lam: here the originals stay and lam is the kept area;
``exact_area=false`` keeps the drawn lam. Sequences ``(B, L, D)``, the embedded tokens of a text, get a span of
``(1 - lam) L`` places instead of a box; padding counts in its share, as background does in an image's.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from levelhead.member import flag, number
from levelhead.mixing._beta import beta
from levelhead.mixing.mixer import Drawn, Mixer, Step, given_lam, shuffle, unmixed
from levelhead.types import Mix

Box = tuple[int, int, int, int]


def cutmix_box(height: int, width: int, lam: float, center: tuple[int, int]) -> tuple[Box, float]:
    """The box that CutMix pastes, and the lam that its area means.

    ``lam`` is the drawn weight of the original in [0, 1], ``center`` the (row, column) of the box. Returns
    ``((top, left, bottom, right), lam)``: the half-open box in pixels after clipping, and the share of pixels outside
    of it. Sizes are truncated and halved with integer division, as in the authors' code.
    """
    if height < 1 or width < 1:
        raise ValueError(f"cutmix_box needs an image of at least 1x1 pixels, not {height}x{width}")
    if not 0 <= lam <= 1:
        raise ValueError(f"lam must be in [0, 1], not {lam}")
    if not (0 <= center[0] < height and 0 <= center[1] < width):
        raise ValueError(f"center must be a (row, column) inside {height}x{width}, not {tuple(center)}")
    side = math.sqrt(1 - lam)
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    row, column = center
    top, bottom = max(row - half_height, 0), min(row + half_height, height)
    left, right = max(column - half_width, 0), min(column + half_width, width)
    return (top, left, bottom, right), 1 - (bottom - top) * (right - left) / (height * width)


def _span(length: int, lam: float, center: int) -> tuple[Box, float]:
    """The same for a sequence: the share of places, not its square root, is what one axis gives."""
    half = int(length * (1 - lam)) // 2
    first, last = max(center - half, 0), min(center + half, length)
    return (first, 0, last, 0), 1 - (last - first) / length


@dataclass(frozen=True)
class CutMix(Mixer):
    """Paste a box of the partner into the image; lam is the share of pixels kept."""

    word: ClassVar[str] = "cutmix"
    spatial: ClassVar[bool] = True
    alpha: float = number(1.0, low=0)
    prob: float = number(0.5, low=0, high=1, open_low=True)
    exact_area: bool = flag(True)

    def unsaid(self) -> set[str]:
        """The kept area is what lam means unless it says otherwise."""
        return {"exact_area"} if self.exact_area else set()

    @property
    def share(self) -> float:
        """The probability that a batch is mixed."""
        return self.prob

    def draw(self, step: Step, generator: torch.Generator) -> Drawn:
        """Whether to mix, then partner, lam and box; a given lam is taken as drawn and corrected to the area."""
        shape, given = step.shape, step.given
        if len(shape) not in (3, 4):
            raise ValueError(
                "cutmix pastes boxes into images (B, C, H, W) or spans into embedded sequences (B, L, D), but the "
                f"inputs have shape {tuple(shape)}; use mixup"
            )
        size = shape[0]
        if given is not None:
            lams = given_lam(given, size)
            if not bool((lams == lams[0]).all()):
                raise ValueError("cutmix uses one box a batch: mix= must have the same lam for every example")
            lam, partner = float(lams[0]), given.partner
        else:
            if torch.rand((), dtype=torch.float64, generator=generator) >= self.prob:
                return Drawn(unmixed(size), applied=False)
            lam, partner = float(beta(self.alpha, 1, generator)), shuffle(size, generator)
        if len(shape) == 4:
            row = int(torch.randint(shape[2], (), generator=generator))
            column = int(torch.randint(shape[3], (), generator=generator))
            box, kept = cutmix_box(shape[2], shape[3], lam, (row, column))
        else:
            box, kept = _span(shape[1], lam, int(torch.randint(shape[1], (), generator=generator)))
        meant = kept if self.exact_area else lam
        return Drawn(Mix(partner, torch.full((size,), meant, dtype=torch.float64)), box=box)

    def blend(self, inputs: Tensor, drawn: Drawn) -> Tensor:
        """A copy of the inputs with the partner's box in it."""
        assert drawn.box is not None
        top, left, bottom, right = drawn.box
        mixed = inputs.clone()
        partner = drawn.mix.partner.to(inputs.device)
        if inputs.ndim == 3:
            mixed[:, top:bottom] = inputs[partner, top:bottom]
        else:
            mixed[:, :, top:bottom, left:right] = inputs[partner, :, top:bottom, left:right]
        return mixed
