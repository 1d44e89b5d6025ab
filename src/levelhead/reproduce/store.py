"""Where runs lie and how missing ones are made: a folder a comparison, shared by all who ask, and one small file a run.

The heavy part (predictions, weights) goes into a store, where a run is found again by its hash whoever asked for it
first. Its numbers go into a folder of results, one JSON a run, written the moment the run is done: that folder can be
committed, and with it the work goes on on another machine.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from levelhead.files import read_json, write_json
from levelhead.reproduce.code import commit as this_code
from levelhead.reproduce.designs import Design, comparison, data_of
from levelhead.reproduce.designs import missing as why_missing
from levelhead.spec import parse

if TYPE_CHECKING:
    from levelhead.compare.folder import Folder
    from levelhead.compare.settings import Comparison
    from levelhead.train.run import Run

Record = dict[str, Any]
#: Opens, for runs that are to come, what hears event, run and detail.
Watch = Callable[[Sequence["Run"]], AbstractContextManager[Callable[[str, "Run", Any], None]]]
#: Sentence, then seed.
Records = dict[str, dict[int, Record]]


@dataclass(frozen=True)
class Wanted:
    """Runs of one method that somebody asks for: seeds 0 to ``seeds`` - 1, with what is recorded and which probes.

    ``measures``, where they are given, are all that the asker reads: a run that has them answers, whatever it lacks.
    """

    method: str
    seeds: int
    record: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What is trained."""
        return str(parse(self.method))


class Results:
    """A folder of one JSON a run, ``BED/METHOD-DIGITS-SEED.json``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, bed: str, method: str, sentence: str, seed: int) -> Path:
        """Where a run's numbers lie: the same for every way of writing the method's arguments of one name."""
        digits = hashlib.sha256(sentence.encode()).hexdigest()[:8]
        word = re.match(r"\w+", method.strip())
        return self.path / bed / f"{word[0] if word else 'method'}-{digits}-{seed}.json"

    def load(self, bed: str, design: Design) -> Records:
        """The runs of a bed that were made by this design; others are left alone."""
        found: Records = {}
        for file in sorted((self.path / bed).glob("*.json")):
            record = read_json(file)
            known = found.setdefault(record["sentence"], {}).get(record["seed"])
            if record["design"] == design.digest and not (known and known["complete"]):
                found[record["sentence"]][record["seed"]] = record
        return {sentence: seeds for sentence, seeds in found.items() if seeds}

    def add(self, bed: str, design: Design, record: Record, **about: Any) -> Path:
        """Write a run's numbers; ``about`` says how, where and from which code they were made."""
        path = self.file(bed, record["method"], record["sentence"], record["seed"])
        write_json(path, {"bed": bed, "design": design.digest, **record, **about})
        return path


def kept(measure: str) -> str:
    """The measure of a run's record from which this one is worked out."""
    return "accuracy_raw" if measure == "error" else measure.removeprefix("abs_log_")


def is_answered(record: Record, wanted: Wanted) -> bool:
    """Whether a run's numbers hold what is asked of it."""
    known = {name for name, value in record["measures"].items() if value is not None}
    if wanted.measures and set(wanted.measures) <= known:
        return True
    return (
        record["complete"]
        and set(wanted.record) <= set(record["record"])
        and set(wanted.probes) <= set(record["probes"])
    )


def missing(wanted: Iterable[Wanted], records: Records) -> list[tuple[Wanted, int]]:
    """The runs that are still to be made, seed by seed, so that work cut short has whole rounds."""
    asked = list(wanted)
    return [
        (each, seed)
        for seed in range(max((each.seeds for each in asked), default=0))
        for each in asked
        if seed < each.seeds
        and not ((known := records.get(each.sentence, {}).get(seed)) is not None and is_answered(known, each))
    ]


def merged(wanted: Iterable[Wanted]) -> list[Wanted]:
    """Each method once, with all that anybody asks of it, in the order of first asking."""
    found: dict[str, Wanted] = {}
    for each in wanted:
        known = found.setdefault(each.sentence, each)
        found[each.sentence] = replace(
            known,
            seeds=max(known.seeds, each.seeds),
            record=tuple(dict.fromkeys((*known.record, *each.record))),
            probes=tuple(dict.fromkeys((*known.probes, *each.probes))),
            # who reads everything is answered by a whole run only
            measures=tuple(dict.fromkeys((*known.measures, *each.measures)))
            if known.measures and each.measures
            else (),
        )
    return list(found.values())


def make(
    bed: str,
    design: Design,
    wanted: Sequence[Wanted],
    *,
    store: Path,
    results: Results,
    jobs: int = 1,
    data_dir: Path | None = None,
    devices: str = "auto",
    commit: str | None = None,
    command: str = "",
    watch: Watch = lambda runs: nullcontext(lambda *_: None),
    sources: Sequence[Path] = (),
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, str]:
    """Make what is missing of these runs; each one's numbers land as it is done. Returns the reasons of failed runs.

    Runs that a comparison in ``sources`` has finished are taken from there, and said. ``commit`` is whose code makes
    the others, this one's where it is not given.
    ``watch`` is given the runs to come and opens what hears every event of theirs, which may raise
    ``KeyboardInterrupt`` to stop: checkpoints are written, and the same call goes on from there. Raises ``ValueError``
    where the design cannot be run here, ``OSError`` for a failing disk.
    """
    from levelhead.compare.compare import carry_out
    from levelhead.compare.folder import Folder, default_folder
    from levelhead.compare.probing import unanswered

    there = results.load(bed, design)
    todo = [(_with_what_was_asked(each, seed, there), seed) for each, seed in missing(wanted, there)]
    if not todo:
        return {}
    methods, seeds = [each.method for each, _ in todo], sorted({seed for _, seed in todo})
    probes = tuple(dict.fromkeys(probe for each, _ in todo for probe in each.probes))
    whole = comparison(design, methods, seeds, probes=probes, data_dir=data_dir, devices=devices)
    whole.check()
    folder = Folder(store / default_folder(whole).name)
    by_key = {(run.sentence, run.seed): run for run in whole.runs()}
    runs = [replace(by_key[each.sentence, seed], record=each.record) for each, seed in todo]
    recorded = {run.hash: run.record for run in runs}
    made = {**about(whole, command, commit or this_code())}
    others: dict[str, dict[str, Any]] = {}

    def land(run: "Run") -> None:
        from levelhead.reproduce.measured import measured

        record = measured(folder.run(run), whole.data) | {
            "record": list(recorded[run.hash]),
            "probes": list(probes),
            "complete": True,
        }
        record["method"] = run.method
        results.add(bed, design, record, store=folder.path.name, **made | others.get(run.hash, {}))

    with folder.claimed(whole, command):
        for source in sources:
            others |= _taken(source, whole, runs, folder, say)
        undone = []
        for run in runs:
            if folder.finished(run) and not unanswered(run, folder.run(run), whole.probes):
                land(run)
            else:
                undone.append(run)
        with watch(undone) as hear:

            def told(event: str, run: "Run", detail: Any) -> None:
                if event == "done":
                    land(run)
                hear(event, run, detail)

            failed = carry_out(whole, folder, undone, jobs=jobs, report=told)
    return {f"{run.method} seed {run.seed}": failed[run.hash] for run in runs if run.hash in failed}


def _with_what_was_asked(wanted: Wanted, seed: int, there: Records) -> Wanted:
    """What is asked of a run whose numbers are there, and all that they hold: asking more must not lose any."""
    known = there.get(wanted.sentence, {}).get(seed)
    if known is None or not known["complete"]:
        return wanted
    return merged([wanted, replace(wanted, record=tuple(known["record"]), probes=tuple(known["probes"]))])[0]


def _taken(
    source: Path, whole: "Comparison", runs: Sequence["Run"], folder: "Folder", say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Take the finished runs of a comparison where it is the one that is wanted; how each was made, by hash."""
    from levelhead.reproduce.taking import open_comparison, take, why_not

    card = open_comparison(source)
    differs = why_not(card, whole)
    if differs:
        say(f"{source}: not taken here, {'; '.join(differs[:4])}")
        return {}
    taken = take(source, runs, folder)
    say(f"{source}: {len(taken)} of {len(runs)} runs taken")
    return {run.hash: made_by(card, read_json(folder.run(run) / "run.json")) for run in taken}


def made_by(card: Mapping[str, Any], run: Mapping[str, Any], commit: str | None = None) -> dict[str, Any]:
    """How and where a run of another comparison was made, for its file; without its commit, by its version."""
    held = card["machine"]
    return {
        "command": placeless(card["command"]),
        "commit": commit or f"levelhead {run['versions']['levelhead']}",
        "versions": run["versions"],
        "machine": f"{held['cores']} cores, {held['processor']}",
    }


def about(whole: "Comparison", command: str, commit: str) -> Mapping[str, Any]:
    """How and where a run was made, for its file."""
    from levelhead.train.run import versions

    return {
        "data": where_from(whole.data.origin),
        "network": whole.network,
        "recipe": whole.recipe.model_dump(),
        "command": placeless(command),
        "commit": commit,
        "versions": versions(),
        "machine": machine(whole.device),
    }


def where_from(origin: str) -> str:
    """Which data, without the folder of this machine that they lie in.

    >>> where_from("CamVid in /data/camvid-240, 367 images"), where_from("CIFAR-10, parquet in /data/cifar10")
    ('CamVid in camvid-240', 'CIFAR-10')
    """
    return re.sub(r" in \S*/", " in ", origin.split(",")[0])


def placeless(command: str) -> str:
    """A command without the options that name folders and files of this machine.

    >>> placeless("levelhead compare --data digits --out /tmp/x --seeds 3")
    'levelhead compare --data digits --seeds 3'
    """
    return re.sub(r" --(out|store|results|stop-file|data-dir)[ =]\S+", "", command)


def machine(device: str = "cpu") -> str:
    """What the numbers were made on."""
    from levelhead.compare.folder import processor

    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} cores, {processor()}"


def adopt(
    bed: str, design: Design, folder: Path, results: Results, *, commit: str | None, data_dir: Path | None = None
) -> tuple[int, list[str]]:
    """Take the finished runs of a ``levelhead compare`` folder into the results; returns how many, and what was not.

    The design's data are read where they are there: some measures ask the network again.

    Raises ``ValueError`` where the folder's data, network or recipe are not the design's, naming what differs.
    """
    from levelhead.reproduce.measured import measured
    from levelhead.train.run import FINISHED

    card = read_json(folder / "comparison.json")
    differs = _differences(design, card["identity"])
    if differs:
        raise ValueError(f"{folder} is not made by the design of bed {bed}: {'; '.join(differs)}")
    data = None if why_missing(design, data_dir) else data_of(design, data_dir)
    if data is not None and data.fingerprint != card["identity"]["data"]["fingerprint"]:
        raise ValueError(f"{folder} was trained on other {design.about.title} data than those that are here")
    taken, left = 0, []
    for run in sorted(path.parent for path in folder.glob(f"runs/*/{FINISHED}")):
        said = read_json(run / FINISHED)
        answered = [path.name for path in run.glob("probe-*.safetensors")]
        probes = [
            probe for probe in design.probes if any(name.startswith(f"probe-{_file(probe)}") for name in answered)
        ]
        record = measured(run, data) | {"record": list(said.get("record", ())), "probes": probes, "complete": True}
        old = results.load(bed, design).get(record["sentence"], {}).get(record["seed"])
        if old and old["complete"] and len(old["probes"]) > len(probes):
            left.append(f"{record['method']} seed {record['seed']}: the one that is there was asked more")
            continue
        results.add(
            bed,
            design,
            record,
            data=where_from(card["data"]["origin"]),
            network=card["identity"]["network"]["name"],
            recipe=card["identity"]["recipe"],
            **made_by(card, said, commit),
        )
        taken += 1
    return taken, left


def _file(probe: str) -> str:
    return re.sub("[^A-Za-z0-9._]+", "-", probe.split("(")[0]).strip("-")


def _differences(design: Design, identity: Mapping[str, Any]) -> list[str]:
    """What of a comparison's identity is not what the design says."""
    from levelhead.train import make_recipe

    there = identity["data"]
    data = {"data": (design.about.data, there["name"]), "train_size": (design.train_size, there["split"]["train_size"])}
    found = data | {"network": (design.network, identity["network"]["name"])}
    kind = there["kind"]
    wanted = make_recipe(there["name"], kind, design.recipe, **design.training).model_dump()
    usual = design.recipe is None and kind in ("image", "segmentation")
    for name, value in wanted.items():
        if not (usual and name in ("crop", "flip") and name not in design.training):  # the data's own, as its set says
            found[name] = (value, identity["recipe"].get(name, value))
    return [f"{name} is {came!r}, not {needed!r}" for name, (needed, came) in found.items() if came != needed]
