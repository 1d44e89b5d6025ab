"""Some examples of each class of a source, for people to look at. N examples of one class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from levelhead.data.records import Dataset
from levelhead.data.source import Source

PER_CLASS = 10
MOST_CLASSES = 100


@dataclass(frozen=True, eq=False)
class Examples:
    """One class: its name and the inputs of a few of its examples, `(N, ...)` as `Split.inputs` has them."""

    name: str
    inputs: np.ndarray


def examples(source: Source, *, per_class: int = PER_CLASS, most_classes: int = MOST_CLASSES) -> list[Examples]:
    """At most `per_class` examples of each class, spread evenly over the first part; of the first classes only.

    Where labels are maps, an example is of every class that stands in its map.

    >>> import numpy as np
    >>> from levelhead.data.source import Part, Source
    >>> part = Part.of_array(np.arange(8.0)[:, None], np.array([0, 1] * 4))
    >>> source = Source("eight", "vector", ("even", "odd"), {"train": part}, "made here")
    >>> [(each.name, each.inputs[:, 0].tolist()) for each in examples(source, per_class=2)]
    [('even', [0.0, 6.0]), ('odd', [1.0, 7.0])]
    """
    part = next(iter(source.parts.values()))
    chosen = []
    for label, name in enumerate(source.classes[:most_classes]):
        places = np.flatnonzero((part.labels == label).reshape(len(part.labels), -1).any(axis=1))
        number = min(per_class, len(places))
        spread = places[np.linspace(0, len(places) - 1, number).astype(np.int64)] if number else places
        chosen.append(Examples(name, part.read(spread)))
    return chosen


def as_text(source: Source | Dataset, inputs: np.ndarray, longest: int = 160) -> list[str]:
    """Texts and vectors as people read them: the words of the ids, or the numbers; cut to `longest` characters."""
    if source.words is not None:
        lines = [" ".join(source.words[word] for word in row if word) for row in inputs]
    else:
        lines = [" ".join(f"{value:.3g}" for value in row) for row in inputs]
    return [line if len(line) <= longest else f"{line[: longest - 1]}…" for line in lines]
