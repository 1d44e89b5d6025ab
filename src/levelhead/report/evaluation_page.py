"""One page of an evaluation of predictions, made from nothing but its JSON; it opens anywhere, without a network.

Frame, looks and behaviour are those of a comparison's page (`frame.py`), the figures those of `figures.py`.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.files import write_json, write_text
from levelhead.plots.confidence import Histogram
from levelhead.plots.pooled import Pooled, View
from levelhead.plots.reliability import of_table
from levelhead.report import evaluation_figures as figures
from levelhead.report import headline, rounding
from levelhead.report.evaluation_terminal import FEW, ranking
from levelhead.report.figures import confidence
from levelhead.report.frame import framed
from levelhead.report.matrix import Matrix, matrix
from levelhead.report.measures import meaning, title
from levelhead.report.mistakes import percent

Entry = Mapping[str, Any]
_MOST_CLASSES = 2_000  # rows of the table of classes


Cells = tuple[tuple[str, str | None, str], ...]


@dataclass(frozen=True)
class Grouped:
    """One grouping: what by, the place of its figure, and a row of cells a group, as of the table of classes."""

    by: str
    figure: str
    rows: tuple[Cells, ...]
    has_small: bool


@dataclass(frozen=True)
class Part:
    """One file on the page: what is said of it, and its tables as text."""

    name: str
    verdict: tuple[str, ...]
    notes: tuple[str, ...]
    reliability: str
    confidence: str
    no_histogram: str  # why there is none
    numbers: tuple[tuple[str, str], ...]
    measures: tuple[tuple[str, str, str, str, str], ...]  # name, meaning, raw, scaled, whether scaled is there
    classes: tuple[Cells, ...]  # cells of text, sorting key, small print
    left_out: int
    confusions: tuple[tuple[str, str, str, str], ...]
    matrix: Matrix | None  # of few classes
    groups: tuple[Grouped, ...]
    sets: tuple[tuple[str, ...], ...]
    sets_words: str
    coverage: tuple[tuple[str, str], ...]
    risk: tuple[tuple[str, ...], ...]
    ood: tuple[tuple[str, ...], ...]
    ood_words: str
    mistakes: tuple[tuple[str, ...], ...]  # example, label, predicted, confidence before and, if known, after


def write(found: Entry, path: Path, command: str = "") -> Path:
    """Write the page of what `levelhead.evaluate.evaluate` gave, whole or not at all; returns `path`.

    Beside it stand all of `found` as JSON, its headline as a picture, for a chat, and the numbers of its diagrams: of
    `p.html`, `p-metrics.json`, `p.png` and `p-bins.csv`.
    """
    entries = found.get("files", [found])
    write_text(path, render(found, command))
    write_json(metrics_path(path), found)
    headline.picture(found, path.with_suffix(".png"))
    bins_table(entries, path.with_name(f"{path.stem}-bins.csv"))
    return path


def metrics_path(page: Path) -> Path:
    """Where the numbers of a page lie."""
    return page.with_name(f"{page.stem}-metrics.json")


def bins_table(entries: Sequence[Entry], path: Path) -> None:
    """Write a row for each bin of each file and state, empty ones too, at full precision."""
    lines = io.StringIO(newline="")
    table = csv.writer(lines, lineterminator="\n")
    names = list(entries[0]["reliability"]["raw"][0])
    table.writerow(["file", "state", *names])
    for entry in entries:
        for state, rows in entry["reliability"].items():
            table.writerows([entry["file"], state, *(row[name] for name in names)] for row in rows)
    write_text(path, lines.getvalue())


def render(found: Entry, command: str = "") -> str:
    """The page's HTML."""
    entries = sorted(found["files"], key=ranking) if "files" in found else [found]
    drawn, parts = _figures(entries)
    return framed(
        "evaluation.html",
        drawn,
        title=entries[0]["name"] if len(entries) == 1 else f"{len(entries)} models",
        several=len(entries) > 1,
        asked=_asked(entries, found["n_bins"]),
        verdict=found["verdict"],
        facts=_facts(entries[0]) if len(entries) == 1 else [],
        gates=[_gate(result) for result in found["gates"]],
        leaderboard=[_line(entry, _marks(found, entry)) for entry in entries],
        pairs=[_pair(pair) for pair in found.get("comparisons") or ()],
        parts=parts,
        scaled=any(entry.get("scaled") for entry in entries),
        has_tradeoff="tradeoff" in drawn,
        has_histogram=any(part.confidence for part in parts),
        conventions=list(found["conventions"].items()),
        files=[(entry["file"], rounding.count(entry["n"]), entry["sha256"]) for entry in entries],
        versions=[("levelhead", found["levelhead"]), *found["versions"].items()],
        command=command,
    )


# ---- figures -----------------------------------------------------------------------------------------------


def _figures(entries: Sequence[Entry]) -> tuple[dict[str, Any], list[Part]]:
    views = [_view(entry) for entry in entries]
    top = {
        state: max((_fullest(entry["confidence"].get(state)) for entry in entries), default=1.0)
        for state in ("raw", "scaled")
    }
    drawn: dict[str, Any] = {"risk": figures.risk_coverage([(e["name"], e["selective"]) for e in entries])}
    if beside := figures.tradeoff(entries):
        drawn["tradeoff"] = beside
    parts = []
    for index, (entry, view) in enumerate(zip(entries, views, strict=True)):
        drawn[f"reliability-{index}"] = figures.reliability(view, entry)
        for place, grouped in enumerate(entry.get("groups") or ()):
            drawn[f"groups-{index}-{place}"] = figures.groups(grouped)
        if "sets" in entry:
            drawn[f"sets-{index}"] = figures.set_sizes(entry["sets"])
        histogram = entry["confidence"]["raw"] is not None
        if histogram:
            drawn[f"confidence-{index}"] = confidence(view, top)
        if len(entries) == 1:  # side by side there is room
            for name in ("reliability-0", "confidence-0"):
                if name in drawn:
                    drawn[name]["height"] = 360
        parts.append(_part(entry, index, histogram))
    return drawn, parts


def _view(entry: Entry) -> Pooled:
    states = {
        state: View(of_table(rows), _histogram(entry["confidence"][state]))
        for state, rows in entry["reliability"].items()
    }
    return Pooled(entry["name"], states.get("raw"), states.get("scaled"), ())


def _histogram(found: Mapping[str, Any] | None) -> Histogram:
    if found is None:  # only the top label is known: nothing is drawn from it
        return Histogram(np.zeros(1), np.zeros(0, np.int64), np.zeros(0, np.int64), float("nan"), 1)
    right, wrong = (np.array(found[name], dtype=np.int64) for name in ("right", "wrong"))
    return Histogram(np.array(found["edges"]), right, wrong, found["mean_confidence"], 1)


def _fullest(found: Mapping[str, Any] | None) -> float:
    if found is None:
        return 0.0
    counts = np.array(found["right"]) + np.array(found["wrong"])
    return float(counts.max() / counts.sum())


# ---- text --------------------------------------------------------------------------------------------------


def _asked(entries: Sequence[Entry], n_bins: int) -> list[tuple[str, str]]:
    def of(name: str) -> str:
        return ", ".join(dict.fromkeys(str(entry[name]) for entry in entries if entry[name]))

    kinds = {"probs": "probabilities", "logits": "logits", "top_label": "predicted class and confidence"}
    counts = dict.fromkeys(rounding.count(entry["n"]) for entry in entries)
    pairs = [
        ("examples", ", ".join(counts)),
        ("classes", of("num_classes")),
        ("scores", ", ".join(dict.fromkeys(kinds[entry["kind"]] for entry in entries))),
        ("role", ", ".join(dict.fromkeys(entry["role"] for entry in entries if entry["role"] != "unknown"))),
        ("bins", str(n_bins)),
    ]
    return [(name, value) for name, value in pairs if value]


def _facts(entry: Entry) -> list[tuple[str, str, str]]:
    """The headline: name, value, interval."""
    facts = [_fact(entry, "accuracy", "raw", "accuracy"), _fact(entry, "gap", "raw", "confidence less accuracy")]
    facts.append(_fact(entry, "debiased_ece", "raw", "calibration error, without its bias"))
    facts.append(("a calibrated model would show", rounding.fixed(entry["test"]["raw"]["noise_floor"]), "plain ECE"))
    facts.append(("right told from wrong by confidence", rounding.fixed(entry["selective"]["raw"]["auroc"]), "AUROC"))
    facts.append(_fact(entry, "augrc", "raw", "given and wrong, over all coverages (AUGRC)"))
    if entry.get("scaled"):
        facts.append(_fact(entry, "nll", "raw", "NLL"))
        facts.append(_fact(entry, "nll", "scaled", "NLL after scaling"))
        facts.append(_fact(entry, "brier", "raw", "Brier score"))
        facts.append(_fact(entry, "brier", "scaled", "Brier score after scaling"))
        interval = entry["scaling"]["interval"]
        facts.append(("temperature", rounding.fixed(entry["temperature"], 3), _bounds(interval, 3)))
    return facts


def _fact(entry: Entry, key: str, state: str, name: str) -> tuple[str, str, str]:
    value, interval = entry[state].get(key), entry["intervals"][state].get(key)
    if key in ("accuracy", "gap"):
        unit = " %" if key == "accuracy" else " points"
        shown = rounding.fixed(None if value is None else 100 * value, 1, sign=key == "gap") + unit
        return name, shown, _bounds([100 * bound for bound in interval or ()], 1)
    return name, rounding.fixed(value), _bounds(interval, 3)


def _bounds(interval: Sequence[float] | None, digits: int) -> str:
    return rounding.bounds(interval[0], interval[1], digits) if interval else ""


def _gate(result: Entry) -> tuple[str, str, str, str, bool]:
    measure = f"{title(result['measure'])} ({result['state']})"
    if "against" in result:
        known = result["value"] is not None
        value = f"{rounding.fixed(result['value'], 4, sign=True)} apart" if known else f"unknown: {result['reason']}"
        return result["name"], measure, f"not worse than {result['against']} beyond chance", value, result["met"]
    value = rounding.fixed(result["value"], 4) if result["value"] is not None else f"undefined: {result['reason']}"
    limit = f"{'at least' if result['gate'].startswith('--min') else 'at most'} {result['limit']:g}"
    return result["name"], measure, limit, value, result["met"]


def _marks(found: Entry, entry: Entry) -> dict[str, str]:
    """Where a file stands, by measure."""
    standing = (found.get("standing") or {}).items()
    return {measure: row["mark"] for measure, rows in standing for row in rows if row["name"] == entry["name"]}


def _line(entry: Entry, marks: Mapping[str, str]) -> tuple[tuple[str, str | float | None, str, str], ...]:
    """The cells of a file: text, what it is sorted by, its interval, where it stands."""
    cells: list[tuple[str, str | float | None, str, str]] = [(entry["name"], entry["name"], "", "")]
    shown = [
        ("accuracy", "raw", 100, 2),
        ("nll", "raw", 1, 4),
        ("nll", "scaled", 1, 4),
        ("debiased_ece", "raw", 1, 4),
        ("debiased_ece", "scaled", 1, 4),
        ("gap", "raw", 1, 4),
        ("augrc", "raw", 1, 4),
    ]
    for name, state, scale, digits in shown:
        value = (entry.get(state) or {}).get(name)
        interval = [scale * bound for bound in (entry["intervals"].get(state) or {}).get(name) or ()]
        text = rounding.fixed(None if value is None else scale * value, digits)
        mark = marks.get(name if name == "accuracy" else f"{name}_{state}", "")
        cells.append((text, value, _bounds(interval, digits), mark))
    temperature = entry.get("temperature")
    return (*cells, (rounding.fixed(temperature, 3), temperature, "", ""))


def _pair(pair: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"names": f"{pair['second_name']} less {pair['first_name']}", "cannot": pair.get("cannot")}
    if "cannot" in pair:
        return found
    rows = []
    for key, name, scale, digits in (
        ("accuracy", "accuracy, points", 100, 2),
        ("nll_raw", "NLL as they come", 1, 4),
        ("nll_scaled", "NLL, each with its own temperature", 1, 4),
        ("brier_raw", "Brier as they come", 1, 4),
        ("brier_scaled", "Brier, each with its own temperature", 1, 4),
        ("gap_raw", "gap as they come", 1, 4),
    ):
        if key in pair and pair[key]["difference"] is not None:
            interval = [scale * bound for bound in pair[key]["interval"] or ()]
            apart = bool(interval) and not interval[0] <= 0 <= interval[1]
            bounds = _bounds(interval, digits)
            shown = rounding.fixed(scale * pair[key]["difference"], digits, sign=True)
            rows.append((name, shown, bounds, "told apart" if apart else "could be chance"))
    test = pair.get("mcnemar")
    found["rows"] = rows
    found["words"] = f"n = {rounding.count(pair['n'])}, aligned by {pair['aligned_by']}."
    if test is not None:
        found["words"] = (
            f"{rounding.count(test['only_first_right'])} examples only the first gets right, "
            f"{rounding.count(test['only_second_right'])} only the second: McNemar p {_p_words(test['p_adjusted'])}. "
            + found["words"]
        )
    return found


def _p_words(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.2g}"


def _part(entry: Entry, index: int, histogram: bool) -> Part:
    found = entry.get("ood") or {}
    return Part(
        name=entry["name"],
        verdict=tuple(entry["verdict"]),
        notes=tuple(entry["notes"]),
        reliability=f"reliability-{index}",
        confidence=f"confidence-{index}" if histogram else "",
        no_histogram="Votes are neither right nor wrong, so there is no histogram of both."
        if "votes" in entry
        else "Only the top label is known, so there is no histogram.",
        numbers=_numbers(entry),
        measures=(*(_measure(entry, key) for key in entry["raw"]), *_more_measures(entry)),
        classes=tuple(_class(*rows) for rows in _classes(entry)),
        left_out=max(0, len(entry["per_class"].get("raw") or ()) - _MOST_CLASSES),
        confusions=tuple(
            (row["true"], row["predicted"], rounding.count(row["count"]), f"{100 * row['share']:.1f} %")
            for row in entry["confusions"]
        ),
        matrix=_matrix(entry),
        groups=tuple(
            _grouped(found, f"groups-{index}-{place}") for place, found in enumerate(entry.get("groups") or ())
        ),
        sets=tuple(_set(row) for row in (entry.get("sets") or {}).get("rows", ())),
        sets_words=f"{entry['sets']['file']} (n = {rounding.count(entry['sets']['n'])})" if "sets" in entry else "",
        coverage=tuple(
            (f"{100 * row['coverage']:.0f} %", f"{100 * row['risk']:.2f} %")
            for row in entry["selective"]["raw"]["at_coverage"]
        ),
        risk=tuple(_risk(row) for row in entry["selective"]["raw"]["at_risk"]),
        ood=tuple(_ood(name, row) for name, row in (found.get("scores") or {}).items()),
        ood_words=_ood_words(found),
        mistakes=tuple(_mistake(row) for row in entry["mistakes"]),
    )


def _numbers(entry: Entry) -> tuple[tuple[str, str], ...]:
    states = [state for state in ("raw", "scaled") if entry.get(state)]

    def change(key: str, *, sign: bool = False) -> str:
        return " → ".join(rounding.fixed(entry[state][key], 3, sign=sign) for state in states)

    pairs = [("ECE", change("ece")), ("T =", rounding.fixed(entry.get("temperature"), 2))]
    return (*pairs, ("gap", change("gap", sign=True)), ("n =", rounding.count(entry["n"])))


def _measure(entry: Entry, key: str) -> tuple[str, str, str, str, str]:
    def shown(state: str) -> str:
        if not entry.get(state):
            return ""
        value, interval = entry[state].get(key), entry["intervals"][state].get(key)
        if value is None:
            return f"undefined: {entry['undefined'][state].get(key, 'not defined')}"
        bounds = f"  {_bounds(interval, 4)}" if interval else ""
        return rounding.fixed(value, 4, sign=key == "gap") + bounds

    return title(key), meaning(key), shown("raw"), shown("scaled"), key


def _more_measures(entry: Entry) -> list[tuple[str, str, str, str, str]]:
    """What is no measure of the library but said of each state."""
    states = ["raw", "scaled"] if entry.get("scaled") else ["raw"]
    auroc = [rounding.fixed(entry["selective"][state]["auroc"], 4) for state in states]
    ones = [f"{100 * entry['saturated'][state]:.1f} %" for state in states]
    return [
        ("AUROC of confidence", "how often a right answer is surer than a wrong one", *_two(auroc), "auroc"),
        (
            "round to 1",
            "confidences that float32 cannot tell from 1; ranked by their log-odds",
            *_two(ones),
            "saturated",
        ),
    ]


def _two(texts: Sequence[str]) -> tuple[str, str]:
    return texts[0], texts[1] if len(texts) > 1 else ""


def _matrix(entry: Entry) -> Matrix | None:
    counts = entry["confusion_matrix"]
    if counts is None:
        return None
    return matrix(counts, entry["classes"] or [str(k) for k in range(len(counts))])


def _set(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells of a row: score and level, coverage, what was promised, size, sets of one class, the worst class."""
    n, worst, promised = sum(row["sizes"]), row["worst"], row["promised"]
    share = f"{100 * row['sizes'][1] / n:.1f} %" if len(row["sizes"]) > 1 else rounding.DASH
    return (
        f"{row['score'].upper()}, {100 * row['level']:.0f} %",
        _whole(f"{100 * row['coverage']:.1f} % {_bounds([100 * bound for bound in row['interval']], 1)}"),
        _whole(_bounds([100 * bound for bound in promised], 1)) if promised else "all classes: too few examples",
        rounding.fixed(row["mean_size"], 2),
        share,
        str(len(row["sizes"]) - 1),
        f"{worst['class']}: "
        + _whole(f"{100 * worst['coverage']:.1f} % {_bounds([100 * b for b in worst['interval']], 1)}")
        if worst
        else rounding.DASH,
    )


def _whole(text: str) -> str:
    """Numbers that stay on one line of a narrow screen."""
    return text.replace(" ", "\u00a0")


def _classes(entry: Entry) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """A class as the file has it and after scaling."""
    raw = entry["per_class"].get("raw") or []
    scaled = entry["per_class"].get("scaled") or [None] * len(raw)
    rows = sorted(zip(raw, scaled, strict=True), key=lambda each: -abs(each[0]["gap"] or 0))
    return rows[:_MOST_CLASSES]


def _grouped(found: Mapping[str, Any], figure: str) -> Grouped:
    scaled = found.get("scaled") or [None] * len(found["raw"])
    rows = tuple(_group(*each) for each in zip(found["raw"], scaled, strict=True))
    return Grouped(found["by"], figure, rows, any(row["n"] < FEW for row in found["raw"]))


def _group(row: Mapping[str, Any], scaled: Mapping[str, Any] | None) -> Cells:
    number = float(row["group"]) if _is_number(row["group"]) else None
    return (
        (row["group"], row["group"] if number is None else _key(number), ""),
        (rounding.count(row["n"]), str(row["n"]), "few examples" if row["n"] < FEW else ""),
        _bounded(row["accuracy"], row["accuracy_interval"]),
        _percents(row["confidence"]),
        _bounded(row["gap"], row["gap_interval"], sign=True),
        _chance(row["p_value"]),
        _error(row),
        *((_bounded(scaled["gap"], scaled["gap_interval"], sign=True), _error(scaled)) if scaled else ()),
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _error(row: Mapping[str, Any]) -> tuple[str, str | None, str]:
    """ECE without its bias, and below it what a calibrated model would show plainly."""
    floor = "" if row["noise_floor"] is None else f"floor {rounding.fixed(row['noise_floor'], 3)}"
    return rounding.fixed(row["debiased_ece"], 3), _key(row["debiased_ece"]), floor


def _percents(value: float | None, *, sign: bool = False) -> tuple[str, str | None, str]:
    return rounding.fixed(None if value is None else 100 * value, 1, sign=sign), _key(value), ""


def _bounded(
    value: float | None, interval: Sequence[float] | None, *, sign: bool = False
) -> tuple[str, str | None, str]:
    text, key, _ = _percents(value, sign=sign)
    return text, key, "" if not interval else rounding.bounds(100 * interval[0], 100 * interval[1], 1)


def _chance(p_value: float | None) -> tuple[str, str | None, str]:
    return rounding.DASH if p_value is None else "< 0.001" if p_value < 0.001 else f"{p_value:.3f}", _key(p_value), ""


def _class(row: Mapping[str, Any], scaled: Mapping[str, Any] | None) -> Cells:
    return (
        (row["class"], row["class"], f"often taken for {row['confused_with']}" if row["confused_with"] else ""),
        (rounding.count(row["n"]), str(row["n"]), "few examples" if row["n"] < FEW else ""),
        _bounded(row["recall"], row["recall_interval"]),
        (*_percents(row["precision"])[:2], f"of {rounding.count(row['predicted'])}"),
        _percents(row["confidence"]),
        _bounded(row["gap"], row["gap_interval"], sign=True),
        _chance(row["p_value"]),
        (rounding.fixed(row["ece"], 4), _key(row["ece"]), ""),
        *(
            (
                _bounded(scaled["gap"], scaled["gap_interval"], sign=True),
                (rounding.fixed(scaled["ece"], 4), _key(scaled["ece"]), ""),
            )
            if scaled
            else ()
        ),
    )


def _key(value: float | None) -> str | None:
    return None if value is None else repr(value)


def _risk(row: Mapping[str, Any]) -> tuple[str, ...]:
    def threshold(value: float | None) -> str:
        if value is None:
            return rounding.DASH
        return f"{value:.5f}".rstrip("0") if value < 0.999995 else "over 0.99999"

    return (
        f"{100 * row['risk']:.0f} %",
        f"{100 * row['coverage']:.1f} %",
        threshold(row["threshold"]),
        f"{100 * row['coverage_assured']:.1f} %",
        threshold(row["threshold_assured"]),
    )


def _mistake(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"row {rounding.count(row['row'])}" if row["id"] is None else str(row["id"])
    sure = [f"{percent(row[key])} %" for key in ("confidence", "confidence_scaled") if key in row]
    return name, str(row["label"]), str(row["predicted"]), *sure


def _ood(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    interval = row["auroc_interval"]
    keys = ("aupr_in_positive", "aupr_out_positive", "fpr95_in_positive", "fpr95_out_positive")
    return (
        name.replace("_", " "),
        f"{rounding.fixed(row['auroc'], 4)} {_bounds(interval, 4)}",
        *(rounding.fixed(row[key], 4) for key in keys),
    )


def _ood_words(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    missing = "".join(f" {name.replace('_', ' ')} {reason}." for name, reason in (found.get("cannot") or {}).items())
    return (
        f"{rounding.count(found['n_in'])} examples of the file against {rounding.count(found['n_out'])} of "
        f"{found['file']}; a higher score means more in.{missing}"
    )
