"""Whether rows that something was fitted on come back among those that are reported: recognised by what they hold.

What is fitted keeps a 64-bit hash of each row of scores it saw: of eight columns spread over the classes, as float32,
so that the same predictions are recognised from another file, in another order and in float64. Labels are left out: an
example that was relabelled is the same example. Above `ROWS` rows every second, fourth, ... is kept, so that a fit
stays a fit, a file stays small, and rows may come block by block, as `levelhead evaluate` reads them.

Different examples can hold the same scores (a saturated softmax is exactly one-hot, files round to two digits, two
classes in half precision have few values), and that must not look like an overlap. So a row is *telling* if three of
its scores differ and each fills float32: neither a number of four decimals nor one that half precision holds.

- A shared telling row is an example that is on both sides. False alarms: a hash in 2^64 for each pair of rows, and
  three numbers of about 20 bits, of which two are free where they are probabilities: with 5,000 rows on either side
  less than 1 in 10,000.
- Rows that are not telling overlap where those that occur once on either side meet more often than chance would have
  it: two equal rows fall on different sides in at most half of the cases, so shared pairs are held against pairs within
  a side by a sign test at 1e-6. This needs about 20 shared rows, and knows no false alarm beyond its level.

Data sets hold some examples twice (CIFAR-100's test images: two pairs whose outputs are equal to the bit), so a split
of honest data can share a few rows. `TOLERATED`, one row in 200 of the smaller side, is let pass and said.

What escapes: the same predictions as logits on one side and probabilities on the other, or rounded on one side only;
an overlap of k rows, with probability (1 - kept / rows)^k, where more than `ROWS` were fitted on; fewer than about 20
rows of two classes, which are never telling.
"""

import numpy as np
import torch
from torch import Tensor

ROWS = 1 << 16
COLUMNS = 8
TOLERATED = 1 / 200
_BLOCK = 1 << 18  # rows hashed together
_CHANCE = 1e-6
NONE = np.empty(0, dtype=np.uint64)

# odd numbers, one a column: powers of 2^64 divided by the golden ratio
_FACTORS = np.array([pow(0x9E3779B97F4A7C15, k + 1, 1 << 64) for k in range(COLUMNS)], dtype=np.uint64)


def kept(scores: Tensor) -> np.ndarray:
    """Hashes of the rows of `scores` (N, C), rising, at most `ROWS` of them evenly spread."""
    every = 1
    while -(-len(scores) // every) > ROWS:
        every *= 2
    return np.sort(hashes(scores[::every])) if len(scores) else NONE


class Kept:
    """The same of rows that come block by block, as `hashes`."""

    def __init__(self) -> None:
        self._every, self._rows, self._parts = 1, 0, [NONE]

    def add(self, block: np.ndarray) -> None:
        """Take the hashes (n,) of a block."""
        self._parts.append(block[-self._rows % self._every :: self._every])
        self._rows += len(block)
        while sum(map(len, self._parts)) > ROWS:
            self._parts, self._every = [np.concatenate(self._parts)[::2]], 2 * self._every

    def sorted(self) -> np.ndarray:
        """What is kept, rising."""
        return np.sort(np.concatenate(self._parts))


class Search:
    """Blocks of rows held against what was `kept` of others, one after another."""

    def __init__(self, kept: np.ndarray) -> None:
        self._kept, self._mine = kept, Kept()
        self._best = 0

    def look(self, scores: Tensor) -> np.ndarray:
        """(n,) int8 for the rows of `scores` (n, C): 0 not there, 1 there, 2 there and telling."""
        marks = np.zeros(len(scores), dtype=np.int8)
        if len(self._kept) == 0 or len(scores) == 0:
            return marks
        mine = hashes(scores)
        self._mine.add(mine)
        rows = np.flatnonzero(self._kept[np.minimum(np.searchsorted(self._kept, mine), len(self._kept) - 1)] == mine)
        if len(rows):
            marks[rows] = 1 + _telling(_columns(scores[torch.from_numpy(rows).to(scores.device)]))
            self._best = max(self._best, int(marks.max()))
        return marks

    def least(self) -> int:
        """The least mark of `look` that means a shared row, once all blocks are seen: 3 where all could be chance."""
        if self._best == 1:
            return 1 if _more_than_chance(self._kept, self._mine.sorted()) else 3
        return 2


def shared(kept: np.ndarray, scores: Tensor) -> np.ndarray:
    """(N,) bool: the rows of `scores` (N, C) that `kept` was made of, none where it could be chance."""
    search = Search(kept)
    marks = np.concatenate([search.look(block) for block in scores.split(_BLOCK)])
    return marks >= search.least()


def too_many(count: int, rows: int, kept: np.ndarray) -> bool:
    """Whether `count` shared ones of so many `rows` are more than a data set that holds examples twice explains."""
    return count > TOLERATED * min(rows, len(kept))


def _columns(scores: Tensor) -> np.ndarray:
    num_classes = scores.shape[1]
    wanted = sorted({k * (num_classes - 1) // (COLUMNS - 1) for k in range(COLUMNS)})
    chosen = scores if len(wanted) == num_classes else scores[:, wanted]
    return chosen.to(torch.float32).cpu().contiguous().numpy() + np.float32(0)  # minus zero is zero


def hashes(scores: Tensor) -> np.ndarray:
    """(n,) uint64 of the rows of `scores` (n, C)."""
    columns = _columns(scores)
    mixed = columns.view(np.uint32).astype(np.uint64) @ _FACTORS[: columns.shape[1]]
    return mixed + np.uint64(scores.shape[1])


def _telling(columns: np.ndarray) -> np.ndarray:
    """(n,) bool: rows of (n, k) that hold at least three different scores which need float32 to be written."""
    narrow = columns.view(np.uint32) & 0xFFF == 0  # fits float16 or bfloat16
    decimal = (columns.astype(np.float64) * 1e4).round() / 1e4
    full = ~narrow & (decimal.astype(np.float32) != columns) & np.isfinite(columns)
    size = np.sort(np.where(full, np.abs(columns), 0), axis=1)  # z and -z say one thing
    new = np.diff(size, axis=1, prepend=0) > 0
    return new.sum(1) >= 3


def _more_than_chance(kept: np.ndarray, mine: np.ndarray) -> bool:
    from scipy.stats import binom

    values, times = np.unique(np.concatenate([np.unique(kept), np.unique(mine)]), return_counts=True)
    both = values[times == 2]
    pairs = [side[counts == k] for side, counts in (_counted(kept), _counted(mine)) for k in (1, 2)]
    across = len(np.intersect1d(pairs[0], pairs[2]))
    within = len(np.setdiff1d(pairs[1], both)) + len(np.setdiff1d(pairs[3], both))
    return bool(binom.sf(across - 1, across + within, 0.5) < _CHANCE)


def _counted(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(hashes, return_counts=True)
