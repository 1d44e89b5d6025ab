"""What every mixer is: a law for the pairing, and a way to blend.

A mixer sees inputs only, never labels or losses. It works on any batch size from one up and never writes into its
inputs. Shapes: B batch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from levelhead.member import Member
from levelhead.types import Mix


class Drawn(NamedTuple):
    """One step's draw: the pairing, whether this step mixes at all, and CutMix's box where there is one."""

    mix: Mix
    applied: bool = True
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Mixer(Member):
    """Base of the mixers. ``share`` is the expected part of the steps in which the mixer mixes."""

    @property
    def share(self) -> float:
        """Expected part of the training steps that mix, in [0, 1]."""
        return 1.0

    def draw(self, shape: torch.Size, generator: torch.Generator, *, given: Mix | None, count: int) -> Drawn:
        """Draw one step's pairing for inputs of ``shape``, on the CPU; ``given`` replaces partner and lam.

        ``count`` is how many training steps went before, for mixers whose turn depends on it.
        """
        raise NotImplementedError

    def blend(self, inputs: Tensor, drawn: Drawn) -> Tensor:
        """The mixed view: a new tensor of the inputs' shape, dtype and device."""
        return lerp(inputs, drawn.mix)


def unmixed(size: int) -> Mix:
    """The pairing of everybody with themselves at lam 1."""
    return Mix(torch.arange(size), torch.ones(size, dtype=torch.float64))


def shuffle(size: int, generator: torch.Generator) -> Tensor:
    """A uniform permutation of the batch; fixed points are allowed, as in the papers."""
    return torch.randperm(size, generator=generator)


def given_lam(given: Mix, size: int) -> Tensor:
    """The lam of a given pairing as a float64 vector ``(B,)``."""
    return torch.as_tensor(given.lam, dtype=torch.float64).expand(size)


def per_example(lam: Tensor, like: Tensor) -> Tensor:
    """``lam (B,)`` in the dtype and on the device of ``like``, shaped to broadcast over its trailing axes."""
    return lam.to(device=like.device, dtype=like.dtype).view(-1, *[1] * (like.ndim - 1))


def lerp(values: Tensor, mix: Mix) -> Tensor:
    """``lam * values + (1 - lam) * values[partner]``, exact at lam 0 and 1; inputs, labels and logits alike."""
    assert isinstance(mix.lam, Tensor)
    return torch.lerp(values[mix.partner.to(values.device)], values, per_example(mix.lam, values))
