"""Mean and spread of the training inputs. N examples, C channels, D features, H, W."""

from __future__ import annotations

import numpy as np

from levelhead.data.checks import chunks
from levelhead.data.lazy import LazyImages
from levelhead.data.records import Kind

LEVELS = 256


def mean_and_std(
    inputs: np.ndarray | LazyImages, kind: Kind, counts: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel (images, in [0, 1] units) or each feature (vectors); none for texts.

    Of images in uint8 how often each level occurs is counted, so that the numbers are the same to the last bit
    whether the images lie in memory or stream, and in whatever parts they come. Else two passes in float64, chunk by
    chunk. Where there is no spread (less than 1e-6 of the values' size) the deviation is given as 1, so that dividing
    by it leaves a constant a constant.

    Args:
        inputs: of the training split.
        kind: of the data set.
        counts: of images that stream how often each level occurs in each channel, int64 `(C, 256)`.

    Returns:
        Two float32 arrays, `(C,)` or `(D,)`.
    """
    if kind == "text":
        return np.empty(0, np.float32), np.empty(0, np.float32)
    if inputs.dtype == np.uint8 and inputs.ndim == 4:
        if counts is None:
            assert isinstance(inputs, np.ndarray), "of images that stream somebody has counted the levels"
            counts = np.asarray(sum(levels(chunk) for chunk in chunks(inputs)))
        mean, std = _of_levels(counts)
    else:
        assert isinstance(inputs, np.ndarray)
        mean, std = _in_two_passes(inputs, kind)
    flat = std <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
    return mean.astype(np.float32), np.where(flat, 1.0, std).astype(np.float32)


def levels(images: np.ndarray) -> np.ndarray:
    """How often each level occurs in each channel of uint8 images `(N, C, H, W)`: int64 `(C, 256)`."""
    return np.stack([np.bincount(images[:, c].ravel(), minlength=LEVELS) for c in range(images.shape[1])])


def _of_levels(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    level = np.arange(LEVELS, dtype=np.float64)
    number = counts[0].sum()
    mean = counts @ level / number  # whole numbers until here, so exact
    square = (counts * np.square(level - mean[:, None])).sum(axis=1) / number
    return mean / 255, np.sqrt(square) / 255


def _in_two_passes(inputs: np.ndarray, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    are_images = kind in ("image", "segmentation")
    axes = (0, 2, 3) if are_images else (0,)
    unit = 255.0 if inputs.dtype == np.uint8 else 1.0
    number = inputs.size // inputs.shape[1]
    mean = sum(chunk.sum(axis=axes, dtype=np.float64) for chunk in chunks(inputs)) / number
    around = mean.reshape(-1, 1, 1) if are_images else mean
    square = sum(np.square(chunk - around).sum(axis=axes) for chunk in chunks(inputs)) / number
    return mean / unit, np.sqrt(square) / unit
