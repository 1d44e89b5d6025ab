"""An evaluation of predictions for a terminal: the verdict, the measures, what abstaining buys, comparisons, gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from levelhead.report.measures import title

if TYPE_CHECKING:
    from rich.console import Console

Entry = Mapping[str, Any]
_CLASSES = 10  # rows of the table of classes
_GROUPS = 20  # rows of a table of groups
_MARKS = {"best": " *", "same": " ~", "worse": "  "}
_MISTAKES = 3  # named by their ids
FEW = 30  # examples of a class below which its recall and gap say little


def print_evaluation(found: Entry, console: Console) -> None:
    """Print what `levelhead.evaluate.evaluate` gave: the whole table first, the gates last."""
    several = "files" in found
    if several:
        for sentence in found["verdict"]:
            _say(console, sentence)
        _print_comparison(found, console)
    for entry in found["files"] if several else [found]:
        _print_entry(entry, console)
    for result in found["gates"]:
        _print_gate(result, console, several)


def unmet(found: Entry) -> str:
    """The gates that were not met, in a sentence; empty where all were."""
    missed = [result for result in found["gates"] if not result["met"]]
    if not missed:
        return ""
    each = "; ".join(f"{_gate_words(result)} ({result['name']})" for result in missed)
    return f"{len(missed)} of {len(found['gates'])} gates not met: {each}"


def _print_entry(entry: Entry, console: Console) -> None:
    _say(console, Text(f"\n{entry['file']}", "bold"))
    for sentence in entry["verdict"]:
        _say(console, f"- {sentence}")
    for note in entry["notes"]:
        _say(console, f"Note: {note}")
    _print_measures(entry, console)
    _print_selective(entry, console)
    for found in entry.get("groups") or ():
        _print_groups(found, console)
    _print_sets(entry, console)
    _print_classes(entry, console)
    _print_mistakes(entry, console)
    if "ood" in entry:
        _print_ood(entry["ood"], console)


def _print_measures(entry: Entry, console: Console) -> None:
    scaled = entry.get("scaled")
    table = _table("measure", "raw", "95 %", *(["scaled", "95 %"] if scaled else []))
    for name in entry["raw"]:
        cells = _cells(entry, "raw", name) + (_cells(entry, "scaled", name) if scaled else [])
        table.add_row(title(name), *cells)
    floor = {state: test["noise_floor"] for state, test in entry["test"].items()}
    p_value = {state: test["p_value"] for state, test in entry["test"].items()}
    for label, values in (("  ECE if calibrated", floor), ("  p-value of ECE", p_value)):
        cells = [cell for state in (["raw", "scaled"] if scaled else ["raw"]) for cell in (_number(values[state]), "")]
        table.add_row(label, *cells)
    console.print(table)
    if scaled:
        scaling = entry["scaling"]
        how = f"fitted on {scaling['file']}" if scaling["origin"] == "cal" else "cross-fitted on the file"
        _say(console, f"Scaled: logits divided by T = {entry['temperature']:.4f}, {how}. n = {entry['n']:,}.")
    else:
        _say(console, f"n = {entry['n']:,}.")


def _cells(entry: Entry, state: str, name: str) -> list[str]:
    interval = entry["intervals"][state].get(name)
    shown = f"[{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""
    return [_number(entry[state].get(name)), shown]


def _print_selective(entry: Entry, console: Console) -> None:
    selective = entry["selective"]["raw"]
    covered = ", ".join(
        f"{100 * row['risk']:.1f} % at {100 * row['coverage']:.0f} %" for row in selective["at_coverage"]
    )
    _say(console, f"Error of the most confident: {covered}.")
    kept = ", ".join(f"{100 * row['coverage']:.1f} % at {100 * row['risk']:.0f} %" for row in selective["at_risk"])
    _say(console, f"Coverage at an error of: {kept}.")


def _print_groups(found: Entry, console: Console) -> None:
    rows, scaled = found["raw"], found.get("scaled")
    heads = ("n", "right", "gap", "95 %", "p", "ECE", "floor")
    table = _table("group", *heads, *(["gap scaled"] if scaled else []))
    # the largest gaps, in the groups' own order
    most = sorted(range(len(rows)), key=lambda k: -abs(rows[k]["gap"]))[:_GROUPS]
    for k in sorted(most):
        row = rows[k]
        interval = row["gap_interval"]
        table.add_row(
            Text(row["group"]),
            f"{row['n']:,}{' few' if row['n'] < FEW else ''}",
            *(f"{100 * row['accuracy']:.1f}", f"{100 * row['gap']:+.1f}"),
            f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else "",
            "" if row["p_value"] is None else "<0.001" if row["p_value"] < 0.001 else f"{row['p_value']:.3f}",
            *(_number(row[name], 3) for name in ("debiased_ece", "noise_floor")),
            *([f"{100 * scaled[k]['gap']:+.1f}"] if scaled else []),
        )
    left = f"; the {_GROUPS} of {len(rows)} with the largest gaps, --json has all" if len(rows) > _GROUPS else ""
    small = f"; few: under {FEW} examples" if any(rows[k]["n"] < FEW for k in most) else ""
    _say(
        console,
        f"\nBy {found['by']}, raw, per cent; p of no gap, by Holm; ECE without its bias; floor: what a calibrated "
        f"model would show{left}{small}.",
    )
    console.print(table)


def _print_sets(entry: Entry, console: Console) -> None:
    found = entry.get("sets")
    if not found:
        return
    each = "; ".join(
        f"{row['score'].upper()} {100 * row['level']:.0f} %: {row['mean_size']:.2f} classes, holds "
        f"{100 * row['coverage']:.1f} % [{100 * row['interval'][0]:.1f}, {100 * row['interval'][1]:.1f}]"
        for row in found["rows"]
    )
    _say(console, f"Prediction sets, fitted on {found['file']} (n = {found['n']:,}): {each}.")


def _print_classes(entry: Entry, console: Console) -> None:
    rows = [row for row in entry["per_class"].get("raw") or [] if row["gap"] is not None]
    if not rows:
        return
    rows = sorted(rows, key=lambda row: -abs(row["gap"]))
    table = _table(
        "class", "n", "recall", "taken as", "precision", "gap, points", "95 %", "p (Holm)", "ECE", "taken for"
    )
    for row in rows[:_CLASSES]:
        interval = row["gap_interval"]
        table.add_row(
            Text(row["class"]),
            f"{row['n']:,}{' few' if row['n'] < FEW else ''}",
            _number(row["recall"], 3),
            f"{row['predicted']:,}",
            _number(row["precision"], 3),
            f"{100 * row['gap']:+.1f}",
            f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else "",
            "" if row["p_value"] is None else f"{row['p_value']:.2g}",
            _number(row["ece"]),
            Text(row["confused_with"] or ""),
        )
    shown = f"The {_CLASSES} of {len(rows)} classes with" if len(rows) > _CLASSES else "Classes by"
    _say(console, f"\n{shown} the largest gap between confidence and precision of what is predicted as them, raw:")
    console.print(table)
    if any(row["n"] < FEW for row in rows[:_CLASSES]):
        _say(console, f"few: under {FEW} examples, which tell little about a class.")


def _print_mistakes(entry: Entry, console: Console) -> None:
    shown = [
        f"{row['row'] if row['id'] is None else row['id']} ({row['label']}, taken for {row['predicted']})"
        for row in entry["mistakes"][:_MISTAKES]
    ]
    if shown:
        _say(console, f"The most confident mistakes are {', '.join(shown)}; --json has more.")


def _print_ood(found: Entry, console: Console) -> None:
    _say(console, f"\nOut of distribution: {found['file']} (n = {found['n_out']:,}) against n = {found['n_in']:,}.")
    table = _table(
        "score", "AUROC", "95 %", "AUPR in positive", "AUPR out positive", "FPR95 in positive", "FPR95 out pos."
    )
    for name, row in found["scores"].items():
        interval = row["auroc_interval"]
        table.add_row(
            name.replace("_", " "),
            _number(row["auroc"]),
            f"[{interval[0]:.4f}, {interval[1]:.4f}]" if interval else "",
            *(_number(row[key]) for key in ("aupr_in_positive", "aupr_out_positive")),
            *(_number(row[key]) for key in ("fpr95_in_positive", "fpr95_out_positive")),
        )
    console.print(table)
    for name, reason in (found.get("cannot") or {}).items():
        _say(console, f"{name.replace('_', ' ')}: {reason}.")


def _print_comparison(found: Entry, console: Console) -> None:
    """The files side by side, the best first by NLL after scaling, or by accuracy where there is none."""
    entries = sorted(found["files"], key=ranking)
    table = _table("file", "accuracy", "NLL raw", "NLL scaled", "ECE raw", "ECE scaled", "T")
    marks = {
        (measure, row["name"]): _MARKS.get(row["mark"], "")
        for measure, rows in found["standing"].items()
        for row in rows
    }
    for entry in entries:
        scaled = entry.get("scaled") or {}
        raw = entry["raw"]
        temperature = entry.get("temperature")
        table.add_row(
            Text(entry["name"]),
            *(
                f"{_number(value)}{marks.get((measure, entry['name']), '')}"
                for value, measure in (
                    (raw["accuracy"], "accuracy"),
                    (raw.get("nll"), "nll_raw"),
                    (scaled.get("nll"), "nll_scaled"),
                )
            ),
            _number(raw["ece"]),
            _number(scaled.get("ece")),
            "" if temperature is None else f"{temperature:.3f}",
        )
    console.print(table)
    if any(marks.values()):
        _say(console, "* best; ~ cannot be told from the best, example by example.")


def ranking(entry: Entry) -> tuple[bool, float]:
    """What files are sorted by: NLL after scaling, else one minus accuracy; undefined ones last."""
    nll = (entry.get("scaled") or {}).get("nll")
    return (nll is None, 1 - entry["raw"]["accuracy"] if nll is None else nll)


def _print_gate(result: Entry, console: Console, several: bool) -> None:
    word = Text("Gate met: ", "bold") if result["met"] else Text("GATE NOT MET: ", "bold red")
    where = f" in {result['name']}" if several else ""
    _say(console, Text.assemble(word, f"{_gate_words(result)}{where}"))


def _gate_words(result: Entry) -> str:
    if "against" in result:
        value = f"differs by {result['value']:+.4f}" if result["value"] is not None else f"unknown, {result['reason']}"
        what = f"{title(result['measure'])} ({result['state']})"
        return f"{result['gate']} {result['measure']}: {what} {value} from {result['against']}"
    value = f"{result['value']:.4f}" if result["value"] is not None else f"undefined, {result['reason']}"
    return f"{result['gate']} {result['limit']:g}: {title(result['measure'])} ({result['state']}) is {value}"


def _table(*heads: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if place else "left", overflow="fold")
    return table


def _say(console: Console, text: str | Sequence[str] | Text) -> None:
    # Text, not str: rich would read brackets as markup
    console.print(text if isinstance(text, Text) else Text(str(text)), soft_wrap=True)


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
