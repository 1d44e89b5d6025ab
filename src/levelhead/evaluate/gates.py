"""Limits for continuous integration: a measure may not be above, or below, a number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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


def _why(gate: Gate, entry: Mapping[str, Any], state: State) -> str:
    if entry.get(state) is None:
        return "there is nothing after scaling"
    return (entry["undefined"].get(state) or {}).get(gate.measure, "the file does not allow this measure")
