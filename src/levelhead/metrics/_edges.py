"""Equal-width bins on [0, 1]: bin m holds (m / M, (m + 1) / M]; zero goes to the first, one to the last.

An edge is the number nearest to m / M in the type of the values that are binned, so the float32 number
written 0.3 lies on the edge 3/10 and belongs to the bin below, as the float64 number written 0.3 does.
(Compared with float64 edges it would lie above, because 0.3 in float32 is 0.30000001.)
"""

from functools import cache

import torch
from torch import Tensor


def check_n_bins(n_bins: int) -> int:
    """`n_bins` if it is a whole number of at least one."""
    if isinstance(n_bins, bool) or not isinstance(n_bins, int) or n_bins < 1:
        raise ValueError(f"n_bins must be a whole number of at least 1, got {n_bins!r}")
    return n_bins


def bin_index(values: Tensor, n_bins: int, stored_as: torch.dtype) -> Tensor:
    """The bin, in 0..n_bins-1, of each of `values`; int64, same shape.

    `stored_as` is the type the values had when they were handed in: the precision that edges are rounded to.
    """
    if _multiplying_is_exact(n_bins, values.dtype, stored_as):
        index = values.mul(n_bins).ceil_().sub_(1)
    else:
        index = torch.bucketize(values.contiguous(), _inner_edges(n_bins, values.dtype, stored_as, values.device))
    return index.clamp_(0, n_bins - 1).to(torch.int64)


@cache
def _inner_edges(n_bins: int, dtype: torch.dtype, stored_as: torch.dtype, device: torch.device) -> Tensor:
    exact = torch.tensor([m / n_bins for m in range(1, n_bins)], dtype=torch.float64, device="cpu")
    return exact.to(stored_as).to(dtype).to(device)


@cache
def _multiplying_is_exact(n_bins: int, dtype: torch.dtype, stored_as: torch.dtype) -> bool:
    """Whether ceil(value * n_bins) - 1 agrees with the edges everywhere.

    Both are monotone step functions, so it is enough to look at each edge and at the next number above it.
    Rounding of the product can break it (49 bins in float64), and half-precision edges do.
    """
    edges = _inner_edges(n_bins, dtype, stored_as, torch.device("cpu"))
    above = torch.nextafter(edges, torch.ones_like(edges))
    wanted = torch.arange(n_bins - 1, dtype=dtype, device="cpu")
    low = edges.mul(n_bins).ceil().sub(1)
    high = above.mul(n_bins).ceil().sub(1)
    return bool((low == wanted).all() and (high == wanted + 1).all())
