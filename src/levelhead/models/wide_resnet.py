"""Wide residual network (Zagoruyko and Komodakis 2016) in PuzzleMix's form, which LaMix trained.

Every convolution has a bias, an identity shortcut carries x, the second 3x3 of a block has the stride (36,546,980
parameters for a hundred classes at 28 layers and width 10). Deviation: that code gives the last batch norm a momentum
of 0.9; here it is PyTorch's 0.1, as everywhere else, since 0.9 makes the evaluation depend on the last batches.
Shapes: B batch, C classes, H, W.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from levelhead.models.task import Task


def wide_resnet(layers: int, width: int, task: Task, *, stem: Literal[1, 2] = 1, dropout: float = 0.0) -> nn.Module:
    """Wide ResNet; dropout is between the two convolutions of a block, as its authors have it."""
    channels, _, _ = task.image(f"wrn{layers}_{width}")
    return WideResNet(task.num_classes, channels, (layers - 4) // 6, width, stem, dropout)


class WideBlock(nn.Module):
    """Two 3x3 convolutions, each after batch norm and ReLU, with dropout between them."""

    def __init__(self, inside: int, outside: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.bn2 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, stride, padding=1)
        changes = stride != 1 or inside != outside
        self.shortcut = nn.Conv2d(inside, outside, 1, stride) if changes else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """``(B, inside, H, W)`` to ``(B, outside, H/stride, W/stride)``."""
        hidden = self.dropout(self.conv1(F.relu(self.bn1(inputs))))
        return self.conv2(F.relu(self.bn2(hidden))) + self.shortcut(inputs)


class WideResNet(nn.Module):
    """A stem of 16 channels, three stages of ``depth`` blocks, batch norm, global average pooling, the classifier."""

    def __init__(
        self, num_classes: int, in_channels: int, depth: int, width: int, stem_stride: int, dropout: float
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3, stem_stride, padding=1)
        stages = []
        inside = 16
        for number, outside in enumerate((16 * width, 32 * width, 64 * width)):
            blocks = []
            for place in range(depth):
                blocks.append(WideBlock(inside, outside, 2 if number and not place else 1, dropout))
                inside = outside
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.bn1 = nn.BatchNorm2d(inside)
        self.linear = nn.Linear(inside, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Images ``(B, in_channels, H, W)`` to logits ``(B, C)``."""
        hidden = F.relu(self.bn1(self.stages(self.conv1(inputs))))
        return self.linear(hidden.mean((2, 3)))
