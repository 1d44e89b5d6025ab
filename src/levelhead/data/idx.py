"""`mnist` and `fashion-mnist`: the four IDX files of the originals, packed (.gz) or not.

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
from levelhead.data.download import download
from levelhead.data.places import candidates, data_root
from levelhead.data.records import Augment
from levelhead.data.source import Part, Request, Source

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
DIGITS = tuple(str(digit) for digit in range(10))
GARMENTS = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
FOLDERS = {
    "MNIST": ("mnist", "MNIST/raw", "MNIST"),
    "Fashion-MNIST": ("fashion-mnist", "FashionMNIST/raw", "FashionMNIST"),
}


def mnist(request: Request) -> Source:
    """MNIST (LeCun et al. 1998): 60,000 and 10,000 digits, uint8 `(N, 1, 28, 28)`; not augmented."""
    return _named(request, "mnist", "MNIST", "MNIST", DIGITS, Augment())


def fashion_mnist(request: Request) -> Source:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 and 10,000 garments, else as MNIST; flip."""
    return _named(request, "fashion-mnist", "Fashion-MNIST", "FashionMNIST", GARMENTS, Augment(flip=True))


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


def _named(
    request: Request, name: str, title: str, torchvision_name: str, classes: Sequence[str], augment: Augment
) -> Source:
    root = data_root(request.data_dir)
    others = [folder for key, folders in FOLDERS.items() if key != title for folder in folders]
    folder = _find(candidates(root, FOLDERS[title], others), title)
    if folder is None:
        wanted = [f"{stem}.gz" for stems in FILES.values() for stem in stems]
        download(torchvision_name, root, title=title, files=wanted, folder=root / FOLDERS[title][0])
        folder = root / torchvision_name / "raw"
    parts = {role: _read_part(folder, role, classes) for role in FILES}
    return Source(
        name=name,
        kind="image",
        classes=tuple(classes),
        parts=parts,
        origin=f"{title}, the original IDX files in {folder}",
        augment=augment,
        notes=_size_note(title, parts),
    )


def _find(folders: Sequence[Path], title: str) -> Path | None:
    """The first folder with all four files, or None if no folder has any; some but not all is an error."""
    partial: tuple[Path, list[str]] | None = None
    stems = [stem for pair in FILES.values() for stem in pair]
    for folder in folders:
        missing = [stem for stem in stems if _file(folder, stem) is None]
        if not missing:
            return folder
        if len(missing) < len(stems) and partial is None:
            partial = folder, missing
    if partial is None:
        return None
    folder, missing = partial
    raise ValueError(
        f"{title} in {folder} lacks {', '.join(missing)} (.gz or unpacked); add what is missing, or remove "
        "the others to have all of it downloaded"
    )


def _file(folder: Path, stem: str) -> Path | None:
    # torchvision's mirror of old wrote a dot before idx, some copies still have it
    spellings = (stem, stem.replace("-idx", ".idx"))
    files = [folder / f"{spelling}{ending}" for spelling in spellings for ending in ("", ".gz")]
    return next((file for file in files if file.is_file()), None)


def _read_part(folder: Path, role: str, classes: Sequence[str]) -> Part:
    image_path, label_path = (_file(folder, stem) for stem in FILES[role])
    assert image_path is not None
    assert label_path is not None
    images, labels = read_idx(image_path, ndim=3), read_idx(label_path, ndim=1)
    check_lengths(f"{image_path} and {label_path.name}", len(images), len(labels))
    check_class_indices(str(label_path), labels, classes)
    return Part.of_array(images[:, None], labels)


def _size_note(title: str, parts: dict[str, Part]) -> tuple[str, ...]:
    sizes = len(parts["train"].labels), len(parts["test"].labels)
    if sizes == (60_000, 10_000):
        return ()
    return (
        f"this copy of {title} has {sizes[0]:,} and {sizes[1]:,} images, not the 60,000 and 10,000 of the original",
    )
