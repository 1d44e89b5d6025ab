"""Midpoints: the plain average of two inputs (PLS, eq. 6-7; LaMix, eq. 4).

    x' = (x + x_partner) / 2

Only the input weight is fixed at one half; LaMix gives the labels a lam of their own (``lam=uniform`` in the targets).
The PLS paper leaves averages of more than two open: ``k=3`` averages three, each with its own permutation of the batch.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from levelhead.member import whole
from levelhead.mixing.mixer import Drawn, Mixer, Step, shuffle
from levelhead.types import Mix


@dataclass(frozen=True)
class Midpoint(Mixer):
    """Average each input with its partner, or with ``k - 1`` partners."""

    word: ClassVar[str] = "midpoint"
    k: int = whole(2, low=2, high=16)

    def unsaid(self) -> set[str]:
        """A midpoint lies between two."""
        return {"k"} if self.k == 2 else set()

    @property
    def partners(self) -> int:
        """All of the average but the original."""
        return self.k - 1

    def draw(self, step: Step, generator: torch.Generator) -> Drawn:
        """Partners; the weights are equal even where a pairing with other weights is given."""
        size = step.shape[0]
        partner = shuffle(size, generator, self.partners) if step.given is None else step.given.partner
        shape = (size,) if self.k == 2 else (size, self.k)
        return Drawn(Mix(partner, torch.full(shape, 1 / self.k, dtype=torch.float64)))
