"""The leaderboard as cells of text: a mean with its interval, a paired difference with its interval and a mark.

Tables of two kinds are made from the same rows: `leading`, what a decision needs, and `everything`, all measures before
and after scaling. A column is made at once, because its rows share decimals and units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from levelhead.plots.comparison import Comparison
from levelhead.plots.standing import Standing, standing
from levelhead.report import rounding
from levelhead.report.measures import BY_KEY, MIOU, Measure

Summary = Mapping[str, Any]
Statistics = Mapping[str, Any]  # mean, lo, hi, diff, diff_lo, diff_hi; None, or absent, where undefined


@dataclass(frozen=True)
class Cell:
    """What is shown, a smaller second line, what to sort by, and what a difference amounts to.

    `verdict` is "", "same" (the seeds cannot tell), "better" or "worse". `standing` of a mean is "best", "same" (the
    seeds cannot tell it from the best), "worse" or "".
    """

    text: str
    small: str = ""
    sort: float | None = None
    verdict: str = ""
    standing: str = ""


@dataclass(frozen=True)
class Column:
    """A heading, a longer title for it, one cell a row, and whether a click should first sort from high to low."""

    head: str
    title: str
    cells: tuple[Cell, ...]
    descending: bool = False


@dataclass(frozen=True)
class Group:
    """Columns under one common heading, which may be empty."""

    head: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Row:
    """A method with its cells, and for each whether it begins a group of columns."""

    method: str
    sentence: str
    remark: str
    recommended: bool
    baseline: bool
    cells: tuple[tuple[Cell, bool], ...]


@dataclass(frozen=True)
class Table:
    """Groups of columns, and the same cells by rows."""

    groups: tuple[Group, ...]
    rows: tuple[Row, ...]


#: The measures of the leading table that have a better end, with the state they are shown in.
STANDING = (("nll", "scaled"), ("ece", "scaled"), ("ece", "raw"), ("accuracy", "raw"), ("miou", "raw"))
Standings = Mapping[tuple[str, str], Sequence[Standing]]  # by measure and state


def standings(comparison: Comparison) -> Standings:
    """Who is best by each measure of the leading table, and whom the seeds cannot tell from the best."""
    level = float(comparison.summary.get("confidence") or 0.95)
    found = {}
    for key, state in STANDING:
        lower = bool((MIOU if key == MIOU.key else BY_KEY[key]).lower_is_better)
        rows = standing(
            comparison.results, measure=key, state=state, lower_is_better=lower, order=comparison.methods, level=level
        )
        if rows:
            found[key, state] = rows
    return found


def leading(summary: Summary, standings: Standings | None = None) -> Table:
    """Scaled NLL first, then calibration before scaling, accuracy, temperature and cost.

    Columns of differences are left out where no row has one: without a baseline, or with nothing to compare to it.
    """
    nll, ece, gap, accuracy = (BY_KEY[key] for key in ("nll", "ece", "gap", "accuracy"))

    def marked(columns: list[Column], measure: Measure, state: str) -> list[Column]:
        return [_standing(summary, columns[0], (standings or {}).get((measure.key, state), ())), *columns[1:]]

    after = marked(_both(summary, nll, "scaled"), nll, "scaled")
    after += marked([_values(summary, ece, "scaled")], ece, "scaled")
    before = [*marked(_both(summary, ece, "raw"), ece, "raw"), _values(summary, gap, "raw")]
    either = marked(_both(summary, accuracy, "raw"), accuracy, "raw")
    if _any(summary, MIOU, "raw", "mean"):  # in whose stead the difference of accuracy would not fit the screen
        either = [either[0], *marked(_both(summary, MIOU, "raw"), MIOU, "raw")]
    groups = [
        Group("after scaling", tuple(after)),
        Group("before scaling", tuple(before)),
        Group("either", tuple(either)),
        Group("", (_temperatures(summary),)),
        Group("cost", (_passes(summary), _times(summary))),
    ]
    return _table(summary, groups)


def _standing(summary: Summary, column: Column, found: Sequence[Standing]) -> Column:
    """A column of means with the mark of each."""
    marks = {each.method: each.mark for each in found}
    names = (row["method"] for row in summary["rows"])
    cells = (replace(cell, standing=marks.get(name, "")) for cell, name in zip(column.cells, names, strict=True))
    return replace(column, cells=tuple(cells))


def everything(summary: Summary) -> tuple[tuple[str, Table], ...]:
    """Every measure before and after scaling, as a mean and a difference, in tables that fit a page, with their titles.

    Measures that no row has are left out.
    """
    found = []
    for heading, keys in _TABLES:
        groups = [group for key in keys if (group := _group(summary, key))]
        if groups:
            found.append((heading, _table(summary, groups)))
    return tuple(found)


_TABLES = (
    ("Proper scores and accuracy", ("nll", "brier", "accuracy", "miou")),
    ("Confidence against accuracy", ("ece", "gap", "oe")),
    ("The same by other bins", ("mce", "adaptive_ece", "classwise_ece")),
)


def _group(summary: Summary, key: str) -> Group | None:
    measure = MIOU if key == MIOU.key else BY_KEY[key]
    columns: list[Column] = []
    for state, head in (("raw", "before"), ("scaled", "after")):
        if key in ("accuracy", "miou"):  # scaling does not change them
            head = "mean" if state == "raw" else ""
        if head and _any(summary, measure, state, "mean"):
            columns += _both(summary, measure, state, head)
    return Group(measure.title, tuple(columns)) if columns else None


def value_cell(measure: Measure, found: Statistics, digits: int | None = None) -> Cell:
    """A mean with its interval, at so many decimals, or as many as it needs."""
    if rounding.undefined(found.get("mean")):
        return Cell(rounding.DASH)
    mean, lo, hi = _shown(measure, found, "mean", "lo", "hi")
    digits = digits or _digits(measure, [found], "mean", "lo", "hi")
    text = rounding.fixed(mean, digits, sign=measure.key == "gap") + (" %" if measure.scale == 100 else "")
    return Cell(text, rounding.bounds(measure.within(lo), measure.within(hi), digits), found["mean"])


def difference_cell(measure: Measure, found: Statistics, digits: int | None = None) -> Cell:
    """A paired difference to the baseline with its interval, and whether the seeds can tell it from nothing."""
    if rounding.undefined(found.get("diff")):
        return Cell("")
    diff, lo, hi = _shown(measure, found, "diff", "diff_lo", "diff_hi")
    digits = digits or _digits(measure, [found], "diff", "diff_lo", "diff_hi")
    apart = rounding.told_apart(found)
    verdict = "same" if apart is False else ""
    if apart and measure.lower_is_better is not None:
        verdict = "better" if (found["diff"] < 0) == measure.lower_is_better else "worse"
    return Cell(rounding.fixed(diff, digits, sign=True), rounding.bounds(lo, hi, digits), found["diff"], verdict)


def _both(summary: Summary, measure: Measure, state: str, head: str = "") -> list[Column]:
    """A measure's column, and that of its differences where there are any."""
    columns = [_values(summary, measure, state, head)]
    if _any(summary, measure, state, "diff"):
        columns.append(_differences(summary, measure, state))
    return columns


def _values(summary: Summary, measure: Measure, state: str, head: str = "") -> Column:
    found = _statistics(summary, measure, state)
    digits = _digits(measure, found, "mean", "lo", "hi")
    cells = tuple(value_cell(measure, item, digits) for item in found)
    return Column(head or measure.title, measure.meaning, cells, measure.lower_is_better is False)


def _differences(summary: Summary, measure: Measure, state: str) -> Column:
    found = _statistics(summary, measure, state)
    digits = _digits(measure, found, "diff", "diff_lo", "diff_hi")
    cells = tuple(difference_cell(measure, item, digits) for item in found)
    unit = ", in points" if measure.scale == 100 else ""
    title = f"paired difference to {summary.get('baseline')}{unit}, with its interval"
    return Column(f"vs {_shortened(str(summary.get('baseline')))}", title, cells, measure.lower_is_better is False)


def _temperatures(summary: Summary) -> Column:
    values = [row.get("temperature") for row in summary["rows"]]
    cells = tuple(_plain(value, rounding.fixed(value, 2)) for value in values)
    return Column("T", "temperature, mean over seeds: above 1 softens, below 1 sharpens", cells)


def _passes(summary: Summary) -> Column:
    values = [row.get("passes") for row in summary["rows"]]
    cells = tuple(_plain(value, rounding.times(value)) for value in values)
    return Column("passes", "forward-backward passes a training step", cells)


def _times(summary: Summary) -> Column:
    values = [row.get("seconds") for row in summary["rows"]]
    cells = tuple(_plain(value, text) for value, text in zip(values, rounding.durations(values), strict=True))
    return Column("time", "training time of one run, mean over seeds", cells)


def _table(summary: Summary, groups: Sequence[Group]) -> Table:
    columns = [(column, i == 0) for group in groups for i, column in enumerate(group.columns)]
    rows = tuple(
        Row(
            row["method"],
            str(row.get("sentence") or ""),
            str(row.get("remark") or ""),
            bool(row.get("recommended")),
            bool(row.get("baseline")),
            tuple((column.cells[index], starts) for column, starts in columns),
        )
        for index, row in enumerate(summary["rows"])
    )
    return Table(tuple(groups), rows)


def _statistics(summary: Summary, measure: Measure, state: str) -> list[Statistics]:
    return [(row.get("metrics") or {}).get(f"{measure.key}_{state}") or {} for row in summary["rows"]]


def _any(summary: Summary, measure: Measure, state: str, statistic: str) -> bool:
    return any(not rounding.undefined(found.get(statistic)) for found in _statistics(summary, measure, state))


def _digits(measure: Measure, found: Sequence[Statistics], middle: str, low: str, high: str) -> int:
    """Decimals of a column: the same for all its rows, as most of them need."""
    if measure.scale == 100:
        return 2
    known = [item for item in found if not rounding.undefined(item.get(middle))]
    needs = sorted(rounding.digits_for(item[middle], item.get(low), item.get(high)) for item in known)
    return needs[len(needs) // 2] if needs else 3


def _shown(measure: Measure, found: Statistics, *names: str) -> list[float | None]:
    values = [found.get(name) for name in names]
    return [None if value is None else value * measure.scale for value in values]


def _plain(value: float | None, text: str) -> Cell:
    return Cell(text, "", None if rounding.undefined(value) else value)


def _shortened(name: str, limit: int = 14) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
