"""The costs of a puzzle: what it takes a block to show one image or the other, and neighbours to disagree.

Label 0 means image 1 (the original), label m-1 image 2 (the partner), those between a blend. All costs are whole
numbers, 1000 RS times the paper's and truncated, as in the released code, so that two energies are equal or not.
Shapes: B batch, H, W; R rows and S columns of blocks, n by n in the paper; m labels.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Images are averaged over patches of up to this many pixels a side before their borders are compared.
_PATCH = 4


class Costs(NamedTuple):
    """The energy of a labelling: ``unary (B, R, S, m)`` of every cell and label, plus w (i - j)^2 over neighbours.

    ``down (B, R-1, S)`` holds w of a cell and the one below, ``right (B, R, S-1)`` of a cell and the one beside it;
    both at least 0. int64.
    """

    unary: NDArray[np.int64]
    down: NDArray[np.int64]
    right: NDArray[np.int64]


class Gaps(NamedTuple):
    """How badly neighbouring blocks fit when the first shows image a and the second image c: ``d10`` is a=1, c=2.

    "First" is the upper or the left block. Each is ``(B, R-1, S)`` for vertical pairs, ``(B, R, S-1)`` for horizontal.
    """

    d00: Tensor
    d01: Tensor
    d10: Tensor
    d11: Tensor


def pool(values: Tensor, height: int, width: int) -> Tensor:
    """Means over tiles of ``height`` by ``width`` pixels of the last two axes, which these must divide."""
    return values.unflatten(-2, (-1, height)).unflatten(-1, (-1, width)).mean((-3, -1))


def shares(saliency: Tensor, height: int, width: int) -> Tensor:
    """Each tile's share of its image's saliency: ``(B, H/height, W/width)`` float64 on the CPU, each image sums to 1.

    An image whose saliency is zero everywhere has equal shares.
    """
    pooled = pool(saliency.float(), height, width).double().cpu()
    total = pooled.sum((1, 2), keepdim=True)
    return torch.where(total > 0, pooled / total.where(total > 0, 1.0), 1 / pooled[0].numel())


def unit_range(images: Tensor) -> Tensor:
    """Images ``(B, C, H, W)`` mapped to [0, 1] by the batch's own minimum and maximum of every channel."""
    images = images.detach().float()
    low, high = images.amin((0, 2, 3), keepdim=True), images.amax((0, 2, 3), keepdim=True)
    return (images - low) / (high - low).where(high > low, 1.0)


def vertical_gaps(images: Tensor, partner: Tensor, cells: tuple[int, int]) -> Gaps:
    """What the borders of blocks and those below differ by; ``images (B, C, H, W)`` in [0, 1]. float64 on the CPU."""
    height, width = images.shape[2] // cells[0], images.shape[3] // cells[1]
    patch = _patch(height)
    pooled = pool(images, patch, _patch(width))
    rows = height // patch  # of patches in a block
    above, below = pooled[:, :, rows - 1 : -1 : rows], pooled[:, :, rows::rows]

    def gap(first: Tensor, second: Tensor) -> Tensor:
        return (first - second).abs().mean(1).unflatten(2, (cells[1], -1)).mean(3).double().cpu()

    d11 = gap(above, below)
    return Gaps(d11[partner.cpu()], gap(above[partner], below), gap(above, below[partner]), d11)


def horizontal_gaps(images: Tensor, partner: Tensor, cells: tuple[int, int]) -> Gaps:
    """Likewise for blocks and those to their right."""
    return Gaps(*(each.mT for each in vertical_gaps(images.mT, partner, (cells[1], cells[0]))))


def label_prior(lam: Tensor, labels: int) -> Tensor:
    """-log of the binomial probability of every label ``(B, m)``, for the original's weight ``lam (B,)``, in nats."""
    last = labels - 1
    counts = torch.arange(labels, dtype=torch.float64)
    ways = torch.tensor([math.comb(last, k) for k in range(labels)], dtype=torch.float64)
    lam = lam.double().unsqueeze(1)
    return -(ways * lam ** (last - counts) * (1 - lam) ** counts + 1e-8).log()


def split(gaps: Gaps) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A pair's bilinear cost as costs of its ends and a symmetric one of their disagreement.

    Gives the costs of the first showing image 1, the first showing image 2, the second showing image 1, the second
    showing image 2, and the coefficient of disagreement, which may be negative. Their sum is the bilinear cost plus
    (d01 + d10) / 2, whatever the ends show.
    """
    d00, d01, d10, d11 = gaps
    return (d10 + d11) / 2, (d01 + d00) / 2, (d01 + d11) / 2, (d10 + d00) / 2, (d10 + d01 - d11 - d00) / 2


def costs(
    salient: Tensor, partner: Tensor, down: Gaps, right: Gaps, prior: Tensor, smoothness: float, local: float
) -> Costs:
    """All costs of a batch of puzzles, as whole numbers.

    ``salient (B, R, S)`` is image 1's share of saliency in each block, ``prior (B, m)`` every label's cost in a whole
    image, to be spread over its cells. Showing image 1 in a block costs image 2's saliency there, and the reverse.
    """
    rows, columns, labels = *salient.shape[1:], prior.shape[1]
    # a straight cut through an image costs smoothness / 16 however many cells it passes, and so does one through a row
    beta = smoothness / (16 * min(rows, columns))
    show_first, show_second = salient[partner.cpu()].clone(), salient.clone()
    weights = []
    for gaps, ahead, behind in (
        (down, (..., slice(None, -1), slice(None)), (..., slice(1, None), slice(None))),
        (right, (..., slice(None, -1)), (..., slice(1, None))),
    ):
        one_ahead, two_ahead, one_behind, two_behind, apart = (beta * local * each for each in split(gaps))
        show_first[ahead] += one_ahead
        show_second[ahead] += two_ahead
        show_first[behind] += one_behind
        show_second[behind] += two_behind
        weights.append((apart + beta).numpy())
    t = torch.linspace(0, 1, labels, dtype=torch.float64)
    unary = (
        (1 - t) * show_first.unsqueeze(-1) + t * show_second.unsqueeze(-1) + (prior / (rows * columns))[:, None, None]
    )
    scale = 1000 * rows * columns
    # t_i - t_j is (i - j) / (m - 1): times (m - 1)^2 everything stays whole
    whole = (unary.numpy() * scale).astype(np.int64) * (labels - 1) ** 2
    across, along = ((each * scale).astype(np.int64).clip(min=0) for each in weights)
    return Costs(whole, across, along)


def _patch(side: int) -> int:
    """The largest divisor of a block's side that is at most 4 pixels."""
    return max(size for size in range(1, _PATCH + 1) if side % size == 0)
