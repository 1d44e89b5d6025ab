"""`cifar10`: the original's Python batches (packed in their .tar.gz or not), or a parquet of encoded images.

The batches are pickles. They are read by an unpickler that knows arrays and nothing else, so a file cannot
run code.
"""

from __future__ import annotations

import codecs
import io
import pickle
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data import encoded
from levelhead.data.checks import check_class_indices, check_lengths
from levelhead.data.decode import Form
from levelhead.data.download import download
from levelhead.data.places import candidates, data_root
from levelhead.data.records import Augment
from levelhead.data.source import Part, Request, Source

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
ARCHIVE = "cifar-10-python.tar.gz"
UNPACKED = "cifar-10-batches-py"
FOLDERS = (UNPACKED, f"cifar10/{UNPACKED}", "cifar10", "cifar-10", "cifar10-jpeg")
SHAPE = (3, 32, 32)
Opener = Callable[[str], bytes]


def cifar10(request: Request) -> Source:
    """CIFAR-10 (Krizhevsky 2009): 50,000 and 10,000 uint8 images `(N, 3, 32, 32)`; crop 4 and flip.

    An exact copy is preferred to a lossy one, which is called "CIFAR-10 (JPEG copy)" in `origin` and in a
    note.
    """
    root = data_root(request.data_dir)
    source = _find(candidates(root, FOLDERS))
    if source is None:
        download("CIFAR10", root, title="CIFAR-10", files=[ARCHIVE], folder=root / "cifar10")
        source = _from_batches(root / UNPACKED)
    return source


def _find(folders: list[Path]) -> Source | None:
    for folder in folders:
        if any((folder / name).is_file() for names in BATCHES.values() for name in names):
            return _from_batches(folder)
        if (folder / ARCHIVE).is_file():
            return _from_archive(folder / ARCHIVE)
        if "train" in (shards := encoded.shards(folder)):
            return _from_parquet(folder, shards)
    return None


def _from_batches(folder: Path) -> Source:
    missing = [name for names in BATCHES.values() for name in names if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"CIFAR-10 in {folder} lacks {', '.join(missing)}; unpack {ARCHIVE} again")
    return _from_pickles(str(folder), lambda name: (folder / name).read_bytes())


def _from_archive(path: Path) -> Source:
    try:
        with tarfile.open(path) as archive:
            files = ((member.name, archive.extractfile(member)) for member in archive)
            contents = {Path(name).name: file.read() for name, file in files if file is not None}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is damaged or cut short ({error}); copy or download it again") from error
    missing = [name for names in BATCHES.values() for name in names if name not in contents]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; copy or download it again")
    return _from_pickles(str(path), contents.__getitem__)


def _from_pickles(where: str, content: Opener) -> Source:
    parts = {}
    for role, names in BATCHES.items():
        batches = [_batch(f"{where}/{name}", content(name)) for name in names]
        images, labels = (np.concatenate(arrays) for arrays in zip(*batches))
        parts[role] = Part.of_array(images, labels)
    return _source(parts, f"CIFAR-10, the original Python batches in {where}")


def _batch(where: str, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
        images, labels = batch["data"], np.asarray(batch["labels"])
    except pickle.UnpicklingError as error:
        raise ValueError(f"{where} is not a batch of CIFAR-10 ({error})") from error
    except (EOFError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{where} is damaged or not a batch of CIFAR-10 ({error!r}); copy it again") from error
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (3072,):
        found = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"{where}: images must be uint8 (N, 3072), got {found}; it is another file or damaged")
    check_lengths(where, len(images), len(labels))
    check_class_indices(where, labels, CLASSES)
    return images.reshape(-1, *SHAPE), labels


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


def _from_parquet(folder: Path, shards: dict[str, list[Path]]) -> Source:
    if "test" not in shards:
        raise ValueError(f"CIFAR-10 in {folder} has {shards['train'][0].name} but no test.parquet; add it")
    splits = {role: encoded.read_split(shards[role]) for role in BATCHES}
    for split in splits.values():
        if split.names and split.names != CLASSES:
            raise ValueError(f"{split.where} is of another data set: its classes are {', '.join(split.names[:10])}")
        check_class_indices(split.where, split.labels, CLASSES)
    form = Form(*SHAPE)
    lossy = splits["train"].is_jpeg()
    title = "CIFAR-10 (JPEG copy)" if lossy else "CIFAR-10"
    note = "CIFAR-10 (JPEG copy) is lossy: numbers on it are not those of the published benchmark"
    return _source(
        {role: split.part(split.labels, form) for role, split in splits.items()},
        f"{title}, parquet of encoded images in {folder}",
        (note,) if lossy else (),
    )


def _source(parts: dict[str, Part], origin: str, notes: tuple[str, ...] = ()) -> Source:
    sizes = len(parts["train"].labels), len(parts["test"].labels)
    if sizes != (50_000, 10_000):
        notes += (f"this copy has {sizes[0]:,} and {sizes[1]:,} images, not the 50,000 and 10,000 of the original",)
    return Source(
        name="cifar10",
        kind="image",
        classes=CLASSES,
        parts=parts,
        origin=origin,
        augment=Augment(crop=4, flip=True),
        notes=notes,
    )
