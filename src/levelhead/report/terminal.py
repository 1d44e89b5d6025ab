"""The leaderboard for a terminal: the page's numbers in a table of at most 110 columns, then the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from levelhead.report import probes, rounding, segmentation

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SAME = "~"


def leaderboard(summary: Mapping[str, Any]) -> Table:
    """The rows of a comparison's summary (summary.json), best first, as a table of rich.

    Plus-minus is half the interval of the mean over seeds; without several seeds there is none. The difference to the
    baseline carries a `~` where the seeds cannot tell it from zero. Fits 110 columns, and 80 with names broken.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    baseline = summary.get("baseline")
    with_difference = any(_metric(row, "nll_scaled").get("diff") is not None for row in summary["rows"])
    with_miou = bool(summary.get("segmentation"))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("method", overflow="fold", min_width=10)
    heads = [
        "NLL\nscaled",
        *([f"vs\n{_short(baseline)}"] if with_difference else []),
        "ECE\nraw",
        "gap\nraw",
        "mIoU\n%" if with_miou else "acc.\n%",  # accuracy is in the table of all pixels
    ]
    for head in [*heads, "T", "passes", "time"]:
        table.add_column(Text(head), justify="right", no_wrap=True)
    times = rounding.durations([row.get("seconds") for row in summary["rows"]])
    for row, time in zip(summary["rows"], times, strict=True):
        style = "bold" if row.get("recommended") else None
        table.add_row(*_cells(row, with_difference, with_miou), time.replace(rounding.DASH, "-"), style=style)
    return table


def print_summary(summary: Mapping[str, Any], console: Console) -> None:
    """Print the leaderboard, what its marks mean, ensembles and probes, the verdict, the warnings.

    Plain text where no terminal is.
    """
    from rich.text import Text

    console.print(leaderboard(summary))
    console.print()
    for note in notes(summary):
        console.print(Text(note, style="dim"))
    ensembles = probes.ensembles(summary)
    for grid in [*segmentation.grids(summary)[:1], *([ensembles] if ensembles else []), *probes.probes(summary)]:
        console.print()
        print_grid(grid, console)
    for sentence in summary.get("verdict") or ():
        console.print()
        console.print(Text(str(sentence)))
    troubles = [str(text) for text in summary.get("warnings") or ()]
    troubles += [
        f"{f.get('method')}, seed {f.get('seed')}, failed: {f.get('reason')}" for f in summary.get("failed") or ()
    ]
    if troubles:
        console.print()
    for text in troubles:
        console.print(Text.assemble(("Warning: ", "bold"), text))


def print_grid(grid: probes.Grid, console: Console) -> None:
    """A small table under its title, and the sentence below it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("method", overflow="fold", min_width=10)
    for head in grid.heads[1:]:
        # the last word below the others, as in the leaderboard
        table.add_column(Text("\n".join(head.rsplit(" ", 1))), justify="right", no_wrap=True)
    for row, inner in zip(grid.rows, grid.inner, strict=True):
        cells = [text.replace(rounding.MINUS, "-").replace(rounding.DASH, "-") for text in row]
        table.add_row(Text(f"  {cells[0]}" if inner else cells[0]), *cells[1:], style="dim" if inner else None)
    console.print(Text(grid.title, style="bold"))
    console.print(table)
    console.print(Text(grid.note, style="dim"))


def notes(summary: Mapping[str, Any]) -> list[str]:
    """What the table's marks mean, as far as they occur in it."""
    rows = summary["rows"]
    seeds = sorted({int(row.get("n_seeds") or 0) for row in rows})
    level = f"{100 * (summary.get('confidence') or 0.95):g} %"
    many = "-".join(str(n) for n in ([seeds[0], seeds[-1]] if len(seeds) > 1 else seeds))
    found = [
        f"test, n = {rounding.count(summary.get('n_test'))}; NLL in nats, lower is better; gap: confidence - accuracy."
    ]
    if any(rounding.half_width(_metric(row, "nll_scaled")) is not None for row in rows):
        found.append(f"± is half the {level} interval over {many} seeds.")
    else:
        found.append("One seed: no intervals, and no difference can be told from luck.")
    if any(rounding.told_apart(_metric(row, "nll_scaled")) is False for row in rows):
        found.append(f"{SAME} these seeds cannot tell the difference from zero.")
    if counted := segmentation.note(summary):
        found.append(counted)
    if any(row.get("recommended") for row in rows):
        found.append("* recommended, by its NLL on cal.")
    return found


def _cells(row: Mapping[str, Any], with_difference: bool, with_miou: bool) -> list[Any]:
    from rich.text import Text

    nll, ece, gap = (_metric(row, key) for key in ("nll_scaled", "ece_raw", "gap_raw"))
    # Text, not str: rich would read brackets in a name as markup.
    cells: list[Any] = [Text(f"{row['method']}{' *' if row.get('recommended') else ''}")]
    cells.append(_with_interval(nll))
    if with_difference:
        cells.append("(base)" if row.get("baseline") else _difference(nll))
    cells += [_ascii(ece.get("mean"), 3), _ascii(gap.get("mean"), 3, sign=True)]
    share = _metric(row, "miou_raw" if with_miou else "accuracy_raw").get("mean")
    cells.append("-" if share is None else _ascii(100 * share, 1))
    cells.append(_ascii(row.get("temperature"), 2))
    cells.append(rounding.times(row.get("passes")).replace(rounding.DASH, "-"))
    return cells


def _with_interval(cell: Mapping[str, Any]) -> str:
    half = rounding.half_width(cell)
    mean = _ascii(cell.get("mean"), 3)
    return mean if half is None else f"{mean} ±{half:.3f}"


def _difference(cell: Mapping[str, Any]) -> str:
    if rounding.undefined(cell.get("diff")):
        return "-"
    mark = SAME if rounding.told_apart(cell) is False else " "
    return f"{_ascii(cell['diff'], 3, sign=True)}{mark}"


def _ascii(value: float | None, digits: int, *, sign: bool = False) -> str:
    # Consoles without Unicode have neither the real minus nor the dash.
    return rounding.fixed(value, digits, sign=sign).replace(rounding.MINUS, "-").replace(rounding.DASH, "-")


def _metric(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return (row.get("metrics") or {}).get(key) or {}


def _short(name: object, limit: int = 8) -> str:
    text = str(name)
    return text if len(text) <= limit else text[: limit - 1] + "…"
