"""Sums over the processes of `torch.distributed`: counts and sums are added up, never averages."""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")


def _alone() -> bool:
    return not (distributed.is_available() and distributed.is_initialized())


def reduced(state: Mapping[str, Tensor], group: Any = None) -> dict[str, Tensor]:
    """`state` (int64 and float64 tensors) added up over all processes: one collective call for each of the two types.

    On the GPU where the backend is NCCL; the results are where the tensors were. Alone, the tensors themselves.
    """
    if _alone():
        return dict(state)
    found = {}
    device = torch.device("cuda") if distributed.get_backend(group) == "nccl" else torch.device("cpu")
    for dtype in (torch.int64, torch.float64):
        mine = {name: value for name, value in state.items() if value.dtype == dtype}
        if not mine:
            continue
        flat = torch.cat([value.flatten().to(device) for value in mine.values()])
        distributed.all_reduce(flat, group=group)
        pieces = flat.split([value.numel() for value in mine.values()])
        for (name, value), piece in zip(mine.items(), pieces, strict=True):
            found[name] = piece.view_as(value).to(value.device, copy=True)
    return found


def gathered(mine: T, group: Any = None) -> list[T]:
    """What each process has, by rank: anything that can be pickled, of any size."""
    if _alone():
        return [mine]
    found: list[Any] = [None] * distributed.get_world_size(group)
    distributed.all_gather_object(found, mine, group=group)
    return found
