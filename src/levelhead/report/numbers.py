"""All numbers of a comparison's page as plain data, at full precision: what `metrics.json` holds beside it.

`None` stands for what is undefined.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from levelhead.plots.classes import ByClass
from levelhead.plots.comparison import Comparison
from levelhead.plots.mistakes import Mistake
from levelhead.plots.pooled import Pooled, View
from levelhead.plots.standing import Standing

NAME = "metrics.json"
#: What the file is and the number of its layout, raised where a name changes its place or meaning.
FORMAT = {"name": "levelhead comparison", "version": 1}


def numbers(
    comparison: Comparison,
    views: Iterable[Pooled],
    standings: Mapping[tuple[str, str], Sequence[Standing]],
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    by_class: Sequence[ByClass],
    worst: Mapping[str, Sequence[Mistake]],
) -> dict[str, Any]:
    """The summary (means, intervals, paired differences, n, cost, probes, words), and what the figures show.

    `tables` are the figures' rows by their names on the page. Diagrams and histograms are pooled over seeds.
    """
    about = comparison.about
    found = {
        "format": FORMAT,
        "levelhead": about.get("levelhead"),
        "versions": about.get("versions") or {},
        "machine": about.get("machine") or {},
        "identity": about.get("identity") or {},
        "commands": about.get("commands") or [text for text in (about.get("command"),) if text],
        "classes": list(comparison.class_names),
        **comparison.summary,
        "standing": {f"{key}_{state}": [each.table() for each in rows] for (key, state), rows in standings.items()},
        "figures": dict(tables),
        "diagrams": {
            view.method: {name: _view(state) for name, state in (("raw", view.raw), ("scaled", view.scaled)) if state}
            for view in views
        },
        "per_class": {each.method: _classes(each, comparison.class_names) for each in by_class},
        "mistakes": {method: [vars(each) for each in rows] for method, rows in worst.items()},
    }
    return _plain(found)


def _view(view: View) -> dict[str, Any]:
    return {"runs": view.diagram.runs, "reliability": view.diagram.table(), "confidence": view.histogram.table()}


def _classes(found: ByClass, names: Sequence[str]) -> list[dict[str, Any]]:
    columns = {name: values for name, values in vars(found).items() if name != "method"}
    return [
        {"class": names[k] if k < len(names) else f"class {k}"} | {name: values[k] for name, values in columns.items()}
        for k in range(len(found.count))
    ]


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
