"""What a comparison was asked to do, and what it is: two records, checked before anything is written."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from levelhead import models
from levelhead.classifier import find_classifier
from levelhead.compare.probing import Asked
from levelhead.data import Dataset
from levelhead.spec import parse
from levelhead.train import Recipe, Run
from levelhead.train.class_weights import weights_for
from levelhead.train.judging import check_fits

#: What is compared when nobody says what: one method of each paper, and the two that everybody knows.
DEFAULT_METHODS = ("vanilla", "uls", "mixup", "pls", "lamix", "logitmix_cm", "mbls")
PRECISIONS = ("32", "bf16", "16", "64")


def find_devices(text: str) -> tuple[str, ...]:
    """The devices that runs are spread over: ``auto``, ``cpu``, ``cuda``, ``cuda:0,cuda:1``. One run uses one of them.

    Raises ``ValueError`` for a device that is not there.
    """
    count = torch.cuda.device_count()
    if text == "auto":
        return tuple(f"cuda:{index}" for index in range(count)) or ("cpu",)
    names = tuple(name.strip() for name in text.split(","))
    there = ["cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    for name in names:
        if name not in there:
            raise ValueError(f"--devices {text}: {name!r} is not here; there are: auto, {', '.join(there)}")
    if len({name.split(":")[0] for name in names}) > 1:
        raise ValueError(f"--devices {text}: runs on different kinds of device cannot be compared; give one kind")
    return names


@dataclass(frozen=True)
class Comparison:
    """Methods times seeds on one data set with one network and one recipe.

    ``processes`` train each run together. ``weights`` is the digest of the weights that the network starts from where
    they are not drawn.
    """

    data: Dataset
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    network: str
    recipe: Recipe
    devices: tuple[str, ...]
    precision: str
    threads: int
    record: tuple[str, ...] = ()
    probes: tuple[Asked, ...] = ()
    processes: int = 1
    weights: str = ""

    @property
    def device(self) -> str:
        """The kind of device that all runs use, which is part of their names."""
        return self.devices[0].split(":")[0]

    def runs(self) -> list[Run]:
        """The runs, seed by seed, so that a comparison cut short has whole rounds."""
        return [self._run(method, seed) for seed in self.seeds for method in self.methods]

    def identity(self) -> dict[str, Any]:
        """What a folder belongs to: methods and seeds may be added to it, nothing else may differ."""
        data = self.data
        return {
            "data": {
                "name": data.name,
                "fingerprint": data.fingerprint,
                "kind": data.kind,
                "shape": list(data.shape),
                "num_classes": data.num_classes,
                "split": data.split_info,
            },
            "network": {
                "name": models.without_file(self.network) if self.weights else self.network,
                "parameters": self.count_parameters(),
                **({"weights": self.weights} if self.weights else {}),
            },
            "recipe": self.recipe.model_dump(),
            "device": self.device,
            "precision": self.precision,
            "threads": self.threads,
            **({"processes": self.processes} if self.processes > 1 else {}),
        }

    def count_parameters(self) -> int:
        """Builds the network once, which also tells whether it can be built, without moving the global state."""
        with torch.random.fork_rng(devices=[]):
            return models.count_parameters(self._model())

    def _model(self) -> torch.nn.Module:
        data = self.data
        return models.build(self.network, num_classes=data.num_classes, input_shape=data.shape, vocabulary=data.words)

    @property
    def _trained_on(self) -> tuple[int, ...]:
        """The shape of one input in training: of maps a window, where images are asked about whole."""
        size = self.recipe.crop_size
        return (self.data.shape[0], size, size) if size and self.data.kind == "segmentation" else self.data.shape

    def check(self) -> None:
        """Try one step of every method on two examples, so that what cannot work is said before the work begins."""
        from levelhead.composition import Objective  # here: only this check composes anything

        for asked in self.probes:
            if not any(asked.concerns(run) for run in self.runs()):
                raise ValueError(
                    f"{asked.name} is for networks that were trained with dropout, and neither a method nor "
                    f"{self.network} has any; add the method mc_dropout, or give the network dropout"
                )
        if self.data.kind == "segmentation" and (of_examples := {"targets", "embeddings"} & set(self.record)):
            raise ValueError(
                f"--record {min(of_examples)} is about examples of one class each, but {self.data.name} has one for "
                "every pixel; leave it out"
            )
        check_fits(self.recipe, self.data, self.processes)
        weights = weights_for(self.recipe.class_weights, self.data)
        with torch.random.fork_rng(devices=[]):
            model = self._model()
            if self.recipe.layer_decay:
                models.depths(model)
            if self.recipe.freeze_epochs:
                find_classifier(model, self.data.num_classes)
            if self.data.kind == "text":
                ids = self.data.splits["train"].inputs
                assert isinstance(ids, np.ndarray)
                inputs = torch.from_numpy(ids[:4]).long()
            else:
                inputs = torch.randn(4, *self._trained_on)
            labels = torch.tensor([0, 1, 0, 1])
            if self.data.kind == "segmentation":
                labels = labels[:, None, None].repeat(1, *inputs.shape[2:])
                labels[:, 0, 0] = self.data.ignore_index
            for method in self.methods:
                try:
                    objective = Objective(
                        parse(method),
                        model,
                        self.data.num_classes,
                        ignore_index=self.data.ignore_index,
                        class_weights=weights,
                    )
                    for _ in range(2):
                        objective(inputs, labels)
                except (ValueError, RuntimeError) as error:
                    raise ValueError(
                        f"{method} does not work with {self.network} on {self.data.name}: {error}"
                    ) from None

    def _run(self, method: str, seed: int) -> Run:
        return Run(
            method=method,
            sentence=str(parse(method)),
            seed=seed,
            network=self.network,
            recipe=self.recipe,
            fingerprint=self.data.fingerprint,
            device=self.device,
            precision=self.precision,
            threads=self.threads,
            record=self.record,
            processes=self.processes,
            weights=self.weights,
        )


def starting_weights(network: str, data: Dataset) -> str:
    """The digest of the weights that a network starts from, whatever file they lie in; empty where they are drawn."""
    if not models.is_pretrained(network):
        return ""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = models.build(network, num_classes=data.num_classes, input_shape=data.shape, vocabulary=data.words)
    return models.weights_digest(model, find_classifier(model, data.num_classes))


def distinct(methods: list[str]) -> tuple[str, ...]:
    """The methods as given, without those that mean the same as an earlier one."""
    by_sentence: dict[str, str] = {}
    for method in methods:
        by_sentence.setdefault(str(parse(method)), method.strip())
    return tuple(by_sentence.values())
