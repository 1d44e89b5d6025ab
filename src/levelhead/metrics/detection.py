"""Telling in-distribution from out-of-distribution examples by a score: AUROC and FPR95.

Direction, everywhere in this file: the in-distribution examples are the positive ones and a higher score
means more in. Other tools take the opposite side; for the same scores FPR95 then is another number.
"""

import numpy as np
import torch

from levelhead.metrics.given import Array, as_tensor


def _scores(values: Array, name: str) -> np.ndarray:
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


def auroc(in_scores: Array, out_scores: Array) -> float:
    """Probability that an in-distribution example scores above an out-of-distribution one; ties count half.

    In [0, 1]; one half is chance. `in_scores` (N,), `out_scores` (M,), higher = more in. Raises ValueError
    for an empty side or NaN.

    >>> import numpy as np
    >>> auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.875
    """
    inside, outside = np.sort(_scores(in_scores, "in_scores")), np.sort(_scores(out_scores, "out_scores"))
    below = np.searchsorted(outside, inside, side="left")
    not_above = np.searchsorted(outside, inside, side="right")
    twice = int(below.sum(dtype=np.int64)) + int(not_above.sum(dtype=np.int64))  # Mann-Whitney U, doubled
    return twice / (2 * inside.size * outside.size)


def fpr95(in_scores: Array, out_scores: Array) -> float:
    """Share of out-of-distribution examples that the threshold accepting 95 % of the others lets in.

    In [0, 1], lower is better. The threshold is the highest score that at least 95 % of `in_scores` reach; an
    example is accepted when it reaches it. Raises ValueError for an empty side or NaN.
    """
    inside, outside = _scores(in_scores, "in_scores"), _scores(out_scores, "out_scores")
    accepted = -(-95 * inside.size // 100)  # the ceiling, in whole numbers
    place = inside.size - accepted
    threshold = np.partition(inside, place)[place]
    return float(np.count_nonzero(outside >= threshold) / outside.size)


def aupr_in(in_scores: Array, out_scores: Array) -> float:
    """Area under precision against recall with the in-distribution examples positive (average precision).

    In [0, 1]; a score that says nothing gives the share of in-distribution examples. Tied examples enter together.
    `in_scores` (N,), `out_scores` (M,), higher = more in. Raises ValueError for an empty side or NaN.
    """
    return _average_precision(_scores(in_scores, "in_scores"), _scores(out_scores, "out_scores"))


def aupr_out(in_scores: Array, out_scores: Array) -> float:
    """As `aupr_in` with the out-of-distribution examples positive; the scores still mean higher = more in."""
    return _average_precision(-_scores(out_scores, "out_scores"), -_scores(in_scores, "in_scores"))


def _average_precision(positive: np.ndarray, negative: np.ndarray) -> float:
    scores = np.concatenate([positive, negative])
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(order < positive.size)
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # the last of each tie
    found = hits[ends]
    return float((np.diff(found, prepend=0) * found / (ends + 1)).sum() / positive.size)
