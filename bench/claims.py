"""The papers' claims: what is missing is run on the beds, each run lands as one JSON, and the ledger is made of them.

    python bench/claims.py plan [CLAIM...]              what is missing and how long it takes, nothing is run
    python bench/claims.py run [CLAIM...] [--jobs 2]    run it, in the order of the claims; a kill loses nothing
    python bench/claims.py import FOLDER --bed F        take the finished runs of a `levelhead compare` folder
    python bench/claims.py study                        take what bench/results/method_study.json has kept
    python bench/claims.py figures FOLDER               take the figures of `reproduce --out FOLDER` into docs

Writes bench/results/claims/BED/METHOD-DIGITS-SEED.json; docs/generate.py makes docs/claims.md of them. Runs lie under
--store, where an interrupted one goes on; the usual store is that of `levelhead reproduce`, which finds them there.
"""

import argparse
import json
import os
import shlex
import shutil
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from _common import RESULTS
from levelhead.reproduce import claims
from levelhead.reproduce.code import commit
from levelhead.reproduce.designs import bed, missing
from levelhead.reproduce.speed import nominal
from levelhead.reproduce.store import Results, Wanted, adopt, make, merged
from levelhead.reproduce.store import missing as missing_runs
from levelhead.spec import parse

CLAIMS = RESULTS / "claims"
PICTURES = RESULTS.parents[1] / "docs" / "assets" / "papers"
#: Beds that `--bed T` and the like stand for.
GROUPS = {"T": ("T-trec", "T-mr", "T-imdb")}


def main() -> None:
    given = arguments()
    results = Results(given.results)
    if given.what == "study":
        print(f"{study(results)} runs taken from method_study.json")
    elif given.what == "figures":
        PICTURES.mkdir(parents=True, exist_ok=True)
        for file in sorted((Path(given.names[0]) / "figures").glob("*-small*.png")):
            print(shutil.copy(file, PICTURES))
    elif given.what == "import":
        folder = Path(given.names[0])
        name = bed_of(folder, given.bed)
        taken, left = adopt(name, bed(name), folder, results, commit=given.commit or commit())
        print("\n".join([f"{taken} runs of {folder} are now runs of bed {name}", *left]))
    else:
        todo = planned(given.names, results, given.beds)
        show(todo, given.jobs, results)
        if given.what == "run":
            run(todo, given, results)


def arguments() -> argparse.Namespace:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("what", choices=("plan", "run", "import", "study", "figures"))
    reader.add_argument("names", nargs="*", metavar="CLAIM|FOLDER")
    reader.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS", "2")), help="processes at once")
    reader.add_argument("--bed", help="the bed of an imported folder")
    reader.add_argument("--beds", nargs="*", default=(), help="run on these beds only")
    # that of `levelhead reproduce`, so that a claim's runs are an item's
    reader.add_argument("--store", type=Path, default=Path("levelhead-runs/reproduce/runs"))
    reader.add_argument("--results", type=Path, default=CLAIMS)
    reader.add_argument("--data-dir", type=Path, default=os.environ.get("LEVELHEAD_DATA"))
    # a bed is on one kind of device: numbers of another are not its
    reader.add_argument("--devices", default="cpu")
    reader.add_argument("--commit", help="whose code made the runs; else the checkout's")
    reader.add_argument("--stop-file", type=Path, help="stop, as by Ctrl-C, when this file is there")
    given = reader.parse_args()
    if given.what == "import" and (len(given.names) != 1 or not given.bed):
        reader.error("import takes one folder and --bed")
    if given.what == "figures" and len(given.names) != 1:
        reader.error("figures takes one folder")
    return given


def planned(chosen: list[str], results: Results, only: tuple[str, ...]) -> list[tuple[str, str, list[Wanted]]]:
    """Claim, bed and the runs to make there, in order; a run that an earlier claim asks for is not asked again.

    What is recorded and probed is all that any claim wants of that method on that bed, so that no run is made twice.
    A run that an earlier study kept a part of is made again only for a claim that reads what it lacks.
    """
    unknown = set(chosen) - {claim.id for claim in claims.claims()}
    if unknown:
        raise SystemExit(f"there is no claim {', '.join(sorted(unknown))}; see docs/claims.md")
    everything: dict[str, dict[str, Wanted]] = {}
    for claim in claims.claims():
        for name in claim.beds:
            known = everything.setdefault(name, {})
            for each in merged([*known.values(), *claims.wanted(claim, name)]):
                known[each.sentence] = each
    found, seen = [], set()
    for claim in claims.in_order(chosen):
        for name in claim.beds:
            if claim.waits or missing(bed(name)) or (only and name not in only):
                continue
            asked = [
                Wanted(each.method, each.seeds, whole.record, whole.probes, each.measures)
                for each in claims.wanted(claim, name)
                for whole in [everything[name][each.sentence]]
            ]
            left = missing_runs(asked, results.load(name, bed(name)))
            fresh = [(each, seed) for each, seed in left if (name, each.sentence, seed) not in seen]
            seen |= {(name, each.sentence, seed) for each, seed in fresh}
            if fresh:
                found.append((claim.id, name, asked))
    return found


def show(todo: list[tuple[str, str, list[Wanted]]], jobs: int, results: Results) -> None:
    """What is missing, and how long it takes at the speed of the runs that are there."""
    seen: set[tuple[str, str, int]] = set()
    total = 0.0
    for claim, name, asked in todo:
        design = bed(name)
        left = [
            (each, seed)
            for each, seed in missing_runs(asked, results.load(name, design))
            if (name, each.sentence, seed) not in seen
        ]
        seen |= {(name, each.sentence, seed) for each, seed in left}
        seconds = claims.cost(design, left) / speed(name, results)
        total += seconds
        print(f"{claim:4s} on {name:8s} {len(left):4d} runs  {clock(seconds / jobs)}")
    waiting = [claim.id for claim in claims.claims() if claim.waits]
    print(f"{len(seen)} runs in all, about {clock(total / jobs)} with {jobs} at once; waiting: {', '.join(waiting)}")


def speed(name: str, results: Results) -> float:
    """Example passes a second of one run on this bed, by the runs that are there."""
    design = bed(name)
    return claims.rate(design, results.load(name, design)) or nominal(design)


def run(todo: list[tuple[str, str, list[Wanted]]], given: argparse.Namespace, results: Results) -> None:
    said, failed = 0.0, dict[str, str]()

    def hear(event: str, run: Any, detail: Any) -> None:
        nonlocal said
        if given.stop_file and given.stop_file.exists():
            raise KeyboardInterrupt
        if event in ("done", "failed") or (event == "progress" and time.monotonic() - said > 60):
            said = time.monotonic()
            what = f"epoch {detail.epoch}/{detail.epochs}" if event == "progress" else f"{event} {detail or ''}"
            print(f"{time.strftime('%H:%M:%S')} {run.method} seed {run.seed}: {what}", flush=True)

    try:
        for claim, name, asked in todo:
            print(f"{time.strftime('%H:%M:%S')} {claim} on {name}", flush=True)
            try:
                failed |= make(
                    *(name, bed(name), asked),
                    store=given.store,
                    results=results,
                    jobs=given.jobs,
                    data_dir=given.data_dir,
                    devices=given.devices,
                    commit=given.commit or commit(),
                    command=shlex.join(["python", *sys.argv]),
                    watch=lambda _: nullcontext(hear),
                )
            except ValueError as error:  # one claim's trouble is not the others'
                failed[f"{claim} on {name}"] = str(error)
    except KeyboardInterrupt:
        print("stopped; what is done is kept, the same command goes on")
        raise SystemExit(130) from None
    if failed:
        raise SystemExit("\n".join(f"{run}: {reason}" for run, reason in failed.items()))


def bed_of(folder: Path, name: str) -> str:
    """The bed, or the member of a group of beds that the folder's data belong to."""
    if name not in GROUPS:
        return name
    data = json.loads((folder / "comparison.json").read_text())["identity"]["data"]["name"]
    fitting = [each for each in GROUPS[name] if bed(each).about.data == data]
    if not fitting:
        raise SystemExit(f"no bed of {name} is on {data}; there are {', '.join(GROUPS[name])}")
    return fitting[0]


def study(results: Results) -> int:
    """The runs that an earlier study kept, as runs of bed F with the measures that are there; never over whole ones."""
    kept = json.loads((RESULTS / "method_study.json").read_text())
    taken = 0
    for method, runs in kept["runs"].items():
        sentence = str(parse(method))
        for found in runs:
            known = results.load("F", bed("F")).get(sentence, {}).get(found["seed"])
            if known and known["complete"]:
                continue
            measures = {name: value for name, value in found.items() if name != "seed"}
            record = {
                "method": method, "sentence": sentence, "seed": found["seed"], "hash": None, "n": kept["n_test"],
                "passes": parse(method).passes, "seconds": None, "measures": measures, "series": {},
                "record": [], "probes": [], "complete": False,
            }  # fmt: skip
            about = {name: kept[name] for name in ("command", "commit", "machine")}
            results.add("F", bed("F"), record, data="Fashion-MNIST", network="small", **about)
            taken += 1
    return taken


def clock(seconds: float) -> str:
    """Hours and minutes."""
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"


if __name__ == "__main__":
    main()
