"""A plain multi-layer perceptron, for vectors (and for images, which it flattens)."""

from math import prod

from torch import Tensor, nn


def mlp(num_classes: int, input_shape: tuple[int, ...], width: int, depth: int, dropout: float) -> nn.Module:
    """``depth`` hidden layers of ``width`` units with ReLU, then the linear classifier."""
    layers: list[nn.Module] = [nn.Flatten()]
    inside = prod(input_shape)
    for _ in range(depth):
        layers += [nn.Linear(inside, width), nn.ReLU(), nn.Dropout(dropout)]
        inside = width
    return _Mlp(*layers, nn.Linear(inside, num_classes))


class _Mlp(nn.Sequential):
    """A sequence under a name of its own, so that messages about it say what it is."""

    def forward(self, inputs: Tensor) -> Tensor:
        """``(B, ...)`` to logits ``(B, C)``."""
        return super().forward(inputs)
