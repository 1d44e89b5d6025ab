"""Alternate: a step on the originals, then a step on their mixtures (PLS, section 3.4; LaMix, section 3).

"Alternatively feed either a mini-batch from the originals or a mini-batch from the midpoints": steps 0, 2, 4, ... see
the originals. The count runs on across epochs and through checkpoints, so with an odd number of batches in an epoch
the examples swap roles. An epoch costs what an epoch of plain training costs.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from levelhead.member import inner
from levelhead.mixing.identity import Identity
from levelhead.mixing.mixer import Drawn, Mixer, unmixed
from levelhead.types import Mix


@dataclass(frozen=True)
class Alternate(Mixer):
    """Originals in even steps, the inner mixer in odd ones."""

    word: ClassVar[str] = "alternate"
    mixer: Mixer = inner(lambda: Mixer)

    def check(self) -> None:
        """There must be something to alternate with."""
        if isinstance(self.mixer, Identity | Alternate):
            raise ValueError(f"alternate needs a mixer that mixes, such as midpoint or mixup, not {self.mixer}")

    @property
    def share(self) -> float:
        """Half of the inner mixer's."""
        return self.mixer.share / 2

    def draw(self, shape: torch.Size, generator: torch.Generator, *, given: Mix | None, count: int) -> Drawn:
        """The inner mixer's draw in odd steps, and always for a given pairing."""
        if given is None and count % 2 == 0:
            return Drawn(unmixed(shape[0]), applied=False)
        return self.mixer.draw(shape, generator, given=given, count=count)

    def blend(self, inputs: Tensor, drawn: Drawn) -> Tensor:
        """The inner mixer's view."""
        return self.mixer.blend(inputs, drawn)
