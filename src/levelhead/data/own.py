"""`package.module:function` as data: a function of the user's own that returns data sets, called without the network.

It returns one of

- a `levelhead.data.Dataset` or `Source`: taken as it is;
- train and test (or train, val and test) as a tuple, or a dictionary of `train`, `val`, `cal`, `test`: data sets as
  torch and torchvision have them, whose items are an input and a whole number. Images are PIL images, or arrays or
  tensors of uint8 or of [0, 1], channels first or last; vectors are arrays. Class names are their `classes`, if any.

Items are asked for once, in order, and kept: what the user's transforms draw at random stays as it was drawn.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from levelhead.data.checks import check_class_indices, check_finite, check_unit_range, encode_labels
from levelhead.data.lazy import LazyImages
from levelhead.data.records import ROLES, Dataset, Split
from levelhead.data.source import Part, Request, Source

_PATH = re.compile(r"\s*[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\s*(\(.*\))?\s*", re.DOTALL)


def is_path(text: str) -> bool:
    """Whether a text is written as package.module:function, perhaps with arguments behind it.

    >>> is_path("mine.photos:load(size=64)"), is_path("hf:mnist"), is_path("photos/2024")
    (True, True, False)
    """
    return _PATH.fullmatch(text) is not None


def read(request: Request) -> Source:
    """What the function returns, as a source.

    Raises:
        ValueError: it cannot be found or fails, or what it returns is no data set.
    """
    from levelhead.models.names import read_name

    _, path, given = read_name(request.source, what="data set")
    module_name, _, function_name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"cannot find the data set {path!r}: {error}; it must be an importable package.module:function "
            "(run from the folder that holds the module, or install it)"
        ) from None
    try:
        returned = function(**given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the data set {path!r} could not be made: {error}") from error
    if isinstance(returned, Source):
        return returned
    if isinstance(returned, Dataset):
        return _of_dataset(returned)
    return _of_sets(path, _by_role(path, returned))


def _as_part(split: Split) -> Part:
    if isinstance(split.inputs, LazyImages):
        return Part.of_encoded(split.inputs, split.labels)
    return Part.of_array(split.inputs, split.labels)


def _of_dataset(data: Dataset) -> Source:
    return Source(
        name=data.name,
        kind=data.kind,
        classes=data.classes,
        parts={role: _as_part(split) for role, split in data.splits.items()},
        origin=data.origin,
        augment=data.augment,
        notes=data.notes,
        words=data.words,
    )


def _by_role(path: str, returned: Any) -> dict[str, Any]:
    if isinstance(returned, Mapping):
        sets = dict(returned)
    elif isinstance(returned, tuple) and 2 <= len(returned) <= 3:
        sets = dict(zip(("train", "test") if len(returned) == 2 else ("train", "val", "test"), returned))
    else:
        sets = {"train": returned}
    lengthless = [
        role for role, each in sets.items() if not (hasattr(each, "__getitem__") and hasattr(each, "__len__"))
    ]
    if lengthless or "train" not in sets or set(sets) - set(ROLES):
        raise ValueError(
            f"{path!r} must return a levelhead Dataset or Source, or data sets with items and a length: (train, test), "
            f"(train, val, test) or a dictionary of {', '.join(ROLES)}; it returned {type(returned).__name__}"
        )
    return sets


def _of_sets(path: str, sets: Mapping[str, Any]) -> Source:
    inputs, labels = {}, {}
    for role, each in sets.items():
        where = f"{path}, {role}"
        inputs[role], labels[role] = _items(where, each)
    shapes = {array.shape[1:] for array in inputs.values()}
    if len(shapes) > 1:
        raise ValueError(f"{path}: all parts must have inputs of one shape, got {', '.join(map(str, shapes))}")
    stored = getattr(sets["train"], "classes", None)
    notes: tuple[str, ...] = ()
    if stored:
        classes = tuple(str(name) for name in stored)
        for role, each in labels.items():
            check_class_indices(f"{path}, {role}", each, classes)
    else:
        classes, labels, notes = encode_labels(labels)
    return Source(
        name=path.replace(":", "."),  # results lie in a folder of this name
        kind="image" if len(next(iter(shapes))) == 3 else "vector",
        classes=classes,
        parts={role: Part.of_array(inputs[role], labels[role]) for role in sets},
        origin=f"the function {path}",
        notes=notes,
    )


def _items(where: str, items: Any) -> tuple[np.ndarray, np.ndarray]:
    """All inputs `(N, C, H, W)` or `(N, D)`, and labels, in order."""
    inputs, labels = [], []
    for place in range(len(items)):
        item = items[place]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise ValueError(f"{where}: item {place} must be an input and a label, got {type(item).__name__}")
        inputs.append(_array(f"{where}, item {place}", item[0]))
        if inputs[place].shape != inputs[0].shape or inputs[place].dtype != inputs[0].dtype:
            raise ValueError(
                f"{where}: all inputs must have one shape and type; item 0 is {inputs[0].dtype} {inputs[0].shape}, "
                f"item {place} is {inputs[place].dtype} {inputs[place].shape}: resize them in the function"
            )
        labels.append(_label(f"{where}, item {place}", item[1]))
    if not inputs:
        raise ValueError(f"{where} is empty; every split needs at least one example of each class")
    stacked = np.stack(inputs)
    check_finite(where, stacked)
    if stacked.ndim == 4 and stacked.dtype == np.float32:
        check_unit_range(where, stacked)
    return stacked, np.array(labels, dtype=np.int64)


def _array(where: str, value: Any) -> np.ndarray:
    """One input as uint8 or float32, `(C, H, W)` or `(D,)`."""
    from PIL import Image

    if isinstance(value, Image.Image) and value.mode not in ("L", "RGB"):
        value = value.convert("RGB")
    array = np.asarray(value)
    if array.dtype != np.uint8 or array.ndim == 1:
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{where}: inputs must be images or arrays of numbers, got {type(value).__name__}")
        array = array.astype(np.float32)
    if array.ndim == 1:
        return array
    if array.ndim == 2:
        return array[None]
    if array.ndim == 3 and (array.shape[0] in (1, 3) or array.shape[2] in (1, 3)):
        return array if array.shape[0] in (1, 3) else array.transpose(2, 0, 1)
    raise ValueError(f"{where}: inputs must be (C, H, W), (H, W, C), (H, W) or (D,), got {array.shape}")


def _label(where: str, value: Any) -> int:
    label = np.asarray(value)
    if label.size != 1 or label.dtype.kind not in "iub":
        raise ValueError(f"{where}: a label must be one whole number, got {value!r}")
    return int(label.item())
