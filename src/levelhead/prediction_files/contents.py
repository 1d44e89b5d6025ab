"""What the columns of a file say: scores, labels, class names and notes, of a block of rows or of the whole file.

Shapes: n rows of a block, N of the file, C classes.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.prediction_files.names import Kind, Labels, Layout, find
from levelhead.prediction_files.store import Block, Store, open_store

_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")


@dataclass(frozen=True, eq=False)
class Opened:
    """A file of predictions of which nothing but the head was read; `rows` is None where only reading tells."""

    store: Store
    layout: Layout
    classes: tuple[str, ...]
    meta: dict[str, str]
    rows: int | None

    @property
    def path(self) -> Path:
        """The file."""
        return self.store.path

    @property
    def votes(self) -> bool:
        """Whether its labels are rows of numbers, one a class, instead of one class a row."""
        label = self.layout.label
        return label is not None and self.store.columns[label].width not in (0, 1)

    def scores(self, block: Block) -> Any:
        """(n, C) of floating type: a tensor where NumPy has not the type, else an array."""
        return stacked(self.path, self.layout, block)

    def labels(self, block: Block, start: int) -> np.ndarray:
        """(n,) integers, of a block whose first row is `start`."""
        assert self.layout.label
        return whole_numbers(self.path, block[self.layout.label], self.classes, start)


def opened(
    path: Path,
    *,
    kind: Kind | None = None,
    scores: str | None = None,
    label: str | None = None,
    labels: Labels = "needed",
) -> Opened:
    """Open predictions. ValueError, with the path, for what is not sound as far as the head of the file tells."""
    store = open_store(path)
    layout = find(store, kind, scores, label, labels)
    lengths = {store.columns[name].rows for name in layout.columns} - {None}
    if len(lengths) > 1:
        named = (layout.confidence, layout.predicted, *layout.scores[:1], layout.label, layout.ids)
        held = ", ".join(f"{name} {store.columns[name].rows}" for name in named if name)
        raise ValueError(f"{path}: arrays differ in their number of rows: {held}")
    names = layout.classes or tuple(str(name) for name in _from_json(store, "classes", list))
    meta = {str(key): str(value) for key, value in _from_json(store, "meta", dict).items()}
    return Opened(store, layout, names, meta, lengths.pop() if lengths else None)


def read(
    path: Path, *, kind: Kind | None = None, scores: str | None = None, label: str | None = None
) -> dict[str, Any]:
    """The keyword arguments of `Predictions` that the file at `path` holds; see `Predictions.load`."""
    found = opened(path, kind=kind, scores=scores, label=label)
    if found.votes:
        raise ValueError(
            f"{path}: labels must have shape (N,), one class a row, but hold a number for each class: `levelhead "
            "evaluate` reads such votes; of one-hot rows give labels.argmax(1)"
        )
    if found.layout.kind == "top_label":
        raise ValueError(
            f"{path} needs `logits` or `probs`: it holds only the predicted class and its confidence, which "
            "`levelhead evaluate` reads"
        )
    parts: dict[str, list[Any]] = {"scores": [], "labels": [], "ids": []}
    start = 0
    for block in found.store.read(found.layout.columns, max(1, found.rows or 1 << 16)):
        parts["scores"].append(_array(found.scores(block)))
        parts["labels"].append(found.labels(block, start))
        if found.layout.ids:
            parts["ids"].append(np.asarray(block[found.layout.ids]))
        start += len(parts["labels"][-1])
    if not parts["labels"]:
        raise ValueError(f"{path} holds no example")
    whole = {
        name: several[0] if len(several) == 1 else np.concatenate(several) for name, several in parts.items() if several
    }
    whole = {name: array if array.flags.writeable else array.copy() for name, array in whole.items()}
    if not found.store.typed and "ids" in whole and all(map(_is_int64, whole["ids"].tolist())):
        whole["ids"] = whole["ids"].astype(np.int64)
    return {
        found.layout.kind: whole.pop("scores"),
        **whole,
        "role": found.store.notes.get("role", "unknown"),
        "classes": found.classes,
        "meta": found.meta,
    }


def _array(scores: Any) -> np.ndarray:
    return scores if isinstance(scores, np.ndarray) else scores.float().numpy()


def _is_int64(word: str) -> bool:
    return bool(_PLAIN_INTEGER.fullmatch(word)) and -(2**63) <= int(word) < 2**63


def _from_json(store: Store, name: str, kind: type) -> Any:
    if name not in store.notes:
        return kind()
    try:
        value = json.loads(store.notes[name])
    except json.JSONDecodeError as error:
        raise ValueError(f"{store.path}: {_NOTED[name]} are not JSON: {error}") from None
    if not isinstance(value, kind):
        raise ValueError(f"{store.path}: {_NOTED[name]} must be a JSON {kind.__name__}, not {type(value).__name__}")
    return value


_NOTED = {"classes": "the class names", "meta": "the words in `meta`"}


def stacked(path: Path, layout: Layout, block: Block) -> Any:
    """A block's scores as (n, C), an array or a tensor; one column is that of class 1 of two."""
    if len(layout.scores) > 1:
        columns = [np.asarray(block[name]) for name in layout.scores]
        return _floating(np.stack(columns, axis=1, dtype=np.result_type(*columns)))
    values = block[layout.scores[0]]
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
        own = _floating(_array(values).reshape(-1))
        other = 1 - own if layout.kind == "probs" else np.zeros_like(own)
        return np.stack([other, own], axis=1)
    if values.ndim != 2:
        raise ValueError(
            f"{path}: {layout.scores[0]} must have shape (N, C), a row an example and a column a class, but has "
            f"{values.ndim} dimensions; a segmentation is brought there with .reshape(-1, C), a row a pixel"
        )
    return _floating(values) if isinstance(values, np.ndarray) else values


def _floating(values: np.ndarray) -> np.ndarray:
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def whole_numbers(path: Path, values: Any, classes: tuple[str, ...], start: int) -> np.ndarray:
    """Labels as integers: numbers, their digits, or names of `classes`."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{path}: labels must have shape (N,), one class a row, but a row has {array[0].size if len(array) else 0} "
            "numbers; of one-hot rows give labels.argmax(1)"
        )
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind == "b":
        return array.astype(np.int64)
    if array.dtype.kind == "U":
        place = {name: index for index, name in enumerate(classes)}
        if len(array) and array[0] in place:
            strange = [word for word in array.tolist() if word not in place]
            if strange:
                raise ValueError(f"{path}: the label {strange[0]!r} is none of the classes {', '.join(classes[:10])}")
            return np.array([place[word] for word in array.tolist()], dtype=np.int64)
        try:
            array = array.astype(np.float64)
        except ValueError:
            word = next(word for word in array.tolist() if not _is_number(word))
            fix = (
                f"classes are called {', '.join(classes[:10])}"
                if classes
                else "give integers, or name the columns of scores after the classes (probs_cat, probs_dog)"
            )
            raise ValueError(f"{path}: the label {word!r} is a word that no class has as its name: {fix}") from None
    if array.dtype.kind == "f":
        odd = ~(array == np.floor(array)) | np.isinf(array)
        if odd.any():
            first = int(odd.argmax())
            raise ValueError(
                f"{path}: labels must be whole numbers, but {int(odd.sum())} are not, the first is {array[first]:g} in "
                f"row {start + first}"
            )
        return array.astype(np.int64)
    raise ValueError(f"{path}: labels must be integers, got dtype {array.dtype}")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
