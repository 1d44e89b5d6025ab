"""Tar shards in webdataset's layout: `KEY.jpg` (or another image) with `KEY.cls`, the class as a number or a word.

Files are `train-000000.tar`, `test-000000.tar`, ... (also `train.tar`), of the roles train, val, cal and test. The
images stay in the shards: where each lies is found from the headers of the tar files, and they are read at random.
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from levelhead.data.blobs import Blobs, Paths
from levelhead.data.broken import all_named, named_at_once, sound
from levelhead.data.checks import encode_labels
from levelhead.data.decode import spaced, survey
from levelhead.data.encoded import SPLITS
from levelhead.data.folder import ENDINGS
from levelhead.data.lazy import LazyImages
from levelhead.data.source import Part, Request, Source


def tar_shards(folder: Path) -> dict[str, list[Path]]:
    """The tar files of each role in a folder, in order; empty if there is no train."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.tar")):
        role = SPLITS.get(path.stem.split("-")[0])
        if role is not None:
            found.setdefault(role, []).append(path)
    return found if "train" in found else {}


def read(request: Request) -> Source:
    """Reads all headers and classes now, the pixels when it is known which are wanted.

    Raises:
        ValueError: a damaged shard, an image without a class or one of several, an image that cannot be read.
    """
    folder = Path(request.source).expanduser()
    indices = {role: index(paths) for role, paths in tar_shards(folder).items()}
    places = {role: f"{folder}/{role}*.tar" for role in indices}
    classes, labels, notes = encode_labels({places[role]: found[1] for role, found in indices.items()})
    files = {role: _Images(blobs) for role, (blobs, _) in indices.items()}
    rows, more, facts = sound(files, str(folder), request.skip_broken, request.streaming)
    kept = {role: blobs.take(rows[role]) for role, (blobs, _) in indices.items()}
    every = [(_Images(blobs), row) for blobs in kept.values() for row in range(len(blobs))]
    with all_named(files.values(), request.streaming):
        form = survey((images[row] for images, row in spaced(every)), request.image_size, request.fit or "cover")
    return Source(
        name=folder.resolve().name,
        kind="image",
        classes=classes,
        parts={
            role: named_at_once(
                Part.of_encoded(LazyImages.of(blobs, form), labels[places[role]][rows[role]]), files.values()
            )
            for role, blobs in kept.items()
        },
        origin=f"tar shards in {folder}, brought to {form.height}x{form.width}",
        notes=(*notes, *more),
        facts=facts if form.fit == "cover" else {**facts, "fit": form.fit},
    )


@dataclass(frozen=True, eq=False)
class _Images:
    """The images of a role by position: what to call each, and its content."""

    blobs: Blobs

    def __len__(self) -> int:
        return len(self.blobs)

    def __getitem__(self, row: int) -> tuple[str, bytes]:
        return self.blobs.where(row), self.blobs.content(row) if self.blobs.length[row] else b""


def index(paths: Sequence[Path]) -> tuple[Blobs, np.ndarray]:
    """Where the images of some shards lie, and their classes as they are written, `(N,)` numbers or words.

    Raises:
        ValueError: a damaged shard, one without images, or an image without its `.cls`; with the path.
    """
    parts, classes = zip(*(_index(path) for path in paths))
    words = np.array([word for part in classes for word in part])
    return Blobs.joined(parts), words.astype(np.int64) if all(map(str.isdecimal, words)) else words


def _index(path: Path) -> tuple[Blobs, list[str]]:
    images: dict[str, tuple[int, int]] = {}
    classes: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:") as archive:  # uncompressed: a compressed one has no places to read from
            for member in archive:
                if not member.isfile():
                    continue
                name = Path(member.name)
                # webdataset's key is everything up to the first dot of the last part
                key = str(name.parent / name.name.split(".")[0])
                if name.suffix.lower() in ENDINGS:
                    if key in images:
                        raise ValueError(f"{path}: {key} has several images; each key may have one")
                    images[key] = member.offset_data, member.size
                elif name.suffix == ".cls":
                    file = archive.extractfile(member)
                    assert file is not None
                    classes[key] = file.read().decode().strip()
    except (tarfile.TarError, EOFError, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as an uncompressed tar file ({error}); copy it again") from error
    if not images:
        raise ValueError(f"{path} holds no images (endings: {' '.join(sorted(ENDINGS))}) beside .cls files")
    without = [key for key in images if not classes.get(key)]
    if without:
        raise ValueError(
            f"{path}: {len(without):,} images have no class, the first is {without[0]}; add {without[0]}.cls"
        )
    start, length = np.array(list(images.values()), dtype=np.int64).T
    return Blobs(Paths.of([path]), np.zeros(len(images), np.int64), start, length), [classes[key] for key in images]
