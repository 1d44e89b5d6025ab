"""Mixup: a convex combination of two inputs (Zhang et al. 2018; Thulasidasan et al. 2019, eq. 1).

    x' = lam x + (1 - lam) x_partner,   lam ~ Beta(alpha, alpha)

Default alpha 0.4, the value that the calibration paper reports most; LogitMix uses 3, PLS and LaMix compare with 1.
One lam a batch, as in all five papers; ``per=sample`` draws one an example. ``k=3`` and more blend that many examples
with weights from Dirichlet(alpha, ..., alpha), of which Beta is the case of two.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from levelhead.member import choice, number, whole
from levelhead.mixing._beta import beta, dirichlet
from levelhead.mixing.mixer import Drawn, Mixer, Step, given_lam, shuffle
from levelhead.types import Mix


@dataclass(frozen=True)
class Mixup(Mixer):
    """Blend whole inputs with lam ~ Beta(alpha, alpha); alpha 0 gives lam 1, that is no mixing."""

    word: ClassVar[str] = "mixup"
    alpha: float = number(0.4, low=0)
    per: str = choice("batch", "sample")
    k: int = whole(2, low=2, high=16)

    def unsaid(self) -> set[str]:
        """One lam a batch for two examples is what the papers do and what the bare word means."""
        return ({"per"} if self.per == "batch" else set()) | ({"k"} if self.k == 2 else set())

    @property
    def partners(self) -> int:
        """All but the original."""
        return self.k - 1

    def draw(self, step: Step, generator: torch.Generator) -> Drawn:
        """Partners and weights."""
        size = step.shape[0]
        if step.given is not None:
            return Drawn(Mix(step.given.partner, given_lam(step.given, size)))
        drawn = size if self.per == "sample" else 1
        if self.k == 2:
            lam = beta(self.alpha, drawn, generator).expand(size)
        else:
            lam = dirichlet(self.alpha, drawn, self.k, generator).expand(size, self.k)
        return Drawn(Mix(shuffle(size, generator, self.partners), lam))
