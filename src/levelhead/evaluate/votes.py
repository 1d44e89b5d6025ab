"""Label distributions beside a file of scores: how people voted on each of its examples, read in step with it.

A row is a distribution over the classes, or counts of votes: whole numbers, which are divided by their sum. Files:
`.npy`, or one that predictions may be in, with one array (N, C), a column of lists, or a column a class.

Shapes: n rows of a block, N of the file, C classes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from levelhead.prediction_files.arrays import open_npy
from levelhead.prediction_files.names import IDS
from levelhead.prediction_files.store import Store, open_store

_NAMES = ("votes", "labels", "label", "counts")  # of several arrays the first of these
_ROWS, _BLOCK = 1 << 16, 1 << 19  # rows, and numbers, read at once


@dataclass(frozen=True, eq=False)
class Votes:
    """An opened file of votes: one wide column or one a class, and perhaps ids. `rows` None: known after reading."""

    store: Store
    columns: tuple[str, ...]
    ids: str | None

    @property
    def path(self) -> Path:
        """The file."""
        return self.store.path

    @property
    def rows(self) -> int | None:
        """N, where the head of the file tells."""
        return self.store.columns[self.columns[0]].rows


def open_votes(path: Path) -> Votes:
    """Open a file of votes. ValueError, with the path, where it is unclear what in it they are."""
    if path.suffix.lower() == ".npy":
        if not path.is_file():
            raise ValueError(f"{path}: there is no such file")
        store = open_npy(path, "votes")
    else:
        store = open_store(path)
    ids = next((name for name in store.columns if name.lower() in IDS), None)
    numbers = {name: column for name, column in store.columns.items() if column.kind in "fiu" and name != ids}
    wide = [name for name, column in numbers.items() if column.width not in (0, 1)]
    if wide:
        named = [name for known in _NAMES for name in wide if name.lower() == known]
        if len(wide) > 1 and not named:
            raise ValueError(f"{path} holds {' and '.join(wide)}: call the votes `votes`")
        return Votes(store, ((named or wide)[0],), ids)
    flat = [name for name in numbers if name.lower() not in ("label", "labels", "role")]
    if len(flat) < 2:
        held = ", ".join(store.columns) or "nothing"
        raise ValueError(
            f"{path} needs votes: an array (N, C) with a number for each class, or a column a class, but holds {held}"
        )
    return Votes(store, tuple(flat), ids)


class Reader:
    """The votes from the start, so many rows at a time."""

    def __init__(self, votes: Votes) -> None:
        self._votes = votes
        names = [*votes.columns, *([votes.ids] if votes.ids else [])]
        width = votes.store.columns[votes.columns[0]].width or len(votes.columns)
        self._blocks = votes.store.read(names, max(1, min(_ROWS, _BLOCK // width)))
        self._values, self._ids = np.zeros((0, 0)), np.zeros(0)
        self.start = 0

    def take(self, n: int, num_classes: int, ids: np.ndarray | None) -> Tensor:
        """The next n rows as distributions (n, C), float64. ValueError where there are none, and for other ids."""
        while len(self._values) < n:
            block: Any = next(self._blocks, None)
            if block is None:
                raise ValueError(
                    f"{self._votes.path} holds {self.start + len(self._values)} rows of votes, and the predictions "
                    "hold more examples: it needs a row for each, in the same order"
                )
            values = [np.asarray(block[name]) for name in self._votes.columns]
            found = values[0] if len(values) == 1 else np.stack(values, axis=1)
            self._values = np.concatenate([self._values, found]) if len(self._values) else found
            if self._votes.ids:
                named = np.asarray(block[self._votes.ids])
                self._ids = np.concatenate([self._ids, named]) if len(self._ids) else named
        rows, self._values = self._values[:n], self._values[n:]
        names, self._ids = self._ids[:n], self._ids[n:]
        if self._votes.ids and ids is not None and not np.array_equal(names.astype(str), ids.astype(str)):
            first = self.start + int((names.astype(str) != ids.astype(str)).argmax())
            raise ValueError(
                f"{self._votes.path} names other examples than the predictions, or in another order: the first is row "
                f"{first}"
            )
        self.start += n
        return distributions(self._votes.path, rows, num_classes, self.start - n)

    def end(self) -> None:
        """ValueError where there are more votes than were taken."""
        more = len(self._values) + sum(len(next(iter(block.values()))) for block in self._blocks)
        if more:
            raise ValueError(
                f"{self._votes.path} holds {self.start + more} rows of votes for {self.start} examples: it needs a row "
                "for each, in the same order"
            )


def distributions(path: Path, rows: np.ndarray, num_classes: int, start: int) -> Tensor:
    """(n, C) float64: votes as they are where they sum to one, counts divided by their sum; `start`: the first row.

    ValueError for another number of classes, for negative numbers, NaN and infinity, a row without a vote, and
    fractions that do not sum to one.
    """
    if rows.ndim != 2 or rows.shape[1] != num_classes:
        shape = f"(N, {', '.join(map(str, rows.shape[1:]))})" if rows.ndim > 1 else "(N,)"
        raise ValueError(
            f"{path}: votes need a number for each of {num_classes} classes, (N, {num_classes}), not {shape}"
        )
    wide = rows.astype(np.float64)
    total = wide.sum(1, keepdims=True)
    fractions = (wide != np.floor(wide)).any(1)
    with np.errstate(invalid="ignore"):
        for why, bad in (
            ("hold NaN or infinity", ~np.isfinite(wide).all(1)),
            ("hold a negative number", (wide < 0).any(1)),
            ("hold no vote at all", total[:, 0] == 0),
            ("are fractions that do not sum to one within 0.001", fractions & ~(np.abs(total[:, 0] - 1) <= 1e-3)),
        ):
            if bad.any():
                first = int(bad.argmax())
                raise ValueError(
                    f"{path}: votes of {int(bad.sum())} rows {why}, the first is row {start + first} (count from 0): "
                    f"{wide[first, :5].tolist()}"
                )
    return torch.from_numpy(wide / total)
