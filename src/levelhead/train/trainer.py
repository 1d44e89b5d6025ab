"""The training loop. It never asks which method it runs: it calls the objective and steps.

The state of a run is one object that a checkpoint holds whole: model and head, optimiser, every generator, the place
in the epoch's permutation, the sums of the epoch so far, the history and the seconds. B batch, N examples.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from levelhead import models
from levelhead.composition import Objective
from levelhead.data import Augment, Batches, Dataset
from levelhead.data.decode import Window
from levelhead.data.jitter import parse_jitter
from levelhead.predictions import Predictions
from levelhead.spec import parse
from levelhead.train import finetune, judging
from levelhead.train.average import Average, tensors
from levelhead.train.checkpoint import Checkpoints
from levelhead.train.class_weights import weights_for
from levelhead.train.optimizers import make_optimizer
from levelhead.train.processes import gathered, join, share_buffers
from levelhead.train.record import add_targets, check_recordable, write_epoch
from levelhead.train.rows import Rows, rows_of
from levelhead.train.run import Run, stream
from levelhead.train.schedule import parse_schedule, rate
from levelhead.train.state import Diverged, Place, Progress, Stopped
from levelhead.train.updates import Updates

__all__ = ["Progress", "Stopped", "Trainer"]

EVAL_BATCH = 512
#: Images of a segmentation asked at once: so many as MbLS trained on, and its measures are taken by the batch.
DENSE_BATCH = 8


class Trainer:
    """Trains one run on one data set, from its start or from its last checkpoint; alone, or as one process of a group.

    In a group every process makes the same calls; the first one writes. ``alone`` means outside its group, to be asked
    and not trained.
    """

    def __init__(
        self,
        run: Run,
        data: Dataset,
        checkpoints: Checkpoints | None = None,
        folder: Path | None = None,
        alone: bool = False,
    ) -> None:
        self.run, self.checkpoints, self.folder = run, checkpoints, folder
        self.recipe = run.recipe
        self.data = data = data.cut(run.recipe.crop_size)
        processes = 1 if alone else run.processes
        judging.check_fits(run.recipe, data, processes)
        self.schedule = parse_schedule(run.recipe.schedule, run.recipe.epochs)
        self.fabric = join(run.device, run.precision, processes)
        device, rank = self.fabric.device, self.fabric.global_rank
        self.batches = {role: Batches(split, device=device, centre=data.centre) for role, split in data.splits.items()}
        self.rows: dict[str, Rows] = {}
        self.stop: Callable[[], bool] = lambda: False
        self.updates = Updates(
            len(self.batches["train"]),
            self.recipe.batch,
            self.recipe.accumulate,
            self.recipe.drop_last,
            rank,
            processes,
        )
        self.augment = Augment()
        if data.kind in ("image", "segmentation"):
            self.augment = Augment(
                self.recipe.crop,
                self.recipe.flip,
                self.recipe.resized_crop,
                self.recipe.crop_size,
                parse_jitter(self.recipe.jitter),
            )
        self.mean, self.std = (torch.from_numpy(value).to(device) for value in (data.mean, data.std))
        # Initial weights and data order come from the seed alone, so methods are paired run by run.
        torch.manual_seed(stream(run.seed, "weights"))
        model = models.build(run.network, num_classes=data.num_classes, input_shape=data.shape, vocabulary=data.words)
        self.parameters = models.count_parameters(model)
        mixing = torch.Generator().manual_seed(stream(run.seed, "mixing", rank))
        spec = parse(run.sentence)
        check_recordable(run.record, spec)
        self.objective = Objective(
            spec,
            model,
            data.num_classes,
            generator=mixing,
            ignore_index=data.ignore_index,
            class_weights=weights_for(self.recipe.class_weights, data),
        )
        self.frozen = finetune.Frozen(model, data.num_classes) if self.recipe.freeze_epochs else None
        state = self._read()
        self.place = Place(**state["place"]) if state else Place()
        self._hold()
        optimizer = make_optimizer(
            self.recipe, finetune.groups(self.objective, self.recipe.layer_decay, self.recipe.lr)
        )
        self.module, self.optimizer = self.fabric.setup(self.objective, optimizer)
        self.average = Average(model, self.recipe.ema) if self.recipe.ema else None
        self.order = torch.Generator().manual_seed(stream(run.seed, "data"))
        # the order of the data is one for all processes, so what a process draws for its own part comes from elsewhere
        self.draws = self.order if processes == 1 else torch.Generator().manual_seed(stream(run.seed, "augment", rank))
        torch.manual_seed(stream(run.seed, "network", rank))  # dropout and the like, which take no generator
        if state:
            self._restore(state)

    @property
    def steps_per_epoch(self) -> int:
        """Updates in an epoch, for a method that makes one of a batch."""
        return self.updates.number

    @property
    def leads(self) -> bool:
        """Whether this process writes: the first of its group."""
        return bool(self.fabric.is_global_zero)

    @property
    def dtype(self) -> torch.dtype:
        """What the parameters are in: float64 where the run is."""
        return next(self.objective.parameters()).dtype

    def predictions(self, role: str) -> Predictions:
        """What the run predicts for a split, as of now."""
        rows, run = self.asked_about(role), self.run
        meta = {"run": run.hash, "sentence": run.sentence, "seed": str(run.seed), "data": run.fingerprint}
        if rows.pixels is not None:
            # an id is image * pixels + pixel, so that rows of one image can be told
            meta |= {"rows": "pixels", "pixels": str(self.data.shape[1] * self.data.shape[2])}
        return Predictions(
            labels=rows.labels,
            logits=self.logits(role),
            probs=None,
            ids=rows.ids,
            role=role,
            classes=self.data.classes,
            meta=meta,
        )

    def train(self, progress: Callable[[Progress], None], stop: Callable[[], bool]) -> None:
        """Run to the end, and leave the weights that count in the model: the last, the averaged or the best.

        Raises ``Stopped`` where ``stop`` says so, ``Diverged`` where the loss is not finite. A process on its own also
        asks ``stop`` between the batches of all its predictions from here on.
        """
        if self.fabric.world_size == 1:
            self.stop = stop  # of several, one that leaves alone would keep the others waiting
        while self.place.epoch < self.recipe.epochs and not self.place.ended:
            self._epoch(progress, stop)
            self._save()
        model = self.objective.model
        if self.place.best is not None:
            with torch.no_grad():
                for tensor, value in zip(tensors(model), self.place.best["weights"], strict=True):
                    tensor.copy_(value)
        elif self.average is not None:
            self.average.put(model)
        self.average = None

    def asked_about(self, role: str) -> Rows:
        """The rows of a split's predictions: its examples, or a sample of its pixels."""
        if role not in self.rows:
            self.rows[role] = rows_of(self.data.splits[role])
        return self.rows[role]

    def logits(self, role: str, at_most: int | None = None) -> np.ndarray:
        """Logits of a split's rows, float32 ``(N, C)``, as the method predicts clean inputs; ``at_most`` thins it.

        The processes of a group share the work batch by batch, and all get the whole.
        """
        rows, size = self.asked_about(role), EVAL_BATCH if self.data.kind != "segmentation" else DENSE_BATCH
        parts = self._thinned(role, at_most).split(size)
        own = parts[self.fabric.global_rank :: self.fabric.world_size]
        self.batches[role].expect(own)
        said = gathered(self.fabric, [rows.of(self._answered(role, some), some.numpy()) for some in own])
        return torch.cat([said[at % len(said)][at // len(said)] for at in range(len(parts))]).numpy()

    def asked(self, role: str, examples: Tensor) -> tuple[Tensor, Tensor]:
        """What the method predicts for some clean examples, float32 on the CPU, and their labels."""
        inputs, labels = self.clean(role, examples)
        with self.fabric.autocast():
            return self.objective.predict(inputs).float().cpu(), labels.cpu()

    def _answered(self, role: str, examples: Tensor) -> Tensor:
        if self.stop():
            raise Stopped
        return self.asked(role, examples)[0]

    def _thinned(self, role: str, at_most: int | None) -> Tensor:
        """Which examples are asked, so that there are not many more rows than ``at_most``, spread evenly."""
        rows, number = len(self.asked_about(role).labels), len(self.batches[role])
        if at_most is None or rows <= at_most:
            return torch.arange(number)
        return torch.linspace(0, number - 1, max(1, number * at_most // rows), dtype=torch.float64).long()

    def clean(self, role: str, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and labels of some examples, not augmented, in the parameters' precision; word ids as they are."""
        inputs, labels = self.batches[role].take(rows, mean=self.mean, std=self.std)
        return inputs.to(self.dtype) if inputs.is_floating_point() else inputs, labels

    def accuracy(self, role: str, top: int = 1, at_most: int = 10_000) -> float:
        """Accuracy on clean inputs, on an evenly thinned part where there are more than ``at_most`` rows."""
        rows = self.asked_about(role)
        labels = rows.labels[rows.places(self._thinned(role, at_most).numpy())]
        return judging.top_accuracy(self.logits(role, at_most), labels, min(top, self.data.num_classes))

    # ---- one epoch

    def _epoch(self, progress: Callable[[Progress], None], stop: Callable[[], bool]) -> None:
        place, total = self.place, self.steps_per_epoch
        if place.order is None:
            place.order = self.batches["train"].permutation(self.order)
        if self._hold() and self.fabric.world_size > 1:
            self.module = self.fabric.setup_module(self.objective)  # DDP asks once which parameters get gradients
        self._expect()
        began, seen = time.perf_counter(), 0
        base = place.seconds
        self.objective.set_epoch(place.epoch)
        waiting: list[dict[str, Tensor]] = []
        # reading a loss waits for the device: at once where that is free, else now and then
        patience = 1 if self.fabric.device.type == "cpu" else 50
        while place.step < total:
            seen += min(self.recipe.update, self.updates.used - place.step * self.recipe.update)
            waiting += self._step()
            place.step += 1
            if len(waiting) >= patience or place.step == total:
                due = self.checkpoints is not None and self.checkpoints.due
                stopping, due = self._gather(waiting, stop(), due)
                place.seconds = base + time.perf_counter() - began
                done = (place.epoch + place.step / total) / self.recipe.epochs
                speed = seen / max(time.perf_counter() - began, 1e-9)
                loss = place.sums["loss"] / (place.step * self.objective.spec.updates)
                progress(Progress(place.epoch + 1, self.recipe.epochs, done, loss, speed))
                if stopping or (due and place.step < total):
                    self._save()
                if stopping:
                    raise Stopped
        try:
            self._end_epoch()
        except Stopped:
            self._save()  # with all steps of the epoch; only its judging begins anew
            raise

    def _expect(self) -> None:
        """Tell the data which batches of this epoch are to come."""
        place, window = self.place, None
        assert place.order is not None
        if self.augment.window is not None:
            window = Window(self.augment.window, stream(self.run.seed, "windows"), place.epoch, self.data.centre)
        steps = range(place.step, self.steps_per_epoch)
        coming = [rows for step in steps for rows, _ in self.updates.batches(place.order, step)]
        self.batches["train"].expect(coming, window)

    def _hold(self) -> bool:
        """Hold the lower layers where this epoch asks for it; whether that changed anything."""
        return self.frozen is not None and self.frozen.hold(self.place.epoch < self.recipe.freeze_epochs)

    def _step(self) -> list[dict[str, Tensor]]:
        """The next examples through as many updates as the method makes of them; the terms, still on the device."""
        place = self.place
        assert place.order is not None
        done = (place.epoch + place.step / self.steps_per_epoch) / self.recipe.epochs
        now = rate(self.recipe, self.schedule, done)
        for group in self.optimizer.param_groups:
            group["lr"] = now * group["scale"]
        batches = [(*self._taken(rows), share) for rows, share in self.updates.batches(place.order, place.step)]
        return [self._update(batches) for _ in range(self.objective.spec.updates)]

    def _taken(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Training inputs, augmented, and labels."""
        return self.batches["train"].take(
            rows, mean=self.mean, std=self.std, augment=self.augment, generator=self.draws, train=True
        )

    def _update(self, batches: list[tuple[Tensor, Tensor, float]]) -> dict[str, Tensor]:
        """Forward and backward through every batch of an update, and a step of the optimiser."""
        self.optimizer.zero_grad()
        sums: dict[str, Tensor] = {}
        for number, (inputs, labels, share) in enumerate(batches, 1):
            with self.fabric.no_backward_sync(self.module, enabled=number < len(batches)):
                out = self.module(inputs, labels)
                self.fabric.backward(out.loss * share)
            for name, term in {"loss": out.loss.detach(), **out.terms}.items():
                sums[name] = term * share + sums.get(name, 0.0)
            if "targets" in self.run.record:
                # where both views run, the targets are those of the originals
                mixed = bool(out.mix.partner.ne(torch.arange(len(labels), device=labels.device)).any())
                add_targets(self.place.targets, out, labels, mixed and not self.objective.spec.needs_clean)
        if self.recipe.clip is not None:
            self.fabric.clip_gradients(self.module, self.optimizer, max_norm=self.recipe.clip)
        self.optimizer.step()
        models.constrain(self.objective.model)
        if self.average is not None:
            self.average.update_parameters(self.objective.model)
        return sums

    def _gather(self, waiting: list[dict[str, Tensor]], stop: bool, due: bool) -> tuple[bool, bool]:
        """Add the terms of the waiting steps, of all processes, to the sums of the epoch; refuse a loss not finite.

        Returns whether anybody was asked to stop, and whether the first process finds a checkpoint due.
        """
        place = self.place
        mine = [{name: float(term) for name, term in terms.items()} for terms in waiting]
        said = gathered(self.fabric, (mine, stop, due))
        waiting.clear()
        for age, steps in enumerate(reversed(list(zip(*(each[0] for each in said))))):
            loss = sum(terms["loss"] for terms in steps) / len(steps)
            if not np.isfinite(loss):
                step = place.epoch * self.steps_per_epoch + place.step - age // self.objective.spec.updates
                raise Diverged(
                    f"the loss became {loss} in step {step} (epoch {place.epoch + 1}); "
                    f"a smaller lr than {self.recipe.lr:g} or clip=1 may help"
                )
        for steps in zip(*(each[0] for each in said)):
            for terms in steps:
                for name, term in terms.items():
                    place.sums[name] = place.sums.get(name, 0.0) + term / len(steps)
        return any(each[1] for each in said), said[0][2]

    def _end_epoch(self) -> None:
        place, total = self.place, self.steps_per_epoch
        steps = total * self.objective.spec.updates
        means = {name: value / steps for name, value in place.sums.items()}
        entry = {
            "epoch": place.epoch + 1,
            "loss": means.pop("loss"),
            "lr": max(group["lr"] for group in self.optimizer.param_groups),
            "parts": means,
            "seconds": place.seconds,
        }
        share_buffers(self.fabric, self.objective.model, self.average)
        with self._judged():
            ended = self._judge(entry)
            if self.run.record and self.folder is not None:
                write_epoch(self, place.epoch + 1, self.folder / "records")
        place.ended = ended
        place.history.append(entry)
        place.epoch, place.step, place.order, place.sums, place.targets = place.epoch + 1, 0, None, {}, {}

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """The weights that count, in the model: the averaged ones where they are averaged."""
        if self.average is None:
            yield
        else:
            with self.average.inside(self.objective.model):
                yield

    def _judge(self, entry: dict[str, Any]) -> bool:
        """Measure what the recipe and the curve ask for after an epoch, outside the counted seconds.

        Returns whether training ends here, since a wanted accuracy is reached.
        """
        recipe, place, ended = self.recipe, self.place, False
        if recipe.select != "last":
            entry |= self._measured("val")
            if judging.better(entry, place.best, recipe.select):
                place.best = judging.kept(entry, self.objective.model, recipe.select)
        if recipe.stop_at_accuracy is not None:
            reached = self.accuracy(recipe.stop_on, recipe.stop_top)
            entry[judging.judged_by(recipe)] = reached
            ended = reached >= recipe.stop_at_accuracy
        if ended or judging.on_curve(entry["epoch"], recipe.epochs):
            entry |= self._measured("cal")
        return ended

    def _measured(self, role: str) -> dict[str, float]:
        return judging.measured(self.logits(role), self.asked_about(role).labels, role)

    # ---- checkpoints

    def _save(self) -> None:
        if self.checkpoints is None:
            return
        cuda = self.fabric.device.type == "cuda"
        ranks = gathered(
            self.fabric,
            {
                "order": self.order.get_state(),
                "draws": self.draws.get_state(),
                "mixing": self.objective.generator.get_state(),
                "global": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state(self.fabric.device) if cuda else None,
                "targets": self.place.targets,
            },
        )
        if not self.leads:
            return
        self.checkpoints.write(
            {
                "run": self.run.hash,
                "record": list(self.run.record),
                "objective": self.objective.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "average": self.average.state_dict() if self.average else None,
                "ranks": ranks,
                "place": vars(self.place),
            }
        )

    def _read(self) -> dict[str, Any] | None:
        """The last checkpoint, which the first process reads for all; ``None`` where the run begins at its start."""
        if self.checkpoints is None:
            return None
        state = self.fabric.broadcast(self.checkpoints.read() if self.leads else None)
        if state is None or not set(self.run.record) <= set(state["record"]):
            return None  # from the start: what is to be recorded lies in the epochs before, too
        if state["run"] != self.run.hash:
            raise ValueError("the checkpoint belongs to another run; remove it")
        return state

    def _restore(self, state: dict[str, Any]) -> None:
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        mine = state["ranks"][self.fabric.global_rank]
        self.order.set_state(mine["order"])
        self.draws.set_state(mine["draws"])
        self.objective.generator.set_state(mine["mixing"])
        self.place.targets = mine["targets"]
        torch.set_rng_state(mine["global"])
        if mine["cuda"] is not None and self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(mine["cuda"], self.fabric.device)
