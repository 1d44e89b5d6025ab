"""The targets that a method trained with: mean of each rank as bars, and how they move with the epochs.

From a run that was trained with `--record targets`. PLS figures 1 and 4, LaMix figures 2 and 3. E epochs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.plots import style

RANKS = ("own", "partner", "1st other", "2nd other", "3rd other", "4th other", "5th other")


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """One method: `epochs (E,)`, and `targets (E, R)`, the mean target of pairs of different labels.

    In the order of `RANKS`: of the example's own class, of its partner's, and the largest of the others.
    """

    method: str
    epochs: np.ndarray
    targets: np.ndarray
    pairs: int

    def table(self) -> list[dict[str, Any]]:
        """One row an epoch and rank: method, epoch, rank, target."""
        return [
            {"method": self.method, "epoch": int(epoch), "rank": RANKS[rank], "target": float(value)}
            for epoch, row in zip(self.epochs, self.targets, strict=True)
            for rank, value in enumerate(row)
        ]


def soft_targets(method: str, run: str | Path) -> SoftTargets:
    """Read what a run recorded; raises ValueError where it recorded no targets of pairs."""
    files = sorted((Path(run) / "records").glob("targets-*.npz"))
    epochs, rows, pairs = [], [], 0
    for path in files:
        with np.load(path) as stored:
            if "pairs" in stored and np.isfinite(stored["pairs"]).all():
                epochs.append(int(path.stem.split("-")[1]))
                rows.append(stored["pairs"])
                pairs = int(stored["pairs_count"])
    if not rows:
        raise ValueError(
            f"{method}: no targets of mixed pairs in {Path(run) / 'records'}; train it with --record targets, and a "
            "method that mixes"
        )
    return SoftTargets(method, np.array(epochs), np.array(rows), pairs)


def draw_bars(ax: Any, data: Iterable[SoftTargets], *, title: str | None = None) -> None:
    """Draw onto a matplotlib axis the last epoch's mean targets, a group of bars a rank.

    `title` defaults to the number of pairs; give "" for none.
    """
    data = tuple(data)
    style.tidy(ax)
    width = 0.8 / max(len(data), 1)
    for position, each in enumerate(data):
        last = each.targets[-1]
        places = np.arange(len(last)) + (position - (len(data) - 1) / 2) * width
        hatch = ("", "////", "....", "xxxx")[position % 4]
        colour = style.method_colour(position)
        ax.bar(places, last, width, color=colour, hatch=hatch, edgecolor="white", label=style.plain(each.method))
    ranks = max((each.targets.shape[1] for each in data), default=0)
    ax.set_xticks(range(ranks), RANKS[:ranks], rotation=30, ha="right")
    ax.set_ylabel("mean training target")
    counted = f"pairs of different labels, n = {data[0].pairs:,}" if data else ""
    ax.set_title(style.plain(counted if title is None else title))
    if data:
        ax.legend(loc="upper right")


def draw_epochs(ax: Any, data: SoftTargets, *, title: str | None = None) -> None:
    """Draw onto a matplotlib axis each rank's mean target against the epoch. `title` defaults to the method."""
    style.tidy(ax)
    for rank, name in enumerate(RANKS[: data.targets.shape[1]]):
        ax.plot(
            data.epochs, data.targets[:, rank], color=style.method_colour(rank),
            linestyle=style.DASHES[rank % len(style.DASHES)], label=name,
        )  # fmt: skip
    ax.set(xlabel="epoch", ylabel="mean training target")
    ax.set_title(style.plain(data.method if title is None else title))
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
