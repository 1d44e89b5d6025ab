"""Cutting roles out of labels without ever parting a group: frames of one object, posts of one author.

Whole groups are dealt, so sizes and shares of classes are only as near to what was asked as the groups allow. A role
takes groups in random order, each where it brings the role's classes nearer to their shares; a class that is still
missing gets its best group afterwards. Train always keeps a group of every class.
G groups, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

ORDER = ("test", "cal", "val")  # what is cut first does not move with the size of what is cut later


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
    counts = np.zeros((len(names), len(classes)), dtype=np.int64)
    np.add.at(counts, (member, labels), 1)
    order = np.random.default_rng(seed).permutation(len(names))
    holders = (counts > 0).sum(axis=0)
    role_of = np.full(len(names), -1)
    roles = [role for role in ORDER if role in cut]
    for index, role in enumerate(roles):
        later = len(roles) - index - 1
        spare = np.maximum(1, np.minimum(later + 1, holders - 1))  # groups of each class that are left to the others
        wanted = cut[role] * counts.sum(axis=0) / len(labels)
        taken = _take(counts, order, role_of < 0, wanted, spare)
        if not taken.any():
            raise ValueError(
                f"no group of {len(names)} can be spared for {role}: each holds the last examples of a class that "
                f"train needs; bring your own {' and '.join(cut)}, or name another group"
            )
        role_of[taken] = index
    positions = {role: np.flatnonzero(role_of[member] == index) for index, role in enumerate(roles)}
    return {**positions, "train": np.flatnonzero(role_of[member] < 0)}


def _take(counts: np.ndarray, order: np.ndarray, free: np.ndarray, wanted: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """Which groups `(G,)` a role takes of the free ones, to come near the `wanted` examples of each class `(C,)`."""
    left = (counts[free] > 0).sum(axis=0)
    have = np.zeros(len(wanted))
    taken = np.zeros(len(counts), dtype=bool)

    def gain(group: int) -> float:
        """By how much the distance to what is wanted would shrink, a class in units of its own share."""
        held = np.flatnonzero(counts[group])
        after = have[held] + counts[group, held] - wanted[held]
        return float((((have[held] - wanted[held]) ** 2 - after**2) / wanted[held]).sum())

    def allowed(group: int) -> bool:
        held = counts[group] > 0
        return bool(free[group] and not taken[group] and (left[held] > spare[held]).all())

    def take(group: int) -> None:
        taken[group] = True
        have[:] += counts[group]
        left[counts[group] > 0] -= 1

    for group in order:
        if allowed(group) and gain(group) > 0:
            take(group)
    for held in np.argsort(left, kind="stable"):  # the class with the fewest groups has the least choice
        if have[held] == 0:
            can = [group for group in order if counts[group, held] and allowed(group)]
            if can:
                take(max(can, key=gain))
    return taken
