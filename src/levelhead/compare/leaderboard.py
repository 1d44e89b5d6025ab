"""From the entries of the runs to the rows of the leaderboard: means, intervals, and differences paired by seed."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from levelhead.metrics import paired, student_t

Entry = dict[str, Any]
Row = dict[str, Any]

#: The sentence that everything is paired against.
BASELINE = "identity | one_hot | cross_entropy | none"
LEVEL = 0.95
_STATISTICS = ("lo", "hi", "diff", "diff_lo", "diff_hi")
#: A mean confidence this far below accuracy is worth a remark.
_REMARKABLE_GAP = 0.02


def rows(entries: Sequence[Entry]) -> list[Row]:
    """One row a method, lowest scaled NLL on test first."""
    by_sentence: dict[str, dict[int, dict[str, Entry]]] = defaultdict(lambda: defaultdict(dict))
    for entry in entries:
        by_sentence[entry["sentence"]][entry["seed"]][entry["role"]] = entry
    baseline = by_sentence.get(BASELINE, {})
    table = [_row(seeds, baseline) for seeds in by_sentence.values()]
    return sorted(table, key=lambda row: _or_last(row["metrics"]["nll_scaled"]["mean"]))


def column(row: Row, name: str) -> float:
    """The mean of a measure in a row, NaN where it is undefined."""
    value = row["metrics"][name]["mean"]
    return math.nan if value is None else value


def as_csv(table: Sequence[Row]) -> str:
    """The leaderboard as CSV: a line a method, empty cells where a number is undefined."""
    names = list(table[0]["metrics"]) if table else []
    header = ["method", "sentence", "n_seeds", "passes", "seconds"]
    for name in names:
        header += [name, *(f"{name}_{statistic}" for statistic in _STATISTICS)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in table:
        cells = [row[name] for name in header[:5]]
        for name in names:
            cells += [row["metrics"][name][statistic] for statistic in ("mean", *_STATISTICS)]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue()


def _row(seeds: dict[int, dict[str, Entry]], baseline: dict[int, dict[str, Entry]]) -> Row:
    first = next(iter(seeds.values()))["test"]
    is_baseline = first["sentence"] == BASELINE
    tests = [entry["test"] for entry in seeds.values()]
    statistics = {
        f"{measure}_{scaling}": _statistics(seeds, baseline, "test", scaling, measure, is_baseline)
        for scaling in ("raw", "scaled")
        for measure in first[scaling]
    }
    return {
        "method": first["method"],
        "sentence": first["sentence"],
        "n_seeds": len(seeds),
        "seeds": sorted(seeds),
        "passes": first["passes"],
        "seconds": sum(test["seconds"] for test in tests) / len(tests),
        "temperature": sum(test["temperature"] for test in tests) / len(tests),
        "train_accuracy": sum(test["train_accuracy"] for test in tests) / len(tests),
        "baseline": is_baseline,
        "recommended": False,
        "cal_nll": _statistics(seeds, baseline, "cal", "scaled", "nll", is_baseline),
        "metrics": statistics,
        "remark": _remark(statistics["gap_raw"]),
    }


def _statistics(
    seeds: dict[int, dict[str, Entry]],
    baseline: dict[int, dict[str, Entry]],
    role: str,
    scaling: str,
    measure: str,
    is_baseline: bool,
) -> dict[str, float | None]:
    ours = {seed: entry[role][scaling][measure] for seed, entry in sorted(seeds.items())}
    theirs = {seed: entry[role][scaling][measure] for seed, entry in baseline.items()}
    return statistics(ours, {} if is_baseline else theirs)


def statistics(ours: Mapping[int, float | None], theirs: Mapping[int, float | None]) -> dict[str, float | None]:
    """Mean and interval over the seeds, and the paired difference over the seeds that the baseline has too."""
    found: dict[str, float | None] = dict.fromkeys(("mean", *_STATISTICS))
    known = {seed: value for seed, value in ours.items() if value is not None}
    if len(known) == len(ours):
        own = student_t(list(known.values()), LEVEL)
        found |= {"mean": own.mean, "lo": own.lo, "hi": own.hi}
    pairs = [(value, other) for seed, value in known.items() if (other := theirs.get(seed)) is not None]
    if pairs:
        difference = paired([value for value, _ in pairs], [other for _, other in pairs], LEVEL)
        found |= {"diff": difference.mean, "diff_lo": difference.lo, "diff_hi": difference.hi}
    return {name: None if value is None or math.isnan(value) else value for name, value in found.items()}


def _remark(gap: dict[str, float | None]) -> str:
    mean = gap["mean"]
    if mean is None or abs(mean) < _REMARKABLE_GAP:
        return ""
    word, side = ("over", "above") if mean > 0 else ("under", "below")
    return f"{word}-confident before scaling: mean confidence {abs(mean) * 100:.1f} points {side} accuracy"


def _or_last(value: float | None) -> float:
    return math.inf if value is None else value
