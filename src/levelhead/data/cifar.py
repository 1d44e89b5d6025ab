"""`cifar10` and `cifar100`: the originals' Python or binary batches (packed in their .tar.gz or not), or a parquet.

The Python batches are pickles. They are read by an unpickler that knows arrays and nothing else, so a file cannot
run code; torchvision's loader would run it.
"""

from __future__ import annotations

import codecs
import io
import pickle
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data import encoded
from levelhead.data.checks import check_class_indices, check_lengths
from levelhead.data.decode import Form
from levelhead.data.facts import ARCHIVE, BINARY_BATCHES, FACTS, PYTHON_BATCHES
from levelhead.data.named import locate, named_source
from levelhead.data.source import Part, Request, Source

SHAPE = (3, 32, 32)
PIXELS = 3072


@dataclass(frozen=True)
class _Batches:
    """How one of the two sets is cut into files, and where a label stands in them."""

    name: str
    files: dict[str, tuple[str, ...]]
    labels: str  # key in a Python batch
    label_bytes: int  # before each image of a binary batch; the label is the last of them

    @property
    def title(self) -> str:
        return FACTS[self.name].title


_CIFAR10 = _Batches(
    "cifar10", {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}, "labels", 1
)
_CIFAR100 = _Batches("cifar100", {"train": ("train",), "test": ("test",)}, "fine_labels", 2)


def cifar10(request: Request) -> Source:
    """CIFAR-10 (Krizhevsky 2009): 50,000 and 10,000 uint8 images `(N, 3, 32, 32)`; crop 4 and flip.

    An exact copy is preferred to a lossy one, which is called "CIFAR-10 (JPEG copy)" in `origin` and in a
    note.
    """
    return _read(request, _CIFAR10)


def cifar100(request: Request) -> Source:
    """CIFAR-100, the 100 fine classes; else as CIFAR-10."""
    return _read(request, _CIFAR100)


def _read(request: Request, batches: _Batches) -> Source:
    found = locate(batches.name, request.data_dir)
    if found.layout.name == ARCHIVE:
        return _from_archive(found.file(found.layout.files[0]), batches)
    if found.layout.name == PYTHON_BATCHES:
        return _source(batches, str(found.folder), PYTHON_BATCHES, lambda name: (found.folder / name).read_bytes())
    if found.layout.name == BINARY_BATCHES:
        path = found.folder
        return _source(batches, str(path), BINARY_BATCHES, lambda name: (path / f"{name}.bin").read_bytes())
    return _from_parquet(found.folder, batches)


def _from_archive(path: Path, batches: _Batches) -> Source:
    try:
        with tarfile.open(path) as archive:
            files = ((member.name, archive.extractfile(member)) for member in archive)
            contents = {Path(name).name: file.read() for name, file in files if file is not None}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is damaged or cut short ({error}); copy or download it again") from error
    missing = [name for names in batches.files.values() for name in names if name not in contents]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; copy or download it again")
    return _source(batches, str(path), PYTHON_BATCHES, contents.__getitem__)


def _source(batches: _Batches, where: str, form: str, content: Callable[[str], bytes]) -> Source:
    read = _python_batch if form == PYTHON_BATCHES else _binary_batch
    parts = {}
    for role, names in batches.files.items():
        arrays = [read(f"{where}/{name}", content(name), batches) for name in names]
        images, labels = (np.concatenate(each) for each in zip(*arrays))
        parts[role] = Part.of_array(images, labels)
    return named_source(batches.name, parts, f"{form} in {where}")


def _python_batch(where: str, content: bytes, batches: _Batches) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
        images, labels = batch["data"], np.asarray(batch[batches.labels])
    except pickle.UnpicklingError as error:
        raise ValueError(f"{where} is not a batch of {batches.title} ({error})") from error
    except (EOFError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{where} is damaged or not a batch of {batches.title} ({error!r}); copy it again") from error
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (PIXELS,):
        found = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"{where}: images must be uint8 (N, {PIXELS}), got {found}; it is another file or damaged")
    check_lengths(where, len(images), len(labels))
    check_class_indices(where, labels, FACTS[batches.name].names)
    return images.reshape(-1, *SHAPE), labels


def _binary_batch(where: str, content: bytes, batches: _Batches) -> tuple[np.ndarray, np.ndarray]:
    row = batches.label_bytes + PIXELS
    if not content or len(content) % row:
        raise ValueError(
            f"{where}.bin is cut short or no batch of {batches.title}: {len(content):,} bytes are no whole number of "
            f"rows of {row:,}; copy it again"
        )
    rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, row)
    labels = rows[:, batches.label_bytes - 1].astype(np.int64)
    check_class_indices(f"{where}.bin", labels, FACTS[batches.name].names)
    return rows[:, batches.label_bytes :].reshape(-1, *SHAPE), labels


class _ArraysOnly(pickle.Unpickler):
    """Builds containers, numbers, text and plain arrays; anything else that a pickle asks for is refused."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            "_reconstruct": np.empty(0).__reduce__()[0],
            "ndarray": np.ndarray,
            "dtype": np.dtype,
        }
        if module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray") and name in allowed:
            return allowed[name]
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes into old pickles
            return codecs.encode
        raise pickle.UnpicklingError(f"it wants to call {module}.{name}, which no array needs")


def _from_parquet(folder: Path, batches: _Batches) -> Source:
    shards = encoded.shards(folder)
    splits = {role: encoded.read_split(shards[role]) for role in batches.files}
    classes = FACTS[batches.name].names
    for split in splits.values():
        if split.names and split.names != classes:
            raise ValueError(f"{split.where} is of another data set: its classes are {', '.join(split.names[:10])}")
        check_class_indices(split.where, split.labels, classes)
    lossy = splits["train"].is_jpeg()
    title = f"{batches.title} (JPEG copy)" if lossy else batches.title
    note = f"{title} is lossy: numbers on it are not those of the published benchmark"
    return named_source(
        batches.name,
        {role: split.part(split.labels, Form(*SHAPE)) for role, split in splits.items()},
        f"parquet of encoded images in {folder}",
        title=title,
        notes=(note,) if lossy else (),
    )
