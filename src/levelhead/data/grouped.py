"""Cutting roles out of labels without ever parting a group: frames of one object, posts of one author.

Whole groups are dealt, so sizes and shares of classes are only as near to what was asked as the groups allow. A role
takes groups in random order, each where it brings the role's classes nearer to their shares; a class that is still
missing gets its best group afterwards. Train always keeps a group of every class.
G groups, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ORDER = ("test", "cal", "val")  # what is cut first does not move with the size of what is cut later


@dataclass(frozen=True, eq=False)
class _Held:
    """What groups hold, as pairs of group and class: many groups hold few of many classes.

    Attributes:
        group: of each pair, ascending, `(P,)`.
        kind: the class of each pair.
        number: examples of the class in the group.
        start: where the pairs of each group begin, `(G + 1,)`.
    """

    group: np.ndarray
    kind: np.ndarray
    number: np.ndarray
    start: np.ndarray

    @classmethod
    def count(cls, member: np.ndarray, labels: np.ndarray, num_groups: int, num_classes: int) -> _Held:
        pairs, number = np.unique(member * num_classes + labels, return_counts=True)
        group, kind = np.divmod(pairs, num_classes)
        return cls(group, kind, number, np.searchsorted(group, np.arange(num_groups + 1)))

    def of(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """The classes that a group holds, and how many examples of each."""
        where = slice(self.start[group], self.start[group + 1])
        return self.kind[where], self.number[where]


def deal_groups(
    labels: np.ndarray, groups: np.ndarray, *, classes: Sequence[str], cut: Mapping[str, int], seed: int
) -> dict[str, np.ndarray]:
    """Divides examples into `train` and the roles of `cut`, group by group.

    Args:
        labels: int64 `(N,)`, each class at least once.
        groups: what each example belongs to, `(N,)`.
        classes: the classes' names, for errors.
        cut: about how many examples each role gets.
        seed: decides which.

    Returns:
        Sorted int64 positions a role, disjoint, none empty, each group in one of them, each class in `train`.

    Raises:
        ValueError: too few groups, or none that a role could take.
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < len(cut) + 1:
        count = "all examples belong to one group" if len(names) == 1 else f"there are only {len(names)} groups"
        raise ValueError(
            f"{count} ({', '.join(map(str, names[:3]))}), and a group lies in one role: {', '.join(['train', *cut])} "
            f"need at least {len(cut) + 1}; bring your own {' and '.join(cut)}, or name another group"
        )
    held = _Held.count(member, labels, len(names), len(classes))
    order = np.random.default_rng(seed).permutation(len(names))
    holders = np.bincount(held.kind, minlength=len(classes))
    role_of = np.full(len(names), -1)
    roles = [role for role in ORDER if role in cut]
    for index, role in enumerate(roles):
        later = len(roles) - index - 1
        spare = np.maximum(1, np.minimum(later + 1, holders - 1))  # groups of each class that are left to the others
        wanted = cut[role] * np.bincount(labels, minlength=len(classes)) / len(labels)
        taken = _take(held, order, role_of < 0, wanted, spare)
        if not taken.any():
            raise ValueError(
                f"no group of {len(names)} can be spared for {role}: each holds the last examples of a class that "
                f"train needs; bring your own {' and '.join(cut)}, or name another group"
            )
        role_of[taken] = index
    positions = {role: np.flatnonzero(role_of[member] == index) for index, role in enumerate(roles)}
    return {**positions, "train": np.flatnonzero(role_of[member] < 0)}


def _take(held: _Held, order: np.ndarray, free: np.ndarray, wanted: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """Which groups `(G,)` a role takes of the free ones, to come near the `wanted` examples of each class `(C,)`."""
    left = np.bincount(held.kind[free[held.group]], minlength=len(wanted))
    have = np.zeros(len(wanted))
    taken = np.zeros(len(order), dtype=bool)

    def gain(group: int) -> float:
        """By how much the distance to what is wanted would shrink, a class in units of its own share."""
        kinds, number = held.of(group)
        before = have[kinds] - wanted[kinds]
        return float(((before**2 - (before + number) ** 2) / wanted[kinds]).sum())

    def allowed(group: int) -> bool:
        kinds, _ = held.of(group)
        return bool(free[group] and not taken[group] and (left[kinds] > spare[kinds]).all())

    def take(group: int) -> None:
        kinds, number = held.of(group)
        taken[group] = True
        have[kinds] += number
        left[kinds] -= 1

    for group in order:
        if allowed(group) and gain(group) > 0:
            take(group)
    rank = np.argsort(order)
    for missing in np.argsort(left, kind="stable"):  # the class with the fewest groups has the least choice
        if have[missing] == 0:
            holding = held.group[held.kind == missing]
            can = [group for group in holding[np.argsort(rank[holding])] if allowed(group)]
            if can:
                take(max(can, key=gain))
    return taken
