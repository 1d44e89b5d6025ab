"""`report.html`: one page that opens anywhere, without a network, made from a comparison's folder.

Its words are in `page.html`; `frame.py` has what it shares with the other pages. Names come from users: `figures.text`
escapes what plotly would read as HTML. The same folder gives the same page, byte for byte.
"""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from levelhead.files import write_json, write_text
from levelhead.plots import hull
from levelhead.plots.comparison import Comparison, read
from levelhead.plots.curves import curves
from levelhead.plots.differences import differences
from levelhead.plots.hull import Departure
from levelhead.plots.pooled import Pooled, pooled
from levelhead.plots.reliability import caption
from levelhead.plots.tradeoff import tradeoff
from levelhead.plots.turning import turns
from levelhead.report import figures, mistakes, numbers, probes, rounding, sections, segmentation, table
from levelhead.report.cautions import cautions
from levelhead.report.classes import COLUMNS, classes
from levelhead.report.frame import framed
from levelhead.report.measures import MEASURES, MIOU

NAME = "report.html"
#: What a figure shows, for those who cannot see it.
_WORDS = {
    "differences": "Each method's NLL after scaling less the baseline's, with the interval of the mean over seeds",
    "tradeoff": "Accuracy against expected calibration error, before and after scaling, a line a method",
    "loss": "Training loss against the epoch, a line a method",
    "cal_nll": "NLL on the calibration split against the epoch, a line a method",
    "cal_accuracy": "Accuracy on the calibration split against the epoch, a line a method",
}


@dataclass(frozen=True)
class Card:
    """A method's diagrams: where they are drawn, the numbers above them, what is missing."""

    method: str
    recommended: bool
    baseline: bool
    reliability: str
    confidence: str
    numbers: tuple[tuple[str, str], ...]  # measure, "before → after"
    drawn: bool


def build(folder: str | os.PathLike[str]) -> Path:
    """Write `folder`/report.html from the comparison's files, whole or not at all, and return its path.

    Raises:
        ValueError: `folder` is not a comparison's; the message says what is missing.
    """
    comparison = read(Path(folder))
    path = comparison.folder / NAME
    html, found = render(comparison)
    write_text(path, html)
    write_json(comparison.folder / numbers.NAME, found)
    return path


def render(comparison: Comparison) -> tuple[str, dict[str, Any]]:
    """The page's HTML, and all its numbers."""
    views = [pooled(comparison, method) for method in comparison.methods]
    drawn, tables, cards, problems = _figures(comparison, views)
    standings = table.standings(comparison)
    turned = turns(comparison.runs.values(), order=comparison.methods)
    tables["turned"] = [each.table() for each in turned]
    maps, lost = segmentation.maps(comparison)
    worst, unread = mistakes.worst(comparison)
    by_class = classes(comparison)
    summary = comparison.summary
    said = [str(w) for w in summary.get("warnings") or ()] + cautions(comparison, views, by_class)
    found = numbers.numbers(
        comparison,
        views,
        standings,
        tables,
        by_class.found if by_class else (),
        {each.method: each.found for each in worst},
    )
    html = framed(
        "page.html",
        drawn,
        {"classes": {"texts": by_class.texts, "bounds": by_class.bounds}} if by_class else None,
        title=str(((comparison.about.get("identity") or {}).get("data") or {}).get("name") or comparison.folder.name),
        comparison=comparison,
        summary=summary,
        asked=sections.asked(comparison),
        recommended=sections.recommendation(summary),
        warnings=said + sections.failed(summary) + [*problems, *lost, *unread],
        leading=table.leading(summary, standings),
        everything=table.everything(summary),
        ensembles=probes.ensembles(summary),
        probes=probes.probes(summary),
        pixels=segmentation.grids(summary),
        pixels_note=segmentation.note(summary),
        maps=maps,
        departures=[
            (f"departure-{index}-{quantity}", name, words)
            for index, name in enumerate(probes.curves(summary))
            for quantity, words in hull.NAMES.items()
            if f"departure-{index}-{quantity}" in drawn
        ],
        level=f"{100 * (summary.get('confidence') or 0.95):g} %",
        single=all((row.get("n_seeds") or 1) == 1 for row in summary["rows"]),
        cards=cards,
        turned=sections.turned(turned),
        last_used=sections.last_used(comparison),
        figures={name: words for name, words in _WORDS.items() if name in drawn},
        by_class=by_class,
        class_columns=COLUMNS,
        mistakes=worst,
        data=sections.data_section(comparison),
        commands=sections.commands(comparison),
        folder=shlex.quote(comparison.folder.name),
        configuration=sections.configuration(comparison),
        versions=sections.versions(comparison),
        runs=sections.runs(comparison),
        measures=[*MEASURES, *([MIOU] if summary.get("segmentation") else [])],
    )
    return html, found


def _figures(
    comparison: Comparison, views: Sequence[Pooled]
) -> tuple[dict[str, Any], dict[str, Any], list[Card], tuple[str, ...]]:
    """All figures' data by name, the rows behind them, the cards of the methods' diagrams, and what is not read."""
    methods, baseline = comparison.methods, comparison.baseline
    look = figures.looks(methods, baseline)
    drawn: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    if baseline is not None:
        found = differences(comparison.results, baseline=baseline, order=methods)
        if found:
            tables["differences"] = [row for each in found for row in each.table()]
            drawn["differences"] = figures.differences(found, baseline)
    if any(r["role"] == "test" and "ece" in (r.get("raw") or {}) for r in comparison.results):
        shown = tradeoff([r for r in comparison.results if r["method"] in look], order=methods)
        tables["tradeoff"] = shown.table()
        drawn["tradeoff"] = figures.tradeoff(shown, look)
    runs = [run for run in comparison.runs.values() if run["method"] in look]
    for quantity in ("loss", "cal_nll", "cal_accuracy"):
        lines = curves(runs, quantity=quantity, order=methods)
        if lines:
            tables[quantity] = [row for line in lines for row in line.table()]
            drawn[quantity] = figures.curves(lines, look)
    top = figures.heights(views)
    cards = []
    for index, view in enumerate(views):
        card = _card(comparison, index, view)
        cards.append(card)
        if card.drawn:
            # pixels of one image are alike: an interval as of independent rows would be too narrow
            drawn[card.reliability] = figures.reliability(view, intervals=not comparison.summary.get("segmentation"))
            drawn[card.confidence] = figures.confidence(view, top)
    for name, lines_of in _departures(comparison).items():
        tables[name] = [row for line in lines_of for row in line.table()]
        drawn[name] = figures.departures(lines_of, look)
    problems = comparison.problems + tuple(text for view in views for text in view.problems)
    return drawn, tables, cards, problems


def _departures(comparison: Comparison) -> dict[str, tuple[Departure, ...]]:
    """What the figures of leaving the data show, by the name of their place on the page."""
    found = {}
    for index, tables in enumerate(probes.curves(comparison.summary).values()):
        for quantity in hull.NAMES:
            lines = hull.departures(tables, quantity=quantity, order=comparison.methods)
            known = tuple(line for line in lines if line.method in comparison.methods)
            if known:
                found[f"departure-{index}-{quantity}"] = known
    return found


def _card(comparison: Comparison, index: int, view: Pooled) -> Card:
    row = comparison.summary["rows"][index]
    metrics = row.get("metrics") or {}
    numbers = [
        ("ECE", _change(metrics, "ece")),
        ("T =", rounding.fixed(row.get("temperature"), 2)),
        ("gap", _change(metrics, "gap", sign=True)),
    ]
    if view.raw:
        numbers.append(("n =", caption(view.raw.diagram).removeprefix("n = ").removesuffix(" seeds")))
    return Card(
        method=row["method"],
        recommended=bool(row.get("recommended")),
        baseline=bool(row.get("baseline")),
        reliability=f"reliability-{index}",
        confidence=f"confidence-{index}",
        numbers=tuple(numbers),
        drawn=view.raw is not None,
    )


def _change(metrics: dict[str, Any], key: str, *, sign: bool = False) -> str:
    """A measure's mean before → after scaling."""
    states = [(metrics.get(f"{key}_{state}") or {}).get("mean") for state in ("raw", "scaled")]
    return " → ".join(rounding.fixed(value, 3, sign=sign) for value in states)
