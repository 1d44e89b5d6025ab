"""A user's `.csv` or `.parquet`: one row an example, numeric columns as features, one column of labels."""

from __future__ import annotations

import difflib
import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.checks import encode_labels
from levelhead.data.source import Part, Request, Source


def read(request: Request) -> Source:
    """Reads the table whole; the features become float32 `(N, D)` in the order of the columns.

    Raises:
        ValueError: unreadable file, no or an unknown label column, a column that is not of numbers, missing
            or infinite values.
    """
    path = Path(request.source).expanduser()
    table = read_table(path)
    columns = table.column_names
    label = find_column(path, columns, request.label, "labels", "label")
    if table.num_rows == 0:
        raise ValueError(f"{path} has columns but no rows; every class needs examples")
    features = [name for name in columns if name != label]
    if not features:
        raise ValueError(f"{path} has no column but the labels ({label}); add columns of numbers")
    inputs = np.stack([_numbers(path, name, table[name]) for name in features], axis=1)
    where = f"{path}, column {label!r}"
    classes, labels, notes = encode_labels({where: label_values(where, table[label])})
    counters = [name for column, name in enumerate(features) if _counts_rows(inputs[:, column])]
    if counters:
        notes += (
            f"column {', '.join(map(repr, counters))} counts the rows and is used as a feature; remove it "
            "if it is an index",
        )
    return Source(
        name=path.name,
        kind="vector",
        classes=classes,
        parts={"train": Part.of_array(inputs, labels[where])},
        origin=f"{len(features)} numeric columns of {path}, labels in {label!r}",
        notes=notes,
    )


def read_table(path: Path) -> Any:
    """A `.csv` or `.parquet` as a pyarrow table. Raises ValueError where it cannot be read or repeats a name."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if path.suffix.lower() == ".csv":
            table = csv.read_csv(path)
        else:
            table = parquet.read_table(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as {path.suffix[1:].lower()} ({error})") from error
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{path} has several columns called {', '.join(map(repr, twice))}; give each a name of its own"
        )
    return table


def find_column(path: Path, columns: list[str], name: str | None, holds: str, option: str) -> str:
    """The name of a column, checked. Raises ValueError where it is not given or not there, with those that are."""
    shown = ", ".join(columns[:20]) + (f", ... ({len(columns)} in all)" if len(columns) > 20 else "")
    if name is None:
        raise ValueError(
            f"{path}: say which column holds the {holds} with --{option} ({option}=); its columns are {shown}"
        )
    if name not in columns:
        close = difflib.get_close_matches(name, columns, n=1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"{path} has no column {name!r}; {meant}its columns are {shown}")
    return name


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
            "numbers or remove it, or name it with --text (text=) if it holds the texts to classify (images go into "
            "a folder with train.parquet and test.parquet)"
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


def label_values(where: str, column: Any) -> np.ndarray:
    """A pyarrow column of labels as an array `(N,)` of its numbers or words.

    Raises:
        ValueError: a row without a label (missing, or an empty word); how many, and the first.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    words = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    missing = np.array([value is None or value == "" for value in column.to_pylist()])
    if missing.any():
        raise ValueError(
            f"{where}: {int(missing.sum()):,} rows have no label, the first is row "
            f"{int(np.argmax(missing))} (counted from 0); label or remove them"
        )
    if words:
        return np.array(column.to_pylist(), dtype=np.str_)
    return column.to_numpy()


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def _counts_rows(values: np.ndarray) -> bool:
    return len(values) > 2 and values[0] in (0, 1) and bool((np.diff(values) == 1).all())
