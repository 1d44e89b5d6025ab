"""A fine histogram of the confidence, from which everything that needs an order of the examples is read.

Adaptive ECE and AURC sort; a sort cannot be streamed, merged or kept in constant memory. So examples are
counted in cells that are narrow everywhere: 1/4096 wide up to a confidence of 1 - 2^-6, and from there to 1 -
2^-126 in steps of 2.2 per cent of one minus the confidence, because overconfident networks put most of their
examples there. Examples of a cell are treated as tied. Errors measured against the exact functions are below
5e-4 (tests/metrics).
"""

import torch
from torch import Tensor

from levelhead.metrics._pointwise import State, real, whole
from levelhead.metrics.chunks import Chunk

WIDTH = 4096  # cells of equal width on [0, 1], used up to 1 - 2^-TAIL
TAIL = 6
PER_OCTAVE = 32
OCTAVES = 120
CELLS = WIDTH - WIDTH // 2**TAIL + OCTAVES * PER_OCTAVE + 1


def zeros(num_classes: int, n_bins: int) -> State:
    """Per cell, by rising confidence: examples, right predictions, sum of confidence."""
    return {"cell_count": whole(CELLS), "cell_correct": whole(CELLS), "cell_confidence": real(CELLS)}


def add(state: State, chunk: Chunk) -> None:
    """Put a chunk into the cells."""
    index = cell_index(chunk.rest)
    split = torch.bincount(index.mul(2).add_(chunk.correct), minlength=2 * CELLS).view(CELLS, 2).cpu()
    state["cell_count"] += split.sum(1)
    state["cell_correct"] += split[:, 1]
    state["cell_confidence"] += torch.bincount(index, weights=1 - chunk.rest, minlength=CELLS).cpu()


def cell_index(rest: Tensor) -> Tensor:
    """The cell of each example from one minus its confidence (float64); rises with confidence."""
    flat = (1 - rest).mul_(WIDTH)
    tail = rest.log2().neg_().sub_(TAIL).mul_(PER_OCTAVE).add_(WIDTH - WIDTH // 2**TAIL)
    index = torch.where(rest >= 2.0**-TAIL, flat, tail)  # rest = 0 gives infinity, clamped to the last cell
    return index.clamp_(0, CELLS - 1).to(torch.int64)
