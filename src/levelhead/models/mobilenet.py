"""MobileNetV2 (Sandler et al. 2018) for small images in LogitMix's form: 2,369,380 parameters for a hundred classes.

The form differs from torchvision's: every convolution has a bias, the stem is a 1x1 convolution with a padding of 1
(so 32x32 becomes 34x34), and only three stages halve the image. Deviation: the classifier is a linear layer where that
code has a 1x1 convolution; the function is the same. Shapes: B batch, C classes, H, W.
"""

from typing import Any

from torch import Tensor, nn

from levelhead.models.task import Task

#: Blocks, channels and first stride of every stage; all but the first widen six times inside.
_STAGES = ((1, 16, 1), (2, 24, 2), (3, 32, 2), (4, 64, 2), (3, 96, 1), (3, 160, 1), (1, 320, 1))


def mobilenet_v2(task: Task, *, dropout: float = 0.0) -> nn.Module:
    """MobileNetV2 as LogitMix trained it on CIFAR; dropout is before the classifier."""
    channels, _, _ = task.image("mobilenet_v2")
    layers: list[nn.Module] = [*_convolution(channels, 32, 1, padding=1)]
    inside = 32
    for number, (depth, outside, stride) in enumerate(_STAGES):
        for place in range(depth):
            layers.append(InvertedResidual(inside, outside, 1 if place else stride, 6 if number else 1))
            inside = outside
    layers += [*_convolution(inside, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return MobileNetV2(*layers, nn.Dropout(dropout), nn.Linear(1280, task.num_classes))


class MobileNetV2(nn.Sequential):
    """A sequence under a name of its own, so that messages about it say what it is."""


class InvertedResidual(nn.Module):
    """1x1 to ``expansion`` times the channels, 3x3 on each channel alone, 1x1 back without an activation."""

    def __init__(self, inside: int, outside: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.residual = nn.Sequential(
            *_convolution(inside, wide, 1),
            *_convolution(wide, wide, 3, stride=stride, padding=1, groups=wide),
            nn.Conv2d(wide, outside, 1),
            nn.BatchNorm2d(outside),
        )
        self.adds = stride == 1 and inside == outside

    def forward(self, inputs: Tensor) -> Tensor:
        """``(B, inside, H, W)`` to ``(B, outside, H/stride, W/stride)``."""
        return self.residual(inputs) + inputs if self.adds else self.residual(inputs)


def _convolution(inside: int, outside: int, side: int, **how: Any) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inside, outside, side, **how), nn.BatchNorm2d(outside), nn.ReLU6(inplace=True)
