"""Two models on the same examples: differences whose intervals use the pairing, before and after scaling.

A training method gets the credit only for what remains when both models have their own temperature.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from levelhead.evaluate.entry import LEVEL, bounds, finite, holm
from levelhead.evaluate.model import Model, one_by_one
from levelhead.evaluate.tally import Mean
from levelhead.evaluate.top_label import comparable
from levelhead.metrics import mcnemar

SORTED = 1 << 20  # examples up to which files are brought into the order of their ids; 100 bytes each
Block = dict[str, np.ndarray]


Pair = Mapping[str, Any]


class NotTheSame(ValueError):
    """The files do not hold the same examples, so nothing can be paired."""


def compared(first: Model, second: Model, level: float) -> dict[str, Any]:
    """Second less first, example by example; `cannot` says why where the files cannot be paired."""
    names = {"first": str(first.source.path), "second": str(second.source.path)}
    try:
        return names | _compared(first, second, level)
    except NotTheSame as reason:
        return names | {"cannot": str(reason)}


def told_apart(pair: Pair, measure: str) -> bool | None:
    """Whether a paired difference is more than chance: McNemar's test for accuracy, else its interval; None: unknown.

    Of a comparison that is one of several McNemar's p-value is that adjusted by Holm.
    """
    if measure not in pair:
        return None
    test = pair.get("mcnemar") if measure == "accuracy" else None
    if test is not None:
        return test.get("p_adjusted", test["p_value"]) < 1 - LEVEL
    interval = pair[measure]["interval"]
    return None if interval is None else not interval[0] <= 0 <= interval[1]


def adjusted(pairs: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The same comparisons, with Holm's correction of McNemar's p-values over them."""
    paired = [pair for pair in pairs if "mcnemar" in pair]
    for pair, p_value in zip(paired, holm([pair["mcnemar"]["p_value"] for pair in paired]), strict=True):
        pair["mcnemar"]["p_adjusted"] = p_value
    return pairs


def _compared(first: Model, second: Model, level: float) -> dict[str, Any]:
    if first.n != second.n:
        raise NotTheSame(f"they hold {first.n} and {second.n} examples")
    by_id = bool(first.source.layout.ids and second.source.layout.ids)
    differences: dict[str, Mean] = {}
    only_first = only_second = 0
    counted = True
    for ours, theirs in _aligned(first, second, by_id):
        a, b = comparable(ours["label"], theirs["label"])
        if not np.array_equal(a, b):
            what = "labels of equal ids differ" if by_id else "labels differ"
            raise NotTheSame(f"the {what}, so these are not the same examples in the same order")
        voted = {values["correct"].dtype.kind == "f" for values in (ours, theirs)}
        if len(voted) > 1:
            raise NotTheSame("one is judged by votes and the other by one class an example")
        counted = voted == {False}
        if counted:
            only_first += int((ours["correct"] & ~theirs["correct"]).sum())
            only_second += int((theirs["correct"] & ~ours["correct"]).sum())
        for name in ours.keys() & theirs.keys() - {"label", "id"}:
            with np.errstate(invalid="ignore"):
                apart = theirs[name].astype(np.float64) - ours[name]
            differences.setdefault(name, Mean()).add(apart)
    differing = only_first + only_second
    won = np.arange(differing) < only_first
    found: dict[str, Any] = {"n": first.n, "aligned_by": "ids" if by_id else "labels and order"}
    for name, key in (("accuracy", "correct"), *((name, name) for name in _NAMES)):
        if key in differences:
            interval = differences[key].interval(level)
            found[name] = {"difference": finite(interval.mean), "interval": bounds(interval)}
            if infinite := differences[key].infinite:  # the mean of the rest would hide the worst
                found[name] = {"difference": None, "interval": None, "infinite": infinite}
    if counted:
        found["mcnemar"] = {
            "only_first_right": only_first,
            "only_second_right": only_second,
            "p_value": mcnemar(won, ~won).p_value,
        }
    return found


_NAMES = tuple(f"{measure}_{state}" for state in ("raw", "scaled") for measure in ("nll", "brier", "gap"))


def _aligned(first: Model, second: Model, by_id: bool) -> Iterator[tuple[Block, Block]]:
    if not by_id or first.n > SORTED:
        yield from _abreast(one_by_one(first), one_by_one(second), by_id)
        return
    ours, theirs = _sorted(first), _sorted(second)
    if not np.array_equal(ours["id"], theirs["id"]):
        only = np.setdiff1d(ours["id"], theirs["id"])
        raise NotTheSame(f"the ids differ: {len(only)} of {first.n} are only in the first, such as {only[0]}")
    yield ours, theirs


def _sorted(model: Model) -> Block:
    """All rows in the order of their ids."""
    blocks = list(one_by_one(model))
    whole = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    whole["id"] = whole["id"].astype(str)
    order = np.argsort(whole["id"], kind="stable")
    ids = whole["id"][order]
    twice = ids[1:] == ids[:-1]
    if twice.any():
        raise NotTheSame(f"{model.source.path}: the id {ids[1:][twice][0]} stands there more than once")
    return {name: values[order] for name, values in whole.items()}


def _abreast(first: Iterator[Block], second: Iterator[Block], by_id: bool) -> Iterator[tuple[Block, Block]]:
    """Blocks of both, cut to the same rows."""
    ours: Block = {}
    theirs: Block = {}
    while True:
        ours = ours if ours and len(ours["label"]) else next(first, {})
        theirs = theirs if theirs and len(theirs["label"]) else next(second, {})
        if not ours or not theirs:
            return
        n = min(len(ours["label"]), len(theirs["label"]))
        here = {name: values[:n] for name, values in ours.items()}
        there = {name: values[:n] for name, values in theirs.items()}
        if by_id and not np.array_equal(here["id"].astype(str), there["id"].astype(str)):
            raise NotTheSame("the ids stand in another order, and so many are not sorted here: sort both files by id")
        yield here, there
        ours = {name: values[n:] for name, values in ours.items()}
        theirs = {name: values[n:] for name, values in theirs.items()}
