"""Residual networks for small images: torchvision's, with a 3x3 stem and without max-pooling.

This is the post-activation ResNet of the mixup authors' CIFAR code (34, 50), of LogitMix (50), of the mixup calibration
paper (18, 34) and of MbLS (50, 101), with their 23,705,252 parameters for 50 layers and a hundred classes. MbLS has for
Tiny-ImageNet a pooling to 2x2, so a head of 8,192 inputs (``pool=2``). ``resnext50`` is LogitMix's: 32 groups of width
4, in which the first 1x1 convolution of a block is grouped too (14,788,772 for a hundred classes).
Weights start as PyTorch draws them, as in all these codes, not as torchvision's ImageNet recipe does.
"""

from typing import TYPE_CHECKING, Literal

from torch import nn

from levelhead.models.initial import drop_before, redraw
from levelhead.models.task import Task

if TYPE_CHECKING:
    # torchvision takes a second to import: only those who build one of its networks should wait for it
    from torchvision.models.resnet import ResNet

#: Blocks of every stage; from 50 layers on they are bottlenecks.
_DEPTHS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}


def resnet(
    layers: int, task: Task, *, stem: Literal[1, 2] = 1, pool: Literal[1, 2] = 1, dropout: float = 0.0
) -> nn.Module:
    """Post-activation ResNet with a 3x3 stem; pool=2 is MbLS's form for Tiny-ImageNet, stem=2 halves the cost there."""
    from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

    model = ResNet(Bottleneck if layers >= 50 else BasicBlock, _DEPTHS[layers])
    return _small_images(model, f"resnet{layers}", task, stem, pool, dropout)


def resnext50(task: Task, *, stem: Literal[1, 2] = 1, dropout: float = 0.0) -> nn.Module:
    """ResNeXt-50 32x4d in LogitMix's form: the first 1x1 convolutions are grouped too."""
    from torchvision.models.resnet import Bottleneck, ResNet

    model = ResNet(Bottleneck, _DEPTHS[50], groups=32, width_per_group=4)
    for block in model.modules():
        if isinstance(block, Bottleneck):
            block.conv1 = nn.Conv2d(block.conv1.in_channels, block.conv1.out_channels, 1, groups=32, bias=False)
    return _small_images(model, "resnext50", task, stem, 1, dropout)


def _small_images(model: "ResNet", name: str, task: Task, stem: int, pool: int, dropout: float) -> nn.Module:
    channels, _, _ = task.image(name)
    model.conv1 = nn.Conv2d(channels, 64, 3, stem, padding=1, bias=False)
    model.maxpool = nn.Identity()
    model.avgpool = nn.AdaptiveAvgPool2d(pool)
    model.fc = nn.Linear(model.fc.in_features * pool**2, task.num_classes)
    redraw(model)
    drop_before(model, model.fc, dropout)
    return model
