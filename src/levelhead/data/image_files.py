"""Images in files of their own, read when it is known which are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from levelhead.data.decode import Form, decode
from levelhead.data.jpeg import decode_jpeg
from levelhead.data.source import Part


def file_part(paths: Sequence[Path], labels: np.ndarray, form: Form, *, as_stored: bool = False) -> Part:
    """A part whose inputs are these files, brought to one form: uint8 `(n, C, H, W)`.

    ``as_stored``: most are JPEG files that have the form already, so the short cut is worth a try.
    """
    return Part(np.asarray(labels, dtype=np.int64), lambda positions: read_files(paths, positions, form, as_stored))


def read_files(paths: Sequence[Path], positions: np.ndarray, form: Form, as_stored: bool) -> np.ndarray:
    """The files at these positions.

    Raises:
        ValueError: a file is missing or cannot be read as an image; with its path.
    """
    images = np.empty((len(positions), form.channels, form.height, form.width), dtype=np.uint8)
    for row, position in enumerate(positions):
        path = paths[position]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error}); copy the data set again") from error
        quick = decode_jpeg(content, images.shape[1:]) if as_stored else None
        images[row] = decode(str(path), content, form) if quick is None else quick
    return images
