"""The words of the page that come from the comparison's own records: what was asked, on what data, how to repeat it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from levelhead.plots.comparison import Comparison
from levelhead.plots.turning import Turn
from levelhead.report import rounding
from levelhead.report.measures import BY_KEY
from levelhead.report.table import Cell, difference_cell, value_cell

Pairs = list[tuple[str, str]]
ROLES = ("train", "val", "cal", "test")


@dataclass(frozen=True)
class ClassRow:
    """A class: its name, how many examples each role has (None: not known), its bar's length in per cent."""

    name: str
    counts: tuple[int | None, ...]
    bar: float


@dataclass(frozen=True)
class DataSection:
    """The classes, the most frequent first, and how unevenly the roles hold them."""

    origin: str
    notes: tuple[str, ...]
    roles: tuple[str, ...]
    totals: tuple[int, ...]
    classes: tuple[ClassRow, ...]
    imbalance: str


@dataclass(frozen=True)
class Recommendation:
    """The method to take, with what it was chosen by and what test then showed.

    `tentative`: on cal, the seeds cannot tell it from the baseline.
    """

    method: str
    sentence: str
    is_baseline: bool
    tentative: bool
    facts: tuple[tuple[str, Cell, Cell | None], ...]  # name, value, difference to the baseline


def asked(comparison: Comparison) -> Pairs:
    """What was compared, in the terms of somebody who did not run it."""
    identity = comparison.about.get("identity") or {}
    data, network, recipe = (identity.get(key) or {} for key in ("data", "network", "recipe"))
    summary = comparison.summary
    pairs: Pairs = [("data", _data_words(data)), ("examples", _example_words(comparison))]
    size = f", {rounding.count(network['parameters'])} parameters" if network.get("parameters") else ""
    pairs.append(("network", f"{network.get('name', '')}{size}"))
    pairs.append(("methods", str(len(summary["rows"]))))
    pairs.append(("seeds", _seed_words(summary["rows"])))
    if recipe.get("epochs") is not None:
        pairs.append(("training", _training_words(recipe, list(comparison.runs.values()))))
    where = [str(identity[key]) for key in ("device",) if identity.get(key)]
    if identity.get("threads"):
        where.append(f"{identity['threads']} thread{'s' * (identity['threads'] != 1)} a run")
    pairs.append(("device", ", ".join(where)))
    return [(name, value) for name, value in pairs if value]


def _training_words(recipe: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> str:
    """How long, until when, and which weights are used."""
    most, until = "", ""
    if recipe.get("stop_at_accuracy"):
        top = f"top-{recipe['stop_top']} " if recipe.get("stop_top", 1) > 1 else ""
        wanted = f"{100 * recipe['stop_at_accuracy']:g} % {top}accuracy on {recipe.get('stop_on', 'train')}"
        most, until = "at most ", f" until {wanted}{_reached(runs)}"
    by = recipe.get("select", "last")
    chosen = (
        "the last one is used" if by == "last" else f"the one with the best {by.replace('nll', 'NLL')} on val is used"
    )
    averaged = f", weights averaged over updates ({recipe['ema']:g})" if recipe.get("ema") else ""
    return f"{most}{recipe['epochs']} epochs{until}, {chosen}{averaged}"


def _reached(runs: Sequence[Mapping[str, Any]]) -> str:
    """How many runs reached the accuracy that they were to end at, and after which epochs."""
    said = [run["stopped"] for run in runs if run.get("stopped")]
    epochs = sorted({each["epoch"] for each in said if each["reached"]})
    if not said:
        return ""
    number = sum(each["reached"] for each in said)
    after = f" after {epochs[0]}{f' to {epochs[-1]}' if len(epochs) > 1 else ''} epochs" if epochs else ""
    return f" (reached by {number} of {len(said)} run{'s' * (len(said) > 1)}{after})"


def _data_words(data: Mapping[str, Any]) -> str:
    shape = " × ".join(str(size) for size in data.get("shape") or ())
    details = [f"{data['num_classes']} classes" if data.get("num_classes") else "", str(data.get("kind") or ""), shape]
    return ", ".join(part for part in [str(data.get("name") or ""), *details] if part)


def _example_words(comparison: Comparison) -> str:
    counts = _counts(comparison)
    totals = {role: sum(values) for role, values in counts.items()}
    if comparison.summary.get("segmentation"):  # there the counts are of pixels
        totals = dict(((comparison.about.get("identity") or {}).get("data") or {}).get("split", {}).get("sizes") or {})
    for role in ("cal", "test"):
        totals.setdefault(role, comparison.summary.get(f"n_{role}") or 0)
    return ", ".join(f"{rounding.count(n)} {role}" for role, n in totals.items() if n)


def _seed_words(rows: list[dict[str, Any]]) -> str:
    seeds = sorted({int(row.get("n_seeds") or 0) for row in rows})
    if not seeds:
        return ""
    return str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}, by method"


def recommendation(summary: Mapping[str, Any]) -> Recommendation | None:
    """The recommended row in a few facts; None where nothing is recommended."""
    row = next((row for row in summary["rows"] if row.get("recommended")), None)
    if row is None:
        row = next((row for row in summary["rows"] if row["method"] == summary.get("recommended")), None)
    if row is None:
        return None
    metrics = row.get("metrics") or {}
    facts: list[tuple[str, Cell, Cell | None]] = []
    shown = [
        ("NLL on cal (chosen by this)", "nll", row.get("cal_nll")),
        ("NLL on test", "nll", metrics.get("nll_scaled")),
    ]
    shown += [
        ("ECE on test", "ece", metrics.get("ece_scaled")),
        ("accuracy on test", "accuracy", metrics.get("accuracy_raw")),
    ]
    for name, key, cell in shown:
        if cell and not rounding.undefined(cell.get("mean")):
            difference = difference_cell(BY_KEY[key], cell)
            if key == "accuracy" and difference.text:
                difference = replace(difference, text=f"{difference.text} points")
            facts.append((name, value_cell(BY_KEY[key], cell), difference if difference.text else None))
    cost = Cell(f"{rounding.times(row.get('passes'))} × passes, {rounding.seconds(row.get('seconds'))} a run")
    facts.append(("cost", cost, None))
    is_baseline = bool(row.get("baseline"))
    tentative = not is_baseline and not rounding.told_apart(row.get("cal_nll"))
    return Recommendation(row["method"], str(row.get("sentence") or ""), is_baseline, tentative, tuple(facts))


def data_section(comparison: Comparison) -> DataSection | None:
    """Class names and counts; None where the comparison recorded nothing about its data."""
    data = comparison.about.get("data") or {}
    counts = _counts(comparison)
    names = comparison.class_names
    if not counts and not names and not data.get("origin"):
        return None
    roles = tuple(counts)
    first = counts.get("train") or next(iter(counts.values()), [])
    most = max(first, default=0) or 1
    length = max([len(names), *(len(values) for values in counts.values())], default=0)
    rows = tuple(
        ClassRow(
            names[i] if i < len(names) else f"class {i}",
            tuple(counts[role][i] if i < len(counts[role]) else None for role in roles),
            100 * first[i] / most if i < len(first) else 0.0,
        )
        # of equal counts in the order of the labels
        for i in sorted(range(length), key=lambda i: -first[i] if i < len(first) else 0)
    )
    totals = tuple(sum(counts[role]) for role in roles)
    notes = tuple(str(note) for note in data.get("notes") or ())
    return DataSection(str(data.get("origin") or ""), notes, roles, totals, rows, _imbalance(names, first))


def _counts(comparison: Comparison) -> dict[str, list[int]]:
    """Examples of each class by role, in the order they are used."""
    counts = (comparison.about.get("data") or {}).get("counts") or {}
    known = [role for role in ROLES if role in counts]
    return {role: counts[role] for role in [*known, *(role for role in counts if role not in known)]}


def _imbalance(names: tuple[str, ...], counts: list[int]) -> str:
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    if low == high:
        return f"Balanced: every class has {rounding.count(low)} training examples."

    def named(count: int) -> str:
        index = counts.index(count)
        return f"{names[index] if index < len(names) else f'class {index}'} ({rounding.count(count)})"

    ratio = f", {high / low:.1f} times as many" if low else ""
    return f"The rarest class in train is {named(low)}, the most frequent {named(high)}{ratio}."


def commands(comparison: Comparison) -> list[str]:
    """The commands that made the folder, in their order; of an older one the last."""
    about = comparison.about
    return [str(text) for text in about.get("commands") or [about.get("command")] if text]


def configuration(comparison: Comparison) -> Pairs:
    """Everything that determines the numbers, flat, one name and one value a line."""
    return list(_flat(comparison.about.get("identity") or {}))


def versions(comparison: Comparison) -> Pairs:
    """Packages, then the machine."""
    about = comparison.about
    levelhead = {"levelhead": about["levelhead"]} if about.get("levelhead") else {}
    return list(_flat(levelhead | (about.get("versions") or {}))) + list(_flat(about.get("machine") or {}))


def _flat(value: Mapping[str, Any], prefix: str = "") -> Pairs:
    pairs: Pairs = []
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping) and item:
            pairs += _flat(item, f"{name}.")
        else:
            pairs.append((name, item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)))
    return pairs


def runs(comparison: Comparison) -> list[dict[str, str]]:
    """One line a run: method, seed, temperature, time, hash."""
    lines = {}
    for result in comparison.results:
        if result["role"] == "test":
            lines[str(result["run"])] = {
                "method": str(result["method"]),
                "seed": str(result["seed"]),
                "temperature": rounding.fixed(result.get("temperature"), 3),
                "seconds": rounding.seconds(result.get("seconds")),
                "run": str(result["run"]),
            }
    return list(lines.values())


def last_used(comparison: Comparison) -> bool:
    """Whether the weights of the last epoch are those that were measured."""
    recipe = (comparison.about.get("identity") or {}).get("recipe") or {}
    return recipe.get("select", "last") == "last"


def turned(found: Sequence[Turn]) -> list[str]:
    """Where the NLL on cal turned, a sentence a method."""
    sentences = []
    for turn in found:
        rise = rounding.bounds(turn.lo, turn.hi, 3, sign=True)
        right = ""
        if turn.accuracy is not None:
            shares = " to ".join(f"{rounding.fixed(100 * value, 1)} %" for value in turn.accuracy)
            right = f", while accuracy went from {shares}"
        sentences.append(
            f"{turn.method}: from epoch {turn.epoch:g} to the last the NLL rose from {rounding.fixed(turn.nll[0])} to "
            f"{rounding.fixed(turn.nll[1])} (by {rise} over {turn.seeds} seeds){right}."
        )
    return sentences


def failed(summary: Mapping[str, Any]) -> list[str]:
    """A sentence for every run that failed."""
    return [
        f"{f.get('method')}, seed {f.get('seed')}, failed and is in no number here: {f.get('reason') or 'no reason'}"
        for f in summary.get("failed") or ()
    ]
