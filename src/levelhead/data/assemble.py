"""From a source to a data set: cut the roles it lacks, read the inputs, measure train, fingerprint all."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from levelhead.data.broken import seen_once
from levelhead.data.fingerprint import Origin, fingerprint
from levelhead.data.lazy import LazyImages
from levelhead.data.memory import Streaming
from levelhead.data.records import ROLES, Dataset, Split, class_counts
from levelhead.data.source import Part, Source
from levelhead.data.splits import default_cut, split_roles
from levelhead.data.statistics import mean_and_std
from levelhead.errors import WorkFailed

IMBALANCE = 3.0  # largest class over smallest from which a note is due
FEW = 5  # examples of a class in a role below which a note is due


def assemble(
    source: Source,
    *,
    train_size: int | None = None,
    cal_size: int | None = None,
    test_size: int | None = None,
    val_size: int | None = None,
    needs_val: bool = False,
    split_seed: int = 0,
    streaming: Streaming = Streaming(),  # noqa: B008 (frozen)
) -> Dataset:
    """Gives every role its examples and computes what depends on them.

    Args:
        source: what a reader handed over.
        train_size: how many training examples are used, after `cal` and `test` were cut.
        cal_size: how many are cut for `cal`.
        test_size: how many are cut for `test`.
        val_size: how many are cut for `val`.
        needs_val: whether `val` is cut, in a usual size, where the source has none and nobody said how large.
        split_seed: decides which.
        streaming: whether images stay on disk.

    Raises:
        ValueError: a class is missing or too small, a size does not fit or has no effect, images cannot be read.
        WorkFailed: a process that decodes images died.
    """
    _check_every_class_is_in_train(source)
    _check_groups_are_apart(source)
    asked = {"train": train_size, "cal": cal_size, "test": test_size, "val": val_size}
    for role in ("cal", "test", "val"):
        if asked[role] is not None and role in source.parts:
            raise ValueError(
                f"{role}_size= has no effect: {source.name} has its own {role} split "
                f"({len(source.parts[role].labels):,} examples); leave it out"
            )
    cut = _cut_sizes(source, asked, needs_val)
    used = source.train_size if train_size is None else train_size
    labels, strata = _strata(source)
    groups = source.parts["train"].groups
    try:
        positions = split_roles(labels, classes=strata, cut=cut, train_size=used, seed=split_seed, groups=groups)
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from error
    source = _windowed(source, streaming)
    splits, origins = _read_splits(source, positions, streaming)
    inputs = splits["train"].inputs
    name = fingerprint(splits, source.classes, source.words, origins)
    lazy = {role: split.inputs for role, split in splits.items() if isinstance(split.inputs, LazyImages)}
    mean, std = mean_and_std(inputs, source.kind, seen_once(lazy, name) if lazy else None)
    info: dict[str, Any] = {
        "split_seed": split_seed,
        "train_size": train_size,
        "cal_size": cal_size,
        "test_size": test_size,
        **({"val_size": val_size} if "val" in cut else {}),
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
        origin=f"{source.origin}; streamed" if lazy else source.origin,
        notes=tuple(dict.fromkeys((*source.notes, *_group_notes(source, positions, cut), *_notes(source, splits)))),
        fingerprint=name,
        split_info=info,
        words=source.words,
    )


def _read_splits(
    source: Source, positions: dict[str, np.ndarray], streaming: Streaming
) -> tuple[dict[str, Split], dict[str, Origin]]:
    """Each role's examples, those of the train part as `positions` says, other parts whole; and the encoded images
    that they are made of."""
    taken = {role: {role: np.arange(len(part.labels))} for role, part in source.parts.items()} | {"train": positions}
    stays = _stays_on_disk(source, taken, streaming)
    splits: dict[str, Split] = {}
    origins: dict[str, Origin] = {}
    first_id = 0
    for part_role in (role for role in ROLES if role in source.parts):
        part = source.parts[part_role]
        lazy = None
        if part.encoded is not None and (stays or streaming.workers):
            lazy = LazyImages.of(part.encoded.on_disk(), part.encoded.form, streaming.decoders)
        for role, where in taken[part_role].items():
            inputs = np.ascontiguousarray(part.read(where)) if lazy is None else lazy.take(where)
            if isinstance(inputs, LazyImages) and not stays:
                inputs = _held(inputs, part, where)
            splits[role] = Split(inputs, part.labels[where], where + first_id)
            if part.encoded is not None:
                origins[role] = Origin(part.encoded, where)
        first_id += len(part.labels)
    return {role: splits[role] for role in ROLES if role in splits}, origins


def _windowed(source: Source, streaming: Streaming) -> Source:
    """The source without random windows of its own where images cannot be cut anew from what they were."""
    encoded = all(part.encoded is not None for part in source.parts.values())
    if source.augment.window is None or (encoded and streaming.word != "never"):
        return source
    note = "images are held in memory, so training has no random windows of the originals; they would need to stream"
    return replace(source, augment=replace(source.augment, window=None), notes=(*source.notes, note))


def _held(images: LazyImages, part: Part, where: np.ndarray) -> np.ndarray:
    """The images decoded by the workers; if they cannot be, what is wrong is said as without workers."""
    from levelhead.data.stream import read_all  # which needs torch

    try:
        return read_all(images)
    except WorkFailed:
        part.read(where)
        raise


def _stays_on_disk(source: Source, taken: dict[str, dict[str, np.ndarray]], streaming: Streaming) -> bool:
    """Whether the images of all roles stream; refuses words that have no effect here."""
    forms = {role: part.encoded.form for role, part in source.parts.items() if part.encoded is not None}
    if len(forms) < len(source.parts):
        if streaming.word == "always":
            raise ValueError(
                f"{source.name} does not lie in files of encoded images that could be read one by one, so it cannot "
                "stream; leave out stream=always, and a random resized crop"
            )
        if streaming.workers is not None:
            raise ValueError(
                f"workers= has no effect: {source.name} does not lie in image files to decode; leave it out"
            )
        return False
    if source.augment.window is not None:
        return True
    numbers = {role: sum(map(len, rows.values())) for role, rows in taken.items()}
    return streaming.wanted(sum(number * prod(forms[role].shape) for role, number in numbers.items()))


def _strata(source: Source) -> tuple[np.ndarray, tuple[str, ...]]:
    """What a cut is stratified by: the classes; images of a segmentation hold many, and are cut at random."""
    labels = source.parts["train"].labels
    if source.kind == "segmentation":
        return np.zeros(len(labels), dtype=np.int64), ("image with mask",)
    return labels, source.classes


def _check_every_class_is_in_train(source: Source) -> None:
    if "train" not in source.parts:
        raise ValueError(
            f"{source.name} is a test set alone, which nothing can be trained on; ask a trained network about it with "
            f"--probe natural_adversarial:{source.name}"
        )
    counts = class_counts(source.parts["train"].labels, len(source.classes))
    if (counts > 0).sum() < 2:
        only = source.classes[int(np.argmax(counts))]
        raise ValueError(f"{source.name} holds only one class ({only}); a classifier needs at least two")
    missing = [name for name, count in zip(source.classes, counts) if count == 0]
    if missing and source.kind != "segmentation":  # there a rare class may lie in other images; a note says so
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


def _cut_sizes(source: Source, asked: dict[str, int | None], needs_val: bool) -> dict[str, int]:
    """How many examples the other roles take from train: as asked, as the source says, or the default."""
    number = len(source.parts["train"].labels)
    default = default_cut(number, len(_strata(source)[1]))
    cut: dict[str, int] = {}
    if "cal" not in source.parts:
        cut["cal"] = asked["cal"] or source.cal_size or default
    if "val" not in source.parts and (asked["val"] or needs_val):
        cut["val"] = asked["val"] or default
    if "test" not in source.parts:
        cut["test"] = asked["test"] or default
        if source.train_size and asked["test"] is None:
            others = {role: size for role, size in cut.items() if role != "test"}
            cut["test"] = _rest(source, number, others, max(source.train_size, asked["train"] or 0))
    return cut


def _rest(source: Source, number: int, others: dict[str, int], train: int) -> int:
    rest = number - sum(others.values()) - train
    if rest < len(source.classes):
        raise ValueError(
            f"{source.name} has {number:,} examples: {train:,} for train"
            f"{''.join(f' and {size:,} for {role}' for role, size in others.items())} leave "
            f"{max(rest, 0):,} for test, which needs {len(source.classes)} or more; make "
            f"{' or '.join(f'{role}_size' for role in ('train', *others))} smaller"
        )
    return rest


def _notes(source: Source, splits: dict[str, Split]) -> list[str]:
    notes = []
    what = "pixels" if source.kind == "segmentation" else "examples"
    if what == "pixels":
        images = ", ".join(f"{len(split):,} {role}" for role, split in splits.items())
        notes.append(f"counts are of pixels, without the ignored ones; images: {images}")
    counts = class_counts(splits["train"].labels, len(source.classes))
    largest, smallest = int(np.argmax(counts)), int(np.argmin(counts))
    if counts[largest] > IMBALANCE * counts[smallest] > 0:
        notes.append(
            f"train is imbalanced: class {source.classes[largest]} has "
            f"{counts[largest] / counts[smallest]:.1f} times the {what} of class "
            f"{source.classes[smallest]} ({counts[largest]:,} against {counts[smallest]:,})"
        )
    for role, split in splits.items():
        counts = class_counts(split.labels, len(source.classes))
        if counts.min() < FEW:
            index = int(np.argmin(counts))
            few = int((counts < FEW).sum())
            notes.append(
                f"{role} has fewer than {FEW} {what} of {few} of {len(counts)} classes (class "
                f"{source.classes[index]}: {counts[index]}): what is measured there is uncertain"
            )
    if source.kind == "vector":
        inputs = splits["train"].inputs
        assert isinstance(inputs, np.ndarray)
        constant = int((inputs.max(axis=0) == inputs.min(axis=0)).sum())
        if constant:
            notes.append(f"{constant} of {inputs.shape[1]} features are constant in train")
    return notes
