"""`.npz` and `.safetensors`: named arrays, read a slice of rows at a time."""

import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from levelhead.prediction_files.store import Block, Column, Store, unreadable

_NOTES = ("role", "classes", "meta")
_PIECE = 1 << 20  # bytes
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, KeyError, NotImplementedError)


def open_npz(path: Path) -> Store:
    """An archive of arrays. ValueError for arrays of Python objects, which are pickles."""
    columns, notes, apart = {}, {}, []
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if not member.endswith(".npy"):  # whatever else lies in the archive is no array
                    continue
                name = member.removesuffix(".npy")
                with archive.open(member) as file:
                    shape, fortran, dtype = _header(file)
                if dtype.hasobject:
                    raise ValueError(
                        f"{path}: the array {name!r} holds Python objects, which NumPy keeps as a pickle, and a pickle "
                        "runs code when opened; save it with a plain type, such as .astype(str) or .astype(float)"
                    )
                if name in _NOTES:
                    notes[name] = _note(path, name)
                elif shape:
                    columns[name] = Column(dtype.kind, shape[0], math.prod(shape[1:]) if len(shape) > 1 else 0)
                    if fortran and len(shape) > 1 and shape[1] > 1:
                        apart.append(name)
    except _BAD_ZIP as error:
        raise unreadable(path, "npz", error) from None
    whole = f"{', '.join(apart)} in Fortran order: a row's numbers lie apart" if apart else ""
    return Store(path, columns, lambda names, rows: _read_npz(path, names, rows), notes, whole)


def open_npy(path: Path, name: str) -> Store:
    """A single array, as a store with one column of this name. ValueError for Python objects, which are pickles."""
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _header(file)
    except (*_BAD_ZIP, FileNotFoundError) as error:
        raise unreadable(path, "npy", error) from None
    if dtype.hasobject:
        raise ValueError(f"{path} holds Python objects, a pickle, which runs code when opened: save plain numbers")
    if not shape:
        raise ValueError(f"{path} holds a single number")
    columns = {name: Column(dtype.kind, shape[0], math.prod(shape[1:]) if len(shape) > 1 else 0)}

    def read(names: Sequence[str], rows: int) -> Iterator[Block]:
        with path.open("rb") as file:
            try:
                yield from ({name: values} for values in _slices(file, rows))
            except EOFError as error:
                raise unreadable(path, "npy", error) from None

    return Store(path, columns, read, whole="Fortran order" if fortran and len(shape) > 1 else "")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return reader(file)
    except ValueError as error:
        raise zipfile.BadZipFile(f"it holds something that is no array: {error}") from None


def _note(path: Path, name: str) -> str:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        value = file[name]
    return str(value) if value.ndim == 0 else json.dumps([str(item) for item in value.tolist()])


def _read_npz(path: Path, names: Sequence[str], rows: int) -> Iterator[Block]:
    try:
        with zipfile.ZipFile(path) as archive, ExitStack() as stack:
            parts = [_slices(stack.enter_context(archive.open(f"{name}.npy")), rows) for name in names]
            for arrays in zip(*parts, strict=True):
                yield dict(zip(names, arrays, strict=True))
    except _BAD_ZIP as error:
        raise unreadable(path, "npz", error) from None


def _slices(file: IO[bytes], rows: int) -> Iterator[np.ndarray]:
    shape, fortran, dtype = _header(file)
    width = math.prod(shape[1:])
    if fortran and width > 1:
        flat = np.frombuffer(_exactly(file, math.prod(shape) * dtype.itemsize), dtype)
        array = flat.reshape(shape[::-1]).T
        for start in range(0, max(1, shape[0]), rows):  # of no row one empty block, which has the type
            yield np.ascontiguousarray(array[start : start + rows])
        return
    for start in range(0, max(1, shape[0]), rows):
        n = min(rows, shape[0] - start)
        yield np.frombuffer(_exactly(file, n * width * dtype.itemsize), dtype).reshape(n, *shape[1:])


def _exactly(file: IO[bytes], size: int) -> bytearray:
    """So many bytes, in memory that may be written to; in pieces, since what unpacks them copies each."""
    contents = bytearray(size)
    view, done = memoryview(contents), 0
    while done < size:
        piece = file.read(min(size - done, _PIECE))
        if not piece:
            raise EOFError(f"{size - done} bytes are missing")
        view[done : done + len(piece)] = piece
        done += len(piece)
    return contents


_SAFETENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def open_safetensors(path: Path) -> Store:
    """Named tensors; bfloat16 stays a tensor, since NumPy has none. Ids in UTF-8 and lengths come as strings."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:  # refuses what is cut short
            header = file.metadata() or {}
        notes = json.loads(header["levelhead"]) if "levelhead" in header else header
        kept = {name: str(notes[name]) for name in _NOTES if name in notes}
    except (SafetensorError, OSError, TypeError, json.JSONDecodeError) as error:
        raise unreadable(path, "safetensors", error) from None
    places, columns = _places(path), {}
    for name, (dtype, shape, _) in places.items():
        kind = "f" if dtype == "BF16" else np.dtype(_SAFETENSORS[dtype]).kind if dtype in _SAFETENSORS else "V"
        if shape:
            columns[name] = Column(kind, shape[0], math.prod(shape[1:]) if len(shape) > 1 else 0)
    if "ids_utf8" in columns and "ids_length" in columns:
        del columns["ids_utf8"]
        columns["ids"] = Column("U", columns.pop("ids_length").rows)
    return Store(path, columns, lambda names, rows: _read_safetensors(path, places, columns, names, rows), kept)


def _places(path: Path) -> dict[str, tuple[str, list[int], int]]:
    """Type, shape and first byte of each tensor: the file is the header's length, the header as JSON, and the tensors.

    The package maps the whole file privately, which counts as memory where memory is limited; a slice of rows does not.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {
        name: (about["dtype"], about["shape"], 8 + length + about["data_offsets"][0])
        for name, about in header.items()
        if name != "__metadata__"
    }


def _read_safetensors(
    path: Path,
    places: dict[str, tuple[str, list[int], int]],
    columns: dict[str, Column],
    names: Sequence[str],
    rows: int,
) -> Iterator[Block]:
    total = columns[names[0]].rows or 0
    used = 0  # bytes of the ids that were read
    with path.open("rb") as file:

        def read(name: str, start: int, n: int) -> np.ndarray:
            stored, shape, first = places[name]
            dtype, width = np.dtype(_SAFETENSORS[stored]), math.prod(shape[1:])
            file.seek(first + start * width * dtype.itemsize)
            return np.frombuffer(_exactly(file, n * width * dtype.itemsize), dtype).reshape(n, *shape[1:])

        for start in range(0, max(1, total), rows):
            n = min(rows, total - start)
            block: Block = {}
            for name in names:
                if columns[name].kind == "U":
                    lengths = read("ids_length", start, n)
                    text = read("ids_utf8", used, int(lengths.sum())).tobytes()
                    used += len(text)
                    block[name] = _words(text, lengths)
                    continue
                values = read(name, start, n)
                block[name] = _bfloat16(values) if places[name][0] == "BF16" else values
            yield block


def _bfloat16(bits: np.ndarray) -> Any:
    """A tensor: NumPy has no such type."""
    import torch

    return torch.from_numpy(bits).view(torch.bfloat16)


def _words(text: bytes, lengths: np.ndarray) -> np.ndarray:
    ends = np.cumsum(lengths).tolist()
    return np.array([text[a:b].decode() for a, b in zip([0, *ends], ends)], dtype=np.str_)
