"""Limits for continuous integration: a measure may not be above, or below, a number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from levelhead.errors import unknown
from levelhead.evaluate.pairs import told_apart

State = Literal["raw", "scaled"]


@dataclass(frozen=True)
class Gate:
    """`measure` must not be above `limit`, or with `least` not below it. `gap` is judged by its size."""

    measure: str
    limit: float
    least: bool = False

    @property
    def option(self) -> str:
        """How it is given on the command line."""
        return f"--{'min' if self.least else 'max'}-{self.measure.replace('_', '-')}"


#: Measures that may have a gate, and the options' names.
MOST = ("ece", "debiased_ece", "adaptive_ece", "classwise_ece", "mce", "oe", "gap", "nll", "brier", "aurc", "augrc")
LEAST = ("accuracy",)


def gates(limits: Mapping[str, float | None]) -> list[Gate]:
    """Gates from the options that were given, `max_ece` and the like. ValueError for limits that make no sense."""
    found = []
    for name, limit in limits.items():
        if limit is None:
            continue
        bound, measure = name.split("_", 1)
        gate = Gate(measure, limit, bound == "min")
        if not (limit >= 0 and (gate.measure in ("nll", "brier") or limit <= 1)):
            hint = "; accuracy is a fraction, 0.9 is 90 %" if measure == "accuracy" else ""
            top = "" if gate.measure in ("nll", "brier") else " and at most 1"
            raise ValueError(f"{gate.option} must be at least 0{top}, not {limit:g}{hint}")
        found.append(gate)
    return found


def judged(found: Sequence[Gate], entry: Mapping[str, Any], state: State) -> list[dict[str, Any]]:
    """Each gate with the value of one file and whether it was met; what is undefined meets no gate."""
    results = []
    for gate in found:
        values = entry.get(state)
        value = None if values is None else values.get(gate.measure)
        size = abs(value) if gate.measure == "gap" and value is not None else value
        met = size is not None and (size >= gate.limit if gate.least else size <= gate.limit)
        reason = "" if value is not None else _why(gate, entry, state)
        results.append(
            {
                "file": entry["file"],
                "name": entry["name"],
                "gate": gate.option,
                "measure": gate.measure,
                "state": state,
                "limit": gate.limit,
                "value": value,
                "met": bool(met),
                "reason": reason,
            }
        )
    return results


#: Measures by which a file may not be worse than the first, and whether less is better.
PAIRED = {"nll": True, "brier": True, "accuracy": False}


def check_paired(measures: Sequence[str], num_files: int) -> None:
    """ValueError for measures that are not paired, and for nothing to compare."""
    for measure in measures:
        if measure not in PAIRED:
            raise unknown("measure for --not-worse", measure, PAIRED)
    if measures and num_files < 2:
        raise ValueError("--not-worse compares files with the first: give at least two")


def not_worse(
    measures: Sequence[str], pairs: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], state: State
) -> list[dict[str, Any]]:
    """Whether each of the other files is worse than the first by more than chance; what cannot be tested fails.

    `value` is the paired difference, whose test is that of the words; None without a test.
    """
    results = []
    for pair, entry in zip(pairs, others, strict=True):
        for measure in dict.fromkeys(measures):
            name = measure if measure == "accuracy" else f"{measure}_{state}"
            apart = told_apart(pair, name)
            value = None if apart is None else pair[name]["difference"]
            worse = value is not None and (value > 0) == PAIRED[measure] and value != 0
            results.append(
                {
                    "file": entry["file"],
                    "name": entry["name"],
                    "gate": "--not-worse",
                    "measure": measure,
                    "state": "raw" if measure == "accuracy" else state,
                    "against": pair["first_name"],
                    "limit": 0.0,
                    "value": value,
                    "met": value is not None and not (worse and apart),
                    "reason": "" if value is not None else _unpaired(pair, name),
                }
            )
    return results


def _unpaired(pair: Mapping[str, Any], name: str) -> str:
    if name not in pair:
        return str(pair.get("cannot", "the files do not allow this difference"))
    if "infinite" in pair[name]:
        return f"infinite for {pair[name]['infinite']} of {pair['n']} examples"
    return "the difference has no interval"


def _why(gate: Gate, entry: Mapping[str, Any], state: State) -> str:
    if entry.get(state) is None:
        return "there is nothing after scaling"
    return (entry["undefined"].get(state) or {}).get(gate.measure, "the file does not allow this measure")
