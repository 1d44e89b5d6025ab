"""Images in files of their own, read when it is known which are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from levelhead.data.blobs import Blobs
from levelhead.data.decode import Form
from levelhead.data.lazy import LazyImages
from levelhead.data.source import Part


def file_part(paths: Sequence[Path], labels: np.ndarray, form: Form) -> Part:
    """A part whose inputs are these files, brought to one form: uint8 `(n, C, H, W)`; it can stream."""
    return Part.of_encoded(LazyImages.of(Blobs.of_files(paths), form), labels)
