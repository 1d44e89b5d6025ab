"""Encoded images in Arrow files: where the bytes of each lie, so that they are read one by one without loading a file.

Arrow keeps a column's bytes side by side and uncompressed, which parquet does not: parquet that is to stream is
unpacked once, row group by row group, into an Arrow file in the cache folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.blobs import Blobs, Paths
from levelhead.data.places import cache_root
from levelhead.files import write_whole

ROWS = 256  # unpacked together


def kind(path: Path) -> str:
    """What a file is by its ending, Arrow or parquet."""
    return "Arrow" if path.suffix == ".arrow" else "parquet"


def read_schema(path: Path) -> Any:
    """The schema of an Arrow or parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    if kind(path) != "Arrow":
        return parquet.read_schema(path)
    with pa.memory_map(str(path)) as file:
        return _batches(file.read_buffer())[0]


def read_columns(path: Path, columns: Sequence[str]) -> Any:
    """Some columns of an Arrow or parquet file as a table."""
    import pyarrow as pa
    from pyarrow import parquet

    if kind(path) != "Arrow":
        return parquet.read_table(path, columns=list(columns))
    with pa.memory_map(str(path)) as file:
        schema, batches = _batches(file.read_buffer())
        return pa.Table.from_batches(batches, schema).select(list(columns))


def blobs(paths: Sequence[Path], column: str) -> Blobs:
    """Where the images of Arrow or parquet files lie; parquet is unpacked, unless it was already.

    Raises:
        ValueError: an Arrow file that is compressed.
        OSError: the disk is full or cannot be written.
    """
    return Blobs.joined(
        [_blobs_of_arrow(path if kind(path) == "Arrow" else _unpacked(path, column), column) for path in paths]
    )


def _blobs_of_arrow(path: Path, column: str) -> Blobs:
    """Where the images of one Arrow file lie."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        content = file.read_buffer()
        starts, lengths = [], []
        for batch in _batches(content)[1]:
            images = batch.column(column).field("bytes")
            offsets, first = _offsets(images), images.buffers()[2].address - content.address
            if not 0 <= first <= content.size:
                raise ValueError(f"{path} is compressed, so images cannot be read one by one; write it uncompressed")
            starts.append(first + offsets[:-1])
            # an absent image is one without bytes, which is said when it is read
            lengths.append(np.where(images.is_valid().to_numpy(zero_copy_only=False), np.diff(offsets), 0))
    start, length = (np.concatenate([np.empty(0, np.int64), *each]) for each in (starts, lengths))
    return Blobs(Paths.of([path]), np.zeros(len(start), np.int64), start, length)


def _batches(content: Any) -> tuple[Any, list[Any]]:
    """Schema and record batches of an Arrow file in either of its two formats, as views of what was mapped."""
    import pyarrow as pa

    if content.size >= 6 and content[:6].to_pybytes() == b"ARROW1":
        reader = pa.ipc.open_file(content)
        return reader.schema, [reader.get_batch(index) for index in range(reader.num_record_batches)]
    stream = pa.ipc.open_stream(content)
    return stream.schema, list(stream)


def _offsets(images: Any) -> np.ndarray:
    """int64 `(n + 1,)`: where each image begins and the last one ends, from the first byte of the column."""
    import pyarrow as pa

    width = np.int64 if pa.types.is_large_binary(images.type) else np.int32
    offsets = np.frombuffer(images.buffers()[1], dtype=width)
    return offsets[images.offset : images.offset + len(images) + 1].astype(np.int64)


def _unpacked(path: Path, column: str) -> Path:
    """The Arrow file with the images of a parquet file; its name follows the file's place, size and time."""
    import pyarrow as pa
    from pyarrow import parquet

    about = os.stat(path)
    key = f"{path.resolve()} {about.st_size} {about.st_mtime_ns} {column}"
    place = cache_root() / "unpacked" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.arrow"

    def write(beside: Path) -> None:
        source = parquet.ParquetFile(path)
        schema = pa.schema([source.schema_arrow.field(column)])
        with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for batch in source.iter_batches(batch_size=ROWS, columns=[column]):
                writer.write_batch(pa.record_batch(batch.columns, schema=schema))

    if not place.exists():
        write_whole(place, write)
    return place
