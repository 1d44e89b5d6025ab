"""The main job: carry out what is missing of a comparison, measure, and write the files of the contract."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from levelhead.compare import leaderboard, verdict
from levelhead.compare.ensembles import measure_ensembles
from levelhead.compare.examples import keep_examples
from levelhead.compare.folder import Folder
from levelhead.compare.measure import FOLDS, N_BINS, measure_run, of_pixels, shared_with_cal
from levelhead.compare.pixels import uncounted
from levelhead.compare.probed import measure_probes, probe_tables
from levelhead.compare.probing import unanswered
from levelhead.compare.settings import Comparison
from levelhead.compare.shared import share
from levelhead.compare.together import lead
from levelhead.compare.workers import Crew, Report
from levelhead.files import read_json, write_json, write_text
from levelhead.train.run import FINISHED, Run


def compare(comparison: Comparison, out: Path, *, jobs: int, command: str, report: Report) -> dict[str, Any]:
    """Train what ``out`` does not have yet, then measure everything in it; returns the summary.

    Writes ``comparison.json``, ``runs/``, ``results.json``, ``leaderboard.csv``, ``summary.json``, the inputs of the
    worst mistakes (``examples.npz``), and ``probes.json`` where probes were asked. Finished runs are never redone,
    interrupted ones go on from their checkpoints. ``report`` hears how the runs come along.

    Raises ``ValueError`` for a folder of another comparison, ``OSError`` for a failing disk, and passes on
    ``KeyboardInterrupt`` when all checkpoints are written.
    """
    comparison.check()
    folder = Folder(out)
    with folder.claimed(comparison, command):
        missing = unfinished(comparison, folder)
        failed = carry_out(comparison, folder, missing, jobs=jobs, report=report)
        failures = [
            {"method": run.method, "seed": run.seed, "reason": failed[run.hash]}
            for run in missing
            if run.hash in failed
        ]
        summary = summarise(folder, failures, [*comparison.data.notes, *folder.version_warnings()])
        keep_examples(folder.path, comparison.data)
        return summary


def carry_out(
    comparison: Comparison, folder: Folder, runs: Sequence[Run], *, jobs: int, report: Report
) -> dict[str, str]:
    """Train these runs of a comparison into its folder, which the caller has claimed, and ask them the probes.

    Returns the reasons of those that failed, by hash; raises as `compare` does.
    """
    if comparison.processes > 1:
        return lead(runs, comparison, folder.run, report)
    if not runs:
        return {}
    work = folder.path / ".work"
    try:
        shared = share(comparison.data, comparison.probes, work)
        return Crew(shared, jobs, comparison.threads, comparison.devices, folder.run, report).work(list(runs))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def unfinished(comparison: Comparison, folder: Folder) -> list[Run]:
    """The runs that are still to be trained, or to be asked by a probe."""
    return [
        run
        for run in comparison.runs()
        if not folder.finished(run)
        or uncounted(comparison.data, folder.run(run))
        or unanswered(run, folder.run(run), comparison.probes)
    ]


def summarise(folder: Folder, failures: Sequence[dict[str, Any]], notes: Sequence[str]) -> dict[str, Any]:
    """Measure every finished run of a folder and write results, leaderboard and summary."""
    runs = sorted(path.parent for path in folder.path.glob(f"runs/*/{FINISHED}"))
    entries = [entry for run in runs for entry in measure_run(run)]
    entries.sort(key=lambda entry: (entry["seed"], entry["sentence"], entry["role"]))
    table = leaderboard.rows(entries)
    chosen = verdict.choose(table)
    if chosen:
        chosen["recommended"] = True
    probed = [entry for run in runs for entry in measure_probes(run)]
    ensembles = measure_ensembles(runs)
    sizes = {entry["role"]: entry["n"] for entry in entries}
    n_cal, n_test = sizes.get("cal", 0), sizes.get("test", 0)
    summary = {
        "baseline": next((row["method"] for row in table if row["baseline"]), None),
        "recommended": chosen["method"] if chosen else None,
        "confidence": leaderboard.LEVEL,
        "n_bins": N_BINS,
        "folds": FOLDS,
        "n_cal": n_cal,
        "n_test": n_test,
        "rows": table,
        "ensembles": ensembles,
        "probes": probe_tables(probed, runs),
        "verdict": verdict.words(table, chosen, n_cal),
        "warnings": [*(verdict.warnings(table, n_cal, n_test) if table else []), *shared_with_cal(entries), *notes],
        "failed": list(failures),
    }
    if pixels := of_pixels(runs):
        summary |= {"segmentation": pixels, "classes": read_json(folder.card)["data"]["classes"]}
    write_json(folder.path / "results.json", entries)
    if probed:
        write_json(folder.path / "probes.json", probed)
    write_text(folder.path / "leaderboard.csv", leaderboard.as_csv(table))
    write_json(folder.path / "summary.json", summary)
    return summary
