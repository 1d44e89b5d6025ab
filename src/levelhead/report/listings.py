"""Plain tables for a terminal: data, methods, one method's card, one file's measures, what the doctor found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from levelhead.predictions import Predictions

#: More classes than these are summed up, not listed.
_MANY = 20


def print_data(
    name: str,
    origin: str,
    shape: Sequence[int],
    classes: Sequence[str],
    counts: Mapping[str, Sequence[int]],
    notes: Sequence[str],
    console: Console,
) -> None:
    """What is about to be trained on: origin, shape, classes, examples a role and class, and warnings."""
    _say(console, f"{name}: {len(classes)} classes, inputs {'x'.join(map(str, shape))}. {origin}")
    table = _table("class", *counts)
    each = list(counts.values())
    if len(classes) <= _MANY:
        for name_of_class, numbers in zip(classes, zip(*each)):
            table.add_row(Text(name_of_class), *(f"{number:,}" for number in numbers))
    else:
        table.add_row("fewest a class", *(f"{min(numbers):,}" for numbers in each))
        table.add_row("most a class", *(f"{max(numbers):,}" for numbers in each))
    table.add_row("all", *(f"{sum(numbers):,}" for numbers in each), style="bold")
    console.print(table)
    for note in notes:
        _say(console, f"Note: {note}")


def print_methods(cards: Sequence[Any], console: Console) -> None:
    """Name with arguments, passes, and paper; the sentence on a line of its own, so that it can be copied."""
    for card in cards:
        _say(console, Text.assemble((card.usage, "bold"), f"   {card.passes:g}x   {card.paper}"))
        _say(console, f"    {card.idea}")
        _say(console, f"    {card.sentence}")
    _say(console, "\nNx: forward-backward passes a batch costs in training. 'levelhead methods NAME' shows a card.")


def print_networks(cards: Sequence[Any], console: Console) -> None:
    """Name with arguments, what it reads, and what it costs for one such input."""
    for card in cards:
        _say(console, Text(card.usage, "bold"))
        if card.idea:
            _say(console, f"    {card.idea}")
        shape = "x".join(map(str, card.shape))
        _say(
            console,
            f"    {card.parameters:,} parameters, {card.multiply_adds / 1e6:,.1f} million multiply-adds, "
            f"{card.reads} of {shape}",
        )
    _say(console, "\nFurther: torchvision:NAME, timm:NAME, hf:NAME, smp:ARCH/ENCODER, or your package.module:function.")


def print_card(card: Any, console: Console) -> None:
    """All there is to know of one method."""
    for label, value in (
        ("name", card.usage),
        ("idea", card.idea),
        ("equation", card.equation),
        ("sentence", card.sentence),
        ("paper", card.paper),
        ("defaults", card.defaults),
        ("deviations", card.deviations),
        ("switches", card.switches),
        ("passes", _passes(card)),
    ):
        _say(console, Text.assemble((f"{label:11s} ", "bold"), value))


def _passes(card: Any) -> str:
    forward = "1 forward pass" if card.predict_passes == 1 else f"{card.predict_passes} forward passes"
    return f"{card.passes:g} forward-backward a batch in training, {forward} to predict"


def methods_table(cards: Sequence[Any]) -> str:
    """All cards as Markdown, as the documentation shows them: a table of what they are, then each one whole."""
    lines = ["| method | idea | equation | passes | paper |", "|-|-|-|-|-|"]
    for card in cards:
        passes = f"{card.passes:g}" + (f", {card.predict_passes} to predict" if card.predict_passes > 1 else "")
        cells = (card.name, card.idea, card.equation, passes, card.paper)
        first, *others = (_escaped(cell) for cell in cells)
        lines.append("| " + " | ".join((f"[{first}](#{card.name})", *others)) + " |")
    for card in cards:
        lines += ["", f"## {card.name}", "", "```text", card.usage, card.sentence, card.equation, "```", ""]
        idea = card.idea[0].upper() + card.idea[1:]
        lines.append(f"{_escaped(idea)} ({card.paper}).")
        for label in ("defaults", "deviations", "switches"):
            text = getattr(card, label)
            if text != "none":
                lines += ["", f"{label.capitalize()}: {_escaped(text)}."]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is: neither the end of a cell nor emphasis."""
    for character, written in (("|", "&#124;"), ("_", "\\_"), ("*", "\\*"), ("<", "&lt;")):
        text = text.replace(character, written)
    return text


def print_measures(entry: Mapping[str, Any], console: Console) -> None:
    """The measures of one run, raw and scaled, after a sentence on how sure the model is."""
    raw, scaled = entry["raw"], entry["scaled"]
    gap = raw["gap"]
    if gap is not None:
        side = "above" if gap > 0 else "below"
        _say(console, f"Mean confidence is {abs(gap) * 100:.1f} points {side} accuracy (n = {entry['n']:,}).")
    table = _table("measure", "raw", "scaled")
    for name, value in raw.items():
        table.add_row(name, _number(value), _number(scaled[name]))
    console.print(table)
    _say(console, f"Scaled: logits divided by T = {entry['temperature']:.3f}, fitted on other examples.")


def print_calibration(found: Mapping[str, Any], saved: Any, console: Console) -> None:
    """What was fitted, and each file's measures before and after it."""
    fitted = found["cal"]
    temperature = "" if found["temperature"] is None else f" T = {found['temperature']:.4f}"
    on = "" if fitted is None else f", fitted on {fitted['path']} (n = {fitted['n']:,})"
    _say(console, f"{found['calibrator']}:{temperature} ({found['status']}){on}")
    for entry in found["files"]:
        _say(console, f"\n{entry['path']} (n = {entry['n']:,}), written to {entry['out']}")
        table = _table("measure", "before", "after")
        for name, value in entry["before"].items():
            table.add_row(name, _number(value), _number(entry["after"][name]))
        console.print(table)
    if saved is not None:
        _say(console, f"The calibrator: {saved}")


def print_predicted(about: Mapping[str, Any], said: Predictions, out: Any, console: Console) -> None:
    """How many examples were predicted, how sure the run is of them, and how right where that is known."""
    from levelhead import metrics

    confidence = float(metrics.max_softmax(**said.scores).mean())
    sure = f"n = {said.num_examples:,}, mean confidence {confidence:.4f}"
    if said.has_labels:
        sure += f", accuracy {metrics.accuracy(**said.scores, labels=said.labels):.4f}"
    _say(console, f"{about['method']} seed {about['seed']}: {sure}")
    _say(console, f"Written: {out}")


def print_findings(findings: Mapping[str, Any], console: Console) -> None:
    """The doctor's findings, a section each."""
    for section, found in findings.items():
        if isinstance(found, Mapping):
            _say(console, Text(section, "bold"))
            for name, value in found.items():
                _say(console, f"  {name:18s} {value}")
        else:
            _say(console, Text.assemble((f"{section:10s} ", "bold"), str(found)))


def _table(*heads: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if place else "left", overflow="fold")
    return table


def _say(console: Console, text: str | Text) -> None:
    # Text, not str: rich would read brackets as markup
    console.print(Text(text) if isinstance(text, str) else text, soft_wrap=True)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
