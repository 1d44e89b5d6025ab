"""Images of Gaussian noise with the training split's mean and variance, by channel (Thulasidasan et al. 2019).

In normalised space that is N(0, 1). The paper does not say whether pixels are clipped to [0, 1]: they are not, unless
asked for; clipping makes mean and variance others. N examples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from levelhead.data import Dataset
from levelhead.member import flag, whole
from levelhead.predictions import Predictions
from levelhead.probes.probe import Probe, Subject
from levelhead.probes.statistics import in_pixels, per_channel


def gaussian_noise(num: int, shape: Sequence[int], *, generator: torch.Generator) -> Tensor:
    """``(num, *shape)`` float32: normalised inputs that have the training split's mean and variance, and no content.

    ``generator`` is the only source of randomness.
    """
    return torch.randn(num, *shape, generator=generator)


@dataclass(frozen=True)
class GaussianNoise(Probe):
    """As many images of noise as the test split has examples; the same ones for every run."""

    word: ClassVar[str] = "gaussian_noise"
    outside: ClassVar[bool] = True
    clip: bool = flag(False)
    seed: int = whole(0, low=0)

    def suits(self, data: Dataset) -> None:
        """Vectors have no pixels to clip."""
        if self.clip and data.kind != "image":
            raise ValueError(f"gaussian_noise: clip=true is for images, but {data.name} holds vectors")

    def predictions(self, subject: Subject) -> Predictions:
        """What the model says of the noise."""
        generator = torch.Generator().manual_seed(self.seed)

        def drawn() -> Iterator[Tensor]:
            for num in subject.sizes():
                noise = gaussian_noise(num, subject.data.shape, generator=generator)
                yield in_pixels(noise, *per_channel(subject.data.mean, subject.data.std, noise)) if self.clip else noise

        return subject.asked(drawn())
