"""Alternate: a step on the originals, then a step on their mixtures (PLS, section 3.4; LaMix, section 3).

"Alternatively feed either a mini-batch from the originals or a mini-batch from the midpoints". Readings:

    mode=step    steps 0, 2, 4, ... see originals, the others mixtures (default): an epoch costs what plain training
                 costs, and with an odd number of batches the examples swap roles from epoch to epoch
    mode=batch   every batch is used for two steps, the originals first: twice the cost and twice the updates
    mode=coin    each step throws a fair coin

The count of steps runs on across epochs and through checkpoints.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from levelhead.member import choice, inner
from levelhead.mixing.identity import Identity
from levelhead.mixing.mixer import Drawn, Mixer, Step, unmixed


@dataclass(frozen=True)
class Alternate(Mixer):
    """Originals in even steps, the inner mixer in odd ones."""

    word: ClassVar[str] = "alternate"
    mixer: Mixer = inner(lambda: Mixer)
    mode: str = choice("step", "batch", "coin")

    def check(self) -> None:
        """There must be something to alternate with."""
        if isinstance(self.mixer, Identity | Alternate):
            raise ValueError(f"alternate needs a mixer that mixes, such as midpoint or mixup, not {self.mixer}")

    def unsaid(self) -> set[str]:
        """Strict alternation is what the bare word means."""
        return {"mode"} if self.mode == "step" else set()

    @property
    def share(self) -> float:
        """Half of the inner mixer's."""
        return self.mixer.share / 2

    @property
    def partners(self) -> int:
        """The inner mixer's."""
        return self.mixer.partners

    @property
    def updates(self) -> int:
        """Two where every batch is seen in both forms."""
        return 2 if self.mode == "batch" else 1

    @property
    def core(self) -> Mixer:
        """The inner mixer."""
        return self.mixer

    def draw(self, step: Step, generator: torch.Generator) -> Drawn:
        """The inner mixer's draw in its turn, and always for a given pairing."""
        if step.given is None and not self._mixes(step.turn, generator):
            return Drawn(unmixed(step.shape[0], self.partners), applied=False)
        return self.mixer.draw(step, generator)

    def settle(self, inputs: Tensor, drawn: Drawn, saliency: Tensor | None = None) -> Drawn:
        """The inner mixer's."""
        return self.mixer.settle(inputs, drawn, saliency)

    def blend(self, inputs: Tensor, drawn: Drawn) -> Tensor:
        """The inner mixer's view."""
        return self.mixer.blend(inputs, drawn)

    def _mixes(self, turn: int, generator: torch.Generator) -> bool:
        if self.mode == "coin":
            return bool(torch.rand((), dtype=torch.float64, generator=generator) < 0.5)
        return turn % 2 == 1
