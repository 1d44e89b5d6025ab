"""Groups of the examples, such as sites, devices or levels of a corruption: how right and how sure in each.

What an example's group is says a column of its own file, or of a file beside it that is read in step. A group's numbers
come from its own sums, so memory grows with the number of groups and not with that of the examples.

Shapes: n rows of a block.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.errors import unknown
from levelhead.evaluate.entry import FEW, LEVEL, bounds, finite, gap_test, holm
from levelhead.evaluate.source import Source
from levelhead.evaluate.tally import Mean
from levelhead.metrics import Calibration
from levelhead.metrics.evidence import calibration_test_of, clopper_pearson
from levelhead.prediction_files.arrays import open_npy
from levelhead.prediction_files.names import IDS
from levelhead.prediction_files.store import Store, open_store

MOST = 200  # groups; each costs a test with a thousand draws
_ROWS = 1 << 16  # read at once
_DRAWS = 9999
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_ENDINGS = (".npz", ".npy", ".safetensors", ".parquet", ".csv")


@dataclass(frozen=True, eq=False)
class Grouping:
    """What examples are grouped by: `by`, a name for people; a column of `store`, with ids where these can be checked.

    `own`: whether the column is one of the predictions' own file, whose rows need no check.
    """

    by: str
    store: Store
    column: str
    ids: str | None
    own: bool


def find_grouping(source: Source, word: str) -> Grouping:
    """The column that `word` names: one of the file's own, else of FILE or FILE:COLUMN. ValueError for no such one."""
    store = source.file.store
    if word in store.columns:
        return _grouping(word, store, word, own=True)
    name, _, column = word.rpartition(":")
    given = next((each for each in (word, name) if Path(each).suffix.lower() in _ENDINGS), None)
    if given is None:
        raise ValueError(
            f"{source.path}: {unknown('column', word, store.columns)} Groups are a column of the file, or a file "
            "beside it with a row for each example: FILE, or FILE:COLUMN"
        )
    path = Path(given)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file, and {source.path} has no column {word!r} to group by")
    beside = open_npy(path, path.stem) if path.suffix.lower() == ".npy" else open_store(path)
    able = [each for each, found in beside.columns.items() if found.width == 0 and each.lower() not in IDS]
    if given == word:
        if len(able) != 1:
            raise ValueError(f"{path} holds {', '.join(able) or 'no column'}: say which, {path}:COLUMN")
        column = able[0]
    elif column not in beside.columns:
        raise ValueError(f"{path}: {unknown('column', column, beside.columns)}")
    return _grouping(column, beside, column, own=False)


def _grouping(by: str, store: Store, column: str, *, own: bool) -> Grouping:
    found = store.columns[column]
    if found.width not in (0, 1) or found.kind not in "fiubU":
        raise ValueError(f"{store.path}: groups are words or numbers, one a row, and {column!r} holds something else")
    ids = next((name for name in store.columns if name.lower() in IDS and name != column), None)
    return Grouping(by, store, column, ids, own)


class _Reader:
    """The groups of the examples from the start, so many rows at a time, as text."""

    def __init__(self, grouping: Grouping) -> None:
        self._of = grouping
        self._ids = grouping.ids if not grouping.own else None
        names = [grouping.column, *([self._ids] if self._ids else [])]
        self._blocks: Iterator[dict[str, Any]] = grouping.store.read(names, _ROWS)
        self._rest: list[np.ndarray] = [np.zeros(0, np.str_) for _ in names]
        self._start = 0

    def take(self, n: int, ids: np.ndarray | None) -> np.ndarray:
        """The groups (n,) of the next rows. ValueError where there are none, and for other ids."""
        path = self._of.store.path
        while len(self._rest[0]) < n:
            block = next(self._blocks, None)
            if block is None:
                raise ValueError(
                    f"{path} holds {self._start + len(self._rest[0])} rows of groups, and the predictions hold more "
                    "examples: it needs a row for each, in the same order"
                )
            found = [_words(np.asarray(values)) for values in block.values()]
            self._rest = [np.concatenate(both) for both in zip(self._rest, found, strict=True)]
        taken, self._rest = [each[:n] for each in self._rest], [each[n:] for each in self._rest]
        if self._ids and ids is not None and not np.array_equal(taken[1], known := _words(ids)):
            first = self._start + int((taken[1] != known).argmax())
            raise ValueError(
                f"{path} names other examples than the predictions, or in another order: the first is row {first}"
            )
        self._start += n
        return taken[0]

    def end(self) -> None:
        """ValueError where there are more rows of groups than examples."""
        more = len(self._rest[0]) + sum(len(next(iter(block.values()))) for block in self._blocks)
        if more:
            raise ValueError(
                f"{self._of.store.path} holds {self._start + more} rows of groups for {self._start} examples: it needs "
                "a row for each, in the same order"
            )


def _words(values: np.ndarray) -> np.ndarray:
    """Values as text: whole numbers without a point, whatever type they and those beside them were stored in."""
    values = values.reshape(len(values))
    if values.dtype.kind != "f":
        return values.astype(np.str_)
    found, place = np.unique(values, return_inverse=True)
    whole = np.isfinite(found) & (found == np.floor(found)) & (np.abs(found) < 2**53)
    return np.array([str(int(v)) if w else str(v) for v, w in zip(found, whole, strict=True)], np.str_)[place]


@dataclass(eq=False)
class _Group:
    counted: Calibration
    nll: Mean


class Groups:
    """One pass over a file's examples, summed up by each of its groupings."""

    def __init__(self, groupings: Sequence[Grouping], n_bins: int) -> None:
        self._n_bins = n_bins
        self._groupings = groupings
        self._readers = [_Reader(each) for each in groupings]
        self._found: list[dict[str, _Group]] = [{} for _ in groupings]

    def add(
        self, confidence: np.ndarray, correct: np.ndarray, ids: np.ndarray | None, nll: np.ndarray | None = None
    ) -> None:
        """Take the next rows (n,): confidence in [0, 1], whether right, and the loss where it is known."""
        for grouping, reader, found in zip(self._groupings, self._readers, self._found, strict=True):
            names, place = np.unique(reader.take(len(correct), ids), return_inverse=True)
            if len(found.keys() | set(names.tolist())) > MOST:
                raise ValueError(
                    f"{grouping.store.path}: {grouping.column!r} parts the examples into more than {MOST} groups; "
                    "group by something that many of them share"
                )
            for k, name in enumerate(names.tolist()):
                group = found.setdefault(name, _Group(_sums(self._n_bins), Mean()))
                mine = place == k
                group.counted.update_outcomes(confidence=confidence[mine], correct=correct[mine])
                if nll is not None:
                    group.nll.add(nll[mine])

    def end(self) -> None:
        """All rows were taken. ValueError where a file of groups has more."""
        for reader in self._readers:
            reader.end()

    def rows(self) -> list[list[dict[str, Any]]]:
        """For each grouping a row a group, in the order of numbers or of the alphabet."""
        return [[_row(name, found[name]) for name in _ordered(found)] for found in self._found]


def _sums(n_bins: int) -> Calibration:
    return Calibration(num_classes=2, n_bins=n_bins, parts=["correct", "top_label"])


def _row(name: str, group: _Group) -> dict[str, Any]:
    bins = group.counted.bins()
    n, right = bins.total, int(bins.correct.sum())
    values = group.counted.compute()
    test = calibration_test_of(bins, level=LEVEL)
    lo, hi = clopper_pearson(np.array([right]), np.array([n]), level=LEVEL)
    confidence = float(np.nansum(bins.confidence * bins.count))
    interval, p_value = gap_test(n, right, confidence, float(bins.gap_square))
    row: dict[str, Any] = {
        "group": name,
        "n": n,
        "accuracy": right / n,
        "accuracy_interval": [float(lo[0]), float(hi[0])],
        "confidence": confidence / n,
        "gap": values["gap"],
        "gap_interval": interval,
        "p_value": p_value,
        "ece": values["ece"],
        "debiased_ece": finite(values["debiased_ece"]),
        "debiased_ece_interval": bounds(test.debiased),
        "noise_floor": finite(test.floor),
        "ece_p_value": test.p_value,
    }
    if group.nll.n or group.nll.infinite:
        mean = group.nll.interval(LEVEL)
        row |= {"nll": None if group.nll.infinite else finite(mean.mean)}
        row |= {"nll_interval": None if group.nll.infinite else bounds(mean, 0)}
    return row


def _ordered(names: dict[str, _Group]) -> list[str]:
    return sorted(names, key=_number) if numeric(names) else sorted(names)


def numeric(names: Sequence[str] | dict[str, _Group]) -> bool:
    """Whether all groups are finite decimal numbers, such as levels of a corruption."""
    return all(math.isfinite(_number(name)) for name in names)


def _number(name: str) -> float:
    return float(name) if _DECIMAL.fullmatch(name) else math.nan  # float() would take 1_2 and inf


def described(groupings: Sequence[Grouping], raw: Groups, scaled: Groups | None) -> list[dict[str, Any]]:
    """A grouping each: what by, from which file, a row a group before and after scaling, and whether accuracy differs.

    p-values of gaps and of ECEs are adjusted by Holm over the groups that hold at least 30 examples; others have none.
    `p_value`: of equal accuracy in these groups, by the chi-squared test; None where it cannot be made.
    """
    states = {"raw": raw.rows()} | ({"scaled": scaled.rows()} if scaled else {})
    found = []
    for index, grouping in enumerate(groupings):
        each = {state: rows[index] for state, rows in states.items()}
        for rows in each.values():
            for name in ("p_value", "ece_p_value"):
                adjusted = holm([row[name] if row["n"] >= FEW else math.nan for row in rows])
                for row, p_value in zip(rows, adjusted, strict=True):
                    row[name] = finite(p_value)
        found.append(
            {
                "by": grouping.by,
                "file": str(grouping.store.path),
                "numeric": numeric([row["group"] for row in each["raw"]]),
                "p_value": _one_accuracy(each["raw"]),
            }
            | each
        )
    return found


def _one_accuracy(rows: Sequence[dict[str, Any]]) -> float | None:
    """p-value of one accuracy in all groups of at least 30: chi-squared, by its law or, of rare answers, by chance."""
    from scipy.stats import chi2_contingency

    n = np.array([row["n"] for row in rows if row["n"] >= FEW])
    right = np.array([round(row["n"] * row["accuracy"]) for row in rows if row["n"] >= FEW])
    table = np.stack([right, n - right])
    if len(n) < 2 or (table.sum(1) == 0).any():
        return None
    found = chi2_contingency(table, correction=False)
    if found.expected_freq.min() >= 5:  # Cochran 1954
        return float(found.pvalue)
    drawn = np.random.default_rng(0).multivariate_hypergeometric(n, right.sum(), _DRAWS, method="marginals")
    apart, chance = ((np.square(each - found.expected_freq[0]) / n).sum(-1) for each in (right, drawn))
    return float((1 + (chance >= apart * (1 - 1e-9)).sum()) / (1 + _DRAWS))
