"""One picture of a comparison, for a README: every method's reliability diagram, before and after scaling."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any, cast

from levelhead.files import write_whole
from levelhead.plots import reliability, style
from levelhead.plots.comparison import Comparison, read
from levelhead.plots.pooled import Pooled, pooled

MAX_PNG = 300_000  # bytes: the picture lives in a repository
RESOLUTIONS = (160, 130, 100, 80, 60, 45)  # dots an inch, the first that stays within MAX_PNG is taken
PANEL = 1.75  # inches


def overview(folder: str | Path, path: str | Path) -> Path:
    """Draw the reliability diagrams of every method of the comparison in `folder` into `path`.

    The ending of `path` names the format (.png, .svg, .pdf); a PNG is kept within 300 kB. Returns the path.

    Raises:
        ValueError: `folder` is not a comparison's, or holds no predictions that could be drawn.
    """
    from matplotlib import rc_context

    comparison, path = read(folder), Path(path)
    shown = [p for p in (pooled(comparison, method) for method in comparison.methods) if p.raw]
    if not shown:
        lacking = "no readable runs/*/test.safetensors"
        raise ValueError(f"{comparison.folder} holds no predictions to draw: {lacking}")
    with rc_context(cast(Any, style.RC)), warnings.catch_warnings():
        # A method's name may hold letters that no font here has; a box in their place is no reason to stop.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = _figure(comparison, shown)
        save(figure, path)
    return path


def _figure(comparison: Comparison, shown: list[Pooled]) -> Any:
    from matplotlib.figure import Figure

    columns = min(len(shown) + 1, 4 if len(shown) < 16 else 8)
    rows = math.ceil((len(shown) + 1) / columns)  # one more panel, for the legend
    figure = Figure(figsize=(columns * PANEL + 0.3, rows * (PANEL + 0.35) + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    measures = {row["method"]: row.get("metrics") or {} for row in comparison.summary["rows"]}
    for index, (ax, data) in enumerate(zip(axes, shown, strict=False)):
        _panel(ax, data, measures[data.method])
        ax.set_ylabel("accuracy" if index % columns == 0 else "")
        ax.set_xlabel("confidence" if index + columns >= len(shown) else "")
        ax.xaxis.set_tick_params(labelbottom=index + columns >= len(shown))
        ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    _legend(axes[len(shown)], axes[0], comparison, shown)
    return figure


def _panel(ax: Any, data: Pooled, measures: dict[str, Any]) -> None:
    assert data.raw is not None
    reliability.draw(ax, data.raw.diagram, title="", colour=style.RAW, marker="o", label="before scaling")
    if data.scaled:
        reliability.draw(ax, data.scaled.diagram, title="", colour=style.SCALED, marker="s", label="after scaling")
    ax.set_title(style.plain(data.method, width=26))
    values = [(measures.get(f"ece_{state}") or {}).get("mean") for state in ("raw", "scaled")]
    text = " → ".join(f"{value:.3f}" for value in values if value is not None)
    if text:
        ax.text(0.97, 0.04, f"ECE {text}", transform=ax.transAxes, ha="right", fontsize=7, color=style.INK)


def _legend(ax: Any, drawn: Any, comparison: Comparison, shown: list[Pooled]) -> None:
    handles, labels = drawn.get_legend_handles_labels()
    legend = ax.legend(handles, labels, loc="upper left", borderaxespad=0, handletextpad=0.4)
    for handle in legend.legend_handles:
        handle.set_sizes([24])
    assert shown[0].raw is not None
    data = (comparison.about.get("identity") or {}).get("data") or {}
    name = style.plain(str(data.get("name") or ""), width=26)
    counted = reliability.caption(shown[0].raw.diagram)
    note = f"{name}\ntest, {counted}\narea: share of examples\nbars: 95 % interval"
    ax.text(0, 0.55, note.strip(), transform=ax.transAxes, va="top", fontsize=7, color=style.MUTED)


def save(figure: Any, path: Path) -> None:
    """Write a figure whole or not at all; a PNG within `MAX_PNG`, at the finest of `RESOLUTIONS` that allows it."""

    def write(beside: Path) -> None:
        if beside.suffix.lower() != ".png":
            figure.savefig(beside)
            return
        for dpi in RESOLUTIONS:
            figure.savefig(beside, dpi=dpi)
            if beside.stat().st_size <= MAX_PNG:
                return

    write_whole(path, write)
