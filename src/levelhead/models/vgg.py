"""VGG-16 with batch norm for small images, in the two forms that the papers trained.

``form=dac`` is the one of the mixup calibration paper: global average pooling and one linear layer, and dropout after
every convolution for MC-dropout (14,728,266 parameters for ten classes). ``form=classic`` is LogitMix's: the 1x1 map of
a 32x32 image, two linear layers of 4,096 with dropout, then the classifier (34,015,396 for a hundred); larger images
are pooled to 1x1 as in the other form. Shapes: B batch, C classes, H, W.
"""

from typing import Literal

from torch import nn

from levelhead.models.task import Task

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(task: Task, *, form: Literal["dac", "classic"] = "dac", dropout: float | None = None) -> nn.Module:
    """VGG-16 with batch norm; dropout: after every convolution (dac, default 0) or both wide layers (classic, 0.5)."""
    channels, _, _ = task.image("vgg16", at_least=32)
    layers: list[nn.Module] = []
    inside = channels
    for stage in _STAGES:
        for outside in stage:
            layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]
            if form == "dac":
                layers.append(nn.Dropout(dropout or 0.0))
            inside = outside
        layers.append(nn.MaxPool2d(2))
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if form == "classic":
        p = 0.5 if dropout is None else dropout
        layers += [nn.Linear(512, 4096), nn.ReLU(inplace=True), nn.Dropout(p)]
        layers += [nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(p), nn.Linear(4096, task.num_classes)]
    else:
        layers.append(nn.Linear(512, task.num_classes))
    return Vgg(*layers)


class Vgg(nn.Sequential):
    """A sequence under a name of its own, so that messages about it say what it is."""
