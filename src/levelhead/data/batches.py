"""The examples of a split on a device, and batches of them: gathered, cropped, flipped, normalised at once.

B batch, C channels, D features, H, W, N examples.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from levelhead.data.records import IGNORED, Augment, Split


class Batches:
    """A split whose inputs and labels lie on a device, images as stored (uint8 stays uint8).

    Attributes:
        inputs: `(N, C, H, W)` uint8 or float32, `(N, D)` float32, or `(N, L)` int32; shared with the split where
            the device allows, never written to.
        labels: int64 `(N,)`, or uint8 `(N, H, W)`.
    """

    def __init__(self, split: Split, *, device: torch.device | str = "cpu") -> None:
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
            crop adds to them is ignored.

        Raises:
            ValueError: training on images without a generator.
        """
        indices = indices.to(self.inputs.device)
        inputs, labels = self.inputs[indices], self.labels[indices]
        if train and inputs.ndim == 4:
            if generator is None:
                raise ValueError("take(train=True) needs generator=, the source of random crops and flips")
            row, column, mirror = self._draws(len(indices), generator).to(inputs.device)
            if augment.crop:
                inputs = crop(inputs, augment.crop, row, column)
                if labels.ndim == 3:
                    labels = crop(labels[:, None], augment.crop, row, column, fill=IGNORED)[:, 0]
            if augment.flip:
                mirrored = mirror < 0.5
                inputs = torch.where(mirrored.view(-1, 1, 1, 1), inputs.flip(-1), inputs)
                if labels.ndim == 3:
                    labels = torch.where(mirrored.view(-1, 1, 1), labels.flip(-1), labels)
        labels = labels.long()
        if inputs.dtype == torch.int32:
            return inputs.long(), labels
        return normalise(inputs, mean, std), labels


def crop(images: Tensor, padding: int, row: Tensor, column: Tensor, fill: int = 0) -> Tensor:
    """Pads with `fill` on every side, and cuts a window of the old size out of each image.

    Args:
        images: `(B, C, H, W)`.
        padding: pixels added on each side, at least 1.
        row: float `(B,)` in [0, 1): where the window starts, from the top to the bottom of the play of `2
            padding`.
        column: likewise from left to right.
        fill: what is around the images.

    Returns:
        `(B, C, H, W)` of the images' type, new memory.
    """
    height, width = images.shape[-2:]
    play = 2 * padding + 1
    top = (row * play).long()  # stays below play: the largest float32 below 1 times play is rounded down
    left = (column * play).long()
    windows = F.pad(images, (padding,) * 4, value=fill).unfold(2, height, 1).unfold(3, width, 1)
    batch = torch.arange(len(images), device=images.device)
    return windows[batch, :, top, left]


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
    return (inputs * scale).sub_(mean / std).contiguous()
