"""Predictions: what a model said about examples whose labels are known, as a file that anything can read.

This is the border of the house. Training ends by writing one of these; calibration, measures, plots and
reports start from one, so they work on the output of any model of any framework. Scores are logits or
probabilities, and the record says which; nobody guesses. Files: `.safetensors`, `.npz`, `.parquet`, `.csv`
(`prediction_files/` says how).

Shapes: N examples, C classes.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

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
    def has_labels(self) -> bool:
        """Whether `labels` mean anything: False where `meta["labels"]` is "none" and they are zeros."""
        return self.meta.get("labels") != "none"

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
        from levelhead.prediction_files.write import write

        return write(self, Path(path))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        kind: Literal["logits", "probs"] | None = None,
        scores: str | None = None,
        label: str | None = None,
    ) -> "Predictions":
        """Read what `save` wrote, or a file of anybody else's whose names say what is in it.

        `kind`, `scores`, `label`: what the numbers are, the array or group of columns that holds them, and that of the
        labels, where names do not say or more than one would do (`prediction_files/names.py` has the clear ones).
        Raises ValueError, with the path, for a file that is missing, cut short, in another format, unclear, or whose
        contents are not predictions.
        """
        from levelhead.prediction_files.contents import read

        path = Path(path)
        contents = read(path, kind=kind, scores=scores, label=label)
        try:
            return cls(**contents)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def ensemble(cls, members: "Sequence[Predictions | str | os.PathLike[str]]") -> "Predictions":
        """The mean probability of several models on the same examples, as predictions like any other.

        `members`: predictions or paths of them, logits or probabilities mixed as they come. With `ids` the
        examples are aligned by them, in the order of the first member; without, they must stand in one order.
        The result's probabilities are float64; role, class names and what all members agree on in `meta` are
        kept, and `meta["ensemble"]` says how many there are. Calibrate an ensemble, not its members: the mean
        of calibrated members is under-confident.

        Raises ValueError, naming the member, where examples, labels, classes or roles differ, where ids are
        missing in some or name two examples, and for no member at all.

        >>> one = Predictions(labels=np.array([0]), probs=np.array([[0.9, 0.1]]))
        >>> two = Predictions(labels=np.array([0]), logits=np.log([[0.5, 0.5]]))
        >>> Predictions.ensemble([one, two]).probs
        array([[0.7, 0.3]])
        """
        given = [each if isinstance(each, cls) else cls.load(each) for each in members]  # type: ignore[arg-type]
        if not given:
            raise ValueError("an ensemble needs predictions of one model or more, got none")
        first = given[0]
        total = np.zeros((first.num_examples, first.num_classes))
        for index, each in enumerate(given):
            rows = _aligned(first, each, f"member {index} of the ensemble")
            probs = each._probabilities()
            total += probs if rows is None else probs[rows]
        agreed = {k: v for k, v in first.meta.items() if all(each.meta.get(k) == v for each in given)}
        return cls(
            labels=first.labels,
            probs=total / total.sum(1, keepdims=True),
            ids=first.ids,
            role=first.role,
            classes=next((each.classes for each in given if each.classes), ()),
            meta={**agreed, "ensemble": str(len(given))},
        )

    def _probabilities(self) -> np.ndarray:
        """(N, C) float64: the probabilities, or the softmax of the logits."""
        if self.probs is not None:
            return self.probs.astype(np.float64)
        assert self.logits is not None
        wide = self.logits.astype(np.float64)
        weights = np.exp(wide - wide.max(1, keepdims=True))
        return weights / weights.sum(1, keepdims=True)


def _aligned(first: Predictions, other: Predictions, who: str) -> np.ndarray | None:
    """The rows of `other` in the order of `first`; None where they are in it already. Refuses what differs."""
    for what in ("num_classes", "classes", "role", "num_examples"):
        ours, theirs = getattr(first, what), getattr(other, what)
        unsaid = what == "classes" and not (ours and theirs)  # a .csv has no place for them
        if ours != theirs and not unsaid:
            raise ValueError(f"{who} has other {what} than the first: {_short(theirs)}, not {_short(ours)}")
    if (first.ids is None) != (other.ids is None):
        raise ValueError(
            f"{who} {'lacks' if other.ids is None else 'has'} ids, unlike the first: they cannot be aligned"
        )
    rows = None if first.ids is None else _rows_by_id(first.ids, other.ids, who)
    labels = other.labels if rows is None else other.labels[rows]
    different = labels != first.labels
    if different.any():
        at = int(different.argmax())
        fix = "" if first.ids is not None else "; they are in another order or of other examples: save them with ids"
        raise ValueError(
            f"{who} has other labels than the first for {int(different.sum())} of {len(labels)} examples, "
            f"the first at index {at} ({int(labels[at])}, not {int(first.labels[at])}){fix}"
        )
    return rows


def _rows_by_id(ids: np.ndarray, others: Any, who: str) -> np.ndarray | None:
    """Where each of `ids` stands among `others`; None where both are in one order."""
    if len(np.unique(others)) < len(others) or len(np.unique(ids)) < len(ids):
        raise ValueError(f"{who} cannot be aligned with the first: an id names two examples")
    if ids.dtype.kind != others.dtype.kind:
        raise ValueError(f"{who} has ids of another kind than the first ({others.dtype}, not {ids.dtype})")
    if np.array_equal(ids, others):
        return None
    order = np.argsort(others)
    found = order[np.searchsorted(others, ids, sorter=order).clip(max=len(others) - 1)]
    missing = others[found] != ids
    if missing.any():
        raise ValueError(
            f"{who} is about other examples than the first: it lacks {int(missing.sum())} of {len(ids)} ids, "
            f"first {ids[missing.argmax()]!s}"
        )
    return found


def _short(value: Any, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


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
