"""A page a paper: the idea, the sentence that runs it, its card, what held and what did not, our table by theirs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from levelhead.reproduce import verdicts
from levelhead.reproduce.claims import Row, claims, cost, judge, rate
from levelhead.reproduce.computed import COMPUTED
from levelhead.reproduce.designs import bed
from levelhead.reproduce.items import Cell, cells
from levelhead.reproduce.ledger import load, numbers
from levelhead.reproduce.plans import Item, Plan, plans, requests
from levelhead.reproduce.speed import nominal, words
from levelhead.reproduce.store import Results, missing
from levelhead.reproduce.wording import measure
from levelhead.spec import methods


def page(paper: str, results: Path, pictures: Path | None = None) -> str:
    """One paper's page, in Markdown; ``pictures`` is the folder of the figures that were drawn, in docs/assets."""
    plan = plans()[paper]
    rows = [judge(claim, load(results)) for claim in claims() if claim.paper == paper]
    lines = [
        *("---", "hide:", "  - toc", "---", f"# {plan.title}", "", " ".join(plan.idea.split()), ""),
        *("```", f"levelhead compare --data DATA --method vanilla --method {plan.sentence}", "```", ""),
        *_card(plan),
        *_held(rows),
        *_tables(paper, plan, Results(results), pictures),
    ]
    return "\n".join(lines) + "\n"


def _card(plan: Plan) -> Iterator[str]:
    card = methods()[plan.sentence]
    yield from ("## The method", "", f"`{card.usage}`", "", f"`{card.sentence}`", "")
    yield f"{card.idea[0].upper()}{card.idea[1:]}: `{card.equation}`. Costs {card.passes:g}x plain training."
    for label in ("defaults", "deviations", "switches"):
        text = getattr(card, label)
        if text != "none":
            yield from ("", f"{label.capitalize()}: {_text(text)}.")
    yield from ("", "[All methods](../methods.md).", "")


def _held(rows: Sequence[Row]) -> Iterator[str]:
    """The claims by verdict, those that were run; the ledger has the tests."""
    by_verdict: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_verdict[row.verdict].append(row)
    yield from ("## What held and what did not", "")
    yield (
        "On beds that two cores manage (below), not at the paper's scale; n is seeds, brackets: 95 % interval of the "
        "mean over them. *Holds*, *fails*: the interval lies wholly on one side; *cannot tell*: it does not, with the "
        "difference that so few seeds could have shown; *regime not reached*: plain training stayed below 99 % on its "
        "training examples, so the paper's claim is not refuted. Tests and rules: [the ledger](../claims.md)."
    )
    for verdict in (verdicts.HOLDS, verdicts.FAILS, verdicts.OFF_REGIME, verdicts.CANNOT_TELL, verdicts.ABSENT):
        if by_verdict[verdict]:
            yield from ("", f"**{verdict[0].upper()}{verdict[1:]}**", "")
            yield from (f"- {_claim(row)}" for row in by_verdict[verdict])
    left = by_verdict[verdicts.NOT_RUN]
    if left:
        yield from ("", "**Not run yet** (`make claims` runs them)", "")
        yield from (f"- {row.claim.id}, {_text(row.claim.says)}" for row in left)
    yield ""


def _claim(row: Row) -> str:
    beds = []
    for found in row.beds:
        deciding = [each for each in found.judged if not each.printed and each.finding.verdict != verdicts.NOT_RUN]
        if found.verdict == verdicts.ABSENT:
            beds.append(f"{found.bed}: {found.verdict}")
        elif found.verdict != verdicts.NOT_RUN and deciding:
            what = numbers(deciding[0].finding) if len(deciding) == 1 else f"{found.verdict}, {len(deciding)} tests"
            beds.append(f"{found.bed}, n = {found.n}: {what}")
    return f"{row.claim.id}, {_text(row.claim.says)} ({'; '.join(beds)})"


def _tables(paper: str, plan: Plan, results: Results, pictures: Path | None) -> Iterator[str]:
    yield from ("## Our numbers beside the published ones", "")
    yield (
        "Small: the design of the paper on beds that two cores manage, so its numbers need not come out; a difference "
        "between methods is what there is to look at. Published numbers are of the paper's data and network and of its "
        f"{plan.selection}, ours of the bed named beside them and of the last epoch: mean over n seeds, 95 % Student-t "
        "interval, difference to the published mean. Where one bed stands for several designs of the paper, their "
        "numbers are of the same runs. Empty cells are not run yet: the command beside an item makes them in about the "
        "time it says on one core of the machine that made the others; with `--scale paper` it makes the item at the "
        "paper's own scale, and `levelhead reproduce` says how long that takes."
    )
    used = {name for item in plan.item for name in item.small.values()}
    records = [run for name in used for runs in results.load(name, bed(name)).values() for run in runs.values()]
    if not all(run["complete"] for run in records):
        yield from (
            "",
            "Some runs come from an earlier study that kept a part of the numbers: they stand in the tables, and are "
            "made again where an item needs more of them, a figure above all.",
        )
    yield from ("", *_beds(plan, results))
    left = []
    for item in plan.item:
        shown = [cell for cell in cells(paper, plan, item, "small", results) if cell.n or cell.published]
        if any(cell.n for cell in shown):
            yield from _head(paper, item)
            yield from ("", _progress(plan, item, results))
            yield from _table(item, shown)
            for column in item.columns:
                yield from _drawn(paper, plan, item, column, shown, pictures)
        elif item.computed:
            yield from _computed(paper, item)
            yield from _pictures(f"{paper}-{item.id}-small", f"{item.where}: {item.shows}", pictures)
        elif item.drawing:
            yield from _head(paper, item, command=item.drawing)
        else:
            left.append(
                f"- {item.where}, {_text(item.shows)}: {_command(paper, item)}. {_progress(plan, item, results)}"
            )
    if left:
        yield from ("", "### Not run yet", "", *left)


def _beds(plan: Plan, results: Results) -> Iterator[str]:
    """A line for every bed that stands for a design of the paper."""
    yield from ("| bed | data | training examples | network | epochs | test examples |", "|-|-|-|-|-|-|")
    for name in dict.fromkeys(name for item in plan.item for name in item.small.values()):
        design = bed(name)
        tested = {run["n"] for runs in results.load(name, design).values() for run in runs.values() if run.get("n")}
        cells_of = (name, design.about.title, f"{design.images:,}", design.network, str(design.epochs))
        n = f"{max(tested):,}" if tested else "not run yet"
        yield f"| {' | '.join(map(_text, cells_of))} | {n} |"


def _progress(plan: Plan, item: Item, results: Results) -> str:
    """How many of an item's runs are there, and how long the others take, by the runs of a bed that were timed."""
    asked = there = 0
    seconds, absent = 0.0, []
    for column, wanted in requests(plan, item, "small").items():
        name, design = plan.design_of(item, column, "small") or ("", bed("F"))
        records = results.load(name, design)
        left = missing(wanted, records)
        asked += (count := sum(each.seeds for each in wanted))
        there += count - len(left)
        seconds += cost(design, left) / (rate(design, records) or nominal(design))
        if left:
            absent.append(name)
    if not absent:
        return f"All {asked} runs are there."
    where = " and ".join(dict.fromkeys(absent))
    if not there:
        return f"Its {asked} runs, on {where}, take about {words(seconds)} of one core."
    return f"{there} of {asked} runs are there; the others, on {where}, take about {words(seconds)} of one core."


def _drawn(
    paper: str, plan: Plan, item: Item, column: str, shown: Sequence[Cell], pictures: Path | None
) -> Iterator[str]:
    """The figures of one column, named by the data that they are of."""
    there = plan.design_of(item, column, "small")
    if there is None:
        return
    counts = {cell.n for cell in shown if cell.n}
    seeds = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts)}"
    about = f"{item.where}: {item.shows}; {there[1].about.title}, {there[1].network} network, seeds: {seeds}"
    yield from _pictures(f"{paper}-{item.id}-{column}-small", about, pictures)


def _pictures(start: str, alternative: str, pictures: Path | None) -> Iterator[str]:
    """The figures whose file names begin so: as many as the item has."""
    for file in sorted(pictures.glob(f"{start}*.png")) if pictures else ():
        yield from ("", f"![{alternative}](../assets/{file.parent.name}/{file.name})")


def _head(paper: str, item: Item, command: str = "") -> Iterator[str]:
    said = f"`{command}`" if command else _command(paper, item)
    yield from ("", f"### {item.where}", "", f"{_text(item.shows[0].upper() + item.shows[1:])}. {said}")
    if item.note:
        yield from ("", f"{_text(item.note[0].upper() + item.note[1:])}.")


def _command(paper: str, item: Item) -> str:
    return f"`levelhead reproduce {paper}/{item.id}`"


def _computed(paper: str, item: Item) -> Iterator[str]:
    heads, rows = COMPUTED[item.computed]()
    yield from _head(paper, item)
    yield from ("", f"| {' | '.join(map(_text, heads))} |", f"|{'-|' * len(heads)}")
    yield from (f"| {' | '.join(f'{value:.4g}' for value in row)} |" for row in rows)


def _table(item: Item, shown: Sequence[Cell]) -> Iterator[str]:
    yield from ("", "| measure | design | method | published | ours | difference | n |", "|-|-|-|-|-|-|-|")
    for cell in shown:
        unit = ", %" if item.factor(cell.measure) == 100 else ""
        interval = "" if cell.lo is None else f" [{cell.lo:.4g}, {cell.hi:.4g}]"
        cells_of = (
            measure(cell.measure) + unit,
            cell.column,
            cell.label,
            cell.published,
            "" if cell.ours is None else f"{cell.ours:.4g}{interval}",
            "" if cell.difference is None else f"{cell.difference:+.3g}",
            str(cell.n or ""),
        )
        yield "| " + " | ".join(map(_text, cells_of)) + " |"


def _text(text: str) -> str:
    return text.replace("|", "&#124;").replace("_", "\\_").replace("*", "\\*").replace("<", "&lt;")
