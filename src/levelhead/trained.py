"""A finished run, ready for use: its network with the weights, what it reads, and what it says of new inputs.

    model = lh.load_run("levelhead-runs/digits-1234abcd/runs/0f1e2d3c4b5a6978")
    model.logits(images)                       # (N, C), as the method predicts, inputs as they are stored

What a network needs to know of its inputs beside its weights (shape, class names, mean and deviation, vocabulary) lies
in the run's `inputs.json`. N examples, C classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from levelhead import models
from levelhead.activation import class_activation
from levelhead.composition import Objective
from levelhead.data import NAMED, Source, read_alike
from levelhead.data.batches import centred, normalise
from levelhead.data.decode import Form, decode
from levelhead.data.encoded import shards
from levelhead.data.folder import ENDINGS
from levelhead.data.records import ROLES
from levelhead.data.shards import tar_shards
from levelhead.files import read_json
from levelhead.metrics.given import as_tensor
from levelhead.predictions import Predictions
from levelhead.probes.other_data import brought_to, place
from levelhead.probes.predict import BATCH, NO_LABELS
from levelhead.spec import parse
from levelhead.train.execute import INPUTS
from levelhead.train.run import FINISHED
from levelhead.train.trainer import DENSE_BATCH

#: Inputs that are read at a time: a whole number of batches.
BLOCK = 8 * BATCH
_DTYPES = {"32": torch.float32, "64": torch.float64, "bf16": torch.float32, "16": torch.float32}
_AUTOCAST = {"bf16": torch.bfloat16, "16": torch.float16}


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with the weights of a finished run.

    Attributes:
        folder: where it lies.
        about: the run's `run.json`: method, sentence, seed, recipe, history.
        inputs: the run's `inputs.json`: `kind`, `shape` of one example, `mean`, `std`, `words`, `fit`; `whole`, the
            height and width that images are brought to where the network is shown their centre.
        classes: class names, in the order of the columns.
        model: the network alone, in eval mode: normalised inputs to logits.
        objective: the method around it; `objective.predict` averages passes where the method does.
    """

    folder: Path
    about: dict[str, Any]
    inputs: dict[str, Any]
    objective: Objective

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names."""
        return tuple(self.inputs["classes"])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example: `(C, H, W)`, `(D,)` or `(L,)`."""
        return tuple(self.inputs["shape"])

    @property
    def whole(self) -> tuple[int, ...]:
        """Of one example before its centre is cut out, where that is done; else the `shape`."""
        return tuple(self.inputs.get("whole", self.shape))

    def shown(self, images: np.ndarray) -> np.ndarray:
        """Stored images `(N, C, H, W)` as the network is shown them: their centre, where it was trained on windows."""
        return images if self.whole == self.shape else centred(images, (self.shape[1], self.shape[2]))

    @property
    def model(self) -> nn.Module:
        """The network alone."""
        return self.objective.model

    def logits(self, inputs: np.ndarray | Tensor) -> np.ndarray:
        """What the run says, float32 `(N, C)`, of inputs as they are stored, not normalised; a segmentation's run maps.

        Args:
            inputs: `(N, *shape)`: images uint8 or float32 in [0, 1], vectors float32, word ids int32.

        Raises:
            ValueError: inputs of another shape.
        """
        inputs = self._given(inputs)
        config = self.about["config"]
        device = next(self.model.parameters()).device
        mixed = _AUTOCAST.get(config["precision"])
        parts = []
        at_once = DENSE_BATCH if self.inputs["kind"] == "segmentation" else BATCH
        for part in inputs.to(device).split(at_once):
            ready = part.long() if self.inputs["kind"] == "text" else self._normalised(part)
            with torch.autocast(device.type, mixed, enabled=mixed is not None):
                parts.append(self.objective.predict(ready).float().cpu())
        return torch.cat(parts).numpy()

    def activation(self, images: np.ndarray | Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Class activation maps, float32 `(N, H, W)` in [0, 1], of images as they are stored, and the classes `(N,)`
        that they are of: the network's first choices.

        Raises:
            ValueError: a run that reads no images, images of another shape, a network without feature maps.
        """
        if self.inputs["kind"] != "image":
            raise ValueError(
                f"class activation maps are of images with one class each; this run reads {self.inputs['kind']}"
            )
        device = next(self.model.parameters()).device
        found = [
            class_activation(self.model, self._normalised(part)) for part in self._given(images).to(device).split(BATCH)
        ]
        maps, classes = (torch.cat(each).cpu().numpy() for each in zip(*found))
        return maps, classes

    def _given(self, inputs: np.ndarray | Tensor) -> Tensor:
        """The inputs as a tensor. Raises ``ValueError`` where they are not of the run's shape."""
        inputs = as_tensor(inputs, "inputs")
        if tuple(inputs.shape[1:]) != self.shape or len(inputs) == 0:
            raise ValueError(
                f"this network reads inputs of shape {('N', *self.shape)} with N >= 1, got {tuple(inputs.shape)}"
            )
        return inputs

    def _normalised(self, part: Tensor) -> Tensor:
        mean, std = (torch.tensor(self.inputs[name], dtype=torch.float32) for name in ("mean", "std"))
        return normalise(part, mean, std).to(_DTYPES[self.about["config"]["precision"]])


def load_run(folder: str | Path, *, device: torch.device | str = "cpu") -> Trained:
    """The finished run in a folder (`DIR/runs/HASH`), on a device.

    Raises:
        ValueError: no finished run there, one of an older version, or a network that this machine cannot build.
    """
    folder = Path(folder)
    for name in (FINISHED, INPUTS, "model.safetensors"):
        if not (folder / name).is_file():
            why = "made by an older version: train it again" if (folder / FINISHED).exists() else "not a finished run"
            raise ValueError(f"{folder} has no {name}, so it is {why}; a run's folder is DIR/runs/HASH")
    about, inputs = read_json(folder / FINISHED), read_json(folder / INPUTS)
    config = about["config"]
    classes = inputs["classes"]
    with torch.random.fork_rng(devices=[]):
        model = models.build(
            models.without_weights(config["network"]),
            num_classes=len(classes),
            input_shape=tuple(inputs["shape"]),
            vocabulary=inputs["words"],
        )
        model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
        model.to(device, _DTYPES[config["precision"]])
        masks = torch.Generator().manual_seed(0)
        objective = Objective(parse(about["sentence"]), model, len(classes), generator=masks)
    return Trained(folder, about, inputs, objective.eval())


def find_run(folder: str | Path, method: str | None = None, seed: int | None = None) -> Path:
    """The folder of one run: the one given, or of a comparison's folder the run of a method and seed.

    Raises:
        ValueError: neither kind of folder; no such run, with those that are there; words that a run's own folder
            leaves nothing to say with.
    """
    folder = Path(folder)
    if (folder / FINISHED).exists():
        if method is not None or seed is not None:
            raise ValueError(f"{folder} is one run, so --method and --seed have no effect; leave them out")
        return folder
    runs = {path.parent: read_json(path) for path in sorted(folder.glob(f"runs/*/{FINISHED}"))}
    if not runs:
        raise ValueError(f"{folder} is neither the folder of a finished run nor of a comparison with finished runs")
    sentence = None if method is None else str(parse(method))
    fitting = {
        path: about
        for path, about in runs.items()
        if (sentence is None or about["sentence"] == sentence) and (seed is None or about["seed"] == seed)
    }
    if len(fitting) != 1:
        there = ", ".join(sorted({f"{about['method']} seed {about['seed']}" for about in (fitting or runs).values()}))
        say = "say which with --method and --seed" if fitting else "none is the one asked for"
        raise ValueError(f"{folder} holds {len(fitting or runs)} runs; {say}: {there}")
    return next(iter(fitting))


def predict_source(
    trained: Trained,
    source: str,
    *,
    part: str | None = None,
    data_dir: str | Path | None = None,
    label: str | None = None,
    text: str | None = None,
    image: str | None = None,
    split: str | None = None,
    group: str | None = None,
    skip_broken: bool = False,
) -> Predictions:
    """What a run says of data by name or path, brought to the shape of what it was trained on.

    Args:
        trained: the run.
        source: a name or path as `levelhead.data.load` takes it; for images also a folder of images without class
            folders, whose predictions have no labels (`meta["labels"]` is "none") and the files' names as ids.
        part: train, val, cal or test, as the source has them, or "all"; by default test where it has one, else all.
        data_dir: where named data sets lie.
        label: the column of labels in a table.
        text: the column of texts in a table.
        image: the column of paths of images in a table.
        split: the column of a table that says each row's role, whose words `part` takes.
        group: the column of a table that says what a row belongs to, which is no input.
        skip_broken: whether images that cannot be read are left out.

    Returns:
        Predictions with the run's logits; labels are matched by the names of the classes.

    Raises:
        ValueError: data that cannot be read or brought to the shape, classes that the run does not know, no such part.
    """
    if trained.inputs["kind"] == "segmentation":
        raise ValueError(
            "this run gives every pixel a class, and a file of predictions holds one row an example; ask it for maps "
            "(N, C, H, W) in Python: lh.load_run(FOLDER).logits(images)"
        )
    meta = {"run": trained.about["hash"], "sentence": trained.about["sentence"], "data": source}
    where = place(source, data_dir)
    folder = Path(where).expanduser()
    is_image = trained.inputs["kind"] == "image"
    is_folder = where not in NAMED and folder.is_dir() and not shards(folder) and not tar_shards(folder)
    if is_image and is_folder and not any(path.is_dir() and path.name[0] != "." for path in folder.iterdir()):
        if part not in (None, "all"):
            raise ValueError(f"{folder} is a folder of images without parts; leave --part out")
        return _unlabelled(trained, folder, meta)
    found = read_alike(
        where,
        shape=trained.whole if is_image else (),
        fit=trained.inputs.get("fit", "cover"),
        data_dir=data_dir,
        label=label,
        text=text,
        image=image,
        split=split,
        group=group,
        skip_broken=skip_broken,
    )
    # ids are counted as when a run is trained: role by role in one order, whatever the order of files
    found = replace(found, parts={role: found.parts[role] for role in ROLES if role in found.parts})
    chosen = _parts(found, part)
    columns = _columns(found.classes, trained.classes, where)
    starts = np.cumsum([0, *(len(each.labels) for each in found.parts.values())])
    first = dict(zip(found.parts, starts))
    return Predictions(
        labels=columns[np.concatenate([found.parts[name].labels for name in chosen])],
        logits=np.concatenate(
            [trained.logits(_read_as(trained, found, each, where)) for each in _blocks(found, chosen)]
        ),
        ids=np.concatenate([first[name] + np.arange(len(found.parts[name].labels)) for name in chosen]),
        role=chosen[0] if len(chosen) == 1 and "test" in chosen else "unknown",
        classes=trained.classes,
        meta=meta,
    )


def _unlabelled(trained: Trained, folder: Path, meta: dict[str, str]) -> Predictions:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.name[0] != ".")
    if not paths:
        raise ValueError(f"{folder} holds no images (endings: {' '.join(sorted(ENDINGS))})")
    channels, height, width = trained.whole
    form = Form(1 if channels == 1 else 3, height, width, trained.inputs.get("fit", "cover"))
    images = np.stack([decode(str(path), path, form) for path in paths])
    images = brought_to(trained.shape, images, str(folder), trained.whole)
    return Predictions(
        labels=np.zeros(len(paths), np.int64),
        logits=trained.logits(images),
        ids=np.array([path.name for path in paths]),
        classes=trained.classes,
        meta={**meta, **NO_LABELS},
    )


def _blocks(found: Source, chosen: Sequence[str]) -> Iterator[np.ndarray]:
    """The inputs of some parts, some at a time, so that a set of images may be larger than memory."""
    for part in (found.parts[name] for name in chosen):
        for rows in np.split(np.arange(len(part.labels)), range(BLOCK, len(part.labels), BLOCK)):
            yield part.read(rows)


def _parts(found: Source, part: str | None) -> list[str]:
    if part in found.parts:
        return [str(part)]
    if part is None and "test" in found.parts:
        return ["test"]
    if part not in (None, "all"):
        raise ValueError(f"--part {part}: {found.name} has {', '.join(found.parts)}, or say all")
    return list(found.parts)


def _columns(names: Sequence[str], classes: Sequence[str], where: str) -> np.ndarray:
    """Of each of the source's classes the column of the logits."""
    known = {name: column for column, name in enumerate(classes)}
    strangers = [name for name in names if name not in known]
    if strangers:
        raise ValueError(
            f"{where} has classes that were not trained on: {', '.join(strangers[:10])}; known are "
            f"{', '.join(classes[:10])}{', ...' * (len(classes) > 10)}: rename them alike, or leave them out"
        )
    return np.array([known[name] for name in names])


def _read_as(trained: Trained, found: Source, inputs: np.ndarray, where: str) -> np.ndarray:
    """Inputs as the run reads them: images in its size, word ids of its vocabulary and its length."""
    if found.kind != trained.inputs["kind"]:
        raise ValueError(
            f"{where} holds data of kind {found.kind}, but the run was trained on {trained.inputs['kind']}"
        )
    if found.words is None:
        return brought_to(trained.shape, inputs, where, trained.whole)
    ids = {word: index for index, word in enumerate(trained.inputs["words"])}
    own = np.array([ids.get(word, 1) for word in found.words], dtype=np.int32)
    own[0] = 0
    length = trained.shape[0]
    read = np.zeros((len(inputs), length), dtype=np.int32)
    read[:, : inputs.shape[1]] = own[inputs][:, :length]
    return read
