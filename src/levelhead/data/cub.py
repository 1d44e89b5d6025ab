"""`cub-200-2011`: Caltech-UCSD birds (Wah et al. 2011), from the original lists and images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from levelhead.data.named import locate, named_source
from levelhead.data.pictures import NamedFiles, named_form, named_pictures
from levelhead.data.source import Request, Source


def read(request: Request) -> Source:
    """5,994 and 5,794 uint8 images `(N, 3, 256, 256)` of 200 species; windows of 224 and flip.

    Stretched to 256x256, as the released code of MbLS has it; windows are 7/8 of another size.
    """
    found = locate("cub-200-2011", request.data_dir)
    folder = found.folder
    form = named_form("cub-200-2011", request, "stretch")
    images, labels, trained = (
        _column(folder / name) for name in ("images.txt", "image_class_labels.txt", "train_test_split.txt")
    )
    names = _column(folder / "classes.txt")
    for name, column in (("image_class_labels.txt", labels), ("train_test_split.txt", trained)):
        if column.keys() != images.keys():
            raise ValueError(f"{folder / name} and images.txt do not number the same images; unpack the archive again")
    index = {number: label for label, number in enumerate(names)}
    unknown = next((number for number in labels.values() if number not in index), None)
    if unknown is not None:
        raise ValueError(f"{folder / 'image_class_labels.txt'}: class {unknown} is not in classes.txt")
    files = {}
    for role, mark in (("train", "1"), ("test", "0")):
        ids = [number for number in images if trained[number] == mark]
        paths = [folder / "images" / images[number] for number in ids]
        files[role] = NamedFiles(paths, np.array([index[labels[number]] for number in ids], dtype=np.int64))
    parts, notes, facts = named_pictures(files, form, folder, request)
    classes = [name.split(".", 1)[-1].replace("_", " ") for name in names.values()]
    how = f"{found.layout.name} in {folder}, {form.height}x{form.width}"
    source = named_source("cub-200-2011", parts, how, classes=classes, notes=notes, facts=facts)
    window = round(7 / 8 * min(form.height, form.width))
    return replace(source, augment=replace(source.augment, size=window))


def _column(path: Path) -> dict[str, str]:
    """What stands behind the number of each line."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    bad = next((number for number, row in enumerate(rows, start=1) if len(row) != 2), None)
    if bad is not None:
        raise ValueError(f"{path}: line {bad} must be a number and a value")
    return dict(rows)
