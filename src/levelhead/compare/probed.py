"""From the predictions under probes to numbers: ``probes.json`` and the tables of the summary.

Where the inputs have an answer (an attack, a shift) the measures of the leaderboard and top-5 are taken; where they
belong to no class, how well a score tells them from the test split, in-distribution positive. Scaled: by the
temperature that was fitted on cal, of the run or of the ensemble.
"""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from levelhead import metrics
from levelhead.calibrate import TemperatureScaling
from levelhead.compare.ensembles import groups, together
from levelhead.compare.leaderboard import BASELINE, statistics
from levelhead.compare.measure import measures
from levelhead.compare.probing import FILES
from levelhead.files import read_json
from levelhead.predictions import Predictions
from levelhead.train.run import FINISHED

#: Scores by the ending of their measures: ``auroc`` is by confidence, ``auroc_energy`` by energy.
_SCORES = {
    "": metrics.max_softmax,
    "_entropy": metrics.negative_entropy,
    "_energy": metrics.energy,
    "_max_logit": metrics.max_logit,
}
_DETECTION = {
    "auroc": metrics.auroc,
    "fpr95": metrics.fpr95,
    "aupr_in": metrics.aupr_in,
    "aupr_out": metrics.aupr_out,
}

Entry = dict[str, Any]


def measure_probes(run: Path) -> list[Entry]:
    """The entries of one finished run, one a probe it was asked."""
    paths = sorted(run.glob(FILES))
    if not paths:
        return []
    about = read_json(run / FINISHED)
    cal, test = (Predictions.load(run / f"{role}.safetensors") for role in ("cal", "test"))
    scaling = TemperatureScaling().fit(cal)
    assert test.logits is not None
    return [
        {
            "method": about["method"],
            "sentence": about["sentence"],
            "seed": about["seed"],
            "run": about["hash"],
            "temperature": scaling.temperature,
            **_measured(Predictions.load(path), test.logits, scaling),
        }
        for path in paths
    ]


def probe_tables(entries: Sequence[Entry], runs: Sequence[Path]) -> list[dict[str, Any]]:
    """One table a probe: a row a method, with means and intervals over seeds and the ensemble of the seeds."""
    by_probe: dict[str, dict[str, dict[int, Entry]]] = defaultdict(lambda: defaultdict(dict))
    for entry in entries:
        by_probe[entry["probe"]][entry["sentence"]][entry["seed"]] = entry
    ensembles = _ensembles(runs) if by_probe else {}
    tables = []
    for probe, methods in by_probe.items():
        first = next(iter(next(iter(methods.values())).values()))
        rows = [
            _row(seeds, {} if sentence == BASELINE else methods.get(BASELINE, {}))
            | {"ensemble": ensembles.get((probe, sentence))}
            for sentence, seeds in methods.items()
        ]
        head = {name: first[name] for name in ("name", "probe", "role", "outside", "curve", "at", "n")}
        tables.append(head | {"rows": sorted(rows, key=lambda row: _rank(row, first["outside"]))})
    return sorted(tables, key=lambda table: (table["outside"], _natural(table["name"])))


def _measured(said: Predictions, test: np.ndarray, scaling: TemperatureScaling) -> Entry:
    """What one file shows, raw and scaled; ``test`` are the logits of the same model on its test split."""
    assert said.logits is not None
    outside = said.meta["outside"] == "true"
    found = {}
    for state, divide in (("raw", lambda logits: logits), ("scaled", scaling.apply)):
        logits = divide(said.logits)
        values: dict[str, float | None] = {
            "confidence": float(metrics.max_softmax(logits=logits).mean()),
            "entropy": float(-metrics.negative_entropy(logits=logits).mean()),
        }
        found[state] = values | (_detected(divide(test), logits) if outside else _answered(logits, said.labels))
    return {
        "role": f"probe:{said.meta['name']}",
        "name": said.meta["name"],
        "probe": said.meta["probe"],
        "outside": outside,
        "curve": said.meta.get("curve"),
        "at": float(said.meta["at"]) if "at" in said.meta else None,
        "n": said.num_examples,
        **found,
    }


def _answered(logits: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    top5 = metrics.top5(logits=logits, labels=labels)
    return measures(logits, labels) | {"top5": top5 if math.isfinite(top5) else None}


def _detected(inside: np.ndarray, outside: np.ndarray) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for ending, score in _SCORES.items():
        ours, theirs = score(logits=inside), score(logits=outside)
        found |= {f"{name}{ending}": measure(ours, theirs) for name, measure in _DETECTION.items()}
    return found


def _ensembles(runs: Sequence[Path]) -> dict[tuple[str, str], Entry]:
    """By probe and sentence what the ensemble of the seeds shows, for probes that all its seeds were asked alike."""
    found = {}
    for about, members in groups(runs):
        files = set.intersection(*({path.name for path in run.glob(FILES)} for run in members))
        if not files:
            continue
        scaling = TemperatureScaling().fit(together(members, "cal.safetensors"))
        test = together(members, "test.safetensors").logits
        assert test is not None
        for file in sorted(files):
            said = together(members, file)
            if "probe" not in said.meta:  # the seeds were asked different things under one name
                continue
            entry = _measured(said, test, scaling)
            for state in ("raw", "scaled"):  # a mean of probabilities has no energy
                entry[state] = {k: v for k, v in entry[state].items() if not k.endswith(("_energy", "_max_logit"))}
            found[entry["probe"], about["sentence"]] = {
                "members": len(members),
                "temperature": scaling.temperature,
                "raw": entry["raw"],
                "scaled": entry["scaled"],
            }
    return found


def _row(seeds: dict[int, Entry], baseline: dict[int, Entry]) -> dict[str, Any]:
    first = next(iter(seeds.values()))
    found = {
        f"{name}_{state}": statistics(
            {seed: entry[state][name] for seed, entry in sorted(seeds.items())},
            {seed: entry[state][name] for seed, entry in baseline.items()},
        )
        for state in ("raw", "scaled")
        for name in first[state]
    }
    return {"method": first["method"], "sentence": first["sentence"], "n_seeds": len(seeds), "metrics": found}


def _rank(row: dict[str, Any], outside: bool) -> float:
    """Best first: the lowest scaled NLL, or the highest AUROC."""
    value = row["metrics"]["auroc_raw" if outside else "nll_scaled"]["mean"]
    return math.inf if value is None else -value if outside else value


def _natural(name: str) -> list[tuple[int, float, str]]:
    """Numbers in a name by their size: a distance of 3 comes before 10."""
    parts = re.split(r"(\d+(?:\.\d+)?)", name)
    return [(1, float(part), "") if index % 2 else (0, 0.0, part) for index, part in enumerate(parts)]
