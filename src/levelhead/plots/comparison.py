"""A comparison's folder, read: what was compared, the results, and each run's history and predictions.

Nothing is computed and nothing is written here. Three files must be there (comparison.json, summary.json,
results.json); what is missing of single runs is noted in `problems`, because a page without one diagram is
better than no page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from levelhead.files import read_json
from levelhead.predictions import Predictions

NEEDED = {"comparison.json": dict, "summary.json": dict, "results.json": list}
#: What a summary says when it does not say it.
SILENT: dict[str, Any] = {
    "baseline": None,
    "recommended": None,
    "confidence": 0.95,
    "n_bins": 15,
    "n_cal": None,
    "n_test": None,
    "verdict": [],
    "warnings": [],
    "failed": [],
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """The contents of a comparison's folder.

    Attributes:
        folder: where it lies.
        about: comparison.json: command, identity, data, machine, versions.
        summary: summary.json: rows, verdict, warnings, failed.
        results: results.json: one object a run and role.
        runs: the run.json files that could be read, by the run's hash, in the order of `results`.
        problems: sentences about what could not be read.
    """

    folder: Path
    about: dict[str, Any]
    summary: dict[str, Any]
    results: list[dict[str, Any]]
    runs: dict[str, dict[str, Any]]
    problems: tuple[str, ...]

    @property
    def methods(self) -> list[str]:
        """Methods in the order of the leaderboard, best first."""
        return [row["method"] for row in self.summary["rows"]]

    @property
    def baseline(self) -> str | None:
        """The method the others are compared with, if there is one."""
        return self.summary["baseline"]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return tuple(str(name) for name in (self.about.get("data") or {}).get("classes") or ())

    def of(self, method: str, role: str = "test") -> list[dict[str, Any]]:
        """The results of one method in one role, ordered by seed."""
        rows = [r for r in self.results if r["method"] == method and r["role"] == role]
        return sorted(rows, key=lambda r: r["seed"])

    def predictions(self, result: dict[str, Any]) -> Predictions:
        """The predictions behind a result; raises ValueError, with the path, where there are none to read."""
        return Predictions.load(self.folder / "runs" / str(result["run"]) / f"{result['role']}.safetensors")


def read(folder: str | Path) -> Comparison:
    """Read a comparison's folder.

    Raises:
        ValueError: it is no folder, a needed file is missing or is not what it should be; the message names
            the file.
    """
    folder = Path(folder)
    _check_there(folder)
    about, summary, results = (_read(folder / name, kind) for name, kind in NEEDED.items())
    rows = summary.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "method" in row for row in rows):
        raise ValueError(f"{folder / 'summary.json'} has no list of rows with a method each; run the comparison again")
    needed = {"method", "seed", "role", "run"}
    for index, result in enumerate(results):
        if not isinstance(result, dict) or not needed <= set(result):
            raise ValueError(
                f"{folder / 'results.json'}: object {index} (from 0) must have {', '.join(sorted(needed))}"
            )
    runs, problems = _runs(folder, results)
    # A method may have been asked for in two spellings of one sentence; the leaderboard's spelling names them all.
    spelling = {row["sentence"]: row["method"] for row in rows if row.get("sentence")}
    results = [_respelled(result, spelling) for result in results]
    runs = {name: _respelled(run, spelling) for name, run in runs.items()}
    return Comparison(folder, about, SILENT | summary, results, runs, problems)


def _respelled(record: dict[str, Any], spelling: dict[str, str]) -> dict[str, Any]:
    return record | {"method": spelling.get(record.get("sentence") or "", record["method"])}


def _check_there(folder: Path) -> None:
    hint = "give the folder that `levelhead compare --out` wrote"
    if not folder.is_dir():
        raise ValueError(f"{folder} is {'a file' if folder.exists() else 'not there'}; {hint}")
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} is not the folder of a finished comparison: {', '.join(missing)} missing; {hint}")


def _read(path: Path, kind: type) -> Any:
    value = read_json(path)
    if not isinstance(value, kind):
        expected = "an object" if kind is dict else "a list"
        raise ValueError(f"{path} must hold {expected}; it holds a {type(value).__name__}")
    return value


def _runs(folder: Path, results: list[dict[str, Any]]) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    runs: dict[str, dict[str, Any]] = {}
    problems = []
    for name in dict.fromkeys(str(r["run"]) for r in results):
        path = folder / "runs" / name / "run.json"
        try:
            run = read_json(path)
        except (OSError, ValueError) as error:
            problems.append(f"The record of run {name} could not be read: {error}")
            continue
        if isinstance(run, dict) and "method" in run:
            runs[name] = run
        else:
            problems.append(f"{path} is not the record of a run.")
    return runs, tuple(problems)
