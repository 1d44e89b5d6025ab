"""What every network costs: parameters and multiply-adds, counted without computing anything (on the meta device)."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from levelhead.models.build import build, count_parameters
from levelhead.models.names import usage
from levelhead.models.networks import NETWORKS, READS

#: What a network is counted for: images 3x32x32, vectors of 64 numbers, texts of 50 words.
_SHAPES = {"images": (3, 32, 32), "vectors": (64,), "texts": (50,)}


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


def catalogue(num_classes: int = 10, image_shape: tuple[int, int, int] | None = None) -> dict[str, Card]:
    """Every network of the table with its cost for one input.

    ``image_shape`` ``(C, H, W)`` is what image networks are counted for, by default ``(3, 32, 32)``; one that does not
    read images so small is left out. Parameters of texts' networks are without the embedding, as papers count them.
    """
    cards = {}
    for name, builder in NETWORKS.items():
        reads = READS.get(name, "images")
        shape = image_shape if image_shape and reads == "images" else _SHAPES[reads]
        words = ["", "word"] if reads == "texts" else None
        try:
            with torch.device("meta"):
                model = build(name, num_classes=num_classes, input_shape=shape, vocabulary=words).eval()
        except ValueError:
            continue  # images too small for this one
        embedded = sum(count_parameters(layer) for layer in model.modules() if isinstance(layer, nn.Embedding))
        cards[name] = Card(
            name,
            usage(name, builder),
            " ".join((getattr(builder, "func", builder).__doc__ or "").split()),
            reads,
            shape,
            count_parameters(model) - embedded,
            multiply_adds(model, shape, torch.long if words else None),
        )
    return cards


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
