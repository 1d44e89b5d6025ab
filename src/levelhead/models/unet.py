"""A small U-Net that gives logits for every pixel and trains on two cores.

As Ronneberger et al. (2015), but small: the encoder halves the image five times with convolutions of stride 2; the
decoder doubles it four times, each time adding the encoder's features of that size (added, not joined: two fifths of
the cost); the classifier, a convolution of one pixel, works on half the image's size, and its logits are enlarged to
the image's (bilinear). Any height and width do: what is enlarged takes the size of what it is added to, so nothing is
padded. Shapes: B batch, C classes, H, W.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from levelhead.models.task import Task

#: Widths of the encoder from half size to a thirty-second, in units of the first.
_WIDTHS = (1, 2, 4, 8, 8)


def unet(task: Task, *, width: int = 16, dropout: float = 0.0) -> nn.Module:
    """Small U-Net: logits for every pixel of images of any size; trains on a CPU."""
    channels, _, _ = task.image("unet")
    return UNet(task.num_classes, channels, tuple(width * times for times in _WIDTHS), dropout)


class UNet(nn.Module):
    """Encoder, decoder with skips, classifier at half size."""

    def __init__(self, num_classes: int, in_channels: int, widths: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.stem = _layer(in_channels, widths[0], stride=2)
        self.down = nn.ModuleList(
            nn.Sequential(_layer(inside, width, stride=2), _layer(width, width)) for inside, width in pairwise(widths)
        )
        steps = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(below, beside, 1) for below, beside in steps)
        self.up = nn.ModuleList(_layer(beside, beside) for _, beside in steps)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Images ``(B, in_channels, H, W)`` to logits ``(B, C, H, W)``."""
        levels = [self.stem(inputs)]
        for layer in self.down:
            levels.append(layer(levels[-1]))
        hidden = levels.pop()
        for narrow, layer in zip(self.narrow, self.up):
            beside = levels.pop()
            hidden = layer(beside + F.interpolate(narrow(hidden), size=beside.shape[2:]))
        logits = self.classifier(self.dropout(hidden))
        return F.interpolate(logits, size=inputs.shape[2:], mode="bilinear", align_corners=False)


def _layer(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()
    )
