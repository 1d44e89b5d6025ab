"""A page a paper: the idea, the sentence that runs it, its card, what held and what did not, our table by theirs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from levelhead.reproduce import verdicts
from levelhead.reproduce.claims import Row, claims, judge
from levelhead.reproduce.computed import COMPUTED
from levelhead.reproduce.items import Cell, cells
from levelhead.reproduce.ledger import load, numbers
from levelhead.reproduce.plans import Item, Plan, plans
from levelhead.reproduce.store import Results
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
    yield "On beds that two cores manage, not at the paper's scale; tests and numbers: [the ledger](../claims.md)."
    for verdict in (verdicts.HOLDS, verdicts.FAILS, verdicts.OFF_REGIME, verdicts.CANNOT_TELL, verdicts.ABSENT):
        if by_verdict[verdict]:
            yield from ("", f"**{verdict[0].upper()}{verdict[1:]}**", "")
            yield from (f"- {_claim(row)}" for row in by_verdict[verdict])
    left = by_verdict[verdicts.NOT_RUN]
    if left:
        yield from ("", f"Not run yet: {', '.join(row.claim.id for row in left)}.")
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
        f"Small: the paper's design on beds that two cores manage, so the numbers need not come out; published numbers "
        f"are of the paper's {plan.selection}, ours of the last. `levelhead reproduce {paper}/ITEM` makes an item, "
        "`--scale paper` at the paper's own scale."
    )
    without = []
    for item in plan.item:
        shown = cells(paper, plan, item, "small", results) if item.columns else []
        if any(cell.n for cell in shown):
            yield from _table(paper, item, shown)
            for column in item.columns:
                yield from _pictures(f"{paper}-{item.id}-{column}-small", f"{item.where}, {column}", pictures)
        elif item.computed:
            yield from _computed(paper, item)
            yield from _pictures(f"{paper}-{item.id}-small", item.where, pictures)
        elif item.drawing:
            yield from (
                "",
                f"### {item.where}",
                "",
                f"{_text(item.shows[0].upper() + item.shows[1:])}: `{item.drawing}`",
            )
        elif item.columns:
            without.append(item.id)
    if without:
        yield from ("", f"Not run yet: {', '.join(without)}.")


def _pictures(start: str, alternative: str, pictures: Path | None) -> Iterator[str]:
    """The figures whose file names begin so: as many as the item has."""
    for file in sorted(pictures.glob(f"{start}*.png")) if pictures else ():
        yield from ("", f"![{alternative}](../assets/{file.parent.name}/{file.name})")


def _head(paper: str, item: Item) -> Iterator[str]:
    yield from (
        "",
        f"### {item.where}",
        "",
        f"{_text(item.shows[0].upper() + item.shows[1:])}. `levelhead reproduce {paper}/{item.id}`",
    )
    if item.note:
        yield from ("", f"{_text(item.note[0].upper() + item.note[1:])}.")


def _computed(paper: str, item: Item) -> Iterator[str]:
    heads, rows = COMPUTED[item.computed]()
    yield from _head(paper, item)
    yield from ("", f"| {' | '.join(map(_text, heads))} |", f"|{'-|' * len(heads)}")
    yield from (f"| {' | '.join(f'{value:.4g}' for value in row)} |" for row in rows)


def _table(paper: str, item: Item, shown: Sequence[Cell]) -> Iterator[str]:
    yield from _head(paper, item)
    yield from ("", "| measure | design | method | published | ours | difference | n |", "|-|-|-|-|-|-|-|")
    for cell in shown:
        if cell.n:
            unit = ", %" if item.factor(cell.measure) == 100 else ""
            interval = "" if cell.lo is None else f" [{cell.lo:.4g}, {cell.hi:.4g}]"
            difference = "" if cell.difference is None else f"{cell.difference:+.3g}"
            cells_of = (
                cell.measure + unit,
                cell.column,
                cell.label,
                cell.published,
                f"{cell.ours:.4g}{interval}",
                difference,
                str(cell.n),
            )
            yield "| " + " | ".join(map(_text, cells_of)) + " |"


def _text(text: str) -> str:
    return text.replace("|", "&#124;").replace("_", "\\_").replace("*", "\\*").replace("<", "&lt;")
