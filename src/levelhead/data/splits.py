"""Cutting roles out of labels: stratified, seeded, and independent of each other's sizes.

Each class is shuffled once. `test` takes from the front of the shuffled class, `val` what follows, `cal` from its
back, and `train` takes the examples next to `cal`'s. So `cal` and `test` stay the same whatever part of train is used
and whether `val` is cut, `test` does not move with the size of `cal` nor `cal` with that of `test` (unless a class is
nearly used up), and a smaller cut is a part of a larger one, up to the rounding of the classes' shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from levelhead.data.grouped import deal_groups

#: The roles that can be cut, in the order in which they take.
CUT = ("test", "cal", "val")
CUT_FRACTION = 0.1
CUT_AT_LEAST = 300
CUT_AT_MOST = 0.25


def default_cut(num_examples: int, num_classes: int) -> int:
    """How many examples are cut for a role that the source lacks.

    A tenth, at least 300, but never more than a quarter of what is there; and in any case one for each class.

    >>> default_cut(60_000, 10), default_cut(2_000, 10), default_cut(1_000, 10)
    (6000, 300, 250)
    """
    tenth = round(CUT_FRACTION * num_examples)
    return max(min(max(tenth, CUT_AT_LEAST), int(CUT_AT_MOST * num_examples)), num_classes)


def shares(counts: np.ndarray, size: int, room: np.ndarray) -> np.ndarray:
    """Divides `size` among classes in proportion to `counts`: at least one each, at most `room` each.

    Largest remainders are rounded up first; of equal ones the earlier class.

    Args:
        counts: examples of each class, `(C,)`, none of them zero.
        size: what is divided, from C to `room.sum()`.
        room: how many each class can give, `(C,)`, at least one.

    Returns:
        int64 `(C,)` whose sum is `size`.

    >>> counts = np.array([50, 30, 20])
    >>> shares(counts, 7, counts)
    array([4, 2, 1])
    """
    assert len(counts) <= size <= room.sum()
    assert room.min() >= 1
    exact = size * counts / counts.sum()
    quota = np.clip(np.floor(exact).astype(np.int64), 1, room)
    while (missing := size - quota.sum()) != 0:
        step = int(np.sign(missing))
        movable = quota < room if step > 0 else quota > 1
        best = np.argmax(np.where(movable, step * (exact - quota), -np.inf))
        quota[best] += step
    return quota


def split_roles(
    labels: np.ndarray,
    *,
    classes: Sequence[str],
    cut: Mapping[str, int],
    train_size: int | None = None,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Divides the examples of one part into `train` and the roles of `cut`.

    Args:
        labels: int64 `(N,)`, each class at least once.
        classes: the classes' names, for errors.
        cut: how many examples `test`, `cal` and `val` get; a role that is not cut is left out.
        train_size: how many of the rest are used for `train`; None for all.
        seed: decides all of them; the same seed, labels and sizes give the same split.
        groups: what each example belongs to, `(N,)`, or None. Groups are dealt whole: sizes are met only about,
            and a class with few groups may be missing from a role, though never from train.

    Returns:
        Sorted int64 positions a role, disjoint, each class in each role.

    Raises:
        ValueError: a class has too few examples, or a size has no room; with the numbers that would do.
    """
    if groups is not None and cut:
        if sum(cut.values()) >= len(labels):
            parts = " and ".join(f"{role} ({size:,})" for role, size in cut.items())
            raise ValueError(
                f"{parts} leave nothing of {len(labels):,} examples for train; make "
                f"{' or '.join(f'{role}_size' for role in cut)} smaller"
            )
        dealt = deal_groups(labels, groups, classes=classes, cut=cut, seed=seed)
        rest = dealt["train"]
        thinned = split_roles(labels[rest], classes=classes, cut={}, train_size=train_size, seed=seed)
        return {**dealt, "train": rest[thinned["train"]]}
    counts = np.bincount(labels, minlength=len(classes))
    _need_examples_of_each_class(counts, classes, cut)
    for role, size in cut.items():
        _need_room(f"{role}_size", size, len(classes), len(labels) - len(classes) * len(cut))
    if sum(cut.values()) > len(labels) - len(classes):
        parts = " and ".join(f"{role} ({size:,})" for role, size in cut.items())
        raise ValueError(
            f"{parts} leave no example of each of {len(classes)} classes for train: there are "
            f"{len(labels):,} examples in all; make {' or '.join(f'{role}_size' for role in cut)} smaller"
        )
    taken = {role: np.zeros_like(counts) for role in CUT}
    for position, role in enumerate(role for role in CUT if role in cut):
        others = len(cut) - position - 1  # roles still to come, each of which needs one example of each class
        room = counts - sum(taken.values()) - others - 1
        taken[role] = shares(counts, cut[role], room)
    rest = counts - sum(taken.values())
    kept = rest
    if train_size is not None:
        _need_room("train_size", train_size, len(classes), int(rest.sum()), after=cut)
        kept = shares(rest, train_size, rest)
    return _deal(labels, seed, taken, kept, [*cut, "train"])


def _deal(
    labels: np.ndarray, seed: int, taken: Mapping[str, np.ndarray], kept: np.ndarray, roles: Sequence[str]
) -> dict[str, np.ndarray]:
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    ends = np.cumsum(np.bincount(labels, minlength=len(kept)))
    dealt: dict[str, list[np.ndarray]] = {role: [] for role in (*CUT, "train")}
    for index, members in enumerate(np.split(by_class, ends[:-1])):
        front, back = taken["test"][index], len(members) - taken["cal"][index]
        dealt["test"].append(members[:front])
        dealt["val"].append(members[front : front + taken["val"][index]])
        dealt["cal"].append(members[back:])
        dealt["train"].append(members[back - kept[index] : back])
    return {role: np.sort(np.concatenate(dealt[role])).astype(np.int64) for role in roles}


def _need_examples_of_each_class(counts: np.ndarray, classes: Sequence[str], cut: Mapping[str, int]) -> None:
    needed = len(cut) + 1
    if counts.min() >= needed:
        return
    index = int(np.argmin(counts))
    roles = ", ".join(["train", *cut])
    raise ValueError(
        f"class {classes[index]!r} has {_examples(int(counts[index]))}, too few to split: each class needs "
        f"at least {needed}, one for each of {roles}; add examples, leave the class out, or bring your own "
        f"{' and '.join(cut)}"
    )


def _need_room(name: str, size: int, lowest: int, highest: int, after: Mapping[str, int] | None = None) -> None:
    if lowest <= size <= highest:
        return
    why = f"one example for each of {lowest} classes" if size < lowest else "what is there"
    if size > highest and after:
        parts = " and ".join(f"{role} ({count:,})" for role, count in after.items())
        why = f"what is left after {parts} were cut"
    raise ValueError(f"{name} must be from {lowest:,} to {highest:,} here ({why}); got {size:,}")


def _examples(count: int) -> str:
    return f"{count} example" if count == 1 else f"{count} examples"
