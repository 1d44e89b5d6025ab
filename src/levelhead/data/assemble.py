"""From a source to a data set: cut the roles it lacks, read the inputs, measure train, fingerprint all."""

from __future__ import annotations

from typing import Any

import numpy as np

from levelhead.data.fingerprint import Origin, fingerprint
from levelhead.data.lazy import LazyImages
from levelhead.data.memory import Streaming
from levelhead.data.records import ROLES, Dataset, Split
from levelhead.data.source import Source
from levelhead.data.splits import default_cut, split_roles
from levelhead.data.statistics import mean_and_std

IMBALANCE = 3.0  # largest class over smallest from which a note is due
FEW = 5  # examples of a class in a role below which a note is due


def assemble(
    source: Source,
    *,
    train_size: int | None = None,
    cal_size: int | None = None,
    test_size: int | None = None,
    split_seed: int = 0,
    streaming: Streaming = Streaming(),  # noqa: B008 (frozen)
) -> Dataset:
    """Gives every role its examples and computes what depends on them.

    Args:
        source: what a reader handed over.
        train_size: how many training examples are used, after `cal` and `test` were cut.
        cal_size: how many are cut for `cal`.
        test_size: how many are cut for `test`.
        split_seed: decides which.
        streaming: whether images stay on disk.

    Raises:
        ValueError: a class is missing or too small, a size does not fit or has no effect.
        WorkFailed: an image that streams cannot be read.
    """
    _check_every_class_is_in_train(source)
    asked = {"train": train_size, "cal": cal_size, "test": test_size}
    for role in ("cal", "test"):
        if asked[role] is not None and role in source.parts:
            raise ValueError(
                f"{role}_size= has no effect: {source.name} has its own {role} split "
                f"({len(source.parts[role].labels):,} examples); leave it out"
            )
    cut = _cut_sizes(source, asked)
    used = source.train_size if train_size is None else train_size
    labels = source.parts["train"].labels
    try:
        positions = split_roles(labels, classes=source.classes, cut=cut, train_size=used, seed=split_seed)
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from error
    splits, origins = _read_splits(source, positions, streaming)
    inputs = splits["train"].inputs
    streams = isinstance(inputs, LazyImages)
    mean, std = mean_and_std(inputs, source.kind)
    info: dict[str, Any] = {
        "split_seed": split_seed,
        "train_size": train_size,
        "cal_size": cal_size,
        "test_size": test_size,
        "given": [role for role in ROLES if role in source.parts],
        "cut_from_train": sorted(cut),
        "sizes": {role: len(split) for role, split in splits.items()},
    }
    return Dataset(
        name=source.name,
        kind=source.kind,
        classes=source.classes,
        splits=splits,
        mean=mean,
        std=std,
        augment=source.augment,
        origin=f"{source.origin}; streamed" if streams else source.origin,
        notes=(*source.notes, *_notes(source, splits)),
        fingerprint=fingerprint(splits, source.classes, source.words, origins),
        split_info=info,
        words=source.words,
    )


def _read_splits(
    source: Source, positions: dict[str, np.ndarray], streaming: Streaming
) -> tuple[dict[str, Split], dict[str, Origin]]:
    """Each role's examples, those of the train part as `positions` says, other parts whole; and what encoded images
    they are made of."""
    taken = {
        role: (part_role, where)
        for part_role, part in source.parts.items()
        for role, where in (positions if part_role == "train" else {part_role: np.arange(len(part.labels))}).items()
    }
    origins = {
        role: Origin(encoded, where)
        for role, (part_role, where) in taken.items()
        if (encoded := source.parts[part_role].encoded) is not None
    }
    stays = _stays_on_disk(source, origins, streaming)
    first_ids = np.cumsum([0, *(len(source.parts[role].labels) for role in ROLES if role in source.parts)])
    first_id = dict(zip((role for role in ROLES if role in source.parts), first_ids.tolist()))
    on_disk: dict[str, LazyImages] = {}
    splits: dict[str, Split] = {}
    for role, (part_role, where) in taken.items():
        part = source.parts[part_role]
        inputs: np.ndarray | LazyImages
        if stays or (part.encoded is not None and streaming.workers):
            if part_role not in on_disk:
                encoded = origins[role].encoded
                on_disk[part_role] = LazyImages.of(encoded.on_disk(), encoded.form, streaming.decoders)
            inputs = on_disk[part_role].take(where)
            if not stays:
                from levelhead.data.stream import read_all  # which needs torch

                inputs = read_all(inputs)
        else:
            inputs = np.ascontiguousarray(part.read(where))
        splits[role] = Split(inputs, part.labels[where], where + first_id[part_role])
    return {role: splits[role] for role in ROLES if role in splits}, origins


def _stays_on_disk(source: Source, origins: dict[str, Origin], streaming: Streaming) -> bool:
    """Whether the images of all roles stream; refuses words that have no effect here."""
    can = bool(origins) and all(part.encoded is not None for part in source.parts.values())
    if not can:
        if streaming.word == "always":
            raise ValueError(
                f"stream=always has no effect: {source.name} does not lie in image files that could be read one by "
                "one; leave it out"
            )
        if streaming.workers is not None:
            raise ValueError(
                f"workers= has no effect: {source.name} does not lie in image files to decode; leave it out"
            )
        return False
    return streaming.wanted(sum(int(np.prod(o.encoded.form.shape)) * len(o.rows) for o in origins.values()))


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
        assert isinstance(inputs, np.ndarray)
        constant = int((inputs.max(axis=0) == inputs.min(axis=0)).sum())
        if constant:
            notes.append(f"{constant} of {inputs.shape[1]} features are constant in train")
    return notes
