"""`.parquet` and `.csv`: tables, read a batch of rows at a time by Arrow."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.prediction_files.names import IDS, TEXT
from levelhead.prediction_files.store import Block, Column, Store, unreadable

_CSV_BLOCK = 1 << 19  # bytes of text
_LONGEST = 1 << 26  # bytes of a line


def open_parquet(path: Path) -> Store:
    """A table whose columns are numbers, text, or lists of numbers of one length."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise unreadable(path, "parquet", error) from None
    _refuse_twins(path, schema.names)
    columns = {field.name: _column(field.type, rows) for field in schema}
    notes = {
        key.decode(): value.decode("utf-8", "replace")
        for key, value in (schema.metadata or {}).items()
        if key in (b"role", b"classes", b"meta")
    }
    return Store(path, columns, lambda names, count: _read_parquet(path, names, count), notes, own=("label", "id"))


def _column(kind: Any, rows: int | None) -> Column:
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inside = _column(kind.value_type, rows)
        return Column(inside.kind, rows, kind.list_size if types.is_fixed_size_list(kind) else None)
    if types.is_dictionary(kind):
        return _column(kind.value_type, rows)
    for is_kind, letter in (
        (types.is_floating, "f"),
        (types.is_integer, "i"),
        (types.is_boolean, "b"),
        (types.is_string, "U"),
        (types.is_large_string, "U"),
        (types.is_string_view, "U"),
    ):
        if is_kind(kind):
            return Column(letter, rows)
    return Column("V", rows)


def _read_parquet(path: Path, names: Sequence[str], rows: int) -> Iterator[Block]:
    import pyarrow
    from pyarrow import parquet

    seen = 0
    try:
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(rows, columns=list(names)):
                yield {name: _values(path, name, batch.column(batch.schema.names.index(name)), seen) for name in names}
                seen += batch.num_rows
            if not seen:  # one empty block, which has the types
                empty = file.schema_arrow.empty_table()
                yield {name: _values(path, name, empty.column(name).combine_chunks(), 0) for name in names}
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise unreadable(path, "parquet", error) from None


def open_csv(path: Path) -> Store:
    """A table with a line of names. Labels, predictions and ids are text, so that 007 stays 007; the rest numbers."""
    import pyarrow
    from pyarrow import csv

    _refuse_head(path)
    try:
        with csv.open_csv(path, _by_block(path)) as reader:
            schema = reader.schema
            role = _role(reader, schema.names)
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise unreadable(path, "csv", error) from None
    _refuse_twins(path, schema.names)
    columns = {}
    for field in schema:
        found = _column(field.type, None)
        if pyarrow.types.is_null(field.type):
            found = Column("f", None)
        columns[field.name] = Column("U", None) if field.name.lower() in TEXT else found
    # a column that starts with whole numbers may go on with others: what is a number is read as float64
    kinds = {
        name: "string" if column.kind == "U" else "double" for name, column in columns.items() if column.kind in "Ufi"
    }
    notes = {} if role is None else {"role": role}

    def read(names: Sequence[str], rows: int) -> Iterator[Block]:
        return _read_csv(path, names, kinds, role)

    return Store(path, columns, read, notes, own=("label", "id"), typed=False)


def _refuse_head(path: Path) -> None:
    """ValueError for a first line that separates by something else than commas, or holds numbers instead of names."""
    with path.open("rb") as file:
        head = file.readline(_LONGEST).decode("utf-8-sig", "replace").strip()
    mark = next((mark for mark in (";", "\t", "|") if "," not in head and mark in head), None)
    if mark:
        raise ValueError(f"{path}: columns are separated by {mark!r}; write the table with commas between them")
    cells = head.split(",")
    if len(cells) > 1 and all(re.fullmatch(r"-?[0-9]*[.][0-9]+(e-?[0-9]+)?", cell) for cell in cells[1:]):
        raise ValueError(
            f"{path}: the first line must hold the names of the columns, such as label,probs_0,probs_1, but holds "
            f"numbers: {head[:60]}"
        )


def _refuse_twins(path: Path, names: Sequence[str]) -> None:
    twins = [name for name, times in Counter(names).items() if times > 1]
    if twins:
        raise ValueError(f"{path} has several columns called {twins[0]!r}; give each a name of its own")


def _by_block(path: Path) -> Any:
    from pyarrow import csv

    with path.open("rb") as file:
        longest = max(len(file.readline(_LONGEST)), len(file.readline(_LONGEST)))
    # a row must fit into a block; with threads Arrow decodes dozens of them ahead
    return csv.ReadOptions(block_size=max(_CSV_BLOCK, 4 * longest), use_threads=False)


def _role(reader: Any, names: Sequence[str]) -> str | None:
    if "role" not in names:
        return None
    first = reader.read_next_batch().column(list(names).index("role"))
    return (first[0].as_py() or "") if len(first) else None


def _read_csv(path: Path, names: Sequence[str], kinds: dict[str, str], role: str | None) -> Iterator[Block]:
    import pyarrow
    from pyarrow import csv

    # null words are left alone, so that NaN arrives as NaN and is refused with its row
    wanted = [*names, *(["role"] if role is not None and "role" not in names else [])]
    convert = csv.ConvertOptions(column_types=kinds, include_columns=wanted, null_values=[""])
    seen = 0
    try:
        with csv.open_csv(path, _by_block(path), convert_options=convert) as reader:
            for batch in reader:
                block = {name: _values(path, name, batch.column(i), seen) for i, name in enumerate(wanted)}
                if role is not None:
                    _one_role(path, block["role"], role)
                _refuse_empty(path, {name: block[name] for name in names if name.lower() not in IDS}, seen)
                yield {name: block[name] for name in names}
                seen += batch.num_rows
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise unreadable(path, "csv", error) from None


def _one_role(path: Path, roles: np.ndarray, role: str) -> None:
    if (roles != role).any():
        several = sorted({*roles.tolist(), role})
        raise ValueError(f"{path}: rows have several roles ({', '.join(several)}); keep one a file")


def _refuse_empty(path: Path, block: Block, seen: int) -> None:
    """ValueError for a cell of text without a letter; an id may be one."""
    for name, words in block.items():
        if words.dtype.kind == "U" and (words == "").any():
            raise ValueError(f"{path}: column {name} has an empty cell in row {seen + int((words == '').argmax())}")


def _values(path: Path, name: str, column: Any, seen: int) -> np.ndarray:
    """A batch's column as an array; `seen` rows came before it. ValueError for an empty cell and ragged lists."""
    from pyarrow import types

    if column.null_count:
        first = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(f"{path}: column {name} has an empty cell in row {seen + first}")
    kind = column.type
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        lengths = set(column.value_lengths().to_pylist()) if len(column) else {0}
        if len(lengths) > 1:
            raise ValueError(f"{path}: the lists in column {name} differ in length: {sorted(lengths)[:3]}")
        return np.asarray(column.flatten()).reshape(len(column), lengths.pop())
    if types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return np.array(column.to_pylist(), dtype=np.str_)
    return column.to_numpy(zero_copy_only=False)
