"""The leaderboard as cells of text: a mean with its interval, a paired difference with its interval and a mark.

Two tables are made from the same rows: `leading`, what a decision needs, and `everything`, all measures before and
after scaling.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from levelhead.report import rounding
from levelhead.report.measures import BY_KEY, MEASURES, Measure


@dataclass(frozen=True)
class Column:
    """A column: its heading, a longer title for it, and whether a click should first sort from high to low."""

    head: str
    title: str = ""
    descending: bool = False


@dataclass(frozen=True)
class Group:
    """Columns under one common heading, which may be empty."""

    head: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Cell:
    """What is shown, a smaller second line, what to sort by, and what a difference amounts to.

    `verdict` is "", "same" (the seeds cannot tell), "better" or "worse".
    """

    text: str
    small: str = ""
    sort: float | None = None
    verdict: str = ""


@dataclass(frozen=True)
class Row:
    """A method with its cells."""

    method: str
    sentence: str
    remark: str
    recommended: bool
    baseline: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """Groups of columns and rows of as many cells."""

    groups: tuple[Group, ...]
    rows: tuple[Row, ...]

    @property
    def starts(self) -> tuple[bool, ...]:
        """For each column, whether it is the first of its group."""
        return tuple(i == 0 for group in self.groups for i in range(len(group.columns)))


Maker = Callable[[Mapping[str, Any]], Cell]


def leading(summary: Mapping[str, Any]) -> Table:
    """Scaled NLL first, then calibration before scaling, accuracy, temperature and cost.

    Columns of differences are left out where no row has one: without a baseline, or with nothing to compare to it.
    """
    plan = [
        ("after scaling", [("nll", "scaled", True), ("ece", "scaled", False)]),
        ("before scaling", [("ece", "raw", True), ("gap", "raw", False)]),
        ("either", [("accuracy", "raw", True)]),
    ]
    groups: list[Group] = []
    makers: list[Maker] = []
    for head, members in plan:
        columns = []
        for key, state, with_difference in members:
            measure = BY_KEY[key]
            columns.append(_column(measure))
            makers.append(_value_maker(measure, state, summary))
            if with_difference and _any_difference(summary, f"{key}_{state}"):
                columns.append(_difference_column(measure, summary))
                makers.append(_difference_maker(measure, state, summary))
        groups.append(Group(head, tuple(columns)))
    groups.append(Group("", (Column("T", "temperature, mean over seeds: above 1 softens, below 1 sharpens"),)))
    makers.append(lambda row: _plain(row.get("temperature"), rounding.fixed(row.get("temperature"), 2)))
    cost = (Column("passes", "forward-backward passes a training step"), Column("time", "training time of one run"))
    groups.append(Group("cost", cost))
    makers.append(lambda row: _plain(row.get("passes"), rounding.times(row.get("passes"))))
    makers.append(lambda row: _plain(row.get("seconds"), rounding.seconds(row.get("seconds"))))
    return Table(tuple(groups), tuple(_row(row, makers) for row in summary["rows"]))


def everything(summary: Mapping[str, Any]) -> Table:
    """Every measure before and after scaling, as a mean and a difference."""
    groups: list[Group] = []
    makers: list[Maker] = []
    for measure in MEASURES:
        states = ("raw",) if measure.key == "accuracy" else ("raw", "scaled")
        columns = []
        for state in states:
            if not any(_mean(row, f"{measure.key}_{state}") is not None for row in summary["rows"]):
                continue
            when = "" if len(states) == 1 else "before" if state == "raw" else "after"
            columns.append(Column(when or "mean", measure.meaning, descending=measure.lower_is_better is False))
            makers.append(_value_maker(measure, state, summary))
            if _any_difference(summary, f"{measure.key}_{state}"):
                columns.append(_difference_column(measure, summary))
                makers.append(_difference_maker(measure, state, summary))
        if columns:
            groups.append(Group(measure.title, tuple(columns)))
    return Table(tuple(groups), tuple(_row(row, makers) for row in summary["rows"]))


def value_cell(measure: Measure, cell: Mapping[str, Any] | None, digits: int | None = None) -> Cell:
    """A mean with its interval, at so many decimals, or as many as it needs."""
    if not cell or rounding.undefined(cell.get("mean")):
        return Cell(rounding.DASH)
    mean, lo, hi = (_scaled(cell.get(name), measure) for name in ("mean", "lo", "hi"))
    digits = digits or _digits(measure, [cell], "")
    sign = measure.key == "gap"
    return Cell(
        rounding.fixed(mean, digits, sign=sign) + (" %" if measure.scale == 100 else ""),
        rounding.bounds(lo, hi, digits),
        cell["mean"],
    )


def difference_cell(measure: Measure, cell: Mapping[str, Any] | None, digits: int | None = None) -> Cell:
    """A paired difference to the baseline with its interval, and whether the seeds can tell it from nothing."""
    if not cell or rounding.undefined(cell.get("diff")):
        return Cell("")
    diff, lo, hi = (_scaled(cell.get(name), measure) for name in ("diff", "diff_lo", "diff_hi"))
    digits = digits or _digits(measure, [cell], "diff_")
    apart = rounding.told_apart(cell)
    verdict = "same" if apart is False else ""
    if apart and measure.lower_is_better is not None:
        verdict = "better" if (cell["diff"] < 0) == measure.lower_is_better else "worse"
    text = rounding.fixed(diff, digits, sign=True)
    return Cell(text, rounding.bounds(lo, hi, digits), cell["diff"], verdict)


def _scaled(value: float | None, measure: Measure) -> float | None:
    return None if value is None else value * measure.scale


def _digits(measure: Measure, cells: list[Mapping[str, Any]], prefix: str) -> int:
    """Decimals of a column (of `cells`): the same for all its rows, as most of them need."""
    if measure.scale == 100:
        return 2
    mean = prefix.rstrip("_") or "mean"
    needs = sorted(
        rounding.digits_for(cell[mean], cell.get(f"{prefix}lo"), cell.get(f"{prefix}hi"))
        for cell in cells
        if cell and not rounding.undefined(cell.get(mean))
    )
    return needs[len(needs) // 2] if needs else 3


def _column(measure: Measure) -> Column:
    return Column(measure.title, measure.meaning, descending=measure.lower_is_better is False)


def _difference_column(measure: Measure, summary: Mapping[str, Any]) -> Column:
    unit = ", in points" if measure.scale == 100 else ""
    title = f"paired difference to {summary.get('baseline')}{unit}, with its interval"
    return Column(f"vs {_short(summary.get('baseline'))}", title, descending=measure.lower_is_better is False)


def _value_maker(measure: Measure, state: str, summary: Mapping[str, Any]) -> Maker:
    key = f"{measure.key}_{state}"
    digits = _digits(measure, [_metric(row, key) for row in summary["rows"]], "")
    return lambda row: value_cell(measure, _metric(row, key), digits)


def _difference_maker(measure: Measure, state: str, summary: Mapping[str, Any]) -> Maker:
    key = f"{measure.key}_{state}"
    digits = _digits(measure, [_metric(row, key) for row in summary["rows"]], "diff_")
    return lambda row: difference_cell(measure, _metric(row, key), digits)


def _row(row: Mapping[str, Any], makers: list[Maker]) -> Row:
    return Row(
        row["method"],
        str(row.get("sentence") or ""),
        str(row.get("remark") or ""),
        bool(row.get("recommended")),
        bool(row.get("baseline")),
        tuple(make(row) for make in makers),
    )


def _short(name: object, limit: int = 14) -> str:
    text = str(name)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _plain(value: float | None, text: str) -> Cell:
    return Cell(text, "", None if rounding.undefined(value) else value)


def _metric(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return (row.get("metrics") or {}).get(key) or {}


def _mean(row: Mapping[str, Any], key: str) -> float | None:
    return _metric(row, key).get("mean")


def _any_difference(summary: Mapping[str, Any], key: str) -> bool:
    return any(not rounding.undefined(_metric(row, key).get("diff")) for row in summary["rows"])
