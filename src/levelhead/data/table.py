"""A user's `.csv`, `.parquet` or `.jsonl`: one row an example, numeric columns as features, one column of labels."""

from __future__ import annotations

import reprlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.columns import read_table
from levelhead.data.rows import read_rows
from levelhead.data.source import Part, Request, Source


def read(request: Request) -> Source:
    """Reads the table whole; the features become float32 `(N, D)` in the order of the columns.

    Raises:
        ValueError: unreadable file, no or an unknown label column, a column that is not of numbers, missing
            or infinite values.
    """
    path = Path(request.source).expanduser()
    table = read_table(path)
    rows = read_rows(path, table, request)
    features = [name for name in table.column_names if name not in rows.columns]
    if not features:
        raise ValueError(
            f"{path} has no column but the {' and the '.join(['labels', *rows.facts])} ({', '.join(rows.columns)}); "
            "add columns of numbers"
        )
    inputs = np.stack([_numbers(path, name, table[name]) for name in features], axis=1)
    counters = [name for column, name in enumerate(features) if _counts_rows(inputs[:, column])]
    notes = rows.notes
    if counters:
        notes += (
            f"column {', '.join(map(repr, counters))} counts the rows and is used as a feature; remove it "
            "if it is an index",
        )
    return Source(
        name=path.name,
        kind="vector",
        classes=rows.classes,
        parts={
            role: Part(
                rows.labels[role],
                partial(_taken, inputs[where]),
                groups=None if rows.groups is None else rows.groups[role],
            )
            for role, where in rows.positions.items()
        },
        origin=f"{len(features)} numeric columns of {path}, labels in {rows.label!r}",
        notes=notes,
        facts=rows.facts,
    )


def _taken(inputs: np.ndarray, positions: np.ndarray) -> np.ndarray:
    return inputs[positions]


def _numbers(path: Path, name: str, column: Any) -> np.ndarray:
    import pyarrow as pa

    kind = column.type
    types = pa.types
    numeric = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    if not any(is_kind(kind) for is_kind in numeric):
        row = next((row for row, value in enumerate(column) if not _is_number(value.as_py())), 0)
        held = reprlib.repr(column[row].as_py())
        raise ValueError(
            f"{path}: column {name!r} is not of numbers ({kind}; row {row} holds {held}); turn it into "
            "numbers or remove it, or name it with --text (text=) if it holds the texts to classify, with --image "
            "(image=) if it holds paths of images, with --split or --group if it says where a row belongs"
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is reported as that
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float32)
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(
            f"{path}: column {name!r} has {int(bad.sum()):,} missing, NaN or infinite values in "
            f"{len(bad):,} rows, the first in row {int(np.argmax(bad))} (counted from 0); fill or remove "
            "them before training"
        )
    return values


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def _counts_rows(values: np.ndarray) -> bool:
    return len(values) > 2 and values[0] in (0, 1) and bool((np.diff(values) == 1).all())
