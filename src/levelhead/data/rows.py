"""The rows of a user's table: their labels, and by columns of the user's choice their roles and groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.checks import encode_labels
from levelhead.data.columns import SPLITS, find_column, label_values
from levelhead.data.records import ROLES
from levelhead.data.source import Request


@dataclass(frozen=True, eq=False)
class Rows:
    """What is known of a table's rows apart from their inputs.

    Attributes:
        label: the column of labels.
        columns: the columns that say something about a row, and so hold no inputs: label, split, group.
        classes: the classes' names.
        positions: the rows of each role, int64, in their order; all are `train` where no column says it.
        labels: int64 indices of classes, role by role.
        groups: what the rows belong to, role by role, or None.
        notes: sentences for the source.
        facts: for the source.
    """

    label: str
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    positions: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    groups: Mapping[str, np.ndarray] | None
    notes: tuple[str, ...]
    facts: Mapping[str, Any]


def read_rows(path: Path, table: Any, request: Request, inputs: str | None = None) -> Rows:
    """What the columns named in the request say of the rows.

    Args:
        path: the table, for errors.
        table: a pyarrow table.
        request: names the columns.
        inputs: the one column of inputs, where there is one.

    Raises:
        ValueError: a column that is not said or not there or said twice, no rows, a row without label, role or
            group, a role that is none, no training row.
    """
    names = table.column_names
    label = find_column(path, names, request.label, "labels", "label")
    said = {"label": label}
    for option, name in (("split", request.split), ("group", request.group)):
        if name is not None:
            said[option] = find_column(path, names, name, f"{option}s", option)
    for option, name in said.items():
        others = [other for other in said if other != option and said[other] == name]
        if others or name == inputs:
            what = others[0] if others else "inputs (texts or paths)"
            raise ValueError(f"{path}: column {name!r} cannot be both the {option} and the {what}; name two columns")
    if table.num_rows == 0:
        raise ValueError(f"{path} has columns but no rows; every class needs examples")
    where = f"{path}, column {label!r}"
    values = label_values(where, table[label])
    positions = _positions(path, said.get("split"), table)
    places = {role: where if role == "train" else f"{where}, rows of {role}" for role in positions}
    classes, labels, notes = encode_labels({places[role]: values[rows] for role, rows in positions.items()})
    groups = None
    if "group" in said:
        every = _words(path, said["group"], table, "group")
        groups = {role: every[rows] for role, rows in positions.items()}
    return Rows(
        label=label,
        columns=tuple(said.values()),
        classes=classes,
        positions=positions,
        labels={role: labels[places[role]] for role in positions},
        groups=groups,
        notes=notes,
        facts={option: name for option, name in said.items() if option != "label"},
    )


def _positions(path: Path, split: str | None, table: Any) -> dict[str, np.ndarray]:
    if split is None:
        return {"train": np.arange(table.num_rows)}
    words = _words(path, split, table, "split")
    roles = {word: SPLITS.get(word.strip().lower()) for word in np.unique(words)}
    strange = [word for word, role in roles.items() if role is None]
    if strange:
        first = int(np.argmax(np.isin(words, strange)))
        raise ValueError(
            f"{path}: column {split!r} must say {', '.join(SPLITS)}; row {first} (counted from 0) says "
            f"{str(words[first])!r}"
        )
    found = np.array([roles[word] for word in words])
    positions = {role: np.flatnonzero(found == role) for role in ROLES if (found == role).any()}
    if "train" not in positions:
        raise ValueError(f"{path}: no row is of train by column {split!r} (there are {', '.join(positions)})")
    return positions


def _words(path: Path, name: str, table: Any, what: str) -> np.ndarray:
    """A column as strings `(N,)`, each row of which must say something."""
    values = table[name].to_pylist()
    missing = np.array([value is None or value == "" or value != value for value in values])
    if missing.any():
        raise ValueError(
            f"{path}: column {name!r} says no {what} in {int(missing.sum()):,} rows, the first is row "
            f"{int(np.argmax(missing))} (counted from 0); fill or remove them"
        )
    return np.array([str(value) for value in values], dtype=np.str_)
