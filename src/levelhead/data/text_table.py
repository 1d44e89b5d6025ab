"""A user's table of texts: `.csv`, `.parquet` or `.jsonl`, one column of texts, one of labels."""

from __future__ import annotations

import reprlib
from dataclasses import replace
from pathlib import Path

from levelhead.data.columns import find_column, read_table
from levelhead.data.rows import read_rows
from levelhead.data.source import Request, Source
from levelhead.data.text import text_source


def read(request: Request) -> Source:
    """Reads the columns that are named; other columns are left alone.

    Raises:
        ValueError: unreadable file, a column that is not there or not of text, a row without text or label.
    """
    path = Path(request.source).expanduser()
    table = read_table(path)
    text = find_column(path, table.column_names, request.text, "texts", "text")
    rows = read_rows(path, table, request, text)
    texts = table[text].to_pylist()
    bad = next((row for row, value in enumerate(texts) if not isinstance(value, str)), None)
    if bad is not None:
        held = "nothing" if texts[bad] is None else reprlib.repr(texts[bad])
        raise ValueError(
            f"{path}: column {text!r} must hold texts, but row {bad} (counted from 0) holds {held}; fill or "
            "remove such rows, or leave --text out for a table of numbers"
        )
    parts = {role: ([texts[row] for row in where], rows.labels[role]) for role, where in rows.positions.items()}
    origin = f"texts in column {text!r} of {path}, labels in {rows.label!r}"
    source = text_source(path.name, rows.classes, parts, origin, max_words=request.max_words, notes=rows.notes)
    if rows.groups is None:
        return replace(source, facts=rows.facts)
    grouped = {role: replace(part, groups=rows.groups[role]) for role, part in source.parts.items()}
    return replace(source, parts=grouped, facts=rows.facts)
