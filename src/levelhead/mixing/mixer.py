"""What every mixer is: a law for the pairing, and a way to blend.

A mixer sees inputs only, never labels, losses or models. It works on any batch size from one up and never writes into
its inputs. A step goes ``draw`` (the law: pairing, box, place), ``settle`` (what depends on the batch's contents),
``blend`` (the mixed view). Shapes: B batch, P partners.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from levelhead.member import Member
from levelhead.types import Mix


class Step(NamedTuple):
    """What a mixer is told before it draws.

    ``shape`` of what will be blended; ``turn``, how many training steps went before; ``given``, a pairing that
    replaces the draw of partner and lam; ``places``, how many layers there are to mix at, the input first.
    """

    shape: torch.Size
    turn: int = 0
    given: Mix | None = None
    places: int = 1


class Puzzle(NamedTuple):
    """PuzzleMix's plan, ``cells`` (R rows, S columns) of blocks. Once settled: the masks, and which block shows where.

    ``mask (B, R, S)`` is the original's part. ``moves`` are the originals' and the partners' plans, each ``(B, N)``
    over the cells of ``grid`` (rows, columns); none where nothing is transported.
    """

    cells: tuple[int, int]
    mask: Tensor | None = None
    grid: tuple[int, int] = (0, 0)
    moves: tuple[Tensor, Tensor] | None = None


class Drawn(NamedTuple):
    """One step's plan: the pairing, whether this step mixes at all, and what the mixer itself needs to blend.

    ``box`` is CutMix's, ``place`` the number of the layer to mix at (0 is the input), ``puzzle`` PuzzleMix's cut.
    """

    mix: Mix
    applied: bool = True
    box: tuple[int, int, int, int] | None = None
    place: int = 0
    puzzle: Puzzle | None = None


@dataclass(frozen=True)
class Mixer(Member):
    """Base of the mixers.

    What a mixer asks of whoever calls it is declared: ``needs_saliency`` (the size of the loss's gradient at every
    pixel or word, which costs one more pass), ``hidden`` (mixing at a layer, named in ``layers`` or found).
    ``spatial`` says that different pixels come from different examples, so that label maps are blended like images.
    """

    needs_saliency: ClassVar[bool] = False
    hidden: ClassVar[bool] = False
    spatial: ClassVar[bool] = False

    @property
    def share(self) -> float:
        """Expected part of the training steps that mix, in [0, 1]."""
        return 1.0

    @property
    def partners(self) -> int:
        """With how many others an example is blended."""
        return 1

    @property
    def updates(self) -> int:
        """Training steps that each batch of the data is used for."""
        return 1

    @property
    def core(self) -> "Mixer":
        """The mixer that blends: this one, or the one it wraps."""
        return self

    def ready(self) -> None:
        """Raise ``ValueError`` where a package that this mixer needs is not installed; asked before training."""

    def draw(self, step: Step, generator: torch.Generator) -> Drawn:
        """Draw one step's plan, on the CPU."""
        raise NotImplementedError

    def settle(self, inputs: Tensor, drawn: Drawn, saliency: Tensor | None = None) -> Drawn:
        """Finish a plan that depends on what is in the batch; ``saliency (B, H, W)`` or ``(B, L)`` where asked for."""
        return drawn

    def blend(self, inputs: Tensor, drawn: Drawn) -> Tensor:
        """The mixed view: a new tensor of the inputs' shape, dtype and device."""
        return lerp(inputs, drawn.mix)


def unmixed(size: int, partners: int = 1) -> Mix:
    """The pairing of everybody with themselves at lam 1."""
    if partners == 1:
        return Mix(torch.arange(size), torch.ones(size, dtype=torch.float64))
    alone = torch.zeros(size, 1 + partners, dtype=torch.float64)
    alone[:, 0] = 1
    return Mix(torch.arange(size)[:, None].expand(size, partners), alone)


def shuffle(size: int, generator: torch.Generator, partners: int = 1) -> Tensor:
    """A uniform permutation of the batch for every partner; fixed points are allowed, as in the papers."""
    if partners == 1:
        return torch.randperm(size, generator=generator)
    return torch.stack([torch.randperm(size, generator=generator) for _ in range(partners)], 1)


def given_lam(given: Mix, size: int) -> Tensor:
    """The lam of a given pairing as a float64 vector ``(B,)``, or ``(B, 1 + P)`` for many partners."""
    lam = torch.as_tensor(given.lam, dtype=torch.float64)
    return lam if lam.ndim == 2 else lam.expand(size)


def per_example(lam: Tensor, like: Tensor) -> Tensor:
    """``lam (B,)`` in the dtype and on the device of ``like``, shaped to broadcast over its trailing axes."""
    return lam.to(device=like.device, dtype=like.dtype).view(-1, *[1] * (like.ndim - 1))


def lerp(values: Tensor, mix: Mix) -> Tensor:
    """``lam * values + (1 - lam) * values[partner]``, exact at lam 0 and 1; inputs, labels and logits alike.

    With P partners: the sum of original and partners under their weights.
    """
    assert isinstance(mix.lam, Tensor)
    partner = mix.partner.to(values.device)
    if partner.ndim == 1:
        return torch.lerp(values[partner], values, per_example(mix.lam, values))
    mixed = values * per_example(mix.lam[:, 0], values)
    for place in range(partner.shape[1]):
        mixed = mixed + values[partner[:, place]] * per_example(mix.lam[:, place + 1], values)
    return mixed
