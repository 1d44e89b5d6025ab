"""DenseNet-121 for small images: torchvision's, with a bare 3x3 stem (7,048,548 parameters for a hundred classes).

The form of the mixup authors' CIFAR code, which LaMix trained: growth 32, no batch norm and no pooling after the stem.
"""

from typing import Literal

from torch import nn

from levelhead.models.initial import drop_before, redraw
from levelhead.models.task import Task


def densenet121(task: Task, *, stem: Literal[1, 2] = 1, dropout: float = 0.0) -> nn.Module:
    """DenseNet-121 with a 3x3 stem; dropout is before the classifier."""
    from torchvision.models.densenet import DenseNet  # a second to import, for those who build it

    channels, _, _ = task.image("densenet121", at_least=8 * stem)
    model = DenseNet(32, (6, 12, 24, 16), 64, num_classes=task.num_classes)
    model.features.conv0 = nn.Conv2d(channels, 64, 3, stem, padding=1, bias=False)
    model.features.norm0, model.features.relu0, model.features.pool0 = nn.Identity(), nn.Identity(), nn.Identity()
    redraw(model)
    drop_before(model, model.classifier, dropout)
    return model
