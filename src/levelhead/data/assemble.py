"""From a source to a data set: cut the roles it lacks, read the inputs, measure train, fingerprint all."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from levelhead.data.checks import chunks
from levelhead.data.records import ROLES, Dataset, Kind, Split
from levelhead.data.source import Source
from levelhead.data.splits import default_cut, split_roles

IMBALANCE = 3.0  # largest class over smallest from which a note is due
FEW = 5  # examples of a class in a role below which a note is due


def assemble(
    source: Source,
    *,
    train_size: int | None = None,
    cal_size: int | None = None,
    test_size: int | None = None,
    split_seed: int = 0,
) -> Dataset:
    """Gives every role its examples and computes what depends on them.

    Args:
        source: what a reader handed over.
        train_size: how many training examples are used, after `cal` and `test` were cut.
        cal_size: how many are cut for `cal`.
        test_size: how many are cut for `test`.
        split_seed: decides which.

    Raises:
        ValueError: a class is missing or too small, a size does not fit or has no effect.
    """
    _check_every_class_is_in_train(source)
    _check_groups_are_apart(source)
    asked = {"train": train_size, "cal": cal_size, "test": test_size}
    for role in ("cal", "test"):
        if asked[role] is not None and role in source.parts:
            raise ValueError(
                f"{role}_size= has no effect: {source.name} has its own {role} split "
                f"({len(source.parts[role].labels):,} examples); leave it out"
            )
    cut = _cut_sizes(source, asked)
    used = source.train_size if train_size is None else train_size
    part = source.parts["train"]
    try:
        positions = split_roles(
            part.labels, classes=source.classes, cut=cut, train_size=used, seed=split_seed, groups=part.groups
        )
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from error
    splits = _read_splits(source, positions)
    mean, std = mean_and_std(splits["train"].inputs, source.kind)
    info: dict[str, Any] = {
        "split_seed": split_seed,
        "train_size": train_size,
        "cal_size": cal_size,
        "test_size": test_size,
        "given": [role for role in ROLES if role in source.parts],
        "cut_from_train": sorted(cut),
        "sizes": {role: len(split) for role, split in splits.items()},
        **source.facts,
    }
    return Dataset(
        name=source.name,
        kind=source.kind,
        classes=source.classes,
        splits=splits,
        mean=mean,
        std=std,
        augment=source.augment,
        origin=source.origin,
        notes=(*source.notes, *_group_notes(source, positions, cut), *_notes(source, splits)),
        fingerprint=fingerprint(splits, source.classes, source.words),
        split_info=info,
        words=source.words,
    )


def mean_and_std(inputs: np.ndarray, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel (images, in [0, 1] units) or each feature (vectors); none for texts.

    Two passes in float64, chunk by chunk. Where there is no spread (less than 1e-6 of the values' size) the
    deviation is given as 1, so that dividing by it leaves a constant a constant.

    Returns:
        Two float32 arrays, `(C,)` or `(D,)`.
    """
    if kind == "text":
        return np.empty(0, np.float32), np.empty(0, np.float32)
    axes = (0, 2, 3) if kind == "image" else (0,)
    unit = 255.0 if inputs.dtype == np.uint8 else 1.0
    number = inputs.size // inputs.shape[1]
    mean = sum(chunk.sum(axis=axes, dtype=np.float64) for chunk in chunks(inputs)) / number
    around = mean.reshape(-1, 1, 1) if kind == "image" else mean
    square = sum(np.square(chunk - around).sum(axis=axes) for chunk in chunks(inputs)) / number
    std = np.sqrt(square) / unit
    mean = mean / unit
    flat = std <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
    return mean.astype(np.float32), np.where(flat, 1.0, std).astype(np.float32)


def fingerprint(splits: dict[str, Split], classes: tuple[str, ...], words: tuple[str, ...] | None = None) -> str:
    """SHA-256 (hex) of class names, of the vocabulary and, role by role, of the arrays with their types and shapes."""
    digest = hashlib.sha256(repr(classes).encode())
    if words is not None:
        digest.update(repr(words).encode())
    for role in sorted(splits):
        for array in (splits[role].inputs, splits[role].labels):
            digest.update(f"{role} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read_splits(source: Source, positions: dict[str, np.ndarray]) -> dict[str, Split]:
    """Each role's examples: those of the train part as `positions` says, other parts whole."""
    splits: dict[str, Split] = {}
    first_id = 0
    for part_role in (role for role in ROLES if role in source.parts):
        part = source.parts[part_role]
        taken = positions if part_role == "train" else {part_role: np.arange(len(part.labels))}
        for role, where in taken.items():
            inputs = np.ascontiguousarray(part.read(where))
            splits[role] = Split(inputs, part.labels[where], where + first_id)
        first_id += len(part.labels)
    return {role: splits[role] for role in ROLES if role in splits}


def _check_every_class_is_in_train(source: Source) -> None:
    counts = np.bincount(source.parts["train"].labels, minlength=len(source.classes))
    if (counts > 0).sum() < 2:
        only = source.classes[int(np.argmax(counts))]
        raise ValueError(f"{source.name} holds only one class ({only}); a classifier needs at least two")
    missing = [name for name, count in zip(source.classes, counts) if count == 0]
    if missing:
        raise ValueError(
            f"{source.name}: no training example of class {', '.join(missing)}; train must hold every class"
        )


def _check_groups_are_apart(source: Source) -> None:
    """Raises ValueError where two parts that the source has itself share a group."""
    seen: dict[str, np.ndarray] = {}
    for role, part in source.parts.items():
        if part.groups is None:
            continue
        known = np.unique(part.groups)
        for other, groups in seen.items():
            both = np.intersect1d(known, groups)
            if len(both):
                raise ValueError(
                    f"{source.name}: {len(both):,} groups lie in both {other} and {role} (the first: {both[0]}), so "
                    f"{role} would measure what {other} has seen; move each group to one split, or leave the splits out"
                )
        seen[role] = known


def _group_notes(source: Source, positions: dict[str, np.ndarray], cut: dict[str, int]) -> list[str]:
    groups = source.parts["train"].groups
    if groups is None or not cut:
        return []
    each = [f"{role} {len(np.unique(groups[positions[role]])):,} groups" for role in positions]
    notes = [f"groups were kept whole: {', '.join(each)}"]
    for role, size in cut.items():
        got = len(positions[role])
        if abs(got - size) > 0.1 * size:
            notes.append(f"{role} has {got:,} examples where {size:,} were wanted: groups are not parted")
    return notes


def _cut_sizes(source: Source, asked: dict[str, int | None]) -> dict[str, int]:
    """How many examples `test` and `cal` take from train: as asked, as the source says, or the default."""
    number = len(source.parts["train"].labels)
    default = default_cut(number, len(source.classes))
    cut: dict[str, int] = {}
    if "cal" not in source.parts:
        cut["cal"] = asked["cal"] or source.cal_size or default
    if "test" not in source.parts:
        cut["test"] = asked["test"] or default
        if source.train_size and asked["test"] is None:
            cut["test"] = _rest(source, number, cut["cal"], max(source.train_size, asked["train"] or 0))
    return cut


def _rest(source: Source, number: int, cal: int, train: int) -> int:
    rest = number - cal - train
    if rest < len(source.classes):
        raise ValueError(
            f"{source.name} has {number:,} examples: {train:,} for train and {cal:,} for cal leave "
            f"{max(rest, 0):,} for test, which needs {len(source.classes)} or more; make train_size or "
            "cal_size smaller"
        )
    return rest


def _notes(source: Source, splits: dict[str, Split]) -> list[str]:
    notes = []
    counts = np.bincount(splits["train"].labels, minlength=len(source.classes))
    largest, smallest = int(np.argmax(counts)), int(np.argmin(counts))
    if counts[largest] > IMBALANCE * counts[smallest]:
        notes.append(
            f"train is imbalanced: class {source.classes[largest]} has "
            f"{counts[largest] / counts[smallest]:.1f} times the examples of class "
            f"{source.classes[smallest]} ({counts[largest]:,} against {counts[smallest]:,})"
        )
    for role, split in splits.items():
        counts = np.bincount(split.labels, minlength=len(source.classes))
        if counts.min() < FEW:
            index = int(np.argmin(counts))
            few = int((counts < FEW).sum())
            notes.append(
                f"{role} has fewer than {FEW} examples of {few} of {len(counts)} classes (class "
                f"{source.classes[index]}: {counts[index]}): what is measured there is uncertain"
            )
    if source.kind == "vector":
        inputs = splits["train"].inputs
        constant = int((inputs.max(axis=0) == inputs.min(axis=0)).sum())
        if constant:
            notes.append(f"{constant} of {inputs.shape[1]} features are constant in train")
    return notes
