"""Images that stay on disk until they are asked for: the inputs of a split that streams. N, C, H, W; B in a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from levelhead.data.blobs import Blobs
from levelhead.data.decode import Form, Window, decode, decode_window
from levelhead.data.jpeg import decode_jpeg


class Encoded(Protocol):
    """The encoded images of one part of a source, in memory or on disk."""

    @property
    def form(self) -> Form:
        """What they are brought to."""

    @property
    def length(self) -> np.ndarray:
        """Bytes of each, int64 `(N,)`."""

    def where(self, row: int) -> str:
        """What to call one in an error."""

    def content(self, row: int) -> bytes:
        """The bytes of one."""

    def on_disk(self) -> Blobs:
        """Where they lie, brought to disk if they lie nowhere that bytes can be read from at random."""


@dataclass(frozen=True, eq=False)
class LazyImages:
    """Encoded images on disk as an array of pixels that is computed when it is read.

    Attributes:
        blobs: where they lie.
        form: what they are brought to.
        place: int64 `(N,)`, the position of each in its part of the source.
        workers: processes that decode them for training and prediction; 0 decodes in the process that asks.
    """

    blobs: Blobs
    form: Form
    place: np.ndarray
    workers: int = 0

    @classmethod
    def of(cls, blobs: Blobs, form: Form, workers: int = 0) -> LazyImages:
        """All images of a part of a source."""
        return cls(blobs, form, np.arange(len(blobs)), workers)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(N, C, H, W)`."""
        return len(self.blobs), *self.form.shape

    @property
    def dtype(self) -> np.dtype:
        """uint8."""
        return np.dtype(np.uint8)

    @property
    def ndim(self) -> int:
        """Four."""
        return 4

    @property
    def nbytes(self) -> int:
        """What all pixels would take in memory."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def length(self) -> np.ndarray:
        """Encoded bytes of each, int64 `(N,)`."""
        return self.blobs.length

    def __len__(self) -> int:
        return len(self.blobs)

    def where(self, row: int) -> str:
        """What to call one in an error."""
        return self.blobs.where(row)

    def content(self, row: int) -> bytes:
        """The encoded bytes of one."""
        return self.blobs.content(row)

    def on_disk(self) -> Blobs:
        """Where they lie."""
        return self.blobs

    def take(self, rows: np.ndarray) -> LazyImages:
        """These images alone, still on disk."""
        return replace(self, blobs=self.blobs.take(rows), place=self.place[rows])

    def read(self, positions: np.ndarray, window: Window | None = None) -> np.ndarray:
        """Pixels of some images, decoded here and now.

        Args:
            positions: int `(B,)`.
            window: cut a random window out of each; which one depends on its `place`, not on the others.

        Returns:
            uint8 `(B, C, H, W)`, new memory.

        Raises:
            ValueError: an image that cannot be read; with its file.
        """
        form = self.form if window is None else window.form(self.form)
        images = np.empty((len(positions), *form.shape), dtype=np.uint8)
        for row, position in enumerate(map(int, positions)):
            where, content = self.blobs.where(position), self.blobs.content(position)
            if window is None:
                images[row] = pixels(where, content, form)
            else:
                images[row] = decode_window(where, content, form, window.draws(int(self.place[position])))
        return images


def pixels(where: str, content: bytes, form: Form) -> np.ndarray:
    """One image as uint8 `(C, H, W)`: by the short cut if it already has this form. Raises like `decode`."""
    quick = decode_jpeg(content, form.shape) if form.fit != "central" else None
    return decode(where, content, form) if quick is None else quick
