"""Every method on Fashion-MNIST, kept as one small file: what a comparison's folder says, seed by seed.

The folder comes from ``levelhead compare`` (its command is kept with the result), with ``--record targets`` for the
methods whose learned targets are asked about; COMMIT is the one whose code trained.
Usage: python bench/method_study.py FOLDER COMMIT
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from _common import RESULTS
from levelhead.predictions import Predictions

MEASURES = ("accuracy", "nll", "gap", "ece", "oe")


def winning(test: Predictions) -> dict[str, float]:
    """Quartiles of the winning scores of one run."""
    logits = test.logits.astype(np.float64)
    scores = 1 / np.exp(logits - logits.max(1, keepdims=True)).sum(1)
    return {f"winning_{q}": round(float(np.quantile(scores, q / 100)), 4) for q in (25, 50, 75)}


def true_class_target(folder: Path) -> float | None:
    """Mean training target of the two true classes over pairs of different labels, in the last epoch."""
    files = sorted(folder.glob("**/targets-*.npz"))
    return round(float(np.load(files[-1])["pairs"][:2].mean()), 4) if files else None


def row(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One run on test."""
    run = folder / "runs" / entry["run"]
    found = {"seed": entry["seed"], "temperature": round(entry["temperature"], 4)}
    for kind in ("raw", "scaled"):
        found |= {f"{name}_{kind}": round(entry[kind][name], 5) for name in MEASURES}
    target = true_class_target(run)
    found |= winning(Predictions.load(run / "test.safetensors"))
    return found | ({} if target is None else {"true_class_target": target})


def main() -> None:
    folder, commit = Path(sys.argv[1]), sys.argv[2]
    about, entries = (json.loads((folder / name).read_text()) for name in ("comparison.json", "results.json"))
    runs: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if entry["role"] == "test":
            runs.setdefault(entry["method"], []).append(row(entry, folder))
    machine = about["machine"]
    result = {
        "command": re.sub(r" --out \S+", "", about["command"]),
        "levelhead": about["levelhead"],
        "commit": commit,
        "torch": about["versions"]["torch"],
        "machine": f"{machine['cores']} cores, {machine['processor']}",
        "n_test": next(entry["n"] for entry in entries if entry["role"] == "test"),
        "n_seeds": len(next(iter(runs.values()))),
        "runs": runs,
    }
    path = RESULTS / "method_study.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
