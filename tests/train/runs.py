"""What the tests of training share: a small run, trained, stopped and gone on with."""

import pytest
import torch

from levelhead import data
from levelhead.spec import parse
from levelhead.train import Run, make_recipe
from levelhead.train.checkpoint import Checkpoints
from levelhead.train.trainer import Stopped, Trainer


def run_of(source: data.Dataset, method: str = "vanilla", network: str = "small", **recipe) -> Run:
    return Run(
        method=method,
        sentence=str(parse(method)),
        seed=0,
        network=network,
        recipe=make_recipe("", source.kind, **{"epochs": 3, "batch": 16, **recipe}),
        fingerprint=source.fingerprint,
        device="cpu",
        precision="32",
        threads=1,
    )


def trained(source: data.Dataset, checkpoints=None, stop=lambda: False, **asked) -> Trainer:
    with torch.random.fork_rng(devices=[]):
        trainer = Trainer(run_of(source, **asked), source, checkpoints)
        trainer.train(lambda at: None, stop)
    return trainer


def resumed(source: data.Dataset, folder, every: int, **asked) -> Trainer:
    """The same run, stopped after every so many updates and begun again from its checkpoint."""
    checkpoints = Checkpoints(folder / "checkpoint.pt")
    for _ in range(1000):
        with torch.random.fork_rng(devices=[]):
            trainer = Trainer(run_of(source, **asked), source, checkpoints)
            begun = made(trainer)
            try:
                trainer.train(lambda at: None, lambda: made(trainer) - begun == every)  # noqa: B023
                return trainer
            except Stopped:
                continue
    pytest.fail("it never came to its end")


def made(trainer: Trainer) -> int:
    """Steps that a run has made."""
    return trainer.place.epoch * trainer.steps_per_epoch + trainer.place.step


def history(trainer: Trainer) -> list[dict]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in trainer.place.history]
