"""The papers' tables and figures as plans: one TOML a paper, read into records.

A plan is data: copy one, give it other methods, designs or beds, and hand it over with ``--plan``. An item's
``columns`` are designs at the paper's scale, ``small`` the beds that stand for them on two cores; its ``rows`` are
methods with the paper's labels, and ``sweeps`` are rows of one method with a number in place of ``{}``. ``published``
holds the paper's numbers by measure and column, in the order of the rows, as they are printed there.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from levelhead.errors import unknown
from levelhead.reproduce.designs import Design, bed, beds
from levelhead.reproduce.store import Wanted, kept, merged
from levelhead.train.recipe import explain

SCALES = ("paper", "small")
#: Measures that papers print in per cent; others are fractions unless the item says so.
_PERCENT = ("error", "accuracy", "top5")


class Drawing(BaseModel):
    """A figure of `levelhead figure`: its kind, and what goes along a sweep's axis and up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    argument: str | None = None
    measure: str = "ece"


class Item(BaseModel):
    """One table or figure. ``drawing`` and ``computed`` are for those that no run is needed for.

    ``small_measures``, ``small_probes`` and ``overrides`` are for what differs at one scale or in one column.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    where: str
    shows: str
    measures: tuple[str, ...] = ()
    small_measures: tuple[str, ...] = ()
    percent: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    small: dict[str, str] = {}
    rows: tuple[tuple[str, str], ...] = ()
    sweeps: tuple[tuple[str, str, tuple[float, ...]], ...] = ()
    overrides: dict[str, dict[str, str]] = {}
    published: dict[str, dict[str, tuple[str, ...]]] = {}
    record: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    small_probes: tuple[str, ...] | None = None
    seeds: int | None = None
    figures: tuple[Drawing, ...] = ()
    drawing: str = ""
    computed: str = ""
    note: str = ""

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Label and method of every row."""
        swept = [
            (f"{label} {value:g}", family.format(f"{value:g}")) for label, family, at in self.sweeps for value in at
        ]
        return [*self.rows, *swept]

    def asked(self, scale: str) -> tuple[str, ...]:
        """The measures at a scale."""
        return self.small_measures or self.measures if scale == "small" else self.measures

    def factor(self, measure: str) -> float:
        """What our fraction is multiplied with to be in the paper's unit."""
        return 100.0 if measure in self.percent or (not self.percent and measure.startswith(_PERCENT)) else 1.0

    def method(self, column: str, label: str, method: str) -> str:
        """The method of a row in a column."""
        return self.overrides.get(column, {}).get(label, method)


class Plan(BaseModel):
    """A paper: what it says in five lines, the sentence that runs it, its designs, its items, and beds of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    idea: str
    sentence: str
    selection: str
    design: dict[str, Design]
    item: tuple[Item, ...]
    bed: dict[str, Design] = {}

    def find(self, name: str) -> Item:
        """An item by its id. Raises ``ValueError``."""
        known = {item.id: item for item in self.item}
        if name not in known:
            raise unknown("item", name, known)
        return known[name]

    def design_of(self, item: Item, column: str, scale: str) -> tuple[str, Design] | None:
        """Name and design of a column: the paper's, or the bed in its place; None where there is no bed."""
        if scale == "paper":
            return column, self.design[column]
        if scale == "small" and not item.small:  # somebody's own study, which is as small as it says
            return column, self.design[column]
        if column not in item.small:
            return None
        name = item.small[column]
        return name, self.bed.get(name) or bed(name)


def read(text: str, where: str) -> Plan:
    """A plan from TOML. Raises ``ValueError`` that says what is wrong where."""
    try:
        plan = Plan(**tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{where} is not TOML: {error}") from None
    except ValidationError as error:
        raise ValueError(f"{where}: {explain(error)}") from None
    for item in plan.item:
        for column, name in item.small.items():
            if name not in plan.bed and name not in beds():
                raise ValueError(f"{where}: {item.id}, {column}: {unknown('bed', name, {**beds(), **plan.bed})}")
        for column in (*item.columns, *item.small):
            if column not in plan.design:
                raise ValueError(f"{where}: {item.id} names the design {column!r}, which is not there")
        for measure, columns in item.published.items():
            for column, values in columns.items():
                if len(values) != len(item.lines):
                    raise ValueError(
                        f"{where}: {item.id} has {len(item.lines)} rows, but {len(values)} published numbers of "
                        f"{measure} for {column}"
                    )
    return plan


@cache
def plans() -> Mapping[str, Plan]:
    """The papers' plans by short name."""
    folder = files("levelhead.reproduce") / "plans"
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        name = file.name.removesuffix(".toml")
        if name != file.name:
            found[name] = read(file.read_text(encoding="utf-8"), file.name)
    return found


def with_own(paths: Sequence[Path]) -> dict[str, Plan]:
    """The papers' plans and the user's, which go by the name of their file. Raises ``ValueError``, ``OSError``."""
    return dict(plans()) | {path.stem: read(path.read_text(encoding="utf-8"), str(path)) for path in paths}


def number(published: str) -> float | None:
    """The number in a printed one: of ``.62±.05`` and ``.6 (likely .06)`` the first; None where there is none.

    >>> number("24.19±1.27"), number(".62±.05"), number(""), number(".14 to .18")
    (24.19, 0.62, None, 0.14)
    """
    found = re.match(r"\s*(-?\d*\.?\d+)", published)
    return float(found[1]) if found else None


def requests(
    plan: Plan, item: Item, scale: str, *, seeds: int | None = None, curves: bool = False
) -> dict[str, list[Wanted]]:
    """The runs that an item needs at a scale, by column; a column without a bed is left out."""
    found = {}
    for column in item.columns:
        there = plan.design_of(item, column, scale)
        if there is None:
            continue
        _, design = there
        record = dict.fromkeys((*design.record, *item.record, *(("epochs",) if curves else ())))
        own = item.probes if scale == "paper" or item.small_probes is None else item.small_probes
        probes = dict.fromkeys((*design.probes, *own))
        count = seeds or min(item.seeds or design.seeds, design.seeds)
        # a table is answered by a run that holds its numbers; a figure needs the whole run
        read = () if item.figures or item.record or curves else tuple(map(kept, item.asked(scale)))
        found[column] = merged(
            Wanted(item.method(column, label, method), count, tuple(record), tuple(probes), read)
            for label, method in item.lines
        )
    return found
