"""Telling in-distribution from out-of-distribution examples by a score: AUROC, AUPR and FPR95.

Direction, everywhere in this file: the in-distribution examples are the positive ones and a higher score
means more in. Other tools take the opposite side; for the same scores FPR95 then is another number.

Every measure is a function of groups of tied scores (G,), by rising score: how many examples in, and how many out. The
plain functions hand in one group a distinct score, the accumulator (`detecting.py`) one a cell.
"""

import numpy as np
import torch

from levelhead.metrics._side_by_side import shares_of, side_by_side
from levelhead.metrics.given import Array, as_tensor


def auroc(in_scores: Array, out_scores: Array) -> float:
    """Probability that an in-distribution example scores above an out-of-distribution one; ties count half.

    In [0, 1]; one half is chance. `in_scores` (N,), `out_scores` (M,), higher = more in. Raises ValueError
    for an empty side or NaN.

    >>> import numpy as np
    >>> auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.875
    """
    inside, outside = _sorted(in_scores, out_scores)
    parts = side_by_side(lambda part: _twice_below(outside, part), np.array_split(inside, _shares(inside)))
    return sum(parts) / (2 * inside.size * outside.size)


def fpr95(in_scores: Array, out_scores: Array) -> float:
    """Share of out-of-distribution examples that the threshold accepting 95 % of the others lets in.

    In [0, 1], lower is better. The threshold is the highest score that at least 95 % of `in_scores` reach; an
    example is accepted when it reaches it. Raises ValueError for an empty side or NaN.
    """
    return fpr95_of(*_groups(in_scores, out_scores))


def aupr_in(in_scores: Array, out_scores: Array) -> float:
    """Area under precision against recall with the in-distribution examples positive (average precision).

    In [0, 1]; a score that says nothing gives the share of in-distribution examples. Tied examples enter together.
    `in_scores` (N,), `out_scores` (M,), higher = more in. Raises ValueError for an empty side or NaN.
    """
    return aupr_in_of(*_groups(in_scores, out_scores))


def aupr_out(in_scores: Array, out_scores: Array) -> float:
    """As `aupr_in` with the out-of-distribution examples positive; the scores still mean higher = more in."""
    return aupr_out_of(*_groups(in_scores, out_scores))


def auroc_of(inside: np.ndarray, outside: np.ndarray) -> float:
    """`auroc` of groups (G,) int64 by rising score; neither side is empty."""
    below = np.cumsum(outside) - outside
    twice = int((inside * (2 * below + outside)).sum())  # Mann-Whitney U, doubled; whole below 3e9 examples a side
    return twice / (2 * int(inside.sum()) * int(outside.sum()))


def fpr95_of(inside: np.ndarray, outside: np.ndarray) -> float:
    """`fpr95` of groups (G,) int64 by rising score; neither side is empty."""
    size = int(inside.sum())
    accepted = -(-95 * size // 100)  # the ceiling, in whole numbers
    reached = np.cumsum(inside[::-1])
    lowest = int(np.searchsorted(reached, accepted))  # groups from the top until enough are accepted
    return int(outside[::-1][: lowest + 1].sum()) / int(outside.sum())


def aupr_in_of(inside: np.ndarray, outside: np.ndarray) -> float:
    """`aupr_in` of groups (G,) int64 by rising score; neither side is empty."""
    return _average_precision(inside[::-1], outside[::-1])


def aupr_out_of(inside: np.ndarray, outside: np.ndarray) -> float:
    """`aupr_out` of groups (G,) int64 by rising score; neither side is empty."""
    return _average_precision(outside, inside)


def _average_precision(positive: np.ndarray, negative: np.ndarray) -> float:
    found = np.cumsum(positive)
    shown = found + np.cumsum(negative)
    return float((positive * (found / np.maximum(shown, 1))).sum() / found[-1])


def _sorted(in_scores: Array, out_scores: Array) -> tuple[np.ndarray, np.ndarray]:
    """Both sides by rising score."""
    sides = checked(in_scores, "in_scores"), checked(out_scores, "out_scores")
    few = all(_shares(side) == 1 for side in sides)
    inside, outside = map(np.sort, sides) if few else side_by_side(np.sort, sides)
    return inside, outside


def _shares(values: np.ndarray) -> int:
    return shares_of(torch.from_numpy(values))


def _twice_below(outside: np.ndarray, inside: np.ndarray) -> int:
    """Pairs in which the one inside scores above the one outside, twice, and those that tie once; both sides rise."""
    below = np.searchsorted(outside, inside)
    ties = inside[outside[np.minimum(below, outside.size - 1)] == inside]
    tied = np.searchsorted(outside, ties, side="right") - np.searchsorted(outside, ties)
    return 2 * int(below.sum()) + int(tied.sum())


def _groups(in_scores: Array, out_scores: Array) -> tuple[np.ndarray, np.ndarray]:
    """Examples in and out at each distinct score, by rising score."""
    inside, outside = _sorted(in_scores, out_scores)
    scores = np.concatenate([inside, outside])
    order = np.argsort(scores, kind="stable")  # two sorted runs: one comparison an example
    scores = scores[order]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # the last of each tie
    found = np.cumsum(order < inside.size)[ends]
    return np.diff(found, prepend=0), np.diff(ends + 1 - found, prepend=0)


def checked(values: Array, name: str) -> np.ndarray:
    """Scores as an array (N,) of floating-point numbers; ValueError for another shape, none, or NaN."""
    tensor = as_tensor(values, name)
    if tensor.ndim != 1 or tensor.numel() == 0:
        raise ValueError(f"{name} must have shape (N,) with N >= 1, got {tuple(tensor.shape)}")
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    scores = tensor.cpu().numpy()
    bad = np.isnan(scores)
    if bad.any():
        raise ValueError(f"{name} holds {int(bad.sum())} NaN of {bad.size}, the first at index {int(bad.argmax())}")
    return scores
