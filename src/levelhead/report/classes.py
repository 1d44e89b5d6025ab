"""Class by class: how well and how surely a method answers, as text; all methods alike, so that a page can switch."""

from dataclasses import dataclass

import numpy as np

from levelhead.plots.classes import ByClass, by_class
from levelhead.plots.comparison import Comparison
from levelhead.report import rounding
from levelhead.report.evaluation_terminal import FEW

#: The columns after the class and its examples: heading, what it means, whether a press first sorts from high to low.
COLUMNS = (
    ("accuracy, %", "share of the class's examples that are predicted as it", False),
    ("predicted", "how often one seed predicts the class, on average", True),
    ("gap before", "mean confidence less accuracy of what is predicted as the class, in points, before scaling", True),
    ("gap after", "the same after scaling", True),
    ("ECE before", "calibration error of the class's probability over all examples, before scaling", True),
    ("ECE after", "the same after scaling", True),
)


@dataclass(frozen=True)
class Line:
    """A class: its name, its test examples, and whether they are few."""

    name: str
    count: int
    few: bool


@dataclass(frozen=True)
class Classes:
    """The classes, and for each method, in the order of `methods`, the texts of each of `COLUMNS`, a class each.

    `bounds` are the small print of the first column, empty where there is none.
    """

    lines: tuple[Line, ...]
    methods: tuple[str, ...]
    texts: tuple[tuple[tuple[str, ...], ...], ...]
    bounds: tuple[tuple[str, ...], ...]
    found: tuple[ByClass, ...]


def classes(comparison: Comparison) -> Classes | None:
    """The recommended method first, then the leaderboard's order; None where no predictions can be read.

    The classes that the first method is least right about come first.
    """
    rows = sorted(comparison.summary["rows"], key=lambda row: not row.get("recommended"))
    found = [each for row in rows if (each := by_class(comparison, row["method"])) is not None]
    if not found:
        return None
    names, first = comparison.class_names, found[0]
    order = np.argsort(first.accuracy, kind="stable")  # which puts NaN last
    lines = tuple(
        Line(names[k] if k < len(names) else f"class {k}", int(first.count[k]), int(first.count[k]) < FEW)
        for k in order.tolist()
    )
    # pixels of one image are alike, so bounds as of independent examples would be too narrow
    bounded = not comparison.summary.get("segmentation")
    return Classes(
        lines,
        tuple(each.method for each in found),
        tuple(_texts(each, order) for each in found),
        tuple(_bounds(each, order) if bounded else () for each in found),
        tuple(found),
    )


def _texts(found: ByClass, order: np.ndarray) -> tuple[tuple[str, ...], ...]:
    columns = (
        (100 * found.accuracy, 1, False),
        (found.predicted, 0, False),
        (100 * found.gap_raw, 1, True),
        (100 * found.gap_scaled, 1, True),
        (found.ece_raw, 3, False),
        (found.ece_scaled, 3, False),
    )
    return tuple(
        tuple(rounding.fixed(float(value), digits, sign=sign) for value in values[order])
        for values, digits, sign in columns
    )


def _bounds(found: ByClass, order: np.ndarray) -> tuple[str, ...]:
    return tuple(rounding.bounds(100 * float(found.lo[k]), 100 * float(found.hi[k]), 1) for k in order)
