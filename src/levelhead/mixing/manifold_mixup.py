"""Manifold mixup: mixup of the hidden states at a layer drawn every step (Verma et al. 2019; LogitMix, figure 1).

    h' = lam h + (1 - lam) h_partner at layer l,   lam ~ Beta(alpha, alpha),   l uniform

Default alpha 2 (the authors' for CIFAR; 0.2 for Tiny-ImageNet). The authors draw l from the input and the outputs of
the first two of four stages; here the layers are the input and the outputs of the model's stages at a quarter and at a
half of its depth, or those named in ``layers=[input, layer1, layer2]``. The input of a text model is its embedding.
The authors train it with binary cross-entropy on the softmax; write ``bce`` in the loss slot for that.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from levelhead.member import number, words
from levelhead.mixing._beta import beta
from levelhead.mixing.mixer import Drawn, Mixer, Step, given_lam, shuffle
from levelhead.types import Mix


@dataclass(frozen=True)
class ManifoldMixup(Mixer):
    """Blend hidden states with lam ~ Beta(alpha, alpha); ``layers`` are module names, found where left out."""

    word: ClassVar[str] = "manifold_mixup"
    hidden: ClassVar[bool] = True
    alpha: float = number(2.0, low=0)
    layers: tuple[str, ...] = words()

    def unsaid(self) -> set[str]:
        """Left out, the layers are found."""
        return set() if self.layers else {"layers"}

    def draw(self, step: Step, generator: torch.Generator) -> Drawn:
        """Layer, partner and lam; the layer is drawn for a given pairing too."""
        size = step.shape[0]
        place = int(torch.randint(step.places, (), generator=generator))
        if step.given is not None:
            return Drawn(Mix(step.given.partner, given_lam(step.given, size)), place=place)
        lam = beta(self.alpha, 1, generator).expand(size)
        return Drawn(Mix(shuffle(size, generator), lam), place=place)
