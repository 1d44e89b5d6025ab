"""The most confident mistakes as a page shows them: picture or text, what it is, what it was taken for, how surely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from levelhead.plots.comparison import Comparison
from levelhead.plots.mistakes import Mistake, inputs, mistakes, per_method
from levelhead.report import rounding
from levelhead.report.pictures import address

#: A picture with a longer side than this loses nothing that an eye would see to JPEG.
_CRISP = 40


@dataclass(frozen=True)
class Shown:
    """One mistake: which example, its class and the predicted one, how sure; its picture's address or its text."""

    id: str
    label: str
    predicted: str
    sure: str
    seeds: str
    picture: str = ""
    text: str = ""


@dataclass(frozen=True)
class Mistakes:
    """A method's mistakes, the worst first."""

    method: str
    shown: tuple[Shown, ...]
    found: tuple[Mistake, ...] = ()


def worst(comparison: Comparison) -> tuple[list[Mistakes], list[str]]:
    """Every method's mistakes, the recommended method and the baseline first; and what could not be read."""
    problems = []
    try:
        kept = inputs(comparison)
    except ValueError as error:
        kept = {}
        problems.append(str(error))
    rows = sorted(comparison.summary["rows"], key=lambda row: (not row.get("recommended"), not row.get("baseline")))
    most = per_method(len(rows))
    addresses: dict[int | str, str] = {}
    found = []
    for row in rows:
        wrong = mistakes(comparison, row["method"], most=most)
        if wrong:
            shown = tuple(_shown(each, kept, addresses, comparison.class_names) for each in wrong)
            found.append(Mistakes(row["method"], shown, wrong))
    return found, problems


def _shown(
    each: Mistake, kept: Mapping[int, np.ndarray | str], addresses: dict[int | str, str], classes: Sequence[str]
) -> Shown:
    """One mistake in words; an example that several methods get wrong is encoded once."""

    def named(label: int) -> str:
        return classes[label] if label < len(classes) else f"class {label}"

    example = kept.get(each.id) if isinstance(each.id, int) else None
    if isinstance(example, np.ndarray) and each.id not in addresses:
        addresses[each.id] = address(example, small=max(example.shape[:2]) > _CRISP)
    return Shown(
        id=str(each.id),
        label=named(each.label),
        predicted=named(each.predicted),
        sure=confidences(each.confidence, each.scaled),
        seeds="" if each.seeds == 1 else f"{each.wrong} of {each.seeds} seeds",
        picture=addresses.get(each.id, ""),
        text=example if isinstance(example, str) else "",
    )


def confidences(raw: float, scaled: float | None) -> str:
    """Before and after scaling, in per cent.

    >>> confidences(0.9999, 0.91), confidences(0.5, None)
    ('99.99 % → 91.0 %', '50.0 %')
    """
    return " → ".join(f"{percent(value)} %" for value in (raw, scaled) if value is not None)


def percent(share: float) -> str:
    """A share in per cent, with the nines that it takes to tell it from all.

    >>> percent(0.912), percent(0.99984), percent(0.9999999), percent(1.0)
    ('91.2', '99.98', 'over 99.999', 'over 99.999')
    """
    if share > 0.99999:
        return "over 99.999"
    for digits in (1, 2, 3):
        shown = rounding.fixed(100 * share, digits)
        if not shown.startswith("100"):
            return shown
    return "over 99.999"
