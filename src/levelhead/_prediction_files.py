"""How predictions lie on disk, one pair of functions a format; `predictions.py` checks what is read.

| format | arrays | ids | role, class names, meta |
|-|-|-|-|
| `.safetensors` | `logits` or `probs`, `labels` | `ids`, or `ids_utf8` + `ids_length` for strings | header |
| `.npz` | the same names | `ids` | `role`, `classes`, `meta` (JSON) |
| `.parquet` | columns `logits_0`... or `probs_0`..., `label` | column `id` | schema metadata |
| `.csv` | the same columns, float64 in full | column `id` | role as a column; the rest is not kept |

Files are written beside their place, flushed to disk, and renamed: a reader sees all of a file or none of it.
"""

import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from levelhead.predictions import Predictions

_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".npy", ".joblib")


def write(predictions: "Predictions", path: Path) -> Path:
    """Write `predictions` to `path` in the format its ending names; see `Predictions.save`."""
    to_bytes = _format(path)[0]
    write_whole(path, to_bytes(predictions))
    return path


def read(path: Path) -> dict[str, Any]:
    """The keyword arguments of `Predictions` that the file at `path` holds; see `Predictions.load`."""
    from_file = _format(path)[1]
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    return from_file(path)


def write_whole(path: Path, contents: bytes) -> None:
    """Put `contents` at `path`, all of it or nothing: a temporary file beside it, flushed, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes it private; a result file is not
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _format(path: Path) -> tuple[Callable[["Predictions"], bytes], Callable[[Path], dict[str, Any]]]:
    ending = path.suffix.lower()
    if ending in _PICKLES:
        raise ValueError(
            f"{path}: {ending} files may hold pickles, which run code when opened, so they are neither "
            "read nor written; save arrays instead: numpy.savez('x.npz', logits=..., labels=...)"
        )
    if ending not in _FORMATS:
        raise ValueError(f"{path}: predictions are {', '.join(_FORMATS)} files, not {ending or 'without an ending'!r}")
    return _FORMATS[ending]


def _unreadable(path: Path, kind: str, error: Exception) -> ValueError:
    return ValueError(f"{path}: not a complete {kind} file (cut short, or another format?): {error}")


def _wanted(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    """`found` if it has labels and scores, else a ValueError that lists what the file has."""
    if "labels" not in found or not ("logits" in found or "probs" in found):
        raise ValueError(
            f"{path}: needs `labels` and one of `logits` and `probs`, but holds {', '.join(sorted(found)) or 'nothing'}"
        )
    return found


# ---- .safetensors ------------------------------------------------------------------------------------------


def _to_safetensors(predictions: "Predictions") -> bytes:
    from safetensors.numpy import save

    arrays = {"labels": predictions.labels, **predictions.scores}
    if predictions.ids is not None and predictions.ids.dtype.kind == "U":
        words = [word.encode() for word in predictions.ids.tolist()]
        arrays["ids_utf8"] = np.frombuffer(b"".join(words), dtype=np.uint8)
        arrays["ids_length"] = np.array([len(word) for word in words], dtype=np.int64)
    elif predictions.ids is not None:
        arrays["ids"] = predictions.ids
    header = {
        "role": predictions.role,
        "classes": json.dumps(predictions.classes),
        "meta": json.dumps(dict(predictions.meta)),
    }
    # under one key: safetensors writes several in a random order, and equal predictions should be equal files
    one = {"levelhead": json.dumps(header)}
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, one)


def _from_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            header = file.metadata() or {}
        header = json.loads(header["levelhead"]) if "levelhead" in header else header
    except json.JSONDecodeError as error:
        raise _unreadable(path, "safetensors", error) from None
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        raise _unreadable(path, "safetensors", error) from None
    if "ids_utf8" in arrays and "ids_length" in arrays:
        text, ends = arrays.pop("ids_utf8").tobytes(), np.cumsum(arrays.pop("ids_length"))
        starts = [0, *ends[:-1].tolist()]
        arrays["ids"] = np.array([text[a:b].decode() for a, b in zip(starts, ends.tolist())], dtype=np.str_)
    return _described(path, arrays, header)


def _described(path: Path, arrays: dict[str, Any], header: dict[str, str]) -> dict[str, Any]:
    """The arrays that predictions have, with role, class names and meta out of a header of strings."""
    names = ("labels", "logits", "probs", "ids")
    found: dict[str, Any] = {name: arrays[name] for name in names if name in arrays}
    if "labels" not in found or len(found) < 2:
        _wanted(path, arrays)
    try:
        classes, meta = json.loads(header.get("classes", "[]")), json.loads(header.get("meta", "{}"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: class names or meta are not JSON: {error}") from None
    return {
        **_wanted(path, found),
        "role": header.get("role", "unknown"),
        "classes": tuple(classes),
        "meta": meta,
    }


# ---- .npz --------------------------------------------------------------------------------------------------


def _to_npz(predictions: "Predictions") -> bytes:
    arrays: dict[str, Any] = {"labels": predictions.labels, **predictions.scores}
    if predictions.ids is not None:
        arrays["ids"] = predictions.ids
    arrays["role"] = np.array(predictions.role)
    arrays["classes"] = np.array(json.dumps(predictions.classes))
    arrays["meta"] = np.array(json.dumps(dict(predictions.meta)))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _from_npz(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as opened:  # opened here, because NumPy leaves it open when it fails
            file = np.load(opened, allow_pickle=False)
            if not hasattr(file, "files"):
                raise ValueError("this is one array, not an archive of several")
            arrays = {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, KeyError) as error:
        raise _unreadable(path, "npz", error) from None
    header = {name: str(arrays.pop(name)) for name in ("role", "meta") if name in arrays}
    if "classes" in arrays:
        classes = arrays.pop("classes")  # our JSON, or somebody's plain array of names
        header["classes"] = str(classes) if classes.ndim == 0 else json.dumps([str(c) for c in classes])
    return _described(path, arrays, header)


# ---- .parquet and .csv -------------------------------------------------------------------------------------


def _table(predictions: "Predictions", wide: bool) -> Any:
    import pyarrow

    columns: dict[str, Any] = {}
    if predictions.ids is not None:
        columns["id"] = pyarrow.array(predictions.ids.tolist())
    columns["label"] = predictions.labels
    for kind, scores in predictions.scores.items():
        for k in range(scores.shape[1]):
            column = scores[:, k]
            columns[f"{kind}_{k}"] = column.astype(np.float64) if wide else np.ascontiguousarray(column)
    return pyarrow.table(columns)


def _to_parquet(predictions: "Predictions") -> bytes:
    from pyarrow import parquet

    table = _table(predictions, wide=False).replace_schema_metadata(
        {
            "role": predictions.role,
            "classes": json.dumps(predictions.classes),
            "meta": json.dumps(dict(predictions.meta)),
        }
    )
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def _to_csv(predictions: "Predictions") -> bytes:
    import pyarrow
    from pyarrow import csv

    table = _table(predictions, wide=True)
    if predictions.role != "unknown":
        table = table.append_column("role", pyarrow.array([predictions.role] * predictions.num_examples, "string"))
    buffer = io.BytesIO()
    csv.write_csv(table, buffer)
    return buffer.getvalue()


def _from_parquet(path: Path) -> dict[str, Any]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(path, "parquet", error) from None
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items() if not k.startswith(b"ARROW")}
    return _described(
        path, _columns(path, table), {k: metadata[k] for k in ("role", "classes", "meta") if k in metadata}
    )


def _from_csv(path: Path) -> dict[str, Any]:
    import pyarrow
    from pyarrow import csv

    # ids are read as text, so that 007 stays 007; null words are left alone, so that NaN arrives as NaN
    convert = csv.ConvertOptions(column_types={"id": "string", "role": "string"}, null_values=[""])
    try:
        table = csv.read_csv(path, convert_options=convert)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(path, "csv", error) from None
    arrays = _columns(path, table)
    if "ids" in arrays and all(_is_int64(word) for word in arrays["ids"]):
        arrays["ids"] = arrays["ids"].astype(np.int64)
    roles = set(table.column("role").to_pylist()) if "role" in table.column_names else set()
    if len(roles) > 1:
        raise ValueError(f"{path}: rows have several roles ({', '.join(sorted(map(str, roles)))}); keep one a file")
    return _described(path, arrays, {"role": str(roles.pop())} if roles else {})


def _is_int64(word: str) -> bool:
    return bool(_PLAIN_INTEGER.fullmatch(word)) and -(2**63) <= int(word) < 2**63


def _columns(path: Path, table: Any) -> dict[str, Any]:
    """Arrays out of columns `label`, `id`, and `logits_0`... or `probs_0`... in any order."""
    arrays: dict[str, Any] = {}
    names = table.column_names
    if "label" in names:
        arrays["labels"] = _numbers(path, table, "label")
    if "id" in names:
        arrays["ids"] = np.asarray(table.column("id").to_pylist())
    for kind in ("logits", "probs"):
        numbered = [n for n in names if n.startswith(f"{kind}_")]
        if not numbered:
            continue
        wanted = [f"{kind}_{k}" for k in range(len(numbered))]
        missing = [n for n in wanted if n not in names]
        if missing:
            raise ValueError(f"{path}: {len(numbered)} columns {kind}_K, but {missing[0]} is missing (count from 0)")
        arrays[kind] = np.stack([_numbers(path, table, n) for n in wanted], axis=1)
    if not arrays:
        raise ValueError(f"{path}: needs columns `label` and `logits_0`... or `probs_0`..., but has {', '.join(names)}")
    return arrays


def _numbers(path: Path, table: Any, name: str) -> np.ndarray:
    column = table.column(name)
    if column.null_count:
        raise ValueError(f"{path}: column {name} has {column.null_count} empty cells")
    values = column.to_numpy()
    if values.dtype.kind not in "fiu":
        raise ValueError(f"{path}: column {name} must hold numbers, its first value is {values[0]!r}")
    return values


_FORMATS: dict[str, tuple[Callable[["Predictions"], bytes], Callable[[Path], dict[str, Any]]]] = {
    ".safetensors": (_to_safetensors, _from_safetensors),
    ".npz": (_to_npz, _from_npz),
    ".parquet": (_to_parquet, _from_parquet),
    ".csv": (_to_csv, _from_csv),
}
