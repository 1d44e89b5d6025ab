"""`mnist`, `fashion-mnist` and `notmnist`: the IDX files of the originals, packed (.gz) or not.

IDX: two zero bytes, a type byte (8 = uint8), the number of dimensions, each dimension as a big-endian
uint32, then the values.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from levelhead.data.checks import check_class_indices, check_lengths
from levelhead.data.facts import FACTS
from levelhead.data.named import Found, locate, named_source
from levelhead.data.source import Part, Request, Source

PARTS = {"train": "train", "test": "t10k"}


def mnist(request: Request) -> Source:
    """MNIST (LeCun et al. 1998): 60,000 and 10,000 digits, uint8 `(N, 1, 28, 28)`."""
    return _named(request, "mnist")


def fashion_mnist(request: Request) -> Source:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 and 10,000 garments, else as MNIST."""
    return _named(request, "fashion-mnist")


def notmnist(request: Request) -> Source:
    """notMNIST (Bulatov 2011): letters, else as MNIST; where there is one part only, it is split."""
    return _named(request, "notmnist")


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Reads one IDX file of uint8.

    Args:
        path: the file, gzip-packed if its name ends in `.gz`.
        ndim: the number of dimensions it must have: 3 for images, 1 for labels.

    Raises:
        ValueError: not such a file, packed data damaged, or more or fewer values than the header says; with
            the path.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged or cut short ({error}); copy or download it again") from error
    start = 4 + 4 * ndim
    if len(content) < start:
        raise ValueError(f"{path} is cut short: {len(content)} bytes, its header alone needs {start}; copy it again")
    magic, wanted = struct.unpack(">I", content[:4])[0], 0x0800 + ndim
    if magic != wanted:
        raise ValueError(
            f"{path} does not start like an IDX file of {ndim} dimensions: magic number {magic}, not "
            f"{wanted}; it is another file or damaged"
        )
    shape = struct.unpack(f">{ndim}I", content[4:start])
    if len(content) - start != math.prod(shape):
        state = "is cut short" if len(content) - start < math.prod(shape) else "has too much in it"
        raise ValueError(
            f"{path} {state}: its header says {' x '.join(map(str, shape))} = {math.prod(shape):,} values, "
            f"{len(content) - start:,} are there; copy or download it again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _named(request: Request, name: str) -> Source:
    found = locate(name, request.data_dir)
    stems = [spellings.split("|")[0] for spellings in found.layout.files]
    there = {role: part for role, part in PARTS.items() if any(stem.startswith(part) for stem in stems)}
    parts = {role: _read_part(found, part, FACTS[name].names) for role, part in there.items()}
    if "train" not in parts:
        parts = {"train": parts["test"]}
    return named_source(name, parts, f"{found.layout.name} in {found.folder}")


def _read_part(found: Found, part: str, classes: Sequence[str]) -> Part:
    image_path, label_path = (found.file(f"{part}-{what}-ubyte") for what in ("images-idx3", "labels-idx1"))
    images, labels = read_idx(image_path, ndim=3), read_idx(label_path, ndim=1)
    check_lengths(f"{image_path} and {label_path.name}", len(images), len(labels))
    check_class_indices(str(label_path), labels, classes)
    return Part.of_array(images[:, None], labels)
