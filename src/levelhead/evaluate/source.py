"""Scores and labels of a file, a block of rows at a time: held in memory where they fit, else read anew at every pass.

Shapes: n rows of a block, C classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from levelhead.evaluate.names import Kind, Layout, find
from levelhead.evaluate.store import Block, Store, open_store
from levelhead.metrics.given import as_tensor, check_labels
from levelhead.predictions import ROLES, count_bad_rows

MEMORY = 1 << 28  # bytes of scores that are held at once; a file with more is read block by block
_BLOCK = 1 << 19  # scores in a block: 2 MB in float32


@dataclass(frozen=True, eq=False)
class Rows:
    """A block: `scores` (n, C) of the source's kind, `labels` (n,) int64, `ids` (n,), and where it begins."""

    scores: Tensor
    labels: Tensor
    ids: np.ndarray | None
    start: int

    def __len__(self) -> int:
        return self.scores.shape[0]


@dataclass(eq=False)
class Source:
    """An opened file of scores. `labels` are zeros where the file needs none and has none."""

    store: Store
    layout: Layout
    num_classes: int
    classes: tuple[str, ...]
    memory: int
    rows: int | None  # known after the first pass at the latest
    held: list[Rows] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The file."""
        return self.store.path

    @property
    def kind(self) -> Kind:
        """Whether scores are logits or probabilities."""
        assert self.layout.kind != "top_label"
        return self.layout.kind

    @property
    def role(self) -> str:
        """The split that the file says it is, or unknown."""
        role = self.store.notes.get("role", "unknown")
        return role if role in ROLES else "unknown"

    def blocks(self) -> Iterator[Rows]:
        """All rows in order. The first pass keeps them where they fit. ValueError for wrong labels and columns."""
        if self.held is not None:
            yield from self.held
            return
        keep = self._fits()
        kept, start = [], 0
        for block in self.store.read(self._names(), self._rows_together()):
            rows = self._rows(block, start)
            start += len(rows)
            if keep:
                kept.append(rows)
            yield rows
        if start == 0:
            raise ValueError(f"{self.path} holds no example")
        self.rows = start
        if keep:
            self.held = kept

    def logits(self) -> Iterator[tuple[Tensor, Rows]]:
        """Each block's logits, or the logarithm of its probabilities, which is as good: both give the same softmax."""
        for rows in self.blocks():
            yield log_scores(rows.scores, self.kind), rows

    def refuse(self, reason: ValueError) -> ValueError:
        """The error for scores that no measure takes, with count and first row of the whole file."""
        if self.layout.kind == "top_label":
            return ValueError(f"{self.path}: {reason}")
        total = 0
        found: dict[str, tuple[int, int]] = {}
        for rows in self.blocks():
            for why, count, first in count_bad_rows(rows.scores.float().numpy(), self.kind):
                seen, place = found.get(why, (0, rows.start + first))
                found[why] = (seen + count, place)
            total += len(rows)
        for why, (count, first) in found.items():
            return ValueError(f"{self.path}: {self.kind} of {count} of {total} rows {why}, the first is row {first}")
        return ValueError(f"{self.path}: {reason}")

    def _fits(self) -> bool:
        if self.rows is None:  # a table of text: its numbers take about as much as their digits
            return self.path.stat().st_size <= self.memory
        return self.rows * self.num_classes * 4 <= self.memory

    def _rows_together(self) -> int:
        return max(1, min(_BLOCK // self.num_classes, 1 << 16))

    def _names(self) -> list[str]:
        return [*self.layout.scores, *(name for name in (self.layout.label, self.layout.ids) if name)]

    def _rows(self, block: Block, start: int) -> Rows:
        scores = stacked(self.path, self.layout, block)
        if scores.shape[1] != self.num_classes:
            raise ValueError(f"{self.path}: row {start} has {scores.shape[1]} scores, those above {self.num_classes}")
        ids = None if self.layout.ids is None else np.asarray(block[self.layout.ids])
        if self.layout.label is None:
            return Rows(scores, torch.zeros(len(scores), dtype=torch.int64), ids, start)
        words = whole_numbers(self.path, block[self.layout.label], self.classes, start)
        try:
            labels = check_labels(words, scores)
        except ValueError as error:
            hint = ""
            if words.ndim == 1 and words.size and words.min() >= 1 and words.max() == self.num_classes:
                hint = "; if classes are counted from 1, take 1 off"
            where = f" (rows from {start} on)" if start else ""
            raise ValueError(f"{self.path}{where}: {error}{hint}") from None
        return Rows(scores, labels, ids, start)


def open_source(
    path: Path,
    *,
    kind: Kind | None = None,
    scores: str | None = None,
    label: str | None = None,
    needs_label: bool = True,
    memory: int = MEMORY,
) -> Source:
    """Open predictions; nothing but the head of the file is read. ValueError, with the path, for what is not sound."""
    store = open_store(path)
    layout = find(store, kind, scores, label, needs_label)
    lengths = {store.columns[name].rows for name in (*layout.scores, layout.label, layout.ids) if name} - {None}
    if len(lengths) > 1:
        held = ", ".join(
            f"{name} {store.columns[name].rows}" for name in (*layout.scores[:1], layout.label, layout.ids) if name
        )
        raise ValueError(f"{path}: arrays differ in their number of rows: {held}")
    rows = lengths.pop() if lengths else None
    if rows == 0:
        raise ValueError(f"{path} holds no example")
    classes = _class_names(store, layout)
    if layout.kind == "top_label":
        return Source(store, layout, 0, classes, memory, rows)
    first: Block = next(iter(store.read(layout.scores, 1)), {})
    if not first or len(first[layout.scores[0]]) == 0:
        raise ValueError(f"{path} holds no example")
    num_classes = stacked(path, layout, first).shape[1]
    if classes and len(classes) != num_classes:
        raise ValueError(f"{path}: {len(classes)} class names for {num_classes} columns of {layout.kind}")
    source = Source(store, layout, num_classes, classes, memory, rows)
    if len(layout.scores) == 1 and store.columns[layout.scores[0]].width in (0, 1):
        what = "probability of class 1" if layout.kind == "probs" else "log-odds of class 1"
        source.notes.append(f"{layout.scores[0]} is one column: taken as the {what} of two classes.")
    if '"rows": "pixels"' in store.notes.get("meta", ""):
        source.notes.append(
            "The file says that its rows are pixels: those of one image are alike, so the intervals and tests given "
            "here, which take rows as independent, are too narrow."
        )
    if store.whole:
        source.notes.append(f"The file is read as a whole, not streamed: {store.whole}.")
    return source


def stacked(path: Path, layout: Layout, block: Block) -> Tensor:
    """A block's scores as (n, C); one column is that of class 1 of two."""
    if len(layout.scores) > 1:
        columns = [np.asarray(block[name]) for name in layout.scores]
        return as_tensor(np.stack(columns, axis=1, dtype=np.result_type(*columns)), layout.kind)
    values = as_tensor(block[layout.scores[0]], layout.kind)
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
        own = values.flatten()
        own = own if own.is_floating_point() else own.double()
        other = 1 - own if layout.kind == "probs" else torch.zeros_like(own)
        return torch.stack([other, own], 1)
    if values.ndim != 2:
        raise ValueError(
            f"{path}: {layout.scores[0]} must have shape (N, C), a row an example and a column a class, but has "
            f"{values.ndim} dimensions; a segmentation is brought there with .reshape(-1, C), a row a pixel"
        )
    return values if values.is_floating_point() else values.double()


def log_scores(scores: Tensor, kind: Kind) -> Tensor:
    """Logits in float32 or better from scores of either kind."""
    wide = scores if scores.dtype in (torch.float32, torch.float64) else scores.float()
    return wide if kind == "logits" else wide.log()


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


def _class_names(store: Store, layout: Layout) -> tuple[str, ...]:
    import json

    if layout.classes:
        return layout.classes
    try:
        names = json.loads(store.notes.get("classes", "[]"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{store.path}: the class names are not JSON: {error}") from None
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
