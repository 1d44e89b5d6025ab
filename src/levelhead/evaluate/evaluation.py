"""Anybody's predictions, from files to an honest and complete answer as plain data."""

import hashlib
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from levelhead._version import __version__
from levelhead.evaluate import entry as entries
from levelhead.evaluate import gates as limits
from levelhead.evaluate import verdict
from levelhead.evaluate.entry import LEVEL, bounds, finite
from levelhead.evaluate.groups import find_grouping
from levelhead.evaluate.model import Model, measured
from levelhead.evaluate.ood import detection
from levelhead.evaluate.pairs import adjusted, compared
from levelhead.evaluate.source import MEMORY, Source, open_source
from levelhead.evaluate.standing import standings
from levelhead.evaluate.tally import Tally
from levelhead.evaluate.top_label import CANNOT
from levelhead.evaluate.votes import Votes, open_votes
from levelhead.prediction_files.names import Kind

#: What the answer is and the number of its layout, raised where a name changes its place or meaning.
FORMAT = {"name": "levelhead evaluation", "version": 1}
NOT_BY_VOTES = (
    "whether the calibration error could be chance, intervals of AURC and AUGRC, gaps and confusions of classes, and "
    "prediction sets (they count right and wrong predictions, and votes give shares)"
)
CONVENTIONS = {
    "bins": "equal width, (lo, hi]; confidence 0 in the first, 1 in the last",
    "gap": "mean confidence less accuracy",
    "nll": "nats",
    "brier": "summed over classes, 0 to 2",
    "intervals": "95 %: Clopper-Pearson for accuracy, normal for NLL, Brier and gap, bootstrap for AURC and AUGRC; the "
    "debiased ECE's starts at 0 unless its test rejects, the gap's is exact with fewer than 5 right or wrong ones",
    "scaled": "logits divided by a temperature that saw none of the examples it scales",
    "splits": "NLL: what relabelling the confidences would mend, what it would leave, and the choice among the classes "
    "not predicted; Brier: by bins of each class's probability",
    "diagram": "band: where 95 % of honest bins of this size and confidence fall (binomial); line: the best rising "
    "relabelling of the confidence (isotonic regression)",
    "sets": "split conformal (LAC; APS, randomised) of the scores as they come, never empty; fitted on --cal",
    "groups": "bins and noise floor of each group's own examples; p-values adjusted by Holm over groups of 30 and more",
    "per_class": "gap of the examples predicted as the class; p-values adjusted by Holm",
}


#: Examples below which a temperature, and a bin, are worth a word.
FITTED_ON_LITTLE, TINY = 300, 10
#: When other shares of the classes in the calibration file are worth a word: beyond chance, and enough to matter.
CHANCE, SHIFTED = 0.001, 0.05


def evaluate(
    files: Sequence[Path],
    *,
    cal: Sequence[Path] = (),
    ood: Sequence[Path] = (),
    votes: Sequence[Path] = (),
    group: Sequence[str] = (),
    n_bins: int = 15,
    kind: Kind | None = None,
    scores: str | None = None,
    label: str | None = None,
    gates: Mapping[str, float | None] | None = None,
    gate_on: limits.State = "raw",
    not_worse: Sequence[str] = (),
    memory: int = MEMORY,
) -> dict[str, Any]:
    """All that can be said of one file of predictions, or of several and how they compare, ready for JSON.

    `files`: predictions in `.npz`, `.safetensors`, `.parquet` or `.csv`. `cal`, `ood`: none, or one a file in order:
    predictions to fit a temperature on (without, it is cross-fitted), and of out-of-distribution inputs. `votes`: one
    file, or one for each: label distributions or counts (N, C) that the examples are judged by. `group`: columns of the
    files, or FILE or FILE:COLUMN beside them, whose values part the examples into groups that are also judged. `kind`,
    `scores`, `label`: which columns mean what, where their names do not say. `gates`: limits such as
    ``{"max_ece": 0.05, "min_accuracy": 0.9}``, judged on the values as they come or, `gate_on="scaled"`, after scaling;
    `not_worse`: measures (nll, brier, accuracy) by which no file may be worse than the first by more than chance.
    `memory`: bytes of scores held at once; larger files are read anew at every pass.

    One file gives its entry; several give ``files``, a list of entries, and ``comparisons`` of each with the first.
    Raises ValueError for whatever is wrong with words or files.
    """
    votes = list(votes) * len(files) if len(votes) == 1 else votes
    _check(files, cal, ood, votes, n_bins)
    wanted = limits.gates(gates or {})
    limits.check_paired(not_worse, len(files))
    options: dict[str, Any] = {"kind": kind, "scores": scores, "label": label, "memory": memory}
    people: list[Votes | None] = [open_votes(path) for path in votes]
    sources = [
        open_source(path, **options, votes=each, labels="welcome" if each else "needed")
        for path, each in zip(files, people or [None] * len(files), strict=True)
    ]
    cals = [open_source(path, **options) for path in cal]
    outsides = [open_source(path, **options, labels="ignored") for path in ood]
    for source in (*sources, *cals):
        _refuse_unlabelled(source)
    models, found = [], []
    names = dict(zip(files, _names(files), strict=True))
    for index, source in enumerate(sources):
        if group and source.voted:
            raise ValueError("--group counts right and wrong predictions, and votes give shares: leave one of them out")
        groupings = [find_grouping(source, word) for word in dict.fromkeys(group)]
        model = measured(source, cals[index] if cals else None, n_bins, LEVEL, groupings)
        entry = {"name": names[files[index]]} | _entry(model, n_bins)
        if outsides:
            for each in (source, outsides[index]):
                if each.layout.kind == "top_label":
                    raise ValueError(f"{each.path} holds only top labels: --ood needs the scores of all classes")
            entry["ood"] = detection(source, model.n, outsides[index], LEVEL)
        entry["verdict"] = verdict.words(entry)
        models.append(model)
        found.append(entry)
    judged = [result for entry in found for result in limits.judged(wanted, entry, gate_on)]
    about = {
        "format": FORMAT,
        "levelhead": __version__,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__},
        "level": LEVEL,
        "n_bins": n_bins,
        "conventions": CONVENTIONS,
        "gates": judged,
    }
    if len(found) == 1:
        return found[0] | about
    pairs = adjusted(
        [
            {"first_name": found[0]["name"], "second_name": entry["name"]} | compared(models[0], other, LEVEL)
            for entry, other in zip(found[1:], models[1:], strict=True)
        ]
    )
    words = [sentence for pair in pairs for sentence in verdict.compared_words(pair)]
    best = standings(found, models, pairs)
    judged += limits.not_worse(not_worse, pairs, found[1:], gate_on)
    return {"files": found, "comparisons": pairs, "standing": best, "verdict": words} | about


def _refuse_unlabelled(source: Source) -> None:
    """ValueError for the answers to a probe whose inputs belong to no class: their labels are zeros without meaning."""
    meta = source.file.meta
    if meta.get("labels") == "none" and not source.votes:
        what = f" ({meta['name']})" if "name" in meta else ""
        raise ValueError(
            f"{source.path} is about inputs that have no label of these classes{what}: there is no right answer to "
            "judge it by. Give it as --ood beside the test file of the same model"
        )


def _check(files: Sequence[Path], cal: Sequence[Path], ood: Sequence[Path], votes: Sequence[Path], n_bins: int) -> None:
    if not files:
        raise ValueError("give at least one file of predictions")
    if n_bins < 1:
        raise ValueError(f"--n-bins must be at least 1, not {n_bins}")
    for option, given in (("--cal", cal), ("--ood", ood), ("--votes", votes)):
        if given and len(given) != len(files):
            raise ValueError(
                f"{option} was given {len(given)} times for {len(files)} file{'s' if len(files) > 1 else ''}: give one "
                "for each, in the same order"
            )
    seen: set[Path] = set()
    for path in files:
        if path.resolve() in seen:
            raise ValueError(f"{path} was given twice: there is nothing to compare in it")
        seen.add(path.resolve())


def _names(files: Sequence[Path]) -> list[str]:
    """What files are called in sentences: their names where those differ, else their paths."""
    names = [path.name for path in files]
    return names if len(set(names)) == len(names) else [str(path) for path in files]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entry(model: Model, n_bins: int) -> dict[str, Any]:
    source, raw = model.source, model.raw
    states = {"raw": entries.described(raw)}
    if model.scaled is not None:
        states["scaled"] = entries.described(model.scaled)
    entry: dict[str, Any] = {
        "file": str(source.path),
        "sha256": _digest(source.path),
        "role": source.role,
        "kind": source.layout.kind,
        "n": model.n,
        "num_classes": source.num_classes or None,
        "classes": list(source.classes),
        "streamed": source.held is None,
        "n_bins": n_bins,
    }
    for state, described in states.items():
        entry[state] = described.pop("values")
    if model.scaling is not None:
        entry |= _scaling(model)
    for name in (
        "intervals",
        "undefined",
        "test",
        "mean_confidence",
        "saturated",
        "few",
        "reliability",
        "isotonic",
        "confidence",
        "selective",
    ):
        entry[name] = {state: described[name] for state, described in states.items()}
    entry["per_class"], entry["confusions"], entry["confusion_matrix"] = {}, [], None
    if isinstance(raw, Tally) and not raw.voted:
        entry["per_class"]["raw"] = entries.per_class(raw, source.classes)
        entry["confusions"] = entries.confusions(raw, source.classes)
        entry["confusion_matrix"] = entries.confusion_matrix(raw)
        if model.cal_counts is not None:
            entry["label_shift"] = entries.shifted(raw.counts["labels"], model.cal_counts, source.classes)
    if model.sets is not None:
        entry["sets"] = model.sets
    if model.groups:
        entry["groups"] = list(model.groups)
    if model.scaled is not None and not model.scaled.voted:
        entry["per_class"]["scaled"] = entries.per_class(model.scaled, source.classes)
    entry["mistakes"] = model.mistakes.listed()
    entry["cannot"] = [CANNOT] if source.layout.kind == "top_label" else []
    entry["notes"] = [*source.notes, *_notes(entry)]
    if isinstance(raw, Tally) and raw.voted:
        entry["votes"] = _votes(source, raw)
        entry["cannot"].append(NOT_BY_VOTES)
        entry["notes"] += _vote_notes(entry["votes"])
    return entry


def _votes(source: Source, raw: Tally) -> dict[str, Any]:
    """Where the votes are from, and how often the class with most votes is the file's own label, if it has one."""
    own = source.votes is None or source.layout.label is None
    path = source.path if source.votes is None else source.votes.path
    agreement = None if own else raw.agreed / raw.n
    return {"file": str(path), "agreement": agreement, "undivided": raw.undivided / raw.n}


def _vote_notes(votes: Mapping[str, Any]) -> list[str]:
    said = (
        f"Judged by the label distributions of {votes['file']}: accuracy is the predicted class's mean share of the "
        "votes, and the NLL is at best their entropy."
    )
    notes, agreement = [said], votes["agreement"]
    if votes["undivided"] == 1:
        notes.append("Every example has all its votes on one class: as integers, labels.argmax(1), they tell more.")
    if agreement is not None:
        so_few = ". So few: check that both are in one order" if agreement < 0.5 else ""
        share = f"{100 * agreement:.1f} %"
        notes.append(f"The class with most votes is the file's label in {share} of the examples{so_few}.")
    return notes


def _scaling(model: Model) -> dict[str, Any]:
    scaling, gain = model.scaling, model.gain
    assert scaling is not None
    assert gain is not None
    changes = {}
    for name, mean in gain.items():
        interval = mean.interval(LEVEL)
        changes[name] = {"mean": finite(interval.mean), "interval": bounds(interval), "left_out": mean.infinite}
    return {
        "temperature": scaling.temperature,
        "scaling": {
            "origin": "cal" if model.cal else "cross-fitted",
            "file": str(model.cal or model.source.path),
            "n": scaling.n,
            "status": scaling.status,
            "interval": [scaling.lo, scaling.hi] if math.isfinite(scaling.lo) and math.isfinite(scaling.hi) else None,
            "folds": list(scaling.folds),
            "gain": changes,
        },
    }


def _notes(entry: Mapping[str, Any]) -> list[str]:
    notes = []
    share = entry["saturated"]["raw"]
    if share > 0.01:
        fix = (
            "store logits, which still rank"
            if entry["kind"] != "logits"
            else "ranking uses log-odds, which still differ"
        )
        notes.append(f"{100 * share:.1f} % of confidences round to 1 in float32: {fix}.")
    few = entry["few"]["raw"]
    if few is not None:
        notes.append(
            f"Only {few} of {entry['n']:,} predictions are {'wrong' if entry['raw']['accuracy'] > 0.5 else 'right'}: "
            "intervals of accuracy and gap allow for it; those of NLL and Brier score need more, and may be too narrow."
        )
    scaling = entry.get("scaling")
    if scaling and scaling["n"] < FITTED_ON_LITTLE:
        notes.append(f"The temperature is fitted on only {scaling['n']} examples: its interval says how unsure it is.")
    shift = entry.get("label_shift")
    if scaling and shift and shift["p_value"] < CHANCE and shift["distance"] > SHIFTED:
        notes.append(
            f"Classes occur here in other shares than in {scaling['file']} (most of all {shift['class']}: "
            f"{100 * shift['here']:.1f} % here, {100 * shift['there']:.1f} % there): what is fitted there, temperature "
            "and prediction sets, need not fit here."
        )
    filled = [row["count"] for row in entry["reliability"]["raw"] if row["count"]]
    tiny = sum(count < TINY for count in filled)
    if tiny > len(filled) / 4:
        notes.append(
            f"{tiny} of {len(filled)} bins that hold examples hold fewer than {TINY}: their points in the reliability "
            "diagram, and MCE, say next to nothing."
        )
    if entry["role"] == "train":
        notes.append("The file says that its role is train: a model looks better on examples it was trained on.")
    return notes
