"""What all probes of a trained run have in common: the run's side (`Subject`) and the probe's side (`Probe`)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from levelhead.data import Batches, Dataset
from levelhead.member import Member, show
from levelhead.predictions import Predictions
from levelhead.probes.predict import BATCH, gathered, record

Ask = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model with what a probe needs to question it.

    ``model`` gives logits in one clean pass: gradients are taken through it. ``ask`` gives logits ``(B, C)`` of
    normalised inputs the way the method predicts. ``data`` is what it was trained and is tested on. ``test`` holds the
    test split on the model's device. ``precision`` opens the run's autocast. ``prepared`` holds the arrays that the
    probe made of the data beforehand. ``sampled(samples, seed)`` gives another ``ask`` that averages over so many
    passes with dropout; it raises ``ValueError`` where the model was trained without. ``meta`` goes into the
    predictions.
    """

    model: nn.Module
    ask: Ask
    data: Dataset
    test: Batches
    sampled: Callable[[int, int], Ask]
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext
    prepared: Mapping[str, np.ndarray] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def dtype(self) -> torch.dtype:
        """What the model's inputs are in."""
        return next((each.dtype for each in self.model.parameters()), torch.float32)

    @property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the training split, by channel or feature."""
        device = self.test.device
        mean, std = (torch.from_numpy(each).to(device, self.dtype) for each in (self.data.mean, self.data.std))
        return mean, std

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The test split: normalised inputs and labels, in order."""
        mean, std = self.statistics
        for rows in torch.arange(len(self.test)).split(BATCH):
            inputs, labels = self.test.take(rows, mean=mean, std=std)
            yield inputs.to(self.dtype), labels

    def sizes(self) -> list[int]:
        """How many examples each batch of the test split has."""
        return [len(rows) for rows in torch.arange(len(self.test)).split(BATCH)]

    def asked(
        self, batches: Iterator[Tensor], *, like_test: bool = False, labels: Any = None, ask: Ask | None = None
    ) -> Predictions:
        """Predictions on these batches of normalised inputs; ``like_test``: with labels and ids of the test split."""
        split = self.data.splits["test"]
        labels, ids = (split.labels, split.ids) if like_test else (labels, None)
        device = self.test.device

        def answer(batch: Tensor) -> Tensor:
            with self.precision():
                return (ask or self.ask)(batch.to(device, self.dtype))

        logits = gathered(answer, batches)
        return record(logits, labels, ids=ids, role="test", classes=self.data.classes, meta=self.meta)


def text(default: str | None) -> Any:
    """An argument that is a name or a path, taken as it is."""
    return field(default=default, metadata={"check": lambda value: value})


@dataclass(frozen=True)
class Probe(Member):
    """Inputs that a model should doubt, as a word with arguments: ``fgsm(eps=0.01)``.

    ``outside`` tells whether the inputs belong to no class, so that there is no right answer: then the question is
    whether the model can tell them from the test split. ``needs_dropout`` tells whether it is for models that were
    trained with dropout only.
    """

    outside: ClassVar[bool] = False
    needs_dropout: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The word, with those of its arguments that are not the usual ones."""
        values = {
            item.name: getattr(self, item.name) for item in fields(self) if getattr(self, item.name) != item.default
        }
        said = ", ".join(f"{name}={show(value)}" for name, value in values.items())
        return f"{self.word}({said})" if said else self.word

    @property
    def curve(self) -> tuple[str, float] | None:
        """The curve that this probe is one point of, by name, and where on it; ``None`` for a probe of its own."""
        return None

    def suits(self, data: Dataset) -> None:
        """Refuse data that this probe cannot be made for, with ``ValueError``."""

    def prepare(self, data: Dataset) -> dict[str, np.ndarray]:
        """Arrays that are made once for all runs, from elsewhere; none by default."""
        return {}

    def predictions(self, subject: Subject) -> Predictions:
        """What the subject says."""
        raise NotImplementedError
