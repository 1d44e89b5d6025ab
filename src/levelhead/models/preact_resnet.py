"""Pre-activation residual networks for small images.

``preact_resnet18`` is the form of the mixup authors' CIFAR code, which PLS and LaMix trained: the stem has a batch norm
and a ReLU, an identity shortcut carries relu(bn(x)), and there is no batch norm before the pooling (11,171,274
parameters for ten classes). ``small`` is a sixth of its depth, for a CPU: three blocks of 16, 32 and 64 channels after
a stem of stride 2. Shapes: B batch, C classes, H, W.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class PreActBlock(nn.Module):
    """Two 3x3 convolutions, each after batch norm and ReLU; both paths start from relu(bn(x))."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        changes = stride != 1 or inside != outside
        self.shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False) if changes else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """``(B, inside, H, W)`` to ``(B, outside, H/stride, W/stride)``."""
        start = F.relu(self.bn1(inputs))
        hidden = F.relu(self.bn2(self.conv1(start)))
        return self.conv2(hidden) + self.shortcut(start)


class PreActResNet(nn.Module):
    """Stem, stages of pre-activation blocks, global average pooling, one linear classifier."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        widths: tuple[int, ...],
        depth: int,
        stem_stride: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        stages = []
        inside = widths[0]
        for number, outside in enumerate(widths):
            blocks = []
            for place in range(depth):
                blocks.append(PreActBlock(inside, outside, 2 if number and not place else 1))
                inside = outside
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inside, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Images ``(B, in_channels, H, W)`` to logits ``(B, C)``."""
        hidden = self.stages(F.relu(self.bn1(self.conv1(inputs))))
        return self.linear(self.dropout(hidden.mean((2, 3))))
