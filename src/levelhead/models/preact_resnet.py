"""Pre-activation residual networks for small images (He et al. 2016), in the two forms that the papers trained.

``form=facebook`` is the mixup authors' CIFAR code, which PLS and LaMix trained: the stem has a batch norm and a ReLU,
an identity shortcut carries relu(bn(x)), and there is no batch norm before the pooling (18 layers: 11,171,274
parameters for ten classes). ``form=common`` is the one of PuzzleMix and manifold mixup: a bare stem, an identity
shortcut carries x (18 layers: 11,217,316 for a hundred). ``stem=2`` is a stem of stride 2, as they have it for 64x64.
``embedding=2`` puts LaMix's tanh bottleneck before the classifier (figure 8), whose two numbers ``embed`` gives.
``small`` is a sixth of the depth, for a CPU: three blocks of 16, 32 and 64 channels after a stem of stride 2.
Shapes: B batch, C classes, H, W, D numbers of the bottleneck.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from levelhead.models.task import Task

Form = Literal["facebook", "common"]

#: Blocks of every stage, and whether they are bottlenecks.
_DEPTHS = {18: ((2, 2, 2, 2), False), 34: ((3, 4, 6, 3), False), 50: ((3, 4, 6, 3), True)}


def preact_resnet(
    layers: int,
    task: Task,
    *,
    form: Form = "facebook",
    stem: Literal[1, 2] = 1,
    width: int = 64,
    dropout: float = 0.0,
    embedding: int | None = None,
) -> nn.Module:
    """Pre-activation ResNet; facebook: PLS's and LaMix's form, common: PuzzleMix's; embedding=2: LaMix's figure 8."""
    channels, _, _ = task.image(f"preact_resnet{layers}")
    depths, bottleneck = _DEPTHS[layers]
    widths = (width, 2 * width, 4 * width, 8 * width)
    return PreActResNet(
        task.num_classes,
        channels,
        widths,
        depths,
        stem,
        dropout,
        facebook=form == "facebook",
        bottleneck=bottleneck,
        embedding=embedding,
    )


def small(task: Task, *, width: int = 16, dropout: float = 0.0, embedding: int | None = None) -> nn.Module:
    """Three pre-activation blocks after a stem of stride 2; trains on a CPU."""
    channels, _, _ = task.image("small")
    widths = (width, 2 * width, 4 * width)
    return PreActResNet(task.num_classes, channels, widths, (1, 1, 1), 2, dropout, embedding=embedding)


class PreActBlock(nn.Module):
    """Convolutions, each after batch norm and ReLU: two of 3x3, or in a bottleneck 1x1, 3x3 and 1x1 to four times."""

    def __init__(self, inside: int, width: int, stride: int, facebook: bool = True, bottleneck: bool = False) -> None:
        super().__init__()
        outside = 4 * width if bottleneck else width
        self.bn1 = nn.BatchNorm2d(inside)
        if bottleneck:
            self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
            self.bn3 = nn.BatchNorm2d(width)
            self.conv3 = nn.Conv2d(width, outside, 1, bias=False)
        else:
            self.conv1 = nn.Conv2d(inside, width, 3, stride, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bottleneck = bottleneck
        changes = stride != 1 or inside != outside
        self.shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False) if changes else nn.Identity()
        self.raw_shortcut = not facebook and not changes

    def forward(self, inputs: Tensor) -> Tensor:
        """``(B, inside, H, W)`` to ``(B, outside, H/stride, W/stride)``."""
        start = F.relu(self.bn1(inputs))
        hidden = self.conv2(F.relu(self.bn2(self.conv1(start))))
        if self.bottleneck:
            hidden = self.conv3(F.relu(self.bn3(hidden)))
        return hidden + self.shortcut(inputs if self.raw_shortcut else start)


class PreActResNet(nn.Module):
    """Stem, stages of pre-activation blocks, global average pooling, one linear classifier."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        stem_stride: int,
        dropout: float,
        *,
        facebook: bool = True,
        bottleneck: bool = False,
        embedding: int | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0]) if facebook else nn.Identity()
        self.facebook = facebook
        stages = []
        inside = widths[0]
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = []
            for place in range(depth):
                blocks.append(PreActBlock(inside, width, 2 if number and not place else 1, facebook, bottleneck))
                inside = 4 * width if bottleneck else width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.squeeze, self.expand = _bottleneck_of_lamix(inside, embedding)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inside, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Images ``(B, in_channels, H, W)`` to logits ``(B, C)``."""
        return self.linear(self.dropout(self.expand(self.embed(inputs))))

    @property
    def behind_bottleneck(self) -> nn.Module | None:
        """The layer that reads the bottleneck's numbers, where there is one."""
        return self.expand[0] if isinstance(self.expand, nn.Sequential) else None

    def embed(self, inputs: Tensor) -> Tensor:
        """Images to the pooled features ``(B, m)``, or to the bottleneck's ``(B, D)`` in (-1, 1) where there is one."""
        hidden = self.conv1(inputs)
        if self.facebook:
            hidden = F.relu(self.bn1(hidden))
        return self.squeeze(self.stages(hidden).mean((2, 3)))


def _bottleneck_of_lamix(features: int, embedding: int | None) -> tuple[nn.Module, nn.Module]:
    """512 - tanh 2 - tanh 100 - tanh 512 (LaMix, figure 8); nothing without ``embedding``."""
    if embedding is None:
        return nn.Identity(), nn.Identity()
    squeeze = nn.Sequential(nn.Linear(features, embedding), nn.Tanh())
    expand = nn.Sequential(nn.Linear(embedding, 100), nn.Tanh(), nn.Linear(100, features), nn.Tanh())
    return squeeze, expand
