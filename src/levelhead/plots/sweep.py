"""A measure against a hyper-parameter: the methods of one comparison that differ in one argument alone.

LogitMix figure S1, Thulasidasan et al. 2019 figure 2 (h, i, j), PLS figure 3, LaMix figures 4 and 6, MbLS figure 1.
P values of the argument, S seeds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style

_ARGUMENT = re.compile(r"([A-Za-z_]\w*)=([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?=[,)\s])")


@dataclass(frozen=True, eq=False)
class Sweep:
    """One family of sentences: `(P,)` rising values of the argument; `(P,)` lists of a value a seed."""

    family: str
    argument: str
    values: np.ndarray
    seeds: tuple[np.ndarray, ...]

    @property
    def mean(self) -> np.ndarray:
        """`(P,)` means over the seeds."""
        return np.array([each.mean() for each in self.seeds])

    def table(self) -> list[dict[str, Any]]:
        """One row a value and seed: family, argument, value, measure."""
        return [
            {"family": self.family, "argument": self.argument, "value": float(value), "measure": float(one)}
            for value, each in zip(self.values, self.seeds, strict=True)
            for one in each
        ]


def sweeps(
    results: Iterable[Mapping[str, Any]], *, argument: str, measure: str = "ece", state: str = "raw", role: str = "test"
) -> tuple[Sweep, ...]:
    """A sweep for every family of sentences that are equal but for the number of `argument`, two values or more.

    Args:
        results: objects of `results.json`: sentence, role, raw and scaled.
        argument: the name in the sentence, such as alpha, weight or m; where it stands twice, both must agree.
        measure: a key of `raw` and `scaled`.
        state: "raw" or "scaled".
        role: the split the numbers come from.

    Raises:
        ValueError: no two sentences that differ in this argument alone, or no such measure; with those that there are.
    """
    found: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    arguments: set[str] = set()
    measures: set[str] = set()
    for result in results:
        if result.get("role") != role:
            continue
        sentence = str(result["sentence"])
        given = _ARGUMENT.findall(sentence)
        arguments |= {name for name, _ in given}
        values = {float(number) for name, number in given if name == argument}
        there = result.get(state) or {}
        measures |= there.keys()
        value = there.get(measure)
        if len(values) == 1 and value is not None:
            family = _ARGUMENT.sub(lambda hit: f"{argument}=…" if hit[1] == argument else hit[0], sentence)
            found[family][values.pop()].append(float(value))
    if measures and measure not in measures:
        raise ValueError(f"no result has the measure {measure!r}; there are {', '.join(sorted(measures))}")
    families = {name: values for name, values in found.items() if len(values) > 1}
    if not families:
        raise ValueError(
            f"no two methods differ in {argument}= alone; their sentences have {', '.join(sorted(arguments)) or 'none'}"
        )
    return tuple(
        Sweep(name, argument, np.array(sorted(values)), tuple(np.array(values[v]) for v in sorted(values)))
        for name, values in families.items()
    )


def draw(ax: Any, data: Iterable[Sweep], *, measure: str = "ece", log: bool = False, title: str | None = None) -> None:
    """Draw onto a matplotlib axis: means as lines, single seeds as dots. `title` defaults to the number of seeds."""
    data = tuple(data)
    style.tidy(ax)
    for position, each in enumerate(data):
        colour, dash = style.method_colour(position), style.method_dash(position)
        marker = style.method_marker(position)
        label = style.plain(each.family, width=40)
        ax.plot(each.values, each.mean, color=colour, linestyle=dash, marker=marker, markersize=4, label=label)
        for value, seeds in zip(each.values, each.seeds, strict=True):
            ax.scatter([value] * len(seeds), seeds, s=5, color=colour, alpha=0.5, linewidths=0)
    ax.set(xlabel=data[0].argument if data else "", ylabel=measure)
    if log:
        ax.set_xscale("log")
    counts = sorted({len(seeds) for each in data for seeds in each.seeds})
    said = f"seeds: {counts[0]}" if len(counts) == 1 else f"seeds: {counts[0]} to {counts[-1]}" if counts else ""
    ax.set_title(style.plain(said if title is None else title))
    if len(data) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
