"""Writing predictions, one function a format. A reader sees all of a file or none of it (`files.write_whole`)."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from levelhead.files import write_whole
from levelhead.prediction_files.store import refuse_ending

if TYPE_CHECKING:
    from levelhead.predictions import Predictions


def write(predictions: "Predictions", path: Path) -> Path:
    """Write `predictions` to `path` in the format its ending names; see `Predictions.save`."""
    ending = path.suffix.lower()
    refuse_ending(path, _FORMATS)
    contents = _FORMATS[ending](predictions)
    write_whole(path, lambda beside: beside.write_bytes(contents))
    return path


def _header(predictions: "Predictions") -> dict[str, str]:
    return {
        "role": predictions.role,
        "classes": json.dumps(predictions.classes),
        "meta": json.dumps(dict(predictions.meta)),
    }


def _to_safetensors(predictions: "Predictions") -> bytes:
    from safetensors.numpy import save

    arrays = {"labels": predictions.labels, **predictions.scores}
    if predictions.ids is not None and predictions.ids.dtype.kind == "U":
        words = [word.encode() for word in predictions.ids.tolist()]
        arrays["ids_utf8"] = np.frombuffer(b"".join(words), dtype=np.uint8)
        arrays["ids_length"] = np.array([len(word) for word in words], dtype=np.int64)
    elif predictions.ids is not None:
        arrays["ids"] = predictions.ids
    # under one key: safetensors writes several in a random order, and equal predictions should be equal files
    one = {"levelhead": json.dumps(_header(predictions))}
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, one)


def _to_npz(predictions: "Predictions") -> bytes:
    arrays: dict[str, Any] = {"labels": predictions.labels, **predictions.scores}
    if predictions.ids is not None:
        arrays["ids"] = predictions.ids
    arrays |= {name: np.array(text) for name, text in _header(predictions).items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _table(predictions: "Predictions", wide: bool) -> Any:
    import pyarrow

    columns: dict[str, Any] = {}
    if predictions.ids is not None:
        columns["id"] = pyarrow.array(predictions.ids.tolist())
    if predictions.has_labels or not wide:  # a table of text has no room for the note that the zeros mean nothing
        columns["label"] = predictions.labels
    for kind, scores in predictions.scores.items():
        for k in range(scores.shape[1]):
            column = scores[:, k]
            columns[f"{kind}_{k}"] = column.astype(np.float64) if wide else np.ascontiguousarray(column)
    return pyarrow.table(columns)


def _to_parquet(predictions: "Predictions") -> bytes:
    from pyarrow import parquet

    table = _table(predictions, wide=False).replace_schema_metadata(_header(predictions))
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


_FORMATS: dict[str, Callable[["Predictions"], bytes]] = {
    ".safetensors": _to_safetensors,
    ".npz": _to_npz,
    ".parquet": _to_parquet,
    ".csv": _to_csv,
}
