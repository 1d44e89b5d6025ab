"""Ensembles and probes as small tables of text, for the terminal and the page alike.

A probe whose inputs have an answer shows accuracy and calibration there; one whose inputs belong to no class shows how
well confidence tells them from the test split; probes that are points of a curve share a table a quantity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from levelhead.report import rounding

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Grid:
    """A table: a title, a sentence below it, headings, and rows of text; an ensemble's row is marked ``inner``."""

    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    inner: tuple[bool, ...]


@dataclass(frozen=True)
class _Column:
    """A measure's key with its state, its heading, its decimals, and what it is multiplied with."""

    key: str
    head: str
    digits: int = 3
    scale: int = 1


_ENSEMBLE = (
    _Column("nll_raw", "NLL raw"),
    _Column("nll_scaled", "NLL scaled"),
    _Column("ece_raw", "ECE raw"),
    _Column("ece_scaled", "ECE scaled"),
    _Column("accuracy_raw", "acc. %", 1, 100),
)
_ANSWERED = (
    _Column("accuracy_raw", "top-1 %", 1, 100),
    _Column("top5_raw", "top-5 %", 1, 100),
    _Column("ece_raw", "ECE raw"),
    _Column("oe_raw", "OE raw"),
    _Column("nll_raw", "NLL raw"),
    _Column("ece_scaled", "ECE scaled"),
    _Column("oe_scaled", "OE scaled"),
    _Column("nll_scaled", "NLL scaled"),
)
_OUTSIDE = (
    _Column("auroc_raw", "AUROC raw"),
    _Column("fpr95_raw", "FPR95 raw"),
    _Column("auroc_scaled", "AUROC scaled"),
    _Column("fpr95_scaled", "FPR95 scaled"),
    _Column("confidence_raw", "conf. raw"),
    _Column("confidence_scaled", "conf. scaled"),
    _Column("entropy_raw", "entropy raw"),
)
_CURVE = (
    _Column("accuracy_raw", "accuracy %", 1, 100),
    _Column("confidence_raw", "mean confidence %", 1, 100),
    _Column("entropy_raw", "mean entropy in nats", 2),
)


def ensembles(summary: Summary) -> Grid | None:
    """Each method's ensemble of its seeds, beside what one seed has on average; None where no method has two seeds."""
    found = summary.get("ensembles") or ()
    if not found:
        return None
    alone = {row.get("sentence"): (row.get("metrics") or {}).get("nll_scaled") or {} for row in summary["rows"]}
    names = _names(summary)
    rows = tuple(
        (
            names.get(each["sentence"], str(each["method"])),
            str(each["members"]),
            rounding.fixed(alone.get(each["sentence"], {}).get("mean"), 3),
            *_values(_flat(each), _ENSEMBLE),
            rounding.fixed(each["temperature"], 2),
        )
        for each in found
    )
    heads = ("method", "seeds", "one seed's NLL scaled", *(column.head for column in _ENSEMBLE), "T")
    note = (
        f"Mean probability of the seeds, test, n = {rounding.count(found[0]['n'])}; T fitted on the ensemble's "
        "predictions on cal. Predicting costs as many passes as there are seeds."
    )
    return Grid("Ensembles of the seeds", note, heads, rows, (False,) * len(rows))


def probes(summary: Summary) -> list[Grid]:
    """The tables of all probes: those with answers, curves, then those outside of the distribution."""
    found = _tables(summary)
    single = [_probe(table) for table in found if not table.get("curve") and not table["outside"]]
    outside = [_probe(table) for table in found if not table.get("curve") and table["outside"]]
    return single + [grid for name, tables in curves(summary).items() for grid in _curve(name, tables)] + outside


def curves(summary: Summary) -> dict[str, list[Mapping[str, Any]]]:
    """The tables of probes that are points of one curve, such as the distances of `leave_hull`, by its name."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for table in _tables(summary):
        if table.get("curve"):
            found.setdefault(str(table["curve"]), []).append(table)
    return found


def _tables(summary: Summary) -> list[Mapping[str, Any]]:
    names = _names(summary)
    return [table | {"rows": [_named(row, names) for row in table["rows"]]} for table in summary.get("probes") or ()]


def _names(summary: Summary) -> dict[str, str]:
    """What the leaderboard calls each sentence: a method may have been asked for in two spellings."""
    return {str(row.get("sentence")): str(row["method"]) for row in summary["rows"]}


def _named(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {**row, "method": names.get(row["sentence"], row["method"])}


def _probe(table: Mapping[str, Any]) -> Grid:
    columns = _OUTSIDE if table["outside"] else _ANSWERED
    rows, inner = [], []
    for row in table["rows"]:
        means = {key: cell.get("mean") for key, cell in row["metrics"].items()}
        half = rounding.half_width(row["metrics"].get(columns[0].key))
        first, *others = _values(means, columns)
        if half is not None:
            first += f" ±{half * columns[0].scale:.{columns[0].digits}f}"
        rows.append((str(row["method"]), first, *others))
        inner.append(False)
        if row.get("ensemble"):
            rows.append((f"ensemble of {row['ensemble']['members']}", *_values(_flat(row["ensemble"]), columns)))
            inner.append(True)
    n = rounding.count(table["n"])
    if table["outside"]:
        note = f"{n} inputs of no class; by confidence, test examples positive. FPR95: share let in with 95 % of test."
    else:
        note = f"n = {n}; T is the one fitted on cal, without the probe."
    if any("±" in row[1] for row in rows):
        note += " ± is half the 95 % interval over seeds."
    heads = ("method", *(column.head for column in columns))
    return Grid(f"Probe {table['name']}", note, heads, tuple(rows), tuple(inner))


def _curve(name: str, tables: Sequence[Mapping[str, Any]]) -> list[Grid]:
    """A table a quantity: a row a method, a column a place on the curve."""
    ordered = sorted(tables, key=lambda table: table["at"])
    methods = {row["sentence"]: str(row["method"]) for table in ordered for row in table["rows"]}
    heads = ("method", *(f"{table['at']:g}" for table in ordered))
    grids = []
    for column in _CURVE:
        by_place = [
            {row["sentence"]: row["metrics"].get(column.key) or {} for row in table["rows"]} for table in ordered
        ]
        rows = tuple(
            (method, *(_value(place.get(sentence, {}).get("mean"), column) for place in by_place))
            for sentence, method in methods.items()
        )
        note = f"Before scaling, n = {rounding.count(ordered[0]['n'])}; a column a distance."
        grids.append(Grid(f"Probe {name}: {column.head}", note, heads, rows, (False,) * len(rows)))
    return grids


def _flat(states: Mapping[str, Any]) -> dict[str, float | None]:
    return {f"{key}_{state}": value for state in ("raw", "scaled") for key, value in states[state].items()}


def _values(values: Mapping[str, float | None], columns: Sequence[_Column]) -> list[str]:
    return [_value(values.get(column.key), column) for column in columns]


def _value(value: float | None, column: _Column) -> str:
    return rounding.fixed(None if value is None else value * column.scale, column.digits)
