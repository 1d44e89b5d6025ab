"""One run from start to finish: train, predict, and leave the files that a comparison reads.

``run.json`` is written last: where it stands, the run is finished.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
import torch

from levelhead.data import Dataset
from levelhead.files import write_json, write_whole
from levelhead.predictions import Predictions
from levelhead.spec import parse
from levelhead.train.checkpoint import Checkpoints
from levelhead.train.run import FINISHED, Run, versions
from levelhead.train.trainer import Progress, Trainer

#: The roles whose predictions are kept.
PREDICTED = ("cal", "test")


def execute(
    run: Run, data: Dataset, folder: Path, progress: Callable[[Progress], None], stop: Callable[[], bool]
) -> None:
    """Train ``run`` into ``folder``, or go on from its checkpoint there; a finished run is left as it is.

    Raises ``Stopped`` (checkpoint written), ``WorkFailed`` (loss not finite), ``OSError`` (disk). The global random
    state is as before when this returns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / ".lock"), _global_state_kept(run.device):
        if (folder / FINISHED).exists():
            return
        checkpoints = Checkpoints(folder / "checkpoint.pt")
        trainer = Trainer(run, data, checkpoints)
        trainer.train(progress, stop)
        for role in PREDICTED:
            _predictions(trainer, role).save(folder / f"{role}.safetensors")
        weights = {name: value.contiguous() for name, value in trainer.objective.model.state_dict().items()}
        write_whole(folder / "model.safetensors", lambda path: path.write_bytes(safetensors.torch.save(weights)))
        write_json(
            folder / FINISHED,
            {
                "method": run.method,
                "sentence": run.sentence,
                "seed": run.seed,
                "hash": run.hash,
                "seconds": round(trainer.place.seconds, 3),
                "passes": parse(run.sentence).passes,
                "steps": trainer.steps_per_epoch * run.recipe.epochs,
                "parameters": trainer.parameters,
                "train_accuracy": trainer.train_accuracy(),
                "history": trainer.place.history,
                "config": run.as_json(),
                "versions": versions(),
            },
        )
        checkpoints.path.unlink(missing_ok=True)


def _predictions(trainer: Trainer, role: str) -> Predictions:
    split, run = trainer.data.splits[role], trainer.run
    return Predictions(
        labels=split.labels,
        logits=trainer.logits(role),
        probs=None,
        ids=split.ids,
        role=role,
        classes=trainer.data.classes,
        meta={"run": run.hash, "sentence": run.sentence, "seed": str(run.seed), "data": run.fingerprint},
    )


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
