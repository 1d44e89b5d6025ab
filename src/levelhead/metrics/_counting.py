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
PIECE = 1 << 18  # entries that are counted at once: what they need does not grow with all


def histogram(cells: Tensor, size: int, *weights: Tensor) -> tuple[Tensor, ...]:
    """(size,) int64: how often each of 0..size-1 stands in `cells` (n,) int64; for each of `weights` (n,), a float64
    (size,): its sum over the entries of a cell."""
    if cells.device.type != "cpu":
        sums = (torch.bincount(cells, weights=w.double(), minlength=size) for w in weights)
        return torch.bincount(cells, minlength=size), *(s.double() for s in sums)  # the sum of nothing comes as int64
    copies = COPIES if size <= SMALL else 1
    counts = torch.zeros(copies * size, dtype=torch.int64, device="cpu")  # whatever the default device is
    totals = [torch.zeros(copies * size, dtype=torch.float64, device="cpu") for _ in weights]
    for places, *parts in zip(*(column.split(PIECE) for column in (cells, *weights)), strict=True):
        if copies > 1:
            places = places + _copy_of_each(copies, size)[: len(places)]
        counts.scatter_add_(0, places, torch.ones_like(places))
        for total, part in zip(totals, parts, strict=True):
            total.scatter_add_(0, places, part.double())
    return tuple(column.view(copies, size).sum(0) for column in (counts, *totals))


@lru_cache(maxsize=4)
def _copy_of_each(copies: int, size: int) -> Tensor:
    with torch.inference_mode(False):  # kept for calls outside of it
        return torch.arange(PIECE, device="cpu").remainder_(copies).mul_(size)
