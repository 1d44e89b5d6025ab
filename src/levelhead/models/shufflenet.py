"""ShuffleNetV2 (Ma et al. 2018) for small images in LogitMix's form: 1,360,896 parameters for a hundred classes.

The form differs from torchvision's: every convolution has a bias, the stem is 3x3 with stride 1 and without ReLU or
pooling, and a unit that halves the image keeps all its input channels inside. Shapes: B batch, C classes, H, W.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import channel_shuffle

from levelhead.models.task import Task

#: Units and channels of every stage.
_STAGES = ((4, 116), (8, 232), (4, 464))


def shufflenet_v2(task: Task, *, dropout: float = 0.0) -> nn.Module:
    """ShuffleNetV2 as LogitMix trained it on CIFAR; dropout is before the classifier."""
    channels, _, _ = task.image("shufflenet_v2")
    layers: list[nn.Module] = [nn.Conv2d(channels, 24, 3, padding=1), nn.BatchNorm2d(24)]
    inside = 24
    for depth, outside in _STAGES:
        layers.append(HalvingUnit(inside, outside))
        layers += [ShuffleUnit(outside) for _ in range(depth - 1)]
        inside = outside
    layers += [*_pointwise(inside, 1024), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return ShuffleNetV2(*layers, nn.Dropout(dropout), nn.Linear(1024, task.num_classes))


class ShuffleNetV2(nn.Sequential):
    """A sequence under a name of its own, so that messages about it say what it is."""


class ShuffleUnit(nn.Module):
    """Half of the channels pass, the other half is convolved; then both are shuffled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.residual = nn.Sequential(*_pointwise(half, half), *_depthwise(half, 1), *_pointwise(half, half))

    def forward(self, inputs: Tensor) -> Tensor:
        """``(B, channels, H, W)`` to the same shape."""
        passing, convolved = inputs.chunk(2, dim=1)
        return channel_shuffle(torch.cat([passing, self.residual(convolved)], 1), 2)


class HalvingUnit(nn.Module):
    """Both paths see all channels and halve the image."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        half = outside // 2
        self.residual = nn.Sequential(*_pointwise(inside, inside), *_depthwise(inside, 2), *_pointwise(inside, half))
        self.shortcut = nn.Sequential(*_depthwise(inside, 2), *_pointwise(inside, half))

    def forward(self, inputs: Tensor) -> Tensor:
        """``(B, inside, H, W)`` to ``(B, outside, H/2, W/2)``."""
        return channel_shuffle(torch.cat([self.shortcut(inputs), self.residual(inputs)], 1), 2)


def _pointwise(inside: int, outside: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inside, outside, 1), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)


def _depthwise(channels: int, stride: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels), nn.BatchNorm2d(channels)
