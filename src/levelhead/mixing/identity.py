"""No mixing: every example stays itself. A real member, so that nothing asks whether there is a mixer."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from levelhead.mixing.mixer import Drawn, Mixer, Step, unmixed


@dataclass(frozen=True)
class Identity(Mixer):
    """The original batch, untouched."""

    word: ClassVar[str] = "identity"

    @property
    def share(self) -> float:
        """Never mixes."""
        return 0.0

    def draw(self, step: Step, generator: torch.Generator) -> Drawn:
        """Everybody with themselves; a given pairing is refused, since it could have no effect."""
        if step.given is not None:
            raise ValueError("mix= was given, but this method mixes nothing; drop it or choose a mixing method")
        return Drawn(unmixed(step.shape[0]), applied=False)

    def blend(self, inputs: Tensor, drawn: Drawn) -> Tensor:
        """The inputs themselves."""
        return inputs
