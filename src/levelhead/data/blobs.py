"""Where encoded images lie on disk: a file, the first byte and the number of bytes of each. N images.

Folders, mapped Arrow files and tar shards are all described like this, so whoever decodes needs to know none of them.
The description takes some 80 bytes an image and no Python objects: a million images cost what one batch costs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from levelhead.data.decode import NO_BYTES, BrokenImage


@dataclass(frozen=True, eq=False)
class Paths:
    """Many paths as one row of bytes; `ends` int64 says where each ends."""

    text: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, paths: Sequence[str | Path]) -> Paths:
        """The paths packed, in their order."""
        encoded = [os.fsencode(path) for path in paths]
        ends = np.cumsum([len(path) for path in encoded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        start = int(self.ends[index - 1]) if index else 0
        return os.fsdecode(self.text[start : int(self.ends[index])].tobytes())


@dataclass(frozen=True, eq=False)
class Blobs:
    """Encoded images on disk.

    Attributes:
        paths: the files.
        file: int64 `(N,)`, which of the files an image is in.
        start: int64 `(N,)`, its first byte there.
        length: int64 `(N,)`, how many bytes it has.
        whole: whether each image is a file of its own.
    """

    paths: Paths
    file: np.ndarray
    start: np.ndarray
    length: np.ndarray
    whole: bool = False

    @classmethod
    def of_files(cls, paths: Sequence[str | Path]) -> Blobs:
        """Images that are a file each.

        Raises:
            BrokenImage: one of them is not there; with the path.
        """
        try:
            length = np.fromiter((os.stat(path).st_size for path in paths), dtype=np.int64, count=len(paths))
        except OSError as error:
            raise BrokenImage(str(error.filename), str(error.strerror)) from error
        where = np.arange(len(paths))
        return cls(Paths.of(paths), where, np.zeros_like(where), length, whole=True)

    @classmethod
    def joined(cls, parts: Sequence[Blobs]) -> Blobs:
        """All images of the parts, one part after the other."""
        paths = Paths.of([part.paths[index] for part in parts for index in range(len(part.paths))])
        before = np.cumsum([0, *(len(part.paths) for part in parts)])
        file = np.concatenate([part.file + first for part, first in zip(parts, before)])
        start, length = (np.concatenate([getattr(part, name) for part in parts]) for name in ("start", "length"))
        return cls(paths, file, start, length)

    def __len__(self) -> int:
        return len(self.file)

    def take(self, rows: np.ndarray) -> Blobs:
        """These images alone, with no more paths than they need."""
        used, file = np.unique(self.file[rows], return_inverse=True)
        paths = Paths.of([self.paths[index] for index in used])
        return Blobs(paths, file, self.start[rows], self.length[rows], self.whole)

    def where(self, row: int) -> str:
        """What to call an image in an error: its file, and its first byte where the file holds several."""
        path = self.paths[int(self.file[row])]
        return path if self.whole else f"{path}, image at byte {int(self.start[row])}"

    def content(self, row: int) -> bytes:
        """The bytes of an image.

        Raises:
            BrokenImage: the file is gone, shorter than it was, or the image has no bytes.
        """
        length = int(self.length[row])
        try:
            with open(self.paths[int(self.file[row])], "rb", buffering=0) as file:
                content = os.pread(file.fileno(), length, int(self.start[row]))
        except OSError as error:
            raise BrokenImage(self.where(row), str(error.strerror)) from error
        if len(content) < length or not content:
            raise BrokenImage(self.where(row), f"it has {len(content):,} of {length:,} bytes" if length else NO_BYTES)
        return content
