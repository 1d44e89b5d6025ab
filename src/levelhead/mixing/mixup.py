"""Mixup: a convex combination of two inputs (Zhang et al. 2018; Thulasidasan et al. 2019, eq. 1).

    x' = lam x + (1 - lam) x_partner,   lam ~ Beta(alpha, alpha)

Default alpha 0.4, the value that the calibration paper reports most; LogitMix uses 3, PLS and LaMix compare with 1.
One lam a batch, as in all five papers; ``per=sample`` draws one an example.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from levelhead.member import choice, number
from levelhead.mixing._beta import beta
from levelhead.mixing.mixer import Drawn, Mixer, given_lam, shuffle
from levelhead.types import Mix


@dataclass(frozen=True)
class Mixup(Mixer):
    """Blend whole inputs with lam ~ Beta(alpha, alpha); alpha 0 gives lam 1, that is no mixing."""

    word: ClassVar[str] = "mixup"
    alpha: float = number(0.4, low=0)
    per: str = choice("batch", "sample")

    def unsaid(self) -> set[str]:
        """One lam a batch is what the papers do and what the bare word means."""
        return {"per"} if self.per == "batch" else set()

    def draw(self, shape: torch.Size, generator: torch.Generator, *, given: Mix | None, count: int) -> Drawn:
        """Partner and lam."""
        size = shape[0]
        if given is not None:
            return Drawn(Mix(given.partner, given_lam(given, size)))
        lam = beta(self.alpha, size if self.per == "sample" else 1, generator).expand(size)
        return Drawn(Mix(shuffle(size, generator), lam))
