"""The inputs behind a comparison's most confident mistakes, kept small beside its results, so that the page shows them.

`levelhead report` reads them from there and needs the data no more. M examples, H, W.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data import Dataset
from levelhead.data.batches import centred
from levelhead.data.examples import as_text
from levelhead.files import write_whole
from levelhead.plots.comparison import read
from levelhead.plots.mistakes import FILE, mistakes, per_method

#: Longest side of a picture, in pixels.
SIDE = 64
#: Longest text, in characters.
LENGTH = 300


def keep_examples(folder: Path, data: Dataset) -> None:
    """Write a comparison's examples, in place of earlier ones; nothing of a segmentation, whose maps are kept."""
    if data.kind == "segmentation":
        return
    comparison = read(folder)
    most = per_method(len(comparison.methods))
    split = data.splits["test"]
    ids = {each.id for method in comparison.methods for each in mistakes(comparison, method, most=most)}
    rows = np.flatnonzero(np.isin(split.ids, list(ids)))
    inputs = split.inputs[rows] if isinstance(split.inputs, np.ndarray) else split.inputs.read(rows)
    shown: dict[str, Any] = {"ids": split.ids[rows]}
    if data.kind == "image":
        if data.centre is not None:
            inputs = centred(inputs, data.centre)
        shown["pictures"] = np.array([thumbnail(each) for each in inputs], dtype=np.uint8)
    else:
        shown["texts"] = np.array(as_text(data, inputs, LENGTH), dtype=np.str_)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **shown)
    write_whole(folder / FILE, lambda beside: beside.write_bytes(buffer.getvalue()))


def thumbnail(image: np.ndarray) -> np.ndarray:
    """An image ``(channels, H, W)``, uint8 or in [0, 1], as uint8 ``(H', W', 1 or 3)``, no side longer than ``SIDE``.

    Small images stay as they are. Of other numbers of channels the first is shown, or the first three.
    """
    from PIL import Image

    pixels = image if image.dtype == np.uint8 else np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    pixels = pixels[: 3 if len(pixels) >= 3 else 1].transpose(1, 2, 0)
    height, width = pixels.shape[:2]
    if max(height, width) <= SIDE:
        return pixels
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).resize(size, Image.Resampling.BOX)
    return np.asarray(small).reshape(size[1], size[0], -1)
