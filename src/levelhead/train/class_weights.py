"""What an example weighs in the loss by its class, so that rare classes count: ``--class-weights balanced|none|FILE``.

A recipe holds them as text: ``none``, ``balanced``, or a JSON object of class names and numbers, which is what a file
is read to. ``balanced`` gives a class with n of N training examples N / (C n), so that all C classes weigh the same in
sum. Only ratios count: the objective divides by the weight of the batch.
"""

import json
import math
from pathlib import Path

import numpy as np

from levelhead.data import Dataset
from levelhead.errors import unknown

WORDS = ("none", "balanced")


def written_weights(option: str) -> str:
    """The text that a recipe holds, from a word or the path of a ``.json`` file.

    Raises ``ValueError`` for a file that is not there, or is no object of class names and positive numbers.
    """
    if option in WORDS:
        return option
    path = Path(option).expanduser()
    if not path.is_file():
        raise ValueError(
            f'--class-weights must be balanced, none, or a .json file such as {{"ant": 1, "bee": 2.5}}; there is no '
            f"file {option!r}"
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f'{path} is no JSON ({error}); it must hold an object such as {{"ant": 1}}') from None
    try:
        return checked_weights(json.dumps(found))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def checked_weights(text: str) -> str:
    """The text of a recipe, in the one form that equal weights have. Raises ``ValueError`` for another text."""
    if text in WORDS:
        return text
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found:
        raise ValueError(f"must be balanced, none, or a JSON object of class names and numbers, not {text[:60]!r}")
    for name, weight in found.items():
        sound = isinstance(weight, int | float) and not isinstance(weight, bool) and math.isfinite(weight)
        if not sound or weight <= 0:
            raise ValueError(f"the weight of class {name!r} must be a number above 0, not {weight!r}")
    return json.dumps({name: float(weight) for name, weight in sorted(found.items())}, ensure_ascii=False)


def weights_for(text: str, data: Dataset) -> list[float] | None:
    """The weights of a data set's classes, with mean one over its training examples; ``None`` where all are alike.

    Raises ``ValueError`` for a class that the weights do not name, or that the data do not have.
    """
    if text == "none":
        return None
    labels = data.splits["train"].labels.ravel()
    counts = np.bincount(labels[labels < data.num_classes], minlength=data.num_classes).astype(np.float64)
    if text == "balanced":
        weights = 1 / np.maximum(counts, 1)
    else:
        named = json.loads(text)
        for name in named:
            if name not in data.classes:
                raise unknown(f"class in the class weights of {data.name}", name, data.classes)
        missing = [name for name in data.classes if name not in named]
        if missing:
            raise ValueError(
                f"the class weights leave out {', '.join(missing[:10])}; every class of {data.name} needs one"
            )
        weights = np.array([named[name] for name in data.classes])
    return (weights * counts.sum() / (weights * counts).sum()).tolist()
