"""A user's table of texts: `.csv`, `.parquet` or `.jsonl`, one column of texts, one of labels."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any

from levelhead.data.checks import encode_labels
from levelhead.data.source import Request, Source
from levelhead.data.table import find_column, label_values, read_table
from levelhead.data.text import text_source
from levelhead.data.text_sets import read_json_lines


def read(request: Request) -> Source:
    """Reads the two columns; other columns are left alone.

    Raises:
        ValueError: unreadable file, a column that is not there or not of text, a row without text or label.
    """
    path = Path(request.source).expanduser()
    table = _table(path)
    text = find_column(path, table.column_names, request.text, "texts", "text")
    label = find_column(path, table.column_names, request.label, "labels", "label")
    if text == label:
        raise ValueError(f"{path}: column {text!r} cannot hold both the texts and the labels; name two columns")
    if table.num_rows == 0:
        raise ValueError(f"{path} has columns but no rows; every class needs examples")
    texts = table[text].to_pylist()
    bad = next((row for row, value in enumerate(texts) if not isinstance(value, str)), None)
    if bad is not None:
        held = "nothing" if texts[bad] is None else reprlib.repr(texts[bad])
        raise ValueError(
            f"{path}: column {text!r} must hold texts, but row {bad} (counted from 0) holds {held}; fill or "
            "remove such rows, or leave --text out for a table of numbers"
        )
    where = f"{path}, column {label!r}"
    classes, labels, notes = encode_labels({where: label_values(where, table[label])})
    parts = {"train": (texts, labels[where])}
    origin = f"texts in column {text!r} of {path}, labels in {label!r}"
    return text_source(path.name, classes, parts, origin, max_words=request.max_words, notes=notes)


def _table(path: Path) -> Any:
    if path.suffix.lower() != ".jsonl":
        return read_table(path)
    import pyarrow as pa

    rows = list(read_json_lines(path))
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        return pa.table({name: [row.get(name) for row in rows] for name in names})
    except pa.ArrowException as error:
        raise ValueError(f"{path}: a column holds values of several kinds ({error}); use one kind a column") from error
