"""A user's table as columns: read it, find a column by name, take labels from it."""

from __future__ import annotations

import difflib
import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.text_sets import read_json_lines

#: What a column of splits, or the name of a file, may call a role.
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "cal": "cal", "test": "test"}


def read_table(path: Path) -> Any:
    """A `.csv`, `.parquet` or `.jsonl` as a pyarrow table.

    Raises:
        ValueError: it cannot be read, has no columns, or repeats a name.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    ending = path.suffix.lower()
    try:
        if ending == ".jsonl":
            table = _json_table(path)
        else:
            table = csv.read_csv(path) if ending == ".csv" else parquet.read_table(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as {ending[1:]} ({error})") from error
    if not table.column_names:
        raise ValueError(f"{path} is empty: it has neither columns nor rows")
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{path} has several columns called {', '.join(map(repr, twice))}; give each a name of its own"
        )
    return table


def _json_table(path: Path) -> Any:
    import pyarrow as pa

    rows = list(read_json_lines(path))
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {}
    for name in names:
        try:
            columns[name] = pa.array([row.get(name) for row in rows])
        except (pa.ArrowException, OverflowError) as error:
            raise ValueError(
                f"{path}: column {name!r} holds values of several kinds ({error}); use one kind a column"
            ) from error
    return pa.table(columns)


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
        mark = next((mark for mark in ";\t|" if mark in columns[0]), None)
        if len(columns) == 1 and mark:
            meant = f"its columns seem to be parted by {mark!r}, and must be by commas; "
        raise ValueError(f"{path} has no column {name!r}; {meant}its columns are {shown}")
    return name


def label_values(where: str, column: Any) -> np.ndarray:
    """A pyarrow column of labels as an array `(N,)` of its numbers or words.

    Raises:
        ValueError: a row without a label (missing, or an empty word); how many, and the first. A column of neither
            numbers nor words.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    words = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    if not words and not any(is_kind(column.type) for is_kind in known):
        fix = "save the table as UTF-8" if pa.types.is_binary(column.type) else "write whole numbers or words"
        raise ValueError(
            f"{where}: labels must be whole numbers or words, but the column is of {column.type} (row 0 holds "
            f"{reprlib.repr(column[0].as_py())}); {fix}"
        )
    missing = np.array([value is None or value == "" for value in column.to_pylist()])
    if missing.any():
        raise ValueError(
            f"{where}: {int(missing.sum()):,} rows have no label, the first is row "
            f"{int(np.argmax(missing))} (counted from 0); label or remove them"
        )
    if words:
        return np.array(column.to_pylist(), dtype=np.str_)
    return column.to_numpy()
