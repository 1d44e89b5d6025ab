"""A finished comparison kept as one small file, seed by seed: a table of docs/real-data.md.

The folder comes from ``levelhead compare``; its command is kept with the result, and so are the network, the recipe and
what the data say of themselves. COMMIT is the one whose code trained.
Usage: python bench/comparison.py trec|mr|newsgroups|cifar10 FOLDER COMMIT
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from _common import RESULTS

#: The name of a table, and the data set that its comparison must be of.
TABLES = {"trec": "trec", "mr": "mr", "newsgroups": "20newsgroups", "cifar10": "cifar10"}
MEASURES = ("accuracy", "nll", "ece", "gap", "oe")


def main() -> None:
    if len(sys.argv) != 4 or sys.argv[1] not in TABLES:
        raise SystemExit(__doc__)
    name, folder, commit = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(kept(folder, commit, TABLES[name]), indent=1) + "\n")
    print(f"written: {path}")


def kept(folder: Path, commit: str, data: str) -> dict[str, Any]:
    """What a folder says of its runs on test, by method and seed, and how they were made; without places.

    Raises:
        ValueError: the folder is of another data set, or not every method has every seed.
    """
    about, summary, entries = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("comparison", "summary", "results")
    )
    identity = about["identity"]
    if identity["data"]["name"] != data:
        raise ValueError(f"{folder} is a comparison on {identity['data']['name']}, not on {data}")
    runs: dict[str, list[dict[str, Any]]] = {}
    for entry in (entry for entry in entries if entry["role"] == "test"):
        measured = {f"{name}_{state}": round(entry[state][name], 5) for state in ("raw", "scaled") for name in MEASURES}
        of_run = ("seed", "passes", "seconds")
        run = {name: entry[name] for name in of_run} | {name: round(entry[name], 4) for name in ("temperature",)}
        runs.setdefault(entry["method"], []).append(run | {"train_accuracy": entry["train_accuracy"]} | measured)
    seeds = {name: sorted(run["seed"] for run in each) for name, each in runs.items()}
    if len({tuple(each) for each in seeds.values()}) != 1:
        raise ValueError(f"{folder} is not finished: the methods have the seeds {seeds}; run its command again")
    machine = about["machine"]
    return {
        "command": placeless(re.sub(r" (--out|--jobs|--data-dir) \S+", "", about["command"])),
        "data": placeless(about["data"]["origin"]),
        "notes": [placeless(note) for note in about["data"]["notes"]],
        "sizes": identity["data"]["split"]["sizes"],
        "levelhead": about["levelhead"],
        "commit": commit,
        "torch": about["versions"]["torch"],
        "machine": f"{machine['cores']} cores, {machine['processor']}",
        "network": {**identity["network"], "name": placeless(identity["network"]["name"])},
        "recipe": identity["recipe"],
        "n_test": summary["n_test"],
        "n_seeds": len(next(iter(seeds.values()))),
        # in the leaderboard's order
        "runs": {row["method"]: sorted(runs[row["method"]], key=lambda run: run["seed"]) for row in summary["rows"]},
    }


def placeless(text: str) -> str:
    """A sentence or command without the folders of this machine: `/a/b/c.npz` is `c.npz`.

    >>> placeless("gpcn(vectors='/data/glove/g.npz')"), placeless("parquet in /data/cifar10-jpeg, 10,000")
    ("gpcn(vectors='g.npz')", 'parquet in cifar10-jpeg, 10,000')
    """
    return re.sub(r"(?<![\w.:/])(?:/[\w.+-]+)+/(?=[\w.+-])", "", re.sub(r"'\"'\"'", "", text))


if __name__ == "__main__":
    main()
