"""A predictions file as named columns that are read in blocks of rows, whatever its format.

| format | in blocks | as a whole |
|-|-|-|
| `.npz` | rows in C order, stored or deflated | arrays in Fortran order, whose rows lie apart |
| `.safetensors` | always | |
| `.parquet` | row groups; each is decoded in batches | |
| `.csv` | always | |

What a column means is decided elsewhere (`names.py`). Pickles are refused: opening one runs the code in it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Block = dict[str, Any]  # arrays, or tensors of a type that NumPy has not
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".npy", ".joblib")


@dataclass(frozen=True)
class Column:
    """Numpy's letter for its kind of value (f, i, u, b, U), rows (None: not known before reading), columns behind it.

    `width` is 0 for one value a row, and None where that too is known only after reading.
    """

    kind: str
    rows: int | None
    width: int | None = 0


@dataclass(frozen=True, eq=False)
class Store:
    """An opened file. `read(names, rows)` gives blocks of about `rows` rows, from the start at every call.

    `notes`: role, classes and meta as text, where the file has them. `whole`: why the file is read at once; empty where
    it streams. `own`: what labels and ids are called in files of ours. `typed`: whether the format tells numbers from
    text.
    """

    path: Path
    columns: Mapping[str, Column]
    read: Callable[[Sequence[str], int], Iterator[Block]]
    notes: Mapping[str, str] = field(default_factory=dict)
    whole: str = ""
    own: tuple[str, str] = ("labels", "ids")
    typed: bool = True


def open_store(path: Path) -> Store:
    """Open a file by its ending. ValueError, with the path: missing, cut short, another format, or a pickle."""
    from levelhead.prediction_files.arrays import open_npz, open_safetensors
    from levelhead.prediction_files.tables import open_csv, open_parquet

    formats = {".safetensors": open_safetensors, ".npz": open_npz, ".parquet": open_parquet, ".csv": open_csv}
    refuse_ending(path, formats)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    return formats[path.suffix.lower()](path)


def refuse_ending(path: Path, formats: Iterable[str]) -> None:
    """ValueError for a path whose ending is none of the formats'."""
    ending = path.suffix.lower()
    if ending in _PICKLES:
        raise ValueError(
            f"{path}: {ending} files may hold pickles, which run code when opened, so they are neither read nor "
            "written; save arrays instead: numpy.savez('preds.npz', logits=..., labels=...)"
        )
    if ending not in formats:
        raise ValueError(f"{path}: predictions are {', '.join(formats)} files, not {ending or 'without an ending'!r}")


def unreadable(path: Path, kind: str, error: object) -> ValueError:
    """The ValueError for a file that is not what its ending says, or not all of it."""
    return ValueError(f"{path}: not a complete {kind} file (cut short, or another format?): {error}")
