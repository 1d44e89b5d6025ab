"""What every network costs: parameters and multiply-adds, counted without computing anything (on the meta device)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from levelhead.models.build import build, count_parameters
from levelhead.models.names import read_name, usage
from levelhead.models.networks import NETWORKS, READS

#: What a network is counted for: images 3x32x32, scenes 3x180x240, vectors of 64 numbers, texts of 50 words.
_SHAPES: dict[str, Any] = {"images": (3, 32, 32), "scenes": (3, 180, 240), "vectors": (64,), "texts": (50,)}


@dataclass(frozen=True)
class Card:
    """One network of the table: how it is written, what it reads and of which shape, its cost for ten classes."""

    name: str
    usage: str
    idea: str
    reads: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


def catalogue(num_classes: int = 10, image_shape: tuple[int, int, int] = _SHAPES["images"]) -> dict[str, Card]:
    """Every network of the table with its cost for one input.

    Image networks are counted for ``image_shape`` ``(C, H, W)``; one that does not read images so small is left out.
    """
    cards = {}
    for name in NETWORKS:
        reads = READS.get(name, "images")
        try:
            cards[name] = card(name, num_classes, image_shape if reads == "images" else _SHAPES[reads])
        except ValueError:
            continue  # images too small for this one
    return cards


def card(name: str, num_classes: int = 10, shape: tuple[int, ...] = _SHAPES["images"]) -> Card:
    """One network, as `build` reads its name, with its cost for one input of this ``shape``.

    Parameters of a network for texts, ``shape (L,)``, are without the embedding, as papers count them. Networks of the
    table are built on the meta device, so they cost nothing; others in memory. The global generator does not move.
    """
    prefix, word, _ = read_name(name)
    builder = None if prefix else NETWORKS.get(word)
    reads = READS.get(word, "images") if builder else "images" if len(shape) == 3 else "vectors"
    words = ["", "word"] if reads == "texts" else None
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if builder is None else "meta"):
        model = build(name, num_classes=num_classes, input_shape=shape, vocabulary=words)
        cost = multiply_adds(model, shape, torch.long if words else None)
    embedded = sum(count_parameters(layer) for layer in model.modules() if isinstance(layer, nn.Embedding))
    return Card(
        name,
        name if builder is None else usage(word, builder),
        "" if builder is None else " ".join((getattr(builder, "func", builder).__doc__ or "").split()),
        reads,
        shape,
        count_parameters(model) - embedded,
        cost,
    )


def multiply_adds(model: nn.Module, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> int:
    """Multiply-adds of matrix products and convolutions for one input of this shape, on the model's device.

    The model is called once, in eval mode, with zeros; its mode is left as it was.
    """
    device = next(model.parameters()).device
    training = model.training
    inputs = torch.zeros(1, *shape, dtype=dtype or next(model.parameters()).dtype, device=device)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.eval()(inputs)
    finally:
        model.train(training)
    return counter.get_total_flops() // 2
