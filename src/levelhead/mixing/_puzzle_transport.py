"""Moving an image's salient blocks to where its mask shows them.

Each row i of a plan is a block of the image, each column j a place. Blocks claim the place that is cheapest for them,
    cost[i, j] = eps C[i, j] - s_i 1[M_j > 0],
a contested place keeps its cheapest claimant, and who loses pays 1 more there and claims again. C is the squared
distance, in widths of the grid. A block with a place in the mask claims its own first, so every place in the mask is
taken in the first round and stays taken: what an image shows is always a block of its own. Places outside the mask show
nothing of the image, and what they are given does not matter.
Shapes: B batch, R rows and S columns of the grid, N = RS cells.
"""

import torch
from torch import Tensor

#: Costs held at once; a part of the batch after another, so that memory stays bounded and near the processor.
_AT_ONCE = 1 << 21


def plan(mask: Tensor, salient: Tensor, eps: float) -> Tensor:
    """Which block each place shows: ``(B, N)`` indices into the grid's cells, row by row.

    ``mask (B, R, S)`` is the image's part in each place, in [0, 1], ``salient (B, R, S)`` each block's share of its
    image's saliency, both on the CPU; ``eps > 0`` is the price of the way. Ties go to the lowest index. Places outside
    the mask that nobody claims show their own block.
    """
    distance = eps * squared_distance(*mask.shape[1:])
    size = max(1, _AT_ONCE // distance.numel())
    pairs = zip(mask.flatten(1).split(size), salient.flatten(1).float().split(size))
    rounds = max(mask.shape[1:])
    return torch.cat([_claim(distance - salient[:, :, None] * (mask > 0)[:, None], rounds) for mask, salient in pairs])


def squared_distance(rows: int, columns: int) -> Tensor:
    """Between all cells of a grid ``(N, N)``, with the longer side of the grid as 1."""
    place = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).float()
    difference = place[:, None] - place[None]
    return (difference**2).sum(-1) / max(rows - 1, columns - 1, 1) ** 2


def rearrange(values: Tensor, source: Tensor, rows: int, columns: int) -> Tensor:
    """``values (B, K, H, W)`` with block ``source[b, j]`` of the grid at place ``j``: a new tensor."""
    size, _, height, width = values.shape
    blocks = values.unflatten(3, (columns, -1)).unflatten(2, (rows, -1)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    moved = blocks[torch.arange(size, device=values.device)[:, None], source.to(values.device)]
    moved = moved.unflatten(1, (rows, columns)).permute(0, 3, 1, 4, 2, 5).reshape(size, -1, height, width)
    return torch.empty_like(values).copy_(moved)  # in the memory format that came


def _claim(cost: Tensor, rounds: int) -> Tensor:
    """The winners after all rounds, from ``cost (B, N, N)``, which is used up."""
    size, cells, _ = cost.shape
    block = torch.arange(cells).expand(size, cells)
    choice = cost.argmin(-1)
    for turn in range(rounds):
        offer = cost.gather(-1, choice.unsqueeze(-1)).squeeze(-1)
        lowest = offer.new_full((size, cells), torch.inf).scatter_reduce(1, choice, offer, "amin")
        cheapest = block.where(offer == lowest.gather(1, choice), cells)
        winner = torch.full_like(choice, cells).scatter_reduce(1, choice, cheapest, "amin")
        image, loser = (winner.gather(1, choice) != block).nonzero(as_tuple=True)
        if turn + 1 == rounds or not len(loser):
            break
        # only who lost has a cost that changed, so only they choose anew
        cost[image, loser, choice[image, loser]] += 1
        choice[image, loser] = cost[image, loser].argmin(-1)
    return winner.where(winner < cells, block)
