"""Leaving the convex hull of the data along random directions (Thulasidasan et al. 2019, appendix D, figure 10).

    X' = X + distance d / |d|,   d_i ~ U(-1, 1), one direction an example, in normalised input space

The paper contradicts itself on whether d is a unit vector; with one, its accuracies are plausible, so that is the
default and ``direction=raw`` is the other reading. Compare across image sizes by the change of a pixel,
``distance / sqrt(number of inputs)``. N examples, K distances.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from levelhead import metrics
from levelhead.member import choice, number, whole
from levelhead.predictions import Predictions
from levelhead.probes.probe import Probe, Subject

#: The distances of the curve, two a decade.
DISTANCES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def leave_hull(
    inputs: Tensor, distance: float, *, generator: torch.Generator, direction: Literal["unit", "raw"] = "unit"
) -> Tensor:
    """Normalised ``inputs (N, ...)`` moved by ``distance`` along a random direction each; new memory.

    ``generator`` (CPU) is the only source of randomness: one seeded alike gives the same directions at every distance.
    Raises ``ValueError`` for a distance that is negative or not finite, and inputs that are not floating point.
    """
    if not inputs.is_floating_point() or inputs.ndim < 2:
        raise ValueError(
            f"leave_hull needs inputs (N, ...) of floating point, got {inputs.dtype} {tuple(inputs.shape)}"
        )
    if not 0 <= distance < float("inf"):
        raise ValueError(f"distance must be a finite number of at least 0, not {distance!r}")
    drawn = 2 * torch.rand(inputs.shape, generator=generator) - 1
    if direction == "unit":
        drawn /= drawn.flatten(1).norm(dim=1).view(-1, *[1] * (inputs.ndim - 1)).clamp_min(1e-12)
    elif direction != "raw":
        raise ValueError(f"direction must be 'unit' or 'raw', not {direction!r}")
    return inputs.detach() + distance * drawn.to(inputs)


class HullCurve(NamedTuple):
    """What becomes of a model with the distance, each ``(K,)`` float64, by rising distance.

    ``accuracy`` and ``confidence`` (mean probability of the prediction) in [0, 1], ``entropy`` (mean) in nats.
    """

    distance: np.ndarray
    accuracy: np.ndarray
    confidence: np.ndarray
    entropy: np.ndarray


def hull_curve(answers: Mapping[float, Predictions]) -> HullCurve:
    """Accuracy, confidence and entropy against distance, from predictions at each.

    Raises ``ValueError`` where there is none.
    """
    if not answers:
        raise ValueError("a curve needs predictions at one distance or more")
    rows = [
        (
            distance,
            metrics.accuracy(**said.scores, labels=said.labels),
            float(metrics.max_softmax(**said.scores).mean()),
            float(-metrics.negative_entropy(**said.scores).mean()),
        )
        for distance, said in sorted(answers.items())
    ]
    return HullCurve(*np.array(rows, dtype=np.float64).T)


@dataclass(frozen=True)
class LeaveHull(Probe):
    """The test split at a distance; without one, a probe at each of `DISTANCES`."""

    word: ClassVar[str] = "leave_hull"
    distance: float | None = number(None, low=0)
    direction: str = choice("unit", "raw")
    seed: int = whole(0, low=0)

    @property
    def name(self) -> str:
        """The distance is always said."""
        return f"{self.word}({', '.join([f'distance={self.distance:g}', *self._unusual()])})"

    @property
    def curve(self) -> tuple[str, float]:
        """All distances make a curve."""
        unusual = self._unusual()
        return f"{self.word}({', '.join(unusual)})" if unusual else self.word, self.distance or 0.0

    def _unusual(self) -> list[str]:
        return [f"direction={self.direction}"] * (self.direction != "unit") + [f"seed={self.seed}"] * (self.seed != 0)

    def predictions(self, subject: Subject) -> Predictions:
        """What the model says of the moved test split."""
        assert self.distance is not None
        generator = torch.Generator().manual_seed(self.seed)

        def moved() -> Iterator[Tensor]:
            for inputs, _ in subject.batches():
                yield leave_hull(inputs, self.distance or 0.0, generator=generator, direction=self.direction)  # type: ignore[arg-type]

        return subject.asked(moved(), like_test=True)
