"""Images whose pixels are uniform in [0, 1]: as far from any class as noise on a screen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from levelhead.member import whole
from levelhead.predictions import Predictions
from levelhead.probes.probe import Probe, Subject
from levelhead.probes.statistics import per_channel


def uniform_noise(num: int, shape: Sequence[int], *, generator: torch.Generator, mean: Any, std: Any) -> Tensor:
    """``(num, *shape)`` float32: pixels uniform in [0, 1], normalised with ``mean`` and ``std``, numbers or by channel.

    ``generator`` is the only source of randomness. Raises ``ValueError`` for a ``mean`` or ``std`` that does not fit.
    """
    pixels = torch.rand(num, *shape, generator=generator)
    mean, std = per_channel(mean, std, pixels)
    return (pixels - mean) / std


@dataclass(frozen=True)
class UniformNoise(Probe):
    """As many images of noise as the test split has examples; the same ones for every run.

    Vectors have no range that is known beforehand: theirs is uniform with the training split's mean and variance.
    """

    word: ClassVar[str] = "uniform_noise"
    outside: ClassVar[bool] = True
    seed: int = whole(0, low=0)

    def predictions(self, subject: Subject) -> Predictions:
        """What the model says of the noise."""
        generator = torch.Generator().manual_seed(self.seed)
        data = subject.data
        # a uniform number in [0, 1] has mean 1/2 and deviation 1/sqrt(12)
        mean, std = (data.mean, data.std) if data.kind == "image" else (0.5, 12**-0.5)

        def drawn() -> Iterator[Tensor]:
            for num in subject.sizes():
                yield uniform_noise(num, data.shape, generator=generator, mean=mean, std=std)

        return subject.asked(drawn())
