"""`tiny-imagenet` and its forms of 32x32: the original folders, or a parquet of encoded images.

The original: `wnids.txt`, `train/WNID/images/*.JPEG`, and `val/images/` with a line an image in
`val/val_annotations.txt`. Its test images have no labels, so val is test, as in the papers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from levelhead.data import encoded
from levelhead.data.checks import check_class_indices
from levelhead.data.decode import Form
from levelhead.data.facts import FACTS, PARQUET
from levelhead.data.named import Found, locate, named_source
from levelhead.data.pictures import NamedFiles, named_form, named_pictures
from levelhead.data.source import Request, Source
from levelhead.data.synsets import class_names, wnids


def original(request: Request) -> Source:
    """100,000 and 10,000 uint8 images `(N, 3, 64, 64)` of 200 classes; crop 4 and flip."""
    return _read("tiny-imagenet", request)


def at_32(request: Request) -> Source:
    """The same at 32x32: the original scaled down, or a parquet that holds it so."""
    return _read("tiny-imagenet-32", request)


def at_32_small(request: Request) -> Source:
    """16,000 and 4,000 images of 32x32 in lossy form: "Tiny-ImageNet 32, small", not the benchmark."""
    return _read("tiny-imagenet-32-small", request)


def _read(name: str, request: Request) -> Source:
    found = locate(name, request.data_dir)
    form = named_form(name, request)
    if found.layout == PARQUET:
        return _from_parquet(name, found, form, request)
    classes = tuple((found.folder / "wnids.txt").read_text(encoding="utf-8").split())
    ordered = tuple(sorted(classes))
    files = {"train": _train(found.folder, ordered), "test": _validation(found.folder, ordered)}
    parts, notes, more = named_pictures(files, form, found.folder, request)
    how = f"{found.layout.name} in {found.folder}, {form.height}x{form.width}"
    return named_source(name, parts, how, classes=class_names(ordered), notes=notes, facts=more)


def _train(folder: Path, classes: tuple[str, ...]) -> NamedFiles:
    images = [sorted((folder / "train" / wnid / "images").glob("*.JPEG")) for wnid in classes]
    empty = [wnid for wnid, paths in zip(classes, images) if not paths]
    if empty:
        raise ValueError(
            f"{folder / 'train'} holds no images of {', '.join(empty[:5])}, which wnids.txt lists; unpack the archive "
            "again"
        )
    labels = np.repeat(np.arange(len(classes)), [len(paths) for paths in images])
    return NamedFiles([path for paths in images for path in paths], labels)


def _validation(folder: Path, classes: tuple[str, ...]) -> NamedFiles:
    path = folder / "val" / "val_annotations.txt"
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line]
    index = {wnid: number for number, wnid in enumerate(classes)}
    for number, row in enumerate(rows, start=1):
        if len(row) < 2 or row[1] not in index:
            raise ValueError(f"{path}: line {number} must be an image, a tab and one of the ids of wnids.txt")
    labels = np.array([index[row[1]] for row in rows], dtype=np.int64)
    return NamedFiles([folder / "val" / "images" / row[0] for row in rows], labels)


def _from_parquet(name: str, found: Found, form: Form, request: Request) -> Source:
    """Labels are positions among the sorted ids; stored names, if any, must be those of these classes."""
    classes = class_names(wnids("tiny"))
    shards = encoded.shards(found.folder)
    splits = {role: encoded.read_split(shards[role]) for role in ("train", "test")}
    for split in splits.values():
        said = [(stored.split(",")[0], known) for stored, known in zip(split.names, classes)]
        if split.names and (len(split.names) != len(classes) or any(word not in known for word, known in said)):
            raise ValueError(f"{split.where} is of another data set: its classes are {', '.join(split.names[:10])}")
        check_class_indices(split.where, split.labels, classes)
    labels = {role: split.labels for role, split in splits.items()}
    parts, _, left, more = encoded.parts(splits, labels, str(found.folder), request, form)
    notes = (FACTS[name].note,) if name.endswith("small") else ()
    how = f"{found.layout.name} in {found.folder}"
    return named_source(name, parts, how, classes=classes, notes=(*notes, *left), facts=more)
