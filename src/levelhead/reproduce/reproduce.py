"""The verb: list the papers' items, or make one of them and show our table beside the published one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from levelhead.errors import unknown
from levelhead.reproduce import speed, wording
from levelhead.reproduce.claims import cost
from levelhead.reproduce.computed import COMPUTED
from levelhead.reproduce.designs import Design
from levelhead.reproduce.designs import missing as why_missing
from levelhead.reproduce.items import BEST_TEST, Cell, bed_name, cells, results_folder, state
from levelhead.reproduce.plans import SCALES, Item, Plan, requests
from levelhead.reproduce.store import Results, Watch, make
from levelhead.reproduce.store import missing as missing_runs
from levelhead.spec import parse

OUT = Path("levelhead-runs") / "reproduce"


def listing(plans: Mapping[str, Plan], out: Path) -> list[dict[str, Any]]:
    """Every item of every plan, with its state and what it takes at each scale."""
    results, rates = results_folder(out), speed.measured(out / "speed.json")
    found = []
    for paper, plan in plans.items():
        for item in plan.item:
            designs = [plan.design[column] for column in item.columns]
            entry: dict[str, Any] = {
                "item": f"{paper}/{item.id}",
                "where": item.where,
                "shows": item.shows,
                "data": list(dict.fromkeys(design.about.title for design in designs)),
                "networks": list(dict.fromkeys(design.network for design in designs)),
                "methods": list(dict.fromkeys(method for _, method in item.lines)),
                "note": item.note,
            }
            for scale in SCALES:
                entry[scale] = asdict(state(paper, plan, item, scale, results, rates))
            found.append(entry)
    return found


def print_listing(entries: list[dict[str, Any]], console: Console, *, detail: bool = False) -> None:
    """A line an item: what it shows, how far it is and what is missing takes, small and at the paper's scale.

    ``detail`` adds its data, networks and methods.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("item", "shows", "small", "at the paper's scale"):
        table.add_column(head, overflow="fold")
    for entry in entries:
        more = [
            f"{what}: {', '.join(entry[what])}" for what in ("data", "networks", "methods") if detail and entry[what]
        ]
        table.add_row(
            Text(entry["item"]),
            Text("\n".join([entry["shows"], *more])),
            *(Text(_progress(entry[scale])) for scale in SCALES[::-1]),
        )
    console.print(table)
    console.print(
        "Runs there / asked for, and how long the missing ones take on one core of this machine. "
        "'levelhead reproduce PAPER/ITEM' makes one, small unless --scale paper; 'levelhead reproduce PAPER' says more "
        "of each, --json all.",
        highlight=False,
    )


def _progress(state: Mapping[str, Any]) -> str:
    if not state["runs"]:
        return str(state["words"])
    left = "" if state["there"] == state["runs"] else f", {speed.words(state['seconds'])}"
    return f"{state['words']}: {state['there']}/{state['runs']} runs{left}"


def find(plans: Mapping[str, Plan], name: str) -> tuple[str, Plan, Item]:
    """The item that ``PAPER/ITEM`` names. Raises ``ValueError``."""
    paper, _, item = name.partition("/")
    if paper not in plans:
        raise unknown("paper", paper, plans)
    if not item:
        raise ValueError(
            f"{paper} has these items: {', '.join(each.id for each in plans[paper].item)}; say {paper}/ITEM"
        )
    return paper, plans[paper], plans[paper].find(item)


def reproduce(
    paper: str,
    plan: Plan,
    item: Item,
    scale: str,
    *,
    out: Path,
    seeds: int | None,
    curves: bool,
    jobs: int,
    data_dir: Path | None,
    devices: str,
    command: str,
    watch: Watch,
    say: Callable[[str], None],
    sources: Sequence[Path] = (),
) -> dict[str, Any]:
    """Make the runs that an item misses and return it as a table; ``watch`` shows how they come along.

    Columns whose data are not there are left out and said. ``sources`` are comparisons whose finished runs are taken.
    Raises ``ValueError`` where none can be run, and before anything is trained where no column can take a source's.
    """
    results = results_folder(out)
    reasons: dict[str, str] = {}
    failed: dict[str, str] = {}
    asked = requests(plan, item, scale, seeds=seeds, curves=curves)
    designs = {column: there for column in asked if (there := plan.design_of(item, column, scale))}
    refuse_strangers(sources, designs, data_dir, devices)
    todo = []
    for column, wanted in asked.items():
        name, design = designs[column]
        left = missing_runs(wanted, results.load(bed_name(paper, name, scale), design))
        if not left:
            continue
        why = why_missing(design, data_dir)
        if why:
            reasons[column] = why
        else:
            todo.append(column)
        said = f"{len(left)} runs on {_about(design)}, {_time(design, cost(design, left), out, devices)}"
        say(f"{column}: {why + ': ' if why else ''}{said}")
    for column in todo:
        (name, design), wanted = designs[column], asked[column]
        where = bed_name(paper, name, scale)
        failed |= make(
            where, design, wanted, store=out / "runs", results=results, jobs=jobs, data_dir=data_dir,
            devices=devices, command=command, watch=watch, sources=sources, say=say,
        )  # fmt: skip
    if asked and len(reasons) == len(asked):
        raise ValueError(f"{paper}/{item.id} cannot be made here: {'; '.join(dict.fromkeys(reasons.values()))}")
    drawn = draw(paper, plan, item, scale, out, data_dir, say)
    return result(paper, plan, item, scale, results) | {"left_out": reasons, "failed": failed, "figures": drawn}


def refuse_strangers(
    sources: Sequence[Path], designs: Mapping[str, tuple[str, Design]], data_dir: Path | None, devices: str
) -> None:
    """Raise ``ValueError`` for a comparison whose runs none of the designs can take, with what differs from each."""
    if not sources:
        return
    from levelhead.reproduce.designs import comparison
    from levelhead.reproduce.taking import open_comparison, why_not

    wholes = {
        column: comparison(design, ["vanilla"], [0], data_dir=data_dir, devices=devices)
        for column, (_, design) in designs.items()
        if not why_missing(design, data_dir)
    }
    for source in sources:
        card = open_comparison(source)
        differs = {column: why_not(card, whole) for column, whole in wholes.items()}
        if differs and all(differs.values()):
            said = "; ".join(f"not those of {column}: {', '.join(why[:4])}" for column, why in differs.items())
            raise ValueError(f"--from {source}: its runs are {said}. Runs are taken where all of these agree")


def draw(
    paper: str, plan: Plan, item: Item, scale: str, out: Path, data_dir: Path | None, say: Callable[[str], None]
) -> list[str]:
    """Draw the item's figures from the runs in the store, a file a column, and return where they are.

    A figure whose runs were made elsewhere, or did not record what it needs, is left out and said.
    """
    from levelhead.compare.compare import summarise
    from levelhead.compare.folder import Folder
    from levelhead.figures import figure

    files = []
    for each in item.figures if item.computed else ():
        file = out / "figures" / f"{paper}-{item.id}-{scale}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        figure(each.kind, None, file)
        files.append(str(file))
    for column in item.columns if item.figures else ():
        there = plan.design_of(item, column, scale)
        if there is None:
            continue
        records = results_folder(out).load(bed_name(paper, there[0], scale), there[1])
        sentences = list(dict.fromkeys(str(parse(item.method(column, *line))) for line in item.lines))
        runs = [record for sentence in sentences for record in records.get(sentence, {}).values()]
        folder = next((out / "runs" / record["store"] for record in runs if record.get("store")), None)
        if folder is None or not folder.is_dir():
            say(f"{column}: no figure, its runs are not in {out / 'runs'}")
            continue
        summary = summarise(Folder(folder), [], [])
        named = {row["sentence"]: row["method"] for row in summary["rows"]}
        methods = tuple(named[sentence] for sentence in sentences if sentence in named)
        for number, each in enumerate(item.figures):
            end = f"-{number + 1}" if len(item.figures) > 1 else ""
            file = out / "figures" / f"{paper}-{item.id}-{column}-{scale}{end}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                figure(
                    each.kind, folder, file, methods=methods, argument=each.argument, measure=each.measure,
                    data_dir=data_dir,
                )  # fmt: skip
            except ValueError as error:
                say(f"{column}: no figure, {error}")
            else:
                files.append(str(file))
    return files


def result(paper: str, plan: Plan, item: Item, scale: str, results: Results) -> dict[str, Any]:
    """An item from what is there."""
    found: dict[str, Any] = {
        "item": f"{paper}/{item.id}", "where": item.where, "shows": item.shows, "scale": scale,
        "percent": [measure for measure in item.asked(scale) if item.factor(measure) == 100],
        "stands_in": bool(item.small) and not plan.bed,
        "paper_selected": plan.selection, "note": item.note, "designs": {}, "cells": [],
    }  # fmt: skip
    if item.drawing:
        return found | {"drawing": item.drawing}
    if item.computed:
        heads, rows = COMPUTED[item.computed]()
        return found | {"computed": {"heads": heads, "rows": rows}}
    for column in item.columns:
        there = plan.design_of(item, column, scale)
        if there:
            found["designs"][column] = _about(there[1]) + (f". {there[1].note}" if there[1].note else "")
    return found | {"cells": [asdict(cell) for cell in cells(paper, plan, item, scale, results)]}


def print_result(found: Mapping[str, Any], console: Console) -> None:
    """The item as tables: published, ours with interval, difference, n."""

    def say(text: str) -> None:
        console.print(Text(text), soft_wrap=True)

    say(f"{found['item']}: {found['shows']} ({found['where']})")
    if found.get("drawing"):
        say(f"A drawing: {found['drawing']} says the same.")
        return
    if found.get("computed"):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for head in found["computed"]["heads"]:
            table.add_column(head, justify="right")
        for row in found["computed"]["rows"]:
            table.add_row(*(f"{value:.4g}" for value in row))
        console.print(table)
        for file in found.get("figures", ()):
            say(f"The figure: {file}")
        return
    if found["scale"] == "small" and found["stands_in"]:
        say(
            "Small: the design of the paper on data and a network that two cores manage; its numbers need not come out."
        )
    for column, about in found["designs"].items():
        say(f"  {column}: {about}")
    every = [Cell(**cell) for cell in found["cells"]]
    best = any(cell.best is not None for cell in every)
    for measure in dict.fromkeys(cell.measure for cell in every):
        what = measure if (said := wording.measure(measure)) == measure else f"{measure} ({said})"
        unit = f"{what}, %" if measure in found["percent"] else what
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title=Text(unit), title_justify="left")
        heads = [BEST_TEST + " (as published, optimistic)"] if best else []
        for head in ("", "method", "published", *heads, "ours, last epoch" if best else "ours", "difference", "n"):
            table.add_column(head, justify="left" if head in ("", "method") else "right", overflow="fold")
        for cell in (cell for cell in every if cell.measure == measure):
            shown = [_number(cell.best)] if best else []
            cells = (cell.column, cell.label, cell.published, *shown, _interval(cell), _signed(cell.difference))
            table.add_row(*map(Text, cells), str(cell.n or ""))
        console.print(table)
    if found["paper_selected"] == BEST_TEST and not best:
        say("The paper reports its best test epoch; ours is the last (--curves also records the others).")
    for file in found.get("figures", ()):
        say(f"The figure: {file}")
    if found["note"]:
        say(f"Note: {found['note']}.")


def _about(design: Design) -> str:
    part = f"{design.images:,} of " if design.train_size else ""
    return f"{part}{design.about.title}, {design.network}, {design.epochs} epochs"


def _time(design: Design, passes: float, out: Path, devices: str) -> str:
    from levelhead.compare.settings import find_devices

    took = speed.words(speed.seconds(design, passes, speed.measured(out / "speed.json")))
    gpu = find_devices(devices)[0].startswith("cuda")
    return f"about {took} on one core" + (", on a GPU a fraction of it" if gpu else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3g}"


def _interval(cell: Cell) -> str:
    if cell.ours is None:
        return ""
    return _number(cell.ours) + ("" if cell.lo is None else f" [{_number(cell.lo)}, {_number(cell.hi)}]")
