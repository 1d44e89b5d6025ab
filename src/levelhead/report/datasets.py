"""Data sets for a terminal: the table of those that have a name, and all there is to know of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from levelhead.report.listings import _MANY, _say, _table

if TYPE_CHECKING:
    from rich.console import Console

#: Examples of a class that are shown as text.
_SHOWN = 3


def print_sets(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """A row a set: what it is, how large, under which terms, and whether its files are there."""
    table = _table("name", "kind", "classes", "sizes", "licence", "files")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "left"
    for row in rows:
        sizes = " / ".join(f"{size:,}" for size in row["sizes"].values())
        cells = (row["name"], row["kind"], f"{row['classes']:,}", sizes, row["licence"], row["files"])
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    _say(console, "Sizes: train / val / test, as far as the set has them. 'levelhead data NAME' shows one.")
    _say(console, "Further: a folder, .npz, .csv, .parquet, .jsonl, hf:NAME[:CONFIG], or your package.module:function.")


def print_set(found: Mapping[str, Any], console: Console) -> None:
    """Facts, counts and examples, as far as there are any."""
    for label, value in _lines(found):
        if value:
            _say(console, Text.assemble((f"{label:11s} ", "bold"), value))
    if "counts" in found:
        _print_counts(found, console)
        for note in found["notes"]:
            _say(console, f"Note: {note}")
    for name, lines in found.get("examples", {}).items():
        _say(console, Text(name, "bold"))
        for line in lines[:_SHOWN]:
            _say(console, f"  {line}")
    if "picture" in found:
        picture = found["picture"]
        _say(console, f"Examples: {picture}" if picture else "Examples as a picture: --out FILE.png")


def _lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    classes = found.get("classes", [])
    names = f"{len(classes)}" if isinstance(classes, list) else f"{classes}, named by the files"
    listed = f": {', '.join(classes)}" if isinstance(classes, list) and len(classes) <= _MANY else ""
    return [
        ("name", " = ".join(each for each in (found["name"], found.get("title", "")) if each)),
        ("kind", found.get("kind", "")),
        ("classes", f"{names}{listed}"),
        ("sizes", ", ".join(f"{role} {size:,}" for role, size in found.get("sizes", {}).items())),
        ("shape", "x".join(map(str, found.get("shape") or ()))),
        ("augmented", found.get("augment", {}).get("words", "")),
        ("normalised", "with mean and deviation of train, computed" if found.get("kind") != "text" else ""),
        ("licence", found.get("licence", "")),
        ("cite", found.get("citation", "")),
        ("homepage", found.get("homepage", "")),
        ("layouts", "; ".join(found.get("layouts", []))),
        ("folders", ", ".join(found.get("folders", []))),
        ("originals", ", ".join(f"{each['file']} ({each['bytes']:,} bytes)" for each in found.get("originals", []))),
        ("downloaded", ", ".join(found.get("downloaded", []))),
        ("files", found.get("files", "")),
        ("origin", found.get("origin", "")),
        ("note", found.get("note", "")),
    ]


def _print_counts(found: Mapping[str, Any], console: Console) -> None:
    counts = found["counts"]
    table = _table("class", *counts)
    if len(found["classes"]) <= _MANY:
        for name, numbers in zip(found["classes"], zip(*counts.values())):
            table.add_row(Text(name), *(f"{number:,}" for number in numbers))
    else:
        table.add_row("fewest a class", *(f"{min(numbers):,}" for numbers in counts.values()))
        table.add_row("most a class", *(f"{max(numbers):,}" for numbers in counts.values()))
    table.add_row("all", *(f"{sum(numbers):,}" for numbers in counts.values()), style="bold")
    console.print(table)
