"""Confusions as a matrix of text: a row a class, a column a prediction, shaded by the share of the class."""

from collections.abc import Sequence
from dataclasses import dataclass

from levelhead.report import rounding

_DARKEST = 0.45  # of the shade, so that numbers keep their contrast


@dataclass(frozen=True)
class Cell:
    """A count, what it says in words, its shade in [0, 1], and whether it counts right answers."""

    text: str
    words: str
    shade: str
    right: bool


@dataclass(frozen=True)
class Matrix:
    """The names of the classes and a row of cells for each."""

    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def matrix(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Matrix:
    """`counts` (C, C): examples of a class (row) predicted as another (column).

    Mistakes are shaded by their root against the most frequent one, so that rare ones can be seen; right answers by
    their share.
    """
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    most = max((share for i, row in enumerate(shares) for j, share in enumerate(row) if i != j), default=0.0)
    rows = []
    for i, row in enumerate(counts):
        cells = []
        for j, count in enumerate(row):
            share = shares[i][j]
            shade = share if i == j else (share / most) ** 0.5 if most else 0.0
            said = "right" if i == j else f"taken for {names[j]}"
            words = f"{names[i]} {said}: {rounding.count(count)} of {rounding.count(sum(row))} ({100 * share:.1f} %)"
            cells.append(Cell(rounding.count(count) if count else "·", words, f"{_DARKEST * shade:.2f}", i == j))
        rows.append(tuple(cells))
    return Matrix(tuple(names), tuple(rows))
