"""The headline of an evaluation as one picture, for a chat or a slide: what was found, and the diagrams behind it."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from levelhead.plots import style
from levelhead.plots.leaderboard import save
from levelhead.plots.reliability import FEW, draw, of_table
from levelhead.report import rounding
from levelhead.report.evaluation_terminal import ranking

_SIZE = (7.5, 3.94)  # inches: twice as wide as high, as chats show it
_MOST = 3  # diagrams
_LETTERS = 52  # a line
_LINES = 21  # of text that fit


def picture(found: Mapping[str, Any], path: Path) -> Path:
    """Draw what `levelhead.evaluate.evaluate` gave into `path` (.png, at most 300 kB, or .svg, .pdf); returns it.

    The first sentences of the verdict, and the reliability diagrams of the best three files before and after scaling.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    entries = sorted(found["files"], key=ranking) if "files" in found else [found]
    with rc_context(cast(Any, style.RC)), warnings.catch_warnings():
        # a name may hold letters that no font here has; a box in their place is no reason to stop
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=_SIZE)
        name = entries[0]["name"] if len(entries) == 1 else f"{len(entries)} models"
        figure.text(
            0.03, 0.93, style.plain(f"{_short(name, 60)}: how sure, and how right?"), fontsize=11, weight="bold"
        )
        if len(entries) == 1:
            _text(figure, found["verdict"])
            _panel(figure.add_axes((0.56, 0.13, 0.41, 0.72)), entries[0], legend=True)
        else:
            _several(figure, entries, found["verdict"])
        save(figure, path)
    return path


def _text(figure: Any, sentences: Sequence[str]) -> None:
    """As many whole sentences as there is room for."""
    lines: list[str] = []
    for sentence in sentences:
        wrapped = textwrap.wrap(sentence, _LETTERS)
        if lines and len(lines) + 1 + len(wrapped) > _LINES:
            break
        lines += [*([""] if lines else []), *wrapped]
    shown = "\n".join(style.plain(line) for line in lines[:_LINES])
    figure.text(0.03, 0.86, shown, va="top", linespacing=1.35)


def _several(figure: Any, entries: Sequence[Mapping[str, Any]], sentences: Sequence[str]) -> None:
    shown = entries[:_MOST]
    for index, entry in enumerate(shown):
        ax = figure.add_axes((0.07 + 0.945 * index / len(shown), 0.36, 0.26, 0.46))
        _panel(ax, entry, legend=index == 0)
        ax.set_title(style.plain(_short(entry["name"], 32)))
        ax.set_ylabel("accuracy" if index == 0 else "")
    rest = len(entries) - len(shown)
    said = [*([f"The best {_MOST} by NLL after scaling; {rest} more on the page."] if rest else []), *sentences]
    lines = [line for sentence in said for line in textwrap.wrap(sentence, 118)]
    figure.text(0.03, 0.215, "\n".join(style.plain(line) for line in lines[:5]), va="top", linespacing=1.35)


def _panel(ax: Any, entry: Mapping[str, Any], *, legend: bool) -> None:
    for state, colour, marker in (("raw", style.RAW, "o"), ("scaled", style.SCALED, "s")):
        rows = entry["reliability"].get(state)
        if not rows:
            continue
        data = of_table(rows)
        full = [row for row in rows if row["count"] >= FEW and row["calibrated_lo"] is not None]
        if state == "raw" and full:
            low, high = ([row[f"calibrated_{end}"] for row in full] for end in ("lo", "hi"))
            x = [row["confidence"] for row in full]
            ax.fill_between(x, low, high, color=style.GRID, linewidth=0, zorder=0, label="if it were calibrated")
        label = {"raw": "as it comes", "scaled": "after scaling"}[state]
        draw(ax, data, title="", colour=colour, marker=marker, label=label)
    ece = [rounding.fixed(entry[state]["ece"]) for state in ("raw", "scaled") if entry.get(state)]
    said = f"ECE {' → '.join(ece)}\nn = {rounding.count(entry['n'])}"
    ax.text(0.98, 0.03, said, transform=ax.transAxes, ha="right", fontsize=7)
    if legend:
        for handle in ax.legend(loc="upper left", borderaxespad=0.2, handletextpad=0.4).legend_handles:
            if hasattr(handle, "set_sizes"):
                handle.set_sizes([20])


def _short(name: str, letters: int) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"
