"""A user's table of images: `.csv`, `.parquet` or `.jsonl`, one column of paths, one of labels.

Paths are relative to the table's folder, or absolute.
"""

from __future__ import annotations

import reprlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from levelhead.data.columns import find_column, read_table
from levelhead.data.pictures import picture_parts
from levelhead.data.rows import read_rows
from levelhead.data.source import Request, Source


def read(request: Request) -> Source:
    """Reads the table and all headers now, the pixels when it is known which are wanted.

    Raises:
        ValueError: unreadable table, a column that is not there, a row without path or label, an image that is
            missing or cannot be read.
    """
    path = Path(request.source).expanduser()
    table = read_table(path)
    column = find_column(path, table.column_names, request.image, "paths of images", "image")
    rows = read_rows(path, table, request, column)
    names = table[column].to_pylist()
    bad = next((row for row, name in enumerate(names) if not isinstance(name, str) or not name.strip()), None)
    if bad is not None:
        held = "nothing" if names[bad] is None else reprlib.repr(names[bad])
        raise ValueError(
            f"{path}: column {column!r} must hold paths of images, but row {bad} (counted from 0) holds {held}; "
            "fill or remove such rows"
        )
    files = [path.parent / name for name in names]
    grouped = rows.groups or {}
    parts, form, notes, facts = picture_parts(
        {role: [(str(files[row]), files[row]) for row in positions] for role, positions in rows.positions.items()},
        rows.labels,
        None if rows.groups is None else lambda role, kept: grouped[role][kept],
        replace(request, source=str(path.parent)),
    )
    repeated = len(names) - len(np.unique(np.array(names)))
    if repeated:
        notes += (f"{repeated:,} rows name an image that an earlier row names: they may lie in train and in test",)
    return Source(
        name=path.name,
        kind="image",
        classes=rows.classes,
        parts=parts,
        origin=f"images at the paths in column {column!r} of {path}, labels in {rows.label!r}, "
        f"brought to {form.height}x{form.width}",
        notes=(*rows.notes, *notes),
        facts={**rows.facts, **facts},
    )
