"""A plain multi-layer perceptron, for vectors (and for images, which it flattens)."""

from math import prod

from torch import Tensor, nn

from levelhead.models.task import Task


def mlp(task: Task, *, width: int = 128, depth: int = 3, dropout: float = 0.0) -> nn.Module:
    """``depth`` hidden layers of ``width`` units with ReLU, then the linear classifier."""
    if task.words is not None:
        raise ValueError("mlp reads vectors and images, but the inputs are texts; use sentence_cnn or gpcn")
    layers: list[nn.Module] = [nn.Flatten()]
    inside = prod(task.shape)
    for _ in range(depth):
        layers += [nn.Linear(inside, width), nn.ReLU(), nn.Dropout(dropout)]
        inside = width
    return _Mlp(*layers, nn.Linear(inside, task.num_classes))


class _Mlp(nn.Sequential):
    """A sequence under a name of its own, so that messages about it say what it is."""

    def forward(self, inputs: Tensor) -> Tensor:
        """``(B, ...)`` to logits ``(B, C)``."""
        return super().forward(inputs)
