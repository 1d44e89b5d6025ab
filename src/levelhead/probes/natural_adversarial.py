"""Natural adversarial sets: photographs that networks get wrong, of some of the classes the network knows.

ImageNet-A (Hendrycks et al. 2021) has 200 of ImageNet's 1000 classes. Their convention, ours by default: of the logits
only the columns of the set's classes compete, and labels are positions among them. ``all_classes=True`` keeps all
columns. (LogitMix reports values at 1000-way chance, so its labels seem not to have been mapped at all.)
N examples, C classes of the model, K of them in the set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from levelhead.data import Dataset, read_alike
from levelhead.data.batches import normalise
from levelhead.data.synsets import identity
from levelhead.member import flag
from levelhead.predictions import Predictions
from levelhead.probes.other_data import brought_to, place
from levelhead.probes.predict import BATCH
from levelhead.probes.probe import Probe, Subject, text


def class_columns(names: Sequence[str], classes: Sequence[str]) -> dict[str, int]:
    """Of a set's class names those that the model has too, each with its column of the logits.

    Names are the same if they are written alike, or start with the same WordNet id, as ImageNet's do.

    Raises ``ValueError`` where fewer than two are known to both.

    >>> class_columns(["dog", "unicorn", "cat"], classes=["cat", "dog", "horse"])
    {'dog': 1, 'cat': 0}
    """
    column = {identity(name): index for index, name in enumerate(classes)}
    found = {name: column[identity(name)] for name in names if identity(name) in column}
    if len(found) < 2:
        raise ValueError(
            f"of the set's {len(names)} classes ({', '.join(names[:5])}{', ...' * (len(names) > 5)}) {len(found)} are "
            f"among the model's {len(classes)} ({', '.join(classes[:5])}{', ...' * (len(classes) > 5)}); two or more "
            "are needed: name the classes alike"
        )
    return found


def natural_adversarial(
    logits: Any,
    labels: Sequence[Any] | np.ndarray,
    columns: Mapping[Any, int],
    *,
    all_classes: bool = False,
    ids: Any = None,
    classes: Sequence[str] = (),
    role: str = "test",
    meta: Mapping[str, str] | None = None,
) -> Predictions:
    """Predictions on a set whose classes are some of the model's.

    ``logits (N, C)`` of the model on the set; ``labels`` (N,): the set's own, names or numbers; ``columns``: for each
    of these labels that the model knows, its column. Examples of other classes are left out. By default only these K
    columns compete, in the order of ``columns``, and the record's labels count among them; ``all_classes`` keeps all
    C. ``classes``: the model's C names.

    Raises ``ValueError`` for columns that are out of range or given twice, fewer than two of them, and where no example
    is left.
    """
    scores = torch.as_tensor(logits).detach().cpu().numpy()
    if scores.ndim != 2 or len(scores) != len(labels):
        raise ValueError(
            f"logits must be (N, C) with one of N labels a row, got {scores.shape} and {len(labels)} labels"
        )
    chosen = [int(column) for column in columns.values()]
    wrong = [column for column in chosen if not 0 <= column < scores.shape[1]]
    if wrong or len(set(chosen)) < len(chosen) or len(chosen) < 2:
        raise ValueError(
            f"columns= must give two or more labels each a column of its own in [0, {scores.shape[1]}), "
            f"got {chosen[:20]}"
        )
    position = {name: index for index, name in enumerate(columns)}
    own = labels.tolist() if isinstance(labels, np.ndarray | torch.Tensor) else list(labels)
    kept = np.array([label in position for label in own])
    if not kept.any():
        raise ValueError(f"no label is among columns=, which has {list(columns)[:5]}; the first label is {own[:1]}")
    places = np.array([position[label] for label in own if label in position])
    names = tuple(classes)
    return Predictions(
        labels=np.array(chosen)[places] if all_classes else places,
        logits=scores[kept] if all_classes else scores[kept][:, chosen],
        ids=None if ids is None else np.asarray(ids)[kept],
        role=role,
        classes=names if all_classes or not names else tuple(names[column] for column in chosen),
        meta=meta or {},
    )


@dataclass(frozen=True)
class NaturalAdversarial(Probe):
    """A set of images of some of the classes that were trained on, by name or path; classes are matched by name."""

    word: ClassVar[str] = "natural_adversarial"
    all_classes: bool = flag(False)
    source: str = text("")
    data_dir: str | None = text(None)

    def __str__(self) -> str:
        return f"{self.word}{'(all_classes=true)' if self.all_classes else ''}:{self.source}"

    @property
    def name(self) -> str:
        """The word, and the last part of the path."""
        return str(replace(self, source=Path(self.source).name))

    def suits(self, data: Dataset) -> None:
        """Only images are brought to size."""
        if data.kind != "image":
            raise ValueError(f"natural_adversarial is for images, but {data.name} holds vectors")

    def prepare(self, data: Dataset) -> dict[str, np.ndarray]:
        """The images of the shared classes, labelled with the model's columns."""
        where = place(self.source, self.data_dir)
        fit = data.split_info.get("fit", "cover")
        found = read_alike(where, shape=data.whole, fit=fit, data_dir=self.data_dir)
        columns = class_columns(found.classes, data.classes)
        part = found.parts["test" if "test" in found.parts else "train"]
        # of the set's classes in its order, which column of the logits; -1 where the model has none
        column = np.array([columns.get(name, -1) for name in found.classes])[part.labels]
        rows = np.flatnonzero(column >= 0)
        return {"inputs": brought_to(data.shape, part.read(rows), where, data.whole), "columns": column[rows]}

    def predictions(self, subject: Subject) -> Predictions:
        """What the model says, of the classes of the set."""
        columns = subject.prepared["columns"]
        mean, std = subject.statistics
        parts = torch.from_numpy(subject.prepared["inputs"]).split(BATCH)
        said = subject.asked((normalise(part.to(mean.device), mean, std) for part in parts), labels=columns)
        there = {int(column): int(column) for column in np.unique(columns)}
        return natural_adversarial(
            said.logits, columns, there, all_classes=self.all_classes, classes=said.classes, meta=said.meta
        )
