"""Examples of a data set: a row a class, its name in front. N images of a class, C channels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from levelhead.plots import style

GAP = 2  # pixels between images
SIDE = 0.35  # inches of one image on paper


def mosaic(rows: Sequence[np.ndarray]) -> np.ndarray:
    """All images side by side and below each other, on white.

    Args:
        rows: arrays `(N, C, H, W)` of one C (1 or 3), H and W, uint8 or in [0, 1]; N may differ, and be zero.

    Returns:
        uint8 `(height, width, 3)`.

    >>> mosaic([np.zeros((2, 1, 4, 4), np.uint8), np.zeros((1, 1, 4, 4), np.uint8)]).shape
    (10, 10, 3)
    """
    height, width = rows[0].shape[2:]
    columns = max(len(row) for row in rows)
    canvas = np.full((len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for down, row in enumerate(rows):
        for right, image in enumerate(row):
            pixels = image if image.dtype == np.uint8 else np.rint(image * 255)
            top, left = down * (height + GAP), right * (width + GAP)
            canvas[top : top + height, left : left + width] = pixels.transpose(1, 2, 0)
    return canvas


def save(path: Path, names: Sequence[str], rows: Sequence[np.ndarray], title: str) -> None:
    """Write the picture in the format that the path's ending says; `rows` as in `mosaic`, one a name."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    canvas = mosaic(rows)
    height = rows[0].shape[2] + GAP
    columns = canvas.shape[1] / (rows[0].shape[3] + GAP)
    with rc_context(cast(Any, style.RC)):
        figure = Figure(figsize=(2.6 + SIDE * columns, 0.5 + SIDE * len(rows)), layout="constrained", dpi=150)
        ax = figure.subplots()
        ax.imshow(canvas, interpolation="nearest", aspect="equal")
        ax.set_yticks([number * height + (height - GAP) / 2 for number in range(len(rows))])
        ax.set_yticklabels([style.plain(name, width=32, lines=1) for name in names])
        ax.set_xticks([])
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        ax.set_title(style.plain(title))
        figure.savefig(path)
