"""How many entries fall on each cell, and what their weights add up to: int64 counts, float64 sums.

Most entries of a good classifier fall on the same few cells, and a processor cannot add to a cell before its last
addition is through. On the CPU neighbours are therefore added to different copies of a small histogram, which halves
the time; and by torch, because NumPy keeps the interpreter's lock while it counts.
"""

from functools import lru_cache

import torch
from torch import Tensor

COPIES = 4
SMALL = 1 << 8  # cells: above, neighbours rarely meet


def histogram(cells: Tensor, size: int, *weights: Tensor) -> tuple[Tensor, ...]:
    """(size,) int64: how often each of 0..size-1 stands in `cells` (n,) int64; for each of `weights` (n,), a float64
    (size,): its sum over the entries of a cell."""
    if cells.device.type != "cpu":
        sums = (torch.bincount(cells, weights=w.double(), minlength=size) for w in weights)
        return torch.bincount(cells, minlength=size), *(s.double() for s in sums)  # the sum of nothing comes as int64
    copies = COPIES if size <= SMALL else 1
    if copies > 1:
        cells = cells + _copy_of_each(len(cells).bit_length(), copies, size)[: len(cells)]
    counts = torch.zeros(copies * size, dtype=torch.int64).scatter_add_(0, cells, torch.ones_like(cells))
    sums = (torch.zeros(copies * size, dtype=torch.float64).scatter_add_(0, cells, w.double()) for w in weights)
    return tuple(column.view(copies, size).sum(0) for column in (counts, *sums))


@lru_cache(maxsize=4)
def _copy_of_each(bits: int, copies: int, size: int) -> Tensor:
    with torch.inference_mode(False):  # kept for calls outside of it
        return torch.arange(1 << bits).remainder_(copies).mul_(size)
