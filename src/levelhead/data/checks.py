"""Whether labels and inputs can be trained on; every refusal says where and what would do.

`where` names the thing in the user's words: a path, an array of a file, a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

CHUNK = 1 << 18  # values worked on together: what is made of them stays in the processor's cache


def chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Views of some examples each, so that working on a large array needs no second one."""
    step = max(1, CHUNK * len(array) // max(1, array.size))
    return (array[start : start + step] for start in range(0, len(array), step))


def check_lengths(where: str, num_inputs: int, num_labels: int) -> None:
    """Raises ValueError unless there are as many labels as inputs, and any at all."""
    if num_inputs != num_labels:
        raise ValueError(f"{where}: {num_inputs:,} inputs but {num_labels:,} labels; there must be one label an input")
    if num_labels == 0:
        raise ValueError(f"{where} is empty; every split needs at least one example of each class")


def check_finite(where: str, inputs: np.ndarray) -> None:
    """Raises ValueError if an input holds NaN or infinity: how many examples do, and which is the first."""
    if inputs.dtype.kind != "f":
        return
    parts = (np.isfinite(chunk).reshape(len(chunk), -1).all(axis=1) for chunk in chunks(inputs))
    bad = ~np.concatenate(list(parts))
    if bad.any():
        raise ValueError(
            f"{where}: {int(bad.sum()):,} of {len(inputs):,} examples hold NaN or infinite values, the "
            f"first at index {int(np.argmax(bad))}; remove or fill them before training"
        )


def check_unit_range(where: str, images: np.ndarray) -> None:
    """Raises ValueError unless every value of these finite images is in [0, 1]: extremes and first index."""
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 1:
        return
    outside = ((images < 0) | (images > 1)).reshape(len(images), -1).any(axis=1)
    raise ValueError(
        f"{where}: images of floating point must lie in [0, 1], got values from {low:g} to {high:g}, the "
        f"first outside at index {int(np.argmax(outside))}; divide by 255, or store them as uint8"
    )


def encode_labels(
    labels: Mapping[str, np.ndarray],
) -> tuple[tuple[str, ...], dict[str, np.ndarray], tuple[str, ...]]:
    """Turns a user's labels into indices: whole numbers in their order, or words in alphabetical order.

    The classes are those of train. Numbers with gaps (or that do not start at 0) are numbered anew, with a
    note.

    Args:
        labels: arrays `(N,)` of whole numbers, booleans or strings; keys say where they are from, the first
            is train's.

    Returns:
        Class names; int64 labels under the same keys; notes.

    Raises:
        ValueError: labels of another kind or shape, negative, empty, only one class, or a class that train
            lacks.
    """
    checked = {where: _check_label_values(where, np.asarray(values)) for where, values in labels.items()}
    train_key = next(iter(checked))
    if len({values.dtype.kind == "U" for values in checked.values()}) > 1:
        raise ValueError(f"labels are words in one of {', '.join(checked)} and numbers in another; use one kind")
    known = np.unique(checked[train_key])
    if len(known) < 2:
        raise ValueError(f"{train_key} holds only one class ({known[0]}); a classifier needs at least two")
    for where, values in checked.items():
        unknown = np.setdiff1d(values, known)
        if len(unknown):
            first = int(np.argmax(np.isin(values, unknown)))
            raise ValueError(
                f"{where}: class {_listed(unknown)} has no example in {train_key} (first at index {first}); "
                f"train must hold every class, and holds {_listed(known)}"
            )
    indices = {where: np.searchsorted(known, values).astype(np.int64) for where, values in checked.items()}
    classes = tuple(str(value) for value in known)
    notes: tuple[str, ...] = ()
    if known.dtype.kind in "iu" and not np.array_equal(known, np.arange(len(known))):
        notes = (f"labels {_listed(known)} were numbered anew as 0 to {len(known) - 1}",)
    return classes, indices, notes


def check_class_indices(where: str, labels: np.ndarray, classes: Sequence[str]) -> None:
    """Raises ValueError unless labels of a known data set are whole numbers that its classes have."""
    values = _check_label_values(where, labels)
    if int(values.max()) >= len(classes):
        first = int(np.argmax(values >= len(classes)))
        raise ValueError(
            f"{where}: labels must be from 0 to {len(classes) - 1}, got {values[first]} at index {first}; "
            "the file is of another data set or damaged"
        )


def _check_label_values(where: str, values: np.ndarray) -> np.ndarray:
    if values.ndim != 1:
        raise ValueError(f"{where}: labels must be of shape (N,), got {values.shape}; one whole number an example")
    if len(values) == 0:
        raise ValueError(f"{where} is empty; every split needs at least one example of each class")
    if values.dtype.kind == "b":
        return values.astype(np.int64)
    if values.dtype.kind == "U":
        return values
    if values.dtype.kind not in "iu":
        fix = "write whole numbers (for example labels.astype('int64')) or words"
        fractions = np.flatnonzero(values != np.floor(values)) if values.dtype.kind == "f" else np.array([], int)
        at = f"; the first is {values[fractions[0]]:g} at index {fractions[0]}" if len(fractions) else ""
        raise ValueError(f"{where}: labels must be whole numbers, got {values.dtype}{at}; {fix}")
    if int(values.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"{where}: labels must be below 2**63, got {values.max()}; number the classes 0, 1, 2, ...")
    if int(values.min()) < 0:
        first = int(np.argmax(values < 0))
        raise ValueError(
            f"{where}: labels must not be negative, got {values[first]} at index {first} "
            f"({int((values < 0).sum()):,} in all); number the classes 0, 1, 2, ... and leave unlabelled "
            "rows out"
        )
    return values.astype(np.int64)


def _listed(values: np.ndarray, most: int = 8) -> str:
    shown = ", ".join(str(value) for value in values[:most])
    return shown if len(values) <= most else f"{shown}, ... ({len(values)} in all)"
