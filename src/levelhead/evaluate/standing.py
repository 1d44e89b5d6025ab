"""Which of several files is best by a measure, and which cannot be told from it, by the tests that the verdict uses."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from levelhead.evaluate.entry import LEVEL
from levelhead.evaluate.model import Model
from levelhead.evaluate.pairs import Pair, adjusted, compared, told_apart

Entry = Mapping[str, Any]
#: The measures that files stand by: the name of their paired difference, how an entry has them, whether less is better.
MEASURES: tuple[tuple[str, Callable[[Entry], float | None], bool], ...] = (
    ("accuracy", lambda entry: entry["raw"]["accuracy"], False),
    ("nll_raw", lambda entry: entry["raw"].get("nll"), True),
    ("nll_scaled", lambda entry: (entry.get("scaled") or {}).get("nll"), True),
)


def standings(
    entries: Sequence[Entry], models: Sequence[Model], pairs: Sequence[Pair]
) -> dict[str, list[dict[str, Any]]]:
    """By measure a row a file: `mark` "best", "same" (cannot be told from it), "worse", or "" where nothing tells.

    `pairs`: each of the others less the first, used again where the first is best. `difference` and `interval` are
    less the best.
    """
    known: dict[int, Sequence[Pair]] = {0: pairs}
    found = {}
    for measure, value_of, lower in MEASURES:
        values = {k: value for k, entry in enumerate(entries) if (value := value_of(entry)) is not None}
        if len(values) < 2:
            continue
        best = min(values, key=lambda k: values[k] if lower else -values[k])
        others = [k for k in range(len(entries)) if k != best]
        if best not in known:
            known[best] = adjusted([compared(models[best], models[k], LEVEL) for k in others])
        rows = {best: {"mark": "best", "difference": None, "interval": None}}
        for k, pair in zip(others, known[best], strict=True):
            if k in values:
                rows[k] = _row(pair, measure)
        found[measure] = [{"name": entries[k]["name"]} | rows[k] for k in sorted(rows)]
    return found


def _row(pair: Pair, measure: str) -> dict[str, Any]:
    apart = told_apart(pair, measure)
    difference = pair.get(measure) or {}
    return {
        "mark": "" if apart is None else "worse" if apart else "same",
        "difference": difference.get("difference"),
        "interval": difference.get("interval"),
    }
