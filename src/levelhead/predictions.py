"""Predictions: what a model said about examples whose labels are known, as a file that anything can read.

This is the border of the house. Training ends by writing one of these; calibration, measures, plots and
reports start from one, so they work on the output of any model of any framework. Scores are logits or
probabilities, and the record says which; nobody guesses. Files: `.safetensors`, `.npz`, `.parquet`, `.csv`
(`_prediction_files.py` says how).

Shapes: N examples, C classes.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

ROLES = ("train", "val", "cal", "test", "unknown")
SUM_TOLERANCE = 1e-3  # how far a row of probabilities may be from summing to one, as everywhere in levelhead
_BLOCK = 1 << 20  # scores looked at together, so that checking a large array needs little memory


@dataclass(frozen=True, eq=False)
class Predictions:
    """Scores of N examples over C classes with labels: exactly one of `logits` and `probs`.

    `labels` (N,) integers in [0, C). `logits` (N, C): any numbers but NaN and plus infinity; minus infinity
    rules a class out, not all of a row. `probs` (N, C): rows of non-negative numbers that sum to one within
    1e-3. `ids` (N,) integers or strings that name the examples, so that models can be compared example by
    example. `role` says which split this is: train, val, cal, test or unknown. `classes`: their names.
    `meta`: where it came from, strings.

    Arrays are taken as they are, tensors are brought to NumPy (bfloat16 as float32). Raises ValueError where
    the above does not hold.

    >>> probs = np.array([[0.9, 0.1], [0.4, 0.6]])
    >>> predictions = Predictions(labels=np.array([0, 1]), probs=probs, role="test")
    >>> predictions.num_examples, predictions.num_classes, list(predictions.scores)
    (2, 2, ['probs'])
    """

    labels: np.ndarray
    logits: np.ndarray | None = None
    probs: np.ndarray | None = None
    ids: np.ndarray | None = None
    role: str = "unknown"
    classes: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.logits is None) == (self.probs is None):
            came = "both" if self.logits is not None else "neither"
            raise ValueError(f"predictions need exactly one of logits and probs, got {came}")
        kind = "logits" if self.probs is None else "probs"
        scores = _scores(self.logits if self.probs is None else self.probs, kind)
        rows, columns = scores.shape
        self._set(kind, scores)
        self._set("labels", _labels(self.labels, rows, columns))
        self._set("ids", None if self.ids is None else _ids(self.ids, rows))
        if self.role not in ROLES:
            raise ValueError(f"role must be one of {', '.join(ROLES)}, got {self.role!r}")
        self._set("classes", tuple(str(name) for name in self.classes))
        if self.classes and len(self.classes) != columns:
            raise ValueError(f"{len(self.classes)} class names were given for {columns} columns of {kind}")
        self._set("meta", MappingProxyType({str(k): str(v) for k, v in self.meta.items()}))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """`{"logits": ...}` or `{"probs": ...}`: to be splatted into a measure together with `labels`."""
        if self.logits is not None:
            return {"logits": self.logits}
        assert self.probs is not None
        return {"probs": self.probs}

    @property
    def num_examples(self) -> int:
        """N."""
        return int(self.labels.shape[0])

    @property
    def num_classes(self) -> int:
        """C."""
        return int(next(iter(self.scores.values())).shape[1])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to `path`, in the format its ending names, whole or not at all. Returns the path.

        Raises ValueError for an ending that is not supported; pickles (`.pkl`, `.pt`, `.pth`) are not.
        """
        from levelhead._prediction_files import write

        return write(self, Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Predictions":
        """Read what `save`, or anybody else who keeps to the layout, wrote.

        Raises ValueError, with the path, for a file that is missing, cut short, in another format, or whose
        contents are not predictions.
        """
        from levelhead._prediction_files import read

        path = Path(path)
        contents = read(path)
        try:
            return cls(**contents)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _to_numpy(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):  # a tensor, without importing torch to ask
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":
            values = values.float()
        return values.numpy()
    return np.asarray(values)


_Checks = tuple[tuple[str, Callable[[np.ndarray], Any]], ...]


def _scores(values: Any, kind: str) -> np.ndarray:
    scores = _to_numpy(values)
    if scores.dtype.kind not in "fiu":
        raise ValueError(f"{kind} must be numbers, got dtype {scores.dtype}")
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise ValueError(
            f"{kind} must have shape (N, C), one row an example and one column for each of C >= 2 classes, "
            f"got {scores.shape}"
        )
    if scores.dtype.kind != "f":
        scores = scores.astype(np.float64)
    for reason, count, first in count_bad_rows(scores, kind):
        raise ValueError(f"{kind} of {count} of {len(scores)} rows {reason}, the first is row {first}")
    return scores


def _count_rows(scores: np.ndarray, is_bad: Callable[[np.ndarray], Any]) -> tuple[int, int]:
    step = max(1, _BLOCK // scores.shape[1])
    count, first = 0, -1
    for start in range(0, len(scores), step):
        bad = is_bad(scores[start : start + step])
        if first < 0 and np.any(bad):
            first = start + int(bad.argmax())
        count += int(bad.sum())
    return count, first


def count_bad_rows(scores: np.ndarray, kind: str) -> list[tuple[str, int, int]]:
    """What is wrong with (N, C) `scores` of a kind: each reason with the number of such rows and the first of them."""
    checks = _LOGITS_CHECKS if kind == "logits" else _PROBS_CHECKS
    counted = ((reason, *_count_rows(scores, is_bad)) for reason, is_bad in checks)
    return [(reason, count, first) for reason, count, first in counted if count]


_LOGITS_CHECKS: _Checks = (
    ("hold NaN", lambda b: np.isnan(b).any(1)),
    (
        "hold plus infinity; only minus infinity is allowed, for a class ruled out",
        lambda b: np.isposinf(b).any(1),
    ),
    ("are minus infinity for every class, which leaves none to predict", lambda b: np.isneginf(b).all(1)),
)
_PROBS_CHECKS: _Checks = (
    ("hold NaN", lambda b: np.isnan(b).any(1)),
    ("hold a negative number; if these are logits, name them logits", lambda b: (b < 0).any(1)),
    (
        f"do not sum to one within {SUM_TOLERANCE:g}; if these are logits, name them logits",
        lambda b: ~(np.abs(b.sum(1, dtype=np.float64) - 1) <= SUM_TOLERANCE),
    ),
)


def _labels(values: Any, rows: int, columns: int) -> np.ndarray:
    labels = _to_numpy(values)
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, got dtype {labels.dtype}")
    if labels.shape != (rows,):
        raise ValueError(f"labels must have shape ({rows},) to match {rows} rows of scores, got {labels.shape}")
    bad = (labels < 0) | (labels >= columns)
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"labels must lie in [0, {columns}) for {columns} classes: {int(bad.sum())} of {rows} do not, "
            f"the first is {int(labels[first])} at index {first}"
        )
    return labels.astype(np.int64, copy=False)


def _ids(values: Any, rows: int) -> np.ndarray:
    ids = _to_numpy(values)
    if ids.dtype.kind == "O" and all(isinstance(v, str) for v in ids):
        ids = ids.astype(np.str_)
    if ids.dtype.kind not in "iuU":
        raise ValueError(f"ids must be integers or strings, got dtype {ids.dtype}")
    if ids.shape != (rows,):
        raise ValueError(f"ids must have shape ({rows},) to match {rows} rows of scores, got {ids.shape}")
    return ids if ids.dtype.kind == "U" else ids.astype(np.int64, copy=False)
