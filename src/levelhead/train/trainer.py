"""The training loop. It never asks which method it runs: it calls the objective and steps.

The state of a run is one object that a checkpoint holds whole: model and head, optimiser, every generator, the place
in the epoch's permutation, the sums of the epoch so far, the history and the seconds. B batch, N examples.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from levelhead import models
from levelhead.composition import Objective
from levelhead.data import Augment, Batches, Dataset
from levelhead.errors import WorkFailed
from levelhead.predictions import Predictions
from levelhead.spec import parse
from levelhead.train.checkpoint import Checkpoints
from levelhead.train.class_weights import weights_for
from levelhead.train.optimizers import make_optimizer
from levelhead.train.record import add_targets, check_recordable, write_epoch
from levelhead.train.run import Run, stream
from levelhead.train.schedule import parse_schedule

#: At how many epochs at most the calibration split is looked at for the training curve; nothing reads it back.
CURVE_POINTS = 20
EVAL_BATCH = 512


@dataclass(frozen=True)
class Progress:
    """Where a run is: ``epoch`` of ``epochs`` begun, the mean loss of the epoch so far, images per second."""

    epoch: int
    epochs: int
    done: float
    loss: float
    rate: float


class Stopped(Exception):
    """The run was asked to stop; its checkpoint is on disk."""


@dataclass
class _Place:
    """Where the loop stands, and what it has gathered."""

    epoch: int = 0
    step: int = 0
    order: Tensor | None = None
    sums: dict[str, float] = field(default_factory=dict)
    targets: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


class Trainer:
    """Trains one run on one data set, from its start or from its last checkpoint."""

    def __init__(
        self, run: Run, data: Dataset, checkpoints: Checkpoints | None = None, folder: Path | None = None
    ) -> None:
        self.run, self.data, self.checkpoints, self.folder = run, data, checkpoints, folder
        self.recipe = run.recipe
        self.schedule = parse_schedule(run.recipe.schedule, run.recipe.epochs)
        self.fabric = Fabric(**_fabric_arguments(run))
        device = self.fabric.device
        self.batches = {role: Batches(split, device=device) for role, split in data.splits.items()}
        self.augment = Augment(crop=self.recipe.crop, flip=self.recipe.flip) if data.kind == "image" else Augment()
        self.mean, self.std = (torch.from_numpy(value).to(device) for value in (data.mean, data.std))
        # Initial weights and data order come from the seed alone, so methods are paired run by run.
        torch.manual_seed(stream(run.seed, "weights"))
        model = models.build(run.network, num_classes=data.num_classes, input_shape=data.shape, vocabulary=data.words)
        self.parameters = models.count_parameters(model)
        mixing = torch.Generator().manual_seed(stream(run.seed, "mixing"))
        spec = parse(run.sentence)
        check_recordable(run.record, spec)
        weights = weights_for(self.recipe.class_weights, data)
        self.objective = Objective(spec, model, data.num_classes, generator=mixing, class_weights=weights)
        optimizer = make_optimizer(self.recipe, self.objective.parameters())
        self.module, self.optimizer = self.fabric.setup(self.objective, optimizer)
        self.order = torch.Generator().manual_seed(stream(run.seed, "data"))
        torch.manual_seed(stream(run.seed, "network"))  # dropout and the like, which take no generator
        self.place = _Place()
        self._restore()

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch; a last batch of one is left out, since batch norm cannot work on it."""
        whole, rest = divmod(len(self.batches["train"]), self.recipe.batch)
        return whole + (rest > 1)

    @property
    def dtype(self) -> torch.dtype:
        """What the parameters are in: float64 where the run is."""
        return next(self.objective.parameters()).dtype

    def predictions(self, role: str) -> Predictions:
        """What the run predicts for a split, as of now."""
        split, run = self.data.splits[role], self.run
        return Predictions(
            labels=split.labels,
            logits=self.logits(role),
            probs=None,
            ids=split.ids,
            role=role,
            classes=self.data.classes,
            meta={"run": run.hash, "sentence": run.sentence, "seed": str(run.seed), "data": run.fingerprint},
        )

    def train(self, progress: Callable[[Progress], None], stop: Callable[[], bool]) -> None:
        """Run to the end. Raises ``Stopped`` where ``stop`` says so, ``WorkFailed`` where the loss is not finite."""
        while self.place.epoch < self.recipe.epochs:
            self._epoch(progress, stop)
            self._save()

    def logits(self, role: str, at_most: int | None = None) -> np.ndarray:
        """Logits of a split, float32 ``(N, C)``, as the method predicts clean inputs; ``at_most`` thins it evenly."""
        rows = torch.arange(len(self.batches[role]))
        if at_most is not None and len(rows) > at_most:
            rows = torch.linspace(0, len(rows) - 1, at_most, dtype=torch.float64).long()
        with self.fabric.autocast():
            parts = [self.objective.predict(self.clean(role, part)[0]).float().cpu() for part in rows.split(EVAL_BATCH)]
        return torch.cat(parts).numpy()

    def clean(self, role: str, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and labels of some examples, not augmented, in the parameters' precision; word ids as they are."""
        inputs, labels = self.batches[role].take(rows, mean=self.mean, std=self.std)
        return inputs.to(self.dtype) if inputs.is_floating_point() else inputs, labels

    def train_accuracy(self, at_most: int = 10_000) -> float:
        """Accuracy on the clean training inputs, on an evenly thinned part where there are more than ``at_most``."""
        labels = self.data.splits["train"].labels
        if len(labels) > at_most:
            labels = labels[torch.linspace(0, len(labels) - 1, at_most, dtype=torch.float64).long().numpy()]
        return float((self.logits("train", at_most).argmax(1) == labels).mean())

    def _epoch(self, progress: Callable[[Progress], None], stop: Callable[[], bool]) -> None:
        place, total = self.place, self.steps_per_epoch
        if place.order is None:
            place.order = self.batches["train"].permutation(self.order)
        began, seen = time.perf_counter(), 0
        base = place.seconds
        self.objective.set_epoch(place.epoch)
        waiting: list[dict[str, Tensor]] = []
        # reading a loss waits for the device: at once where that is free, else now and then
        patience = 1 if self.fabric.device.type == "cpu" else 50
        while place.step < total:
            rows = place.order[place.step * self.recipe.batch :][: self.recipe.batch]
            waiting += self._steps(rows)
            seen += len(rows)
            place.step += 1
            if len(waiting) >= patience or place.step == total:
                self._gather(waiting)
                place.seconds = base + time.perf_counter() - began
                done = (place.epoch + place.step / total) / self.recipe.epochs
                rate = seen / max(time.perf_counter() - began, 1e-9)
                loss = place.sums["loss"] / (place.step * self.objective.spec.updates)
                progress(Progress(place.epoch + 1, self.recipe.epochs, done, loss, rate))
                stopping = stop()
                if place.step < total and (stopping or (self.checkpoints and self.checkpoints.due)):
                    self._save()
                if stopping:
                    if place.step == total:
                        self._end_epoch()
                        self._save()
                    raise Stopped
        self._end_epoch()

    def _steps(self, rows: Tensor) -> list[dict[str, Tensor]]:
        """One batch through as many updates as the method makes of it; the terms of the losses, still on the device."""
        inputs, labels = self.batches["train"].take(
            rows, mean=self.mean, std=self.std, augment=self.augment, generator=self.order, train=True
        )
        done = (self.place.epoch + self.place.step / self.steps_per_epoch) / self.recipe.epochs
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.lr * self.schedule.factor(done, self.recipe.epochs)
        return [self._update(inputs, labels) for _ in range(self.objective.spec.updates)]

    def _update(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Forward, backward, and a step of the optimiser."""
        self.optimizer.zero_grad()
        out = self.module(inputs, labels)
        self.fabric.backward(out.loss)
        if self.recipe.clip is not None:
            self.fabric.clip_gradients(self.module, self.optimizer, max_norm=self.recipe.clip)
        self.optimizer.step()
        models.constrain(self.objective.model)
        if "targets" in self.run.record:
            # where both views run, the targets are those of the originals
            mixed = bool(out.mix.partner.ne(torch.arange(len(labels), device=labels.device)).any())
            add_targets(self.place.targets, out, labels, mixed and not self.objective.spec.needs_clean)
        return {"loss": out.loss.detach(), **out.terms}

    def _gather(self, waiting: list[dict[str, Tensor]]) -> None:
        """Add the terms of the waiting steps to the sums of the epoch; refuse a loss that is not finite."""
        place = self.place
        for age, terms in enumerate(reversed(waiting)):
            if not np.isfinite(float(terms["loss"])):
                step = place.epoch * self.steps_per_epoch + place.step - age // self.objective.spec.updates
                raise WorkFailed(
                    f"the loss became {float(terms['loss'])} in step {step} (epoch {place.epoch + 1}); "
                    f"a smaller lr than {self.recipe.lr:g} or clip=1 may help"
                )
        for terms in waiting:
            for name, term in terms.items():
                place.sums[name] = place.sums.get(name, 0.0) + float(term)
        waiting.clear()

    def _end_epoch(self) -> None:
        place, total = self.place, self.steps_per_epoch
        steps = total * self.objective.spec.updates
        means = {name: value / steps for name, value in place.sums.items()}
        entry = {
            "epoch": place.epoch + 1,
            "loss": means.pop("loss"),
            "lr": self.optimizer.param_groups[0]["lr"],
            "parts": means,
            "seconds": place.seconds,
        }
        if self._on_curve(place.epoch + 1):
            entry |= self._curve_point()
        place.history.append(entry)
        if self.run.record and self.folder is not None:
            write_epoch(self, place.epoch + 1, self.folder / "records")
        place.epoch, place.step, place.order, place.sums, place.targets = place.epoch + 1, 0, None, {}, {}

    def _on_curve(self, epoch: int) -> bool:
        epochs = self.recipe.epochs
        return epoch == epochs or epoch * CURVE_POINTS // epochs > (epoch - 1) * CURVE_POINTS // epochs

    def _curve_point(self) -> dict[str, float]:
        """NLL and accuracy on cal: for the picture, in the trainer's own float64, outside the counted seconds."""
        logits = torch.from_numpy(self.logits("cal")).double()
        labels = torch.from_numpy(self.data.splits["cal"].labels)
        nll = torch.nn.functional.cross_entropy(logits, labels)
        return {"cal_nll": float(nll), "cal_accuracy": float((logits.argmax(1) == labels).double().mean())}

    def _save(self) -> None:
        if self.checkpoints is None:
            return
        cuda = self.fabric.device.type == "cuda"
        self.checkpoints.write(
            {
                "run": self.run.hash,
                "record": list(self.run.record),
                "objective": self.objective.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "order": self.order.get_state(),
                "global": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state(self.fabric.device) if cuda else None,
                "place": vars(self.place),
            }
        )

    def _restore(self) -> None:
        state = self.checkpoints.read() if self.checkpoints else None
        if state is None or not set(self.run.record) <= set(state["record"]):
            return  # from the start: what is to be recorded lies in the epochs before, too
        if state["run"] != self.run.hash:
            raise ValueError("the checkpoint belongs to another run; remove it")
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.order.set_state(state["order"])
        torch.set_rng_state(state["global"])
        if state["cuda"] is not None and self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self.fabric.device)
        self.place = _Place(**state["place"])


def _fabric_arguments(run: Run) -> dict[str, Any]:
    kind, _, index = run.device.partition(":")
    precision = {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed", "16": "16-mixed"}[run.precision]
    return {"accelerator": kind, "devices": [int(index)] if index else 1, "precision": precision}
