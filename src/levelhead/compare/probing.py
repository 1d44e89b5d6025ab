"""Asking the probes of a trained run, from its saved weights: a predictions file a probe, beside ``test``.

What is there and was made of the same probe and the same inputs is not made again; training is never repeated for it.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from levelhead import models
from levelhead.data import NAMED, Dataset
from levelhead.errors import WorkFailed
from levelhead.network import own_dropout
from levelhead.prediction import Predict
from levelhead.probes import Probe, Subject, parse
from levelhead.probes.mc_dropout import mean_log_probs
from levelhead.probes.probe import Ask
from levelhead.spec import parse as parse_sentence
from levelhead.train.run import Run, stream

if TYPE_CHECKING:
    from levelhead.train.trainer import Trainer

#: What the files of probes are called, so that they are found again.
FILES = "probe-*.safetensors"


@dataclass(frozen=True, eq=False)
class Asked:
    """A probe that is wanted, with the arrays it made of other data, or where these lie."""

    probe: Probe
    arrays: Mapping[str, np.ndarray | Path]
    identity: str
    network_drops: bool = False

    @property
    def name(self) -> str:
        """What it is called in files and tables: its name, and eight digits of its inputs where a path gave them."""
        source = getattr(self.probe, "source", None)
        digits = self.identity.rsplit(" ", 1)[-1][:8]
        return self.probe.name if source is None or source in NAMED else f"{self.probe.name} {digits}"

    def file(self, run: Path) -> Path:
        """Where a run's predictions on it lie."""
        return run / f"probe-{re.sub('[^A-Za-z0-9._]+', '-', self.name).strip('-')}.safetensors"

    def concerns(self, run: Run) -> bool:
        """Whether it can be asked of this run: MC-dropout needs a network that was trained with dropout."""
        return not self.probe.needs_dropout or self.network_drops or parse_sentence(run.sentence).predict.dropout > 0

    def open(self) -> dict[str, np.ndarray]:
        """The arrays, mapped where they lie in files."""
        return {
            name: np.load(found, mmap_mode="c") if isinstance(found, Path) else found
            for name, found in self.arrays.items()
        }


def wanted(
    texts: Sequence[str], data: Dataset, *, data_dir: str | Path | None, label: str | None, network: str
) -> tuple[Asked, ...]:
    """The probes that texts ask for, each once, ready for this data set.

    Raises ``ValueError`` for unknown words, for data sets that cannot be read or brought to this one's shape, and for
    probes that this data cannot be asked.
    """
    found: dict[str, Asked] = {}
    drops = bool(texts) and _drops(network, data)
    for text in texts:
        for probe in parse(text, data_dir, label):
            probe.suits(data)
            arrays = probe.prepare(data)
            asked = Asked(probe, arrays, f"{probe} {_digest(arrays)}".strip(), drops)
            found.setdefault(asked.name, asked)
    return tuple(found.values())


def _drops(network: str, data: Dataset) -> bool:
    """Whether the network has dropout layers of its own."""
    with torch.random.fork_rng(devices=[]):
        return bool(own_dropout(models.build(network, num_classes=data.num_classes, input_shape=data.shape)))


def unanswered(run: Run, folder: Path, probes: Sequence[Asked]) -> list[Asked]:
    """The probes that this run has not been asked yet, or not with these inputs."""
    return [asked for asked in probes if asked.concerns(run) and not _is_answered(asked, folder)]


def answer(
    run: Run,
    data: Dataset,
    folder: Path,
    probes: Sequence[Asked],
    stop: Callable[[], bool],
    report: Callable[[str], None],
) -> None:
    """Ask a finished run what it was not asked yet, and save what it says.

    Raises ``Stopped`` where ``stop`` says so, ``WorkFailed`` where the model cannot be asked, ``OSError`` (disk).
    """
    from levelhead.train.trainer import Stopped, Trainer

    missing = unanswered(run, folder, probes)
    if not missing:
        return
    with torch.random.fork_rng(devices=[]):
        trainer = Trainer(replace(run, record=()), data, alone=True)
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        trainer.objective.model.load_state_dict(weights)

        def ask(inputs: Tensor) -> Tensor:
            if stop():
                raise Stopped
            return trainer.objective.predict(inputs)

        for asked in missing:
            report(asked.name)
            try:
                said = asked.probe.predictions(_subject(trainer, ask, asked))
            except (ValueError, RuntimeError) as error:
                raise WorkFailed(f"probe {asked.name}: {error}") from error
            said.save(asked.file(folder))


def _subject(trainer: "Trainer", ask: Ask, asked: Asked) -> Subject:
    """A trained run as a probe sees it."""
    run, objective = trainer.run, trainer.objective
    curve, at = asked.probe.curve or ("", math.nan)

    def sampled(samples: int, seed: int) -> Ask:
        from levelhead.composition import Objective

        rate = objective.spec.predict.dropout
        if rate:
            spec = replace(objective.spec, predict=Predict(dropout=rate, samples=samples))
            masks = torch.Generator().manual_seed(stream(seed, "masks"))
            return Objective(spec, objective.model, objective.num_classes, generator=masks).predict

        def mean(inputs: Tensor) -> Tensor:
            with torch.random.fork_rng([inputs.device] if inputs.device.type == "cuda" else []):
                torch.manual_seed(stream(seed, "masks"))
                return mean_log_probs(objective.model, inputs, samples, None)

        return mean

    return Subject(
        model=objective.model,
        ask=ask,
        data=trainer.data,
        test=trainer.batches["test"],
        sampled=sampled,
        precision=trainer.fabric.autocast,
        prepared=asked.open(),
        meta={
            "run": run.hash,
            "sentence": run.sentence,
            "seed": str(run.seed),
            "data": run.fingerprint,
            "probe": asked.identity,
            "name": asked.name,
            "outside": str(asked.probe.outside).lower(),
            **({"curve": curve, "at": repr(at)} if curve else {}),
        },
    )


def _is_answered(asked: Asked, folder: Path) -> bool:
    """Whether the file is there and says that it was made of this probe and these inputs; only its header is read."""
    path = asked.file(folder)
    if not path.exists():
        return False
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = json.loads(file.metadata()["levelhead"])
        return json.loads(header["meta"])["probe"] == asked.identity
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return False  # not a file of ours, or cut short: made again


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Sixteen hexadecimal digits of what is in the arrays; nothing where there are none."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16] if arrays else ""
