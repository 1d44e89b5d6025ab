"""The papers' claims as records, the runs each of them needs, and the verdicts that the runs there give.

``claims.toml`` holds what was fixed beforehand; `verdicts` holds the rules. Here a test finds its numbers, paired by
seed, and nothing is decided by hand: a claim holds on a bed if every test that is not only printed holds there.
S seeds, V values of a hyper-parameter.
"""

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from levelhead.reproduce import verdicts
from levelhead.reproduce.designs import Design, bed
from levelhead.reproduce.store import Record, Records, Wanted, kept, merged
from levelhead.reproduce.verdicts import Finding
from levelhead.spec import parse

VANILLA = "vanilla"
_CHOICE = "choice:"
#: Why a bed has no verdict on which every test is printed only.
PRINTED_ONLY = "printed only"


class Test(BaseModel):
    """One comparison of a claim. Methods are named, or ``choice:NAME`` of the table of choices.

    ``less`` and ``more``: every one of ``ours`` against every one of ``others`` (``other_measure``, ``other_bed`` where
    theirs differ), with a ``margin``. ``below`` and ``above``: one number against the margin. ``value``: within
    ``low`` to ``high``. ``argmin``, ``monotone``, ``slope``, ``flat``: a ``family`` with ``at`` in place of ``{}``,
    ``zero`` being what 0 means, ``inside`` the claimed range; values whose mean is below ``floor`` are left out.
    ``robust``, ``nearer``: against the ``other_family``. ``rise``: a series' slope over its last half times its length.
    """

    __test__ = False  # pytest collects by the name
    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal[
        "less", "more", "below", "above", "value", "argmin", "monotone", "slope", "flat", "robust", "nearer", "rise"
    ]
    measure: str = ""
    other_measure: str | None = None
    other_bed: str | None = None
    ours: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    margin: float = 0.0
    low: float = 0.0
    high: float = 0.0
    family: str = ""
    at: tuple[float, ...] = ()
    zero: str | None = None
    inside: tuple[float, float] | None = None
    floor: float | None = None
    other_family: str = ""
    third_family: str = ""
    other_at: tuple[float, ...] = ()
    series: str = ""
    falling: bool = False
    log: bool = False
    printed: bool = False
    beds: tuple[str, ...] = ()

    def member(self, family: str, value: float) -> str:
        """The method of a family at a value."""
        return self.zero if self.zero and value == 0 else family.format(f"{value:g}")

    def reads(self) -> list[tuple[str, str]]:
        """Every method that it names on its own bed, choices unresolved, with the measure it reads of it.

        A series is read where the measure is empty.
        """
        swept = [self.member(self.family, value) for value in self.at]
        swept += [self.member(self.other_family, value) for value in self.other_at if self.other_family]
        swept += [self.member(self.third_family, value) for value in self.other_at if self.third_family]
        others = () if self.other_bed else self.others
        return [
            *((name, self.measure) for name in (*self.ours, *swept)),
            *((name, self.other_measure or self.measure) for name in others),
        ]


class Choice(BaseModel):
    """Methods of which one is chosen by the mean of a measure over the seeds, which must be one on cal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: tuple[str, ...]
    measure: str
    lowest: bool


class Claim(BaseModel):
    """One row of the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    paper: str
    says: str
    where: str
    published: str
    beds: tuple[str, ...]
    tests: tuple[Test, ...] = ()
    premise: Test | None = None
    sweep: bool = False
    record: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    note: str = ""
    waits: str = ""

    def on(self, bed_name: str) -> list[Test]:
        """The tests that are made on a bed."""
        return [test for test in self.tests if not test.beds or bed_name in test.beds]


@dataclass(frozen=True)
class Judged:
    """One finding of a test, with what it compared in words."""

    words: str
    finding: Finding
    printed: bool


@dataclass(frozen=True)
class OnBed:
    """A claim on one bed: its verdict, the p-value of its weakest part, and every finding."""

    bed: str
    verdict: str
    p_value: float
    judged: tuple[Judged, ...]
    why: str = ""

    @property
    def n(self) -> int:
        """Seeds behind the verdict: the fewest of its findings."""
        counts = [each.finding.n for each in self.judged if not each.printed and each.finding.n]
        return min(counts, default=0)


@dataclass(frozen=True)
class Row:
    """A claim with its verdicts on the beds, and the one of them all."""

    claim: Claim
    beds: tuple[OnBed, ...]

    @property
    def verdict(self) -> str:
        """The claim holds only if it holds on every bed that was run."""
        run = [each.verdict for each in self.beds if each.verdict != verdicts.NOT_RUN]
        for verdict in (verdicts.FAILS, verdicts.OFF_REGIME, verdicts.CANNOT_TELL, verdicts.ABSENT):
            if verdict in run:
                return verdict
        return verdicts.HOLDS if run else verdicts.NOT_RUN


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((files("levelhead.reproduce") / "claims.toml").read_text(encoding="utf-8"))


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, in the order of their table."""
    return tuple(Claim(**given) for given in _table()["claim"])


@cache
def choices() -> Mapping[str, Choice]:
    """The hyper-parameters that claims choose, by name."""
    return {name: Choice(**given) for name, given in _table()["choice"].items()}


def papers() -> Mapping[str, str]:
    """The papers' names, in the ledger's order."""
    return _table()["papers"]


def in_order(chosen: Iterable[str] = ()) -> list[Claim]:
    """The claims in the order of running: those a user's choice depends on, the others, sweeps last."""
    first, wanted = _table()["first"], set(chosen)
    rank = {name: place for place, name in enumerate(first)}
    ordered = sorted(claims(), key=lambda claim: (rank.get(claim.id, len(first)), claim.sweep))
    return [claim for claim in ordered if not wanted or claim.id in wanted]


def wanted(claim: Claim, bed_name: str) -> list[Wanted]:
    """The runs that a claim asks for on a bed, plain training always among them, each method once."""
    design = bed(bed_name)
    seeds = min(3, design.seeds) if claim.sweep else design.seeds
    tests = [*claim.on(bed_name), *([claim.premise] if claim.premise else [])]
    # what is only printed is no reason to make a run again that holds the rest
    decided = [(name, "accuracy_raw" if test.printed else measure) for test in tests for name, measure in test.reads()]
    named = [(VANILLA, "accuracy_raw"), *decided]
    record = tuple(dict.fromkeys((*design.record, *claim.record)))
    probes = tuple(dict.fromkeys((*design.probes, *claim.probes)))
    return merged(
        Wanted(method, seeds, record, probes, measures)
        for name, measure in named
        for method, measures in _unfolded(name, measure)
    )


def _unfolded(name: str, measure: str) -> list[tuple[str, tuple[str, ...]]]:
    """The methods that a name stands for, each with the measures that are read of it; none where a series is."""
    read = (kept(measure),) if measure else ()
    if not name.startswith(_CHOICE):
        return [(name, read)]
    choice = choices()[name.removeprefix(_CHOICE)]
    return [(method, (*read, kept(choice.measure)) if read else ()) for method in choice.methods]


def judge(claim: Claim, records: Mapping[str, Records]) -> Row:
    """A claim's verdicts on its beds from the runs that are there, by bed, sentence and seed."""
    return Row(claim, tuple(_on_bed(claim, name, records) for name in claim.beds))


def _on_bed(claim: Claim, name: str, records: Mapping[str, Records]) -> OnBed:
    why = claim.waits or bed(name).waits
    if why:
        return OnBed(name, verdicts.NOT_RUN, math.nan, (), f"waits for {why}")
    judged = [
        Judged(words, found, test.printed) for test in claim.on(name) for words, found in _findings(test, name, records)
    ]
    deciding = [each.finding for each in judged if not each.printed]
    verdict = verdicts.together(deciding)
    if claim.premise:
        premise = [Judged(f"premise, {words}", found, True) for words, found in _findings(claim.premise, name, records)]
        judged = premise + judged
        verdict = verdicts.given(verdicts.together([each.finding for each in premise]), verdict)
    verdict = verdicts.within_regime(verdict, train_accuracy(records.get(name, {})))
    p_value = math.nan if verdict == verdicts.NOT_RUN else verdicts.joint_p(deciding)
    missing = "the runs are not all there" if verdict == verdicts.NOT_RUN else ""
    missing = missing if deciding else PRINTED_ONLY
    return OnBed(name, verdict, p_value, tuple(judged), missing)


def train_accuracy(records: Records) -> float | None:
    """Vanilla's final training accuracy on a bed, the mean of its seeds; None where no run says it."""
    known = [
        found
        for record in records.get(str(parse(VANILLA)), {}).values()
        if (found := record["measures"].get("train_accuracy")) is not None
    ]
    return float(np.mean(known)) if known else None


def reading(record: Record, measure: str) -> float | None:
    """One number of a run: a measure, or one that follows from one."""
    measures = record["measures"]
    if measure == "error":
        accuracy = measures.get("accuracy_raw")
        return None if accuracy is None else 1 - accuracy
    if measure.startswith("abs_log_"):
        found = measures.get(measure.removeprefix("abs_log_"))
        return None if found is None else abs(math.log(found))
    return measures.get(measure)


class _Missing(Exception):
    """A number that a test needs is not there."""


def _findings(test: Test, name: str, records: Mapping[str, Records]) -> Iterator[tuple[str, Finding]]:
    """What a test finds, part by part, each with its words; a part whose runs are missing is not run."""
    here, there = records.get(name, {}), records.get(test.other_bed or name, {})
    if test.rule in ("less", "more"):
        margin = f" within {test.margin:g}" if test.margin else ""
        rule = verdicts.less if test.rule == "less" else verdicts.more
        for ours in test.ours:
            for theirs in test.others:
                sign = "<" if test.rule == "less" else ">"
                second = f"{test.other_measure} of " if test.other_measure else ""
                where = f" on {test.other_bed}" if test.other_bed else ""
                try:
                    ours_is, a = _numbers(here, ours, test.measure)
                    theirs_is, b = _numbers(there, theirs, test.other_measure or test.measure)
                    both = sorted(set(a) & set(b))
                    found = rule([a[s] for s in both], [b[s] for s in both], margin=test.margin)
                except _Missing:
                    ours_is, theirs_is, found = ours, theirs, Finding(verdicts.NOT_RUN)
                yield f"{test.measure}: {ours_is} {sign} {second}{theirs_is}{where}{margin}", found
    elif test.rule in ("below", "above", "value", "rise"):
        for ours in test.ours:
            try:
                yield _single(test, here, ours)
            except _Missing:
                yield f"{test.measure or test.series} of {ours}", Finding(verdicts.NOT_RUN)
    else:
        try:
            yield from _swept(test, here)
        except _Missing:
            yield f"{test.measure}: {test.family} at {_listed(test.at)}", Finding(verdicts.NOT_RUN)


def _single(test: Test, here: Records, method: str) -> tuple[str, Finding]:
    if test.rule == "rise":
        chosen, runs = _runs(here, method)
        rises = [_rise(record, test.series) for record in runs.values()]
        return f"rise of {test.series} over the last half, {chosen} < {test.margin:g}", verdicts.side(
            rises, below=True, bound=test.margin
        )
    chosen, numbers = _numbers(here, method, test.measure)
    values = list(numbers.values())
    if test.rule == "value":
        span = f"{test.low:g}" if test.low == test.high else f"{test.low:g} to {test.high:g}"
        found = verdicts.value(values, test.low, test.high)
        return f"{test.measure} of {chosen}" + (f" near {span}" if not test.printed else ""), found
    below = test.rule == "below"
    words = f"{test.measure} of {chosen} {'<' if below else '>'} {test.margin:g}"
    return words, verdicts.side(values, below=below, bound=test.margin)


def _swept(test: Test, here: Records) -> Iterator[tuple[str, Finding]]:
    words = f"{test.measure}: {test.family} at {_listed(test.at)}"
    at, table = _grid(test, here, test.family, test.at)
    if test.rule == "argmin":
        assert test.inside is not None
        inside = [test.inside[0] <= value <= test.inside[1] for value in test.at]
        outside = [value for value, claimed in zip(test.at, inside) if not claimed]
        for value, found in zip(outside, verdicts.argmin(table, inside)):
            yield f"{test.measure}: the best of {_listed(test.inside)} < at {value:g}", found
    elif test.rule == "flat":
        assert test.inside is not None
        claimed = (at >= test.inside[0]) & (at <= test.inside[1])
        yield (
            f"log range of {test.measure} at {_listed(test.inside)} / outside",
            verdicts.narrower(table[claimed], table[~claimed]),
        )
    elif test.rule == "robust":
        _, others = _grid(test, here, test.other_family, test.other_at)
        words = f"log range of {test.measure}: {test.family} / {test.other_family}"
        yield words, verdicts.narrower(table, others)
    elif test.rule == "nearer":
        _, to = _grid(test, here, test.other_family, test.other_at)
        _, than = _grid(test, here, test.third_family, test.other_at)
        seeds = min(table.shape[1], to.shape[1], than.shape[1])
        words = f"distance of {test.measure}: {test.family} to {test.other_family} < to {test.third_family}"
        yield words, verdicts.nearer(table[:, :seeds], to[:, :seeds], than[:, :seeds])
    else:
        if test.floor is not None:
            kept = table.mean(1) > test.floor
            at, table = at[kept], table[kept]
            words = f"{test.measure}: {test.family} at {_listed(at)}, above {test.floor:g}"
            if len(at) < 3:
                yield f"{words}: too few", replace(Finding(verdicts.CANNOT_TELL), n=table.shape[1])
                return
        rule = verdicts.monotone if test.rule == "monotone" else verdicts.slope
        what = "rank correlation" if test.rule == "monotone" else "slope"
        axis = np.log(at) if test.log else at
        yield f"{what} of {words} {'< 0' if test.falling else '> 0'}", rule(axis.tolist(), table, falling=test.falling)


def _grid(test: Test, here: Records, family: str, at: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The values, and a measure ``(V, S)`` over the seeds that all of them have. Raises `_Missing`."""
    found = [_numbers(here, test.member(family, value), test.measure)[1] for value in at]
    seeds = sorted(set.intersection(*(set(numbers) for numbers in found)))
    if not seeds:
        raise _Missing
    return np.array(at), np.array([[numbers[seed] for seed in seeds] for numbers in found])


def _numbers(here: Records, method: str, measure: str) -> tuple[str, dict[int, float]]:
    """A method (the chosen one's name), and its number by seed. Raises `_Missing`."""
    name, runs = _runs(here, method)
    found = {seed: number for seed, record in sorted(runs.items()) if (number := reading(record, measure)) is not None}
    if not found:
        raise _Missing
    return name, found


def _runs(here: Records, method: str) -> tuple[str, dict[int, Record]]:
    if method.startswith(_CHOICE):
        method = chosen(choices()[method.removeprefix(_CHOICE)], here)
    runs = here.get(str(parse(method)))
    if not runs:
        raise _Missing
    return method, runs


def chosen(choice: Choice, here: Records) -> str:
    """The method with the best mean on cal, over the seeds that all have. Raises `_Missing` where one has none."""
    assert choice.measure.startswith("cal_")
    means = {}
    for method in choice.methods:
        means[method] = float(np.mean(list(_numbers(here, method, choice.measure)[1].values())))
    return (min if choice.lowest else max)(means, key=lambda method: means[method])


def _rise(record: Record, series: str) -> float:
    """What the straight line through the last half of a series adds over that half."""
    accuracy = series == "error"
    values = record["series"].get("accuracy" if accuracy else series)
    if not values or len(values) < 4 or None in values:
        raise _Missing
    half = np.array(values[len(values) // 2 :], dtype=np.float64)
    half = 1 - half if accuracy else half
    return float(np.polyfit(np.arange(len(half)), half, 1)[0] * len(half))


def _listed(values: Iterable[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def rate(design: Design, records: Records) -> float | None:
    """Example passes a second of one process, the median of the runs of this design; None where none was timed."""
    rates = [
        record["passes"] * design.epochs * design.images / record["seconds"]
        for seeds in records.values()
        for record in seeds.values()
        if record.get("seconds")
    ]
    return float(np.median(rates)) if rates else None


def cost(design: Design, asked: Sequence[tuple[Wanted, int]]) -> float:
    """Example passes that runs take: forward-backward passes times epochs times training examples."""
    return sum(parse(each.method).passes for each, _ in asked) * design.epochs * design.images
