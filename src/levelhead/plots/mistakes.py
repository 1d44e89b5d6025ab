"""The test examples that a method got wrong while it was surest, all seeds together.

An example's rank is the confidence that it was answered wrongly with, averaged over the seeds; a seed that was right
counts zero. So what all seeds are sure and wrong about comes first: hard examples, and labels that are wrong.
N examples.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass

import numpy as np

from levelhead.metrics import max_softmax
from levelhead.plots.comparison import Comparison
from levelhead.plots.pooled import scaled
from levelhead.predictions import Predictions

#: What is kept of the inputs, in a comparison's folder: ``ids (M,)`` and either ``pictures (M, H, W, 1 or 3)`` uint8 or
#: ``texts (M,)``.
FILE = "examples.npz"
#: Mistakes of a method that are shown, and of all methods together.
MOST, MOST_IN_ALL = 12, 240


@dataclass(frozen=True)
class Mistake:
    """One example, and what the seeds that were wrong said of it.

    Attributes:
        id: its name in the predictions, or its row where they have none.
        label: the class it is.
        predicted: the class that most of the wrong seeds took it for; of equally many, the first.
        confidence: their mean confidence before scaling.
        scaled: after scaling; None where no temperature is known.
        wrong: how many seeds were wrong.
        seeds: of how many.
    """

    id: int | str
    label: int
    predicted: int
    confidence: float
    scaled: float | None
    wrong: int
    seeds: int


def per_method(methods: int) -> int:
    """How many mistakes are shown of each of so many methods.

    >>> per_method(3), per_method(40)
    (12, 6)
    """
    return max(4, min(MOST, MOST_IN_ALL // max(methods, 1)))


def mistakes(comparison: Comparison, method: str, *, role: str = "test", most: int = MOST) -> tuple[Mistake, ...]:
    """A method's most confident mistakes, the worst first; none where nothing can be read, or rows are pixels."""
    if comparison.summary.get("segmentation"):
        return ()
    seen: list[_Seen] = []
    for result in comparison.of(method, role):
        try:
            one = _looked_at(comparison.predictions(result), result.get("temperature"))
        except (OSError, ValueError):
            continue  # which the diagrams say
        if not seen or np.array_equal(one.labels, seen[0].labels):
            seen.append(one)
    if not seen:
        return ()
    wrong = np.stack([one.wrong for one in seen])
    confidence = np.stack([one.confidence for one in seen])
    order = np.argsort(-np.sum(confidence * wrong, 0), kind="stable")
    return tuple(_mistake(seen, int(row)) for row in order[:most] if wrong[:, row].any())


def inputs(comparison: Comparison) -> dict[int, np.ndarray | str]:
    """What the folder keeps of its examples, by id: uint8 ``(H, W, 1 or 3)``, or text.

    Empty where nothing is kept. Raises ValueError for a file that is damaged.
    """
    path = comparison.folder / FILE
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            ids = file["ids"].tolist()
            kept = [str(text) for text in file["texts"]] if "texts" in file else list(file["pictures"])
        return dict(zip(ids, kept, strict=True))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"The examples in {path.name} could not be read: {error}") from None


@dataclass(frozen=True, eq=False)
class _Seen:
    """A run's answers, a row an example."""

    labels: np.ndarray
    ids: np.ndarray | None
    predicted: np.ndarray
    confidence: np.ndarray
    wrong: np.ndarray
    scaled: np.ndarray | None


def _looked_at(predictions: Predictions, temperature: float | None) -> _Seen:
    scores, labels = predictions.scores, predictions.labels
    predicted = next(iter(scores.values())).argmax(1)
    after = max_softmax(**scaled(scores, float(temperature))) if temperature else None
    return _Seen(labels, predictions.ids, predicted, max_softmax(**scores), predicted != labels, after)


def _mistake(seen: list[_Seen], row: int) -> Mistake:
    those = [one for one in seen if one.wrong[row]]
    after = [float(one.scaled[row]) for one in those if one.scaled is not None]
    ids = seen[0].ids
    return Mistake(
        id=row if ids is None else ids[row].item(),
        label=int(seen[0].labels[row]),
        predicted=int(np.bincount([int(one.predicted[row]) for one in those]).argmax()),
        confidence=float(np.mean([one.confidence[row] for one in those])),
        scaled=float(np.mean(after)) if len(after) == len(those) else None,
        wrong=len(those),
        seeds=len(seen),
    )
