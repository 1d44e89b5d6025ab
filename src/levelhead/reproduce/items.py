"""An item of a paper: how far it is, what it takes, and our table beside the published one.

Where a paper selected its epoch on test, an item has two values of ours where the curves were recorded: at the best
test epoch (as published, optimistic) and at the last. Only the last is what a claim or a recommendation may use.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from levelhead.metrics import student_t
from levelhead.reproduce import speed
from levelhead.reproduce.claims import cost, rate, reading
from levelhead.reproduce.designs import MISSING, beds
from levelhead.reproduce.designs import missing as why_missing
from levelhead.reproduce.plans import Item, Plan, number, requests
from levelhead.reproduce.store import Record, Records, Results, Wanted
from levelhead.reproduce.store import missing as missing_runs

BEST_TEST = "best test epoch"
#: What is read from a curve at its best epoch.
_OF_CURVES = {"error": "accuracy", "accuracy_raw": "accuracy", "ece_raw": "ece", "oe_raw": "oe", "nll_raw": "nll"}


@dataclass(frozen=True)
class State:
    """How far an item is at a scale: ``done``, ``partly``, ``not run``, a reason why it cannot be run, or no runs."""

    words: str
    runs: int = 0
    there: int = 0
    seconds: float | None = 0.0


@dataclass(frozen=True)
class Cell:
    """One number of an item: published as printed, ours with its interval over ``n`` seeds, and their difference."""

    measure: str
    column: str
    label: str
    published: str
    ours: float | None
    lo: float | None
    hi: float | None
    difference: float | None
    n: int
    best: float | None = None


def bed_name(paper: str, name: str, scale: str) -> str:
    """Where a column's runs are kept among the results."""
    return name if scale == "small" and name in beds() else f"{paper}/{name}"


def state(paper: str, plan: Plan, item: Item, scale: str, results: Results, rates: speed.Speed | None) -> State:
    """How far an item is, and how long what is missing takes; without rates that is not estimated."""
    if item.drawing or item.computed:
        return State("no runs needed")
    asked = requests(plan, item, scale)
    if not asked:
        return State("no bed stands for it")
    runs = there = 0
    total: float | None = 0.0
    reasons: list[str] = []
    for column, wanted in asked.items():
        name, design = plan.design_of(item, column, scale) or ("", None)
        assert design is not None
        why = why_missing(design)
        records = results.load(bed_name(paper, name, scale), design)
        left = missing_runs(wanted, records)
        count = sum(each.seeds for each in wanted)
        runs, there = runs + count, there + count - len(left)
        if why and left:
            reasons.append(why)
        if rates is not None and total is not None:
            known = rate(design, records)
            passes = cost(design, left)
            seconds = passes / known if known else speed.seconds(design, passes, rates)
            total = None if seconds is None else total + seconds
    if there == runs:
        return State("done", runs, there, 0.0)
    # the same words before every set are said once
    absent = dict.fromkeys(why.removeprefix(MISSING) for why in reasons if why.startswith(MISSING))
    others = dict.fromkeys(why for why in reasons if not why.startswith(MISSING))
    lacking = "; ".join([*others, *([MISSING + ", ".join(absent)] if absent else [])])
    if len(reasons) == len(asked):
        return State(lacking, runs, there, total)
    return State(("partly" if there else "not run") + (f" ({lacking})" if lacking else ""), runs, there, total)


def cells(paper: str, plan: Plan, item: Item, scale: str, results: Results) -> list[Cell]:
    """The item as a table: every measure, column and row with the published number and ours, where there is either."""
    found = []
    for measure in item.asked(scale):
        for column in item.columns:
            there = plan.design_of(item, column, scale)
            printed = item.published.get(measure, {}).get(column, ("",) * len(item.lines))
            if there is None:
                continue
            name, design = there
            records = results.load(bed_name(paper, name, scale), design)
            shown = column if scale == "paper" or name == column else f"{column} (here: {name})"
            for (label, method), said in zip(item.lines, printed):
                wanted = Wanted(item.method(column, label, method), 1)
                found.append(_cell(item, measure, shown, label, said, records, wanted, plan.selection))
    return found


def _cell(
    item: Item, measure: str, column: str, label: str, said: str, records: Records, wanted: Wanted, selection: str
) -> Cell:
    factor = item.factor(measure)
    runs = records.get(wanted.sentence, {})
    values = [factor * value for record in runs.values() if (value := reading(record, measure)) is not None]
    if not values:
        return Cell(measure, column, label, said, None, None, None, None, 0)
    ours = student_t(values)
    published = number(said)
    best = [b for record in runs.values() if (b := _at_best(record, measure)) is not None]
    return Cell(
        measure, column, label, said, ours.mean, _finite(ours.lo), _finite(ours.hi),
        None if published is None else ours.mean - published, ours.n,
        factor * float(np.mean(best)) if selection == BEST_TEST and len(best) == ours.n else None,
    )  # fmt: skip


def _at_best(record: Record, measure: str) -> float | None:
    """A measure at the epoch of the highest test accuracy, where the curve is there."""
    accuracy = record["series"].get("accuracy")
    curve = record["series"].get(_OF_CURVES.get(measure, ""))
    if not accuracy or not curve:
        return None
    value = curve[int(np.argmax(accuracy))]
    return 1 - value if measure == "error" else value


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def results_folder(out: Path) -> Results:
    """Where `levelhead reproduce` keeps the numbers of runs."""
    return Results(out / "results")
