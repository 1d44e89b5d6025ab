"""The examples of a split on a device, and batches of them: gathered, cropped, flipped, recoloured, normalised at once.

B batch, C channels, D features, H, W, N examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from levelhead.data.decode import Window
from levelhead.data.jitter import jittered
from levelhead.data.lazy import LazyImages
from levelhead.data.records import IGNORED, Augment, Split
from levelhead.data.stream import Stream


class Batches:
    """A split whose labels, and inputs unless they stream, lie on a device, images as stored (uint8 stays uint8).

    Attributes:
        inputs: `(N, C, H, W)` uint8 or float32, `(N, D)` float32, or `(N, L)` int32; shared with the split where
            the device allows, never written to. Of a split on disk a stream of the first.
        labels: int64 `(N,)`, or uint8 `(N, H, W)`.
        device: where batches are made.
        centre: height and width of the window at the centre that is taken of images where none is trained on, or None
            for the whole.
    """

    def __init__(
        self, split: Split, *, device: torch.device | str = "cpu", centre: tuple[int, int] | None = None
    ) -> None:
        self.device, self.centre = torch.device(device), centre
        self.inputs: Tensor | Stream
        if isinstance(split.inputs, LazyImages):
            self.inputs = Stream(split.inputs)
        else:
            self.inputs = torch.from_numpy(split.inputs).to(device)
        self.labels = torch.from_numpy(split.labels).to(device)

    def __len__(self) -> int:
        return len(self.labels)

    @staticmethod
    def _draws(num: int, generator: torch.Generator) -> Tensor:
        """Three uniform numbers an example, used or not: no setting of the augmentation moves later draws."""
        return torch.rand(3, num, generator=generator)

    def permutation(self, generator: torch.Generator) -> Tensor:
        """A random order of the examples.

        Args:
            generator: a CPU generator; the only randomness used.

        Returns:
            int64 `(N,)` on the CPU.
        """
        return torch.randperm(len(self), generator=generator)

    def expect(self, parts: Sequence[Tensor], window: Window | None = None) -> None:
        """Announces what will be taken next, in this order, so that images on disk are decoded ahead.

        Args:
            parts: the `indices` of the batches to come, each int64 `(B,)`.
            window: the random windows that `take` cuts out of training images where `augment.window` says so.
        """
        if isinstance(self.inputs, Stream):
            self.inputs.expect(parts, window)

    def take(
        self,
        indices: Tensor,
        *,
        mean: Tensor | np.ndarray,
        std: Tensor | np.ndarray,
        augment: Augment = Augment(),  # noqa: B008 (frozen)
        generator: torch.Generator | None = None,
        train: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Makes a batch.

        Args:
            indices: int64 `(B,)` positions in the split, on any device.
            mean: `(C,)` in [0, 1] units for images, `(D,)` for vectors.
            std: like `mean`.
            augment: what is done to training images; vectors and texts are left alone.
            generator: a CPU generator; needed to train on images, from which three numbers an example are
                drawn whatever `augment` says. Not touched otherwise.
            train: whether to augment.

        Returns:
            Normalised inputs, float32 contiguous `(B, C, H, W)` or `(B, D)`, or word ids as they are, int64 `(B, L)`;
            new memory. Labels int64 `(B,)` or `(B, H, W)`; maps are cropped and mirrored with their images, and what a
            crop adds to them is ignored. Random numbers for colours come from a generator of their own, which the
            three numbers of the batch seed: no setting of the augmentation moves what is drawn later.

        Raises:
            ValueError: training on images without a generator.
        """
        inputs, labels = self._stored(indices, windows=train and augment.window is not None)
        if train and inputs.ndim == 4:
            if generator is None:
                raise ValueError("take(train=True) needs generator=, the source of random crops and flips")
            draws = self._draws(len(indices), generator)
            row, column, mirror = draws.to(inputs.device)
            size = augment.size if augment.window is None else 0  # random windows come at their size
            if augment.crop or size:
                inputs = crop(inputs, augment.crop, row, column, size=size)
                if labels.ndim == 3:
                    labels = crop(labels[:, None], augment.crop, row, column, fill=IGNORED, size=size)[:, 0]
            if augment.flip:
                turned = mirror < 0.5
                inputs = mirrored(inputs, turned)
                if labels.ndim == 3:
                    labels = mirrored(labels[:, None], turned)[:, 0]
            if augment.jitter:
                inputs = jittered(inputs, augment.jitter, _seeded(draws))
        elif inputs.ndim == 4 and self.centre is not None:
            inputs = centred(inputs, self.centre)
        labels = labels.long()
        if inputs.dtype == torch.int32:
            return inputs.long(), labels
        return normalise(inputs, mean, std), labels

    def _stored(self, indices: Tensor, windows: bool) -> tuple[Tensor, Tensor]:
        """Some inputs as they are stored, and their labels."""
        here = indices.to(self.device)
        if isinstance(self.inputs, Stream):
            return self.inputs.take(indices, windows=windows).to(self.device), self.labels[here]
        if windows:
            raise ValueError(
                "a random resized crop needs the images as they were, but these lie in memory at their final size; "
                "load them with stream='always'"
            )
        return self.inputs.index_select(0, here), self.labels[here]


def _seeded(draws: Tensor) -> torch.Generator:
    """A CPU generator that the numbers of a batch `(3, B)` seed, by the 24 bits of two of them."""
    first, second = (int(draws[row, 0] * 2**24) for row in (0, 1))
    return torch.Generator().manual_seed(first << 24 | second)


def centred(images: Any, size: tuple[int, int]) -> Any:
    """The windows of a size, `(height, width)`, at the centre of images `(..., H, W)`, arrays or tensors; a view."""
    (height, width), (whole_height, whole_width) = size, images.shape[-2:]
    top, left = (whole_height - height) // 2, (whole_width - width) // 2
    return images[..., top : top + height, left : left + width]


def crop(images: Tensor, padding: int, row: Tensor, column: Tensor, fill: int = 0, size: int = 0) -> Tensor:
    """Pads with `fill` on every side, and cuts a window out of each image.

    Args:
        images: `(B, C, H, W)`.
        padding: pixels added on each side; where that is less than a window needs, more at the bottom and the right.
        row: float `(B,)` in [0, 1): where the window starts, from the top to the bottom of the play.
        column: likewise from left to right.
        fill: what is around the images.
        size: height and width of the window, 0 for those of the images.

    Returns:
        `(B, C, H, W)` of the window's size and the images' type, new memory.
    """
    height, width = (size, size) if size else images.shape[-2:]
    below, beside = (max(padding, wanted - side - padding) for wanted, side in zip((height, width), images.shape[-2:]))
    padded = F.pad(images, (padding, beside, padding, below), value=fill)
    # stays below the play: the largest float32 below 1 times the play is rounded down
    top = (row * (padded.shape[-2] - height + 1)).long()
    left = (column * (padded.shape[-1] - width + 1)).long()
    place = torch.arange(padded[..., 0].numel(), device=images.device).view(padded.shape[:3])[:, :, :height]
    # every row of every window as a piece of one long row: a quarter of the time of picking windows by four indices
    starts = (place + top.view(-1, 1, 1)) * padded.shape[-1] + left.view(-1, 1, 1)
    return padded.view(-1).unfold(0, width, 1).index_select(0, starts.flatten()).view(*images.shape[:2], height, width)


def mirrored(images: Tensor, which: Tensor) -> Tensor:
    """Mirrors left and right those of the images `(B, C, H, W)` that `which`, bool `(B,)`, says; new memory."""
    # a choice among whole images: a quarter of the time of `torch.where`, which chooses pixel by pixel
    chosen = torch.arange(len(images), device=images.device) + len(images) * which
    return torch.cat([images, images.flip(-1)]).index_select(0, chosen)


def normalise(inputs: Tensor, mean: Tensor | np.ndarray, std: Tensor | np.ndarray) -> Tensor:
    """`(x - mean) / std`, as one product and one sum; uint8 counts as x / 255.

    Args:
        inputs: images `(B, C, H, W)`, uint8 or float32 in [0, 1], or vectors `(B, D)`.
        mean: `(C,)` or `(D,)`.
        std: like `mean`.

    Returns:
        float32, contiguous, new memory.
    """
    shape = (-1, 1, 1) if inputs.ndim == 4 else (-1,)
    mean = torch.as_tensor(mean, dtype=torch.float32, device=inputs.device).view(shape)
    std = torch.as_tensor(std, dtype=torch.float32, device=inputs.device).view(shape)
    scale = 1 / (255 * std) if inputs.dtype == torch.uint8 else 1 / std
    return inputs.to(torch.float32, copy=True).mul_(scale).sub_(mean / std).contiguous()
