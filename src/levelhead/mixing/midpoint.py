"""Midpoints: the plain average of two inputs (PLS, eq. 6-7; LaMix, eq. 4).

    x' = (x + x_partner) / 2

Only the input weight is fixed at one half; LaMix gives the labels a lam of their own (``lam=uniform`` in the targets).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from levelhead.mixing.mixer import Drawn, Mixer, shuffle
from levelhead.types import Mix


@dataclass(frozen=True)
class Midpoint(Mixer):
    """Average each input with its partner."""

    word: ClassVar[str] = "midpoint"

    def draw(self, shape: torch.Size, generator: torch.Generator, *, given: Mix | None, count: int) -> Drawn:
        """Partner; lam is one half even where a pairing with another lam is given."""
        partner = shuffle(shape[0], generator) if given is None else given.partner
        return Drawn(Mix(partner, torch.full((shape[0],), 0.5, dtype=torch.float64)))
