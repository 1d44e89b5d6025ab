"""One run from start to finish: train, predict, and leave the files that a comparison reads.

``run.json`` is written last: where it stands, the run is finished.
"""

import dataclasses
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from levelhead.data import Dataset
from levelhead.files import read_json, write_json, write_whole
from levelhead.spec import parse
from levelhead.train import judging
from levelhead.train.checkpoint import Checkpoints
from levelhead.train.processes import join
from levelhead.train.run import FINISHED, Run, versions
from levelhead.train.trainer import Progress, Trainer

#: The roles whose predictions are kept.
PREDICTED = ("cal", "test")
#: What a network must know of its inputs beside its weights, to be used on others.
INPUTS = "inputs.json"


def execute(
    run: Run, data: Dataset, folder: Path, progress: Callable[[Progress], None], stop: Callable[[], bool]
) -> None:
    """Train ``run`` into ``folder``, or go on from its checkpoint there; a finished run is left as it is, unless it is
    asked to record what it did not: then it is trained again, to the same numbers.

    Raises ``Stopped`` (checkpoint written), ``WorkFailed`` (loss not finite), ``OSError`` (disk). The global random
    state is as before when this returns.
    """
    fabric = join(run.device, run.precision, run.processes)
    leads = fabric.is_global_zero
    if leads:
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / ".lock") if leads else nullcontext(), _global_state_kept(run.device):
        if fabric.broadcast(leads and is_finished(folder, run.record)):
            return
        checkpoints = Checkpoints(folder / "checkpoint.pt")
        trainer = Trainer(run, data, checkpoints, folder)
        trainer.train(progress, stop)
        # every process has its part in these
        predictions = {role: trainer.predictions(role) for role in PREDICTED}
        accuracy = trainer.accuracy("train")
        if leads:
            for role, said in predictions.items():
                said.save(folder / f"{role}.safetensors")
            _write(trainer, accuracy, folder)
            checkpoints.path.unlink(missing_ok=True)
        fabric.barrier()


def _write(trainer: Trainer, accuracy: float, folder: Path) -> None:
    """The weights that were judged, and then the run's record, which says that it is finished."""
    run, place = trainer.run, trainer.place
    weights = {name: value.contiguous() for name, value in trainer.objective.model.state_dict().items()}
    write_whole(folder / "model.safetensors", lambda path: path.write_bytes(safetensors.torch.save(weights)))
    chosen = place.best and {
        "epoch": place.best["epoch"], "by": run.recipe.select, "on": "val", "value": place.best["value"]
    }  # fmt: skip
    write_json(folder / INPUTS, described(trainer.data))
    write_json(
        folder / FINISHED,
        {
            "method": run.method,
            "sentence": run.sentence,
            "seed": run.seed,
            "hash": run.hash,
            "seconds": round(place.seconds, 3),
            "passes": parse(run.sentence).passes,
            "steps": trainer.steps_per_epoch * place.epoch,
            "parameters": trainer.parameters,
            "train_accuracy": accuracy,
            **({"selected": chosen} if chosen else {}),
            **judging.stopped(run.recipe, place.history),
            "history": place.history,
            "config": run.as_json(),
            "record": list(run.record),
            "versions": versions(),
        },
    )


def reopened(run: Run, data: Dataset, folder: Path) -> Trainer:
    """A finished run with its weights, to be asked more; draws from the global generator, which the caller guards."""
    trainer = Trainer(dataclasses.replace(run, record=()), data, alone=True)
    trainer.objective.model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
    return trainer


def described(data: Dataset) -> dict[str, Any]:
    """What a network must know of its inputs: kind, shape, class names, mean, deviation, vocabulary, images' fit; and
    the shape that images are brought to where their centre is shown."""
    return {
        "kind": data.kind,
        "shape": list(data.shape),
        "classes": list(data.classes),
        "mean": [float(value) for value in data.mean],
        "std": [float(value) for value in data.std],
        "words": None if data.words is None else list(data.words),
        "fit": data.split_info.get("fit", "letterbox" if data.kind == "segmentation" else "cover"),
        **({"whole": list(data.whole)} if data.centre else {}),
    }


def is_finished(folder: Path, record: tuple[str, ...] = ()) -> bool:
    """Whether a run is done, with everything recorded that is asked for."""
    card = folder / FINISHED
    return card.exists() and set(record) <= set(read_json(card).get("record", ()) if record else ())


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process works on this run; a killed one lets go by itself."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _global_state_kept(device: str) -> Iterator[None]:
    cuda = device.startswith("cuda")
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if cuda else []):
        yield
