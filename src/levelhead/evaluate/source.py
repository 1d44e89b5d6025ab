"""Scores and labels of a file, a block of rows at a time: held in memory where they fit, else read anew at every pass.

Shapes: n rows of a block, C classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from levelhead.evaluate.votes import Reader, Votes, distributions
from levelhead.metrics.given import as_tensor, check_labels
from levelhead.prediction_files.contents import Opened, opened
from levelhead.prediction_files.names import LABEL, Kind, Labels, Layout, kind_of
from levelhead.prediction_files.store import Block
from levelhead.predictions import ROLES, count_bad_rows

MEMORY = 1 << 28  # bytes of scores that are held at once; a file with more is read block by block
_BLOCK = 1 << 19  # scores in a block: 2 MB in float32


@dataclass(frozen=True, eq=False)
class Rows:
    """A block: `scores` (n, C) of the source's kind, `labels` (n,) int64, `ids` (n,), and where it begins.

    `votes` (n, C) float64: the label distributions that it is judged by, where there are any; `labels` are then those
    of the file, or the classes with most votes.
    """

    scores: Tensor
    labels: Tensor
    ids: np.ndarray | None
    start: int
    votes: Tensor | None = None

    def __len__(self) -> int:
        return self.scores.shape[0]


@dataclass(eq=False)
class Source:
    """An opened file of scores. `labels` are zeros where the file needs none and has none."""

    file: Opened
    num_classes: int
    memory: int
    rows: int | None  # known after the first pass at the latest
    votes: Votes | None = None  # of another file; those of the file itself are its labels
    held: list[Rows] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    @property
    def layout(self) -> Layout:
        """Its columns."""
        return self.file.layout

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, where the file gives any."""
        return self.file.classes

    @property
    def kind(self) -> Kind:
        """Whether scores are logits or probabilities."""
        assert self.layout.kind != "top_label"
        return self.layout.kind

    @property
    def role(self) -> str:
        """The split that the file says it is, or unknown."""
        role = self.file.store.notes.get("role", "unknown")
        return role if role in ROLES else "unknown"

    @property
    def voted(self) -> bool:
        """Whether examples are judged by label distributions."""
        return self.votes is not None or self.file.votes

    @property
    def fits(self) -> bool:
        """Whether everything may be held in memory."""
        if self.rows is None:  # a table of text: its numbers take about as much as their digits
            return self.path.stat().st_size <= self.memory
        return self.rows * self.num_classes * (12 if self.voted else 4) <= self.memory

    def blocks(self) -> Iterator[Rows]:
        """All rows in order. The first pass keeps them where they fit. ValueError for wrong labels and columns."""
        if self.held is not None:
            yield from self.held
            return
        keep = self.fits
        people = Reader(self.votes) if self.votes else None
        kept, start = [], 0
        for block in self.file.store.read(self.layout.columns, self._rows_together()):
            rows = self._rows(block, start, people)
            start += len(rows)
            if keep:
                kept.append(rows)
            yield rows
        if start == 0:
            raise ValueError(f"{self.path} holds no example")
        if people:
            people.end()
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

    def _rows_together(self) -> int:
        return max(1, min(_BLOCK // self.num_classes, 1 << 16))

    def _rows(self, block: Block, start: int, people: Reader | None) -> Rows:
        scores = as_tensor(self.file.scores(block), self.kind)
        if scores.shape[1] != self.num_classes:
            raise ValueError(f"{self.path}: row {start} has {scores.shape[1]} scores, those above {self.num_classes}")
        ids = None if self.layout.ids is None else np.asarray(block[self.layout.ids])
        votes = None if people is None else people.take(len(scores), self.num_classes, ids)
        if self.file.votes:
            assert self.layout.label
            votes = distributions(self.path, np.asarray(block[self.layout.label]), self.num_classes, start)
        if self.layout.label is None or self.file.votes:
            labels = torch.zeros(len(scores), dtype=torch.int64) if votes is None else votes.argmax(1)
            return Rows(scores, labels, ids, start, votes)
        words = self.file.labels(block, start)
        try:
            labels = check_labels(words, scores)
        except ValueError as error:
            hint = ""
            if words.ndim == 1 and words.size and words.min() >= 1 and words.max() == self.num_classes:
                hint = "; if classes are counted from 1, take 1 off"
            where = f" (rows from {start} on)" if start else ""
            raise ValueError(f"{self.path}{where}: {error}{hint}") from None
        return Rows(scores, labels, ids, start, votes)


def open_source(
    path: Path,
    *,
    kind: Kind | None = None,
    scores: str | None = None,
    label: str | None = None,
    labels: Labels = "needed",
    votes: Votes | None = None,
    memory: int = MEMORY,
) -> Source:
    """Open predictions; nothing but the head of the file is read. ValueError, with the path, for what is not sound."""
    file = opened(path, kind=kind, scores=scores, label=label, labels=labels)
    store, layout = file.store, file.layout
    if file.rows == 0:
        raise ValueError(f"{path} holds no example")
    if votes is not None and (layout.kind == "top_label" or file.votes):
        why = (
            "has label distributions of its own" if file.votes else "holds only the predicted class and its confidence"
        )
        raise ValueError(f"{path} {why}: --votes has no effect on it; leave it out")
    if votes is not None and None not in (votes.rows, file.rows) and votes.rows != file.rows:
        raise ValueError(
            f"{votes.path} holds {votes.rows} rows of votes, but {path} {file.rows} examples: it needs a row for each, "
            "in the same order"
        )
    if layout.kind == "top_label":
        return Source(file, 0, memory, file.rows)
    first: Block = next(iter(store.read(layout.scores, 1)), {})
    if not first or len(first[layout.scores[0]]) == 0:
        raise ValueError(f"{path} holds no example")
    num_classes = file.scores(first).shape[1]
    if file.classes and len(file.classes) != num_classes:
        raise ValueError(f"{path}: {len(file.classes)} class names for {num_classes} columns of {layout.kind}")
    source = Source(file, num_classes, memory, file.rows, votes)
    if len(layout.scores) == 1 and store.columns[layout.scores[0]].width in (0, 1):
        what = "probability of class 1" if layout.kind == "probs" else "log-odds of class 1"
        source.notes.append(f"{layout.scores[0]} is one column: taken as the {what} of two classes.")
    if '"rows": "pixels"' in store.notes.get("meta", ""):
        source.notes.append(
            "The file says that its rows are pixels: those of one image are alike, so the intervals and tests given "
            "here, which take rows as independent, are too narrow."
        )
    source.notes += _passed_over(file)
    if store.whole:
        source.notes.append(f"The file is read as a whole, not streamed: {store.whole}.")
    return source


def _passed_over(file: Opened) -> list[str]:
    """What else in the file could have been meant, where names of ours went first."""
    columns, layout = file.store.columns, file.layout
    scores = [name for name in columns if columns[name].width != 0 and kind_of(name) and name not in layout.columns]
    labels = [name for name in columns if name.lower() in LABEL and layout.label not in (None, name)]
    return [
        f"The {what} are `{taken}`; the file also has {', '.join(others)}, to be chosen by {option}."
        for what, taken, others, option in (
            ("scores", layout.scores[0], scores, "--scores"),
            ("labels", layout.label, labels, "--label"),
        )
        if others
    ]


def log_scores(scores: Tensor, kind: Kind) -> Tensor:
    """Logits in float32 or better from scores of either kind."""
    wide = scores if scores.dtype in (torch.float32, torch.float64) else scores.float()
    return wide if kind == "logits" else wide.log()
