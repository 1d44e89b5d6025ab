"""A fine histogram of the confidence, from which everything that needs an order of the examples is read.

Adaptive ECE and AURC sort; a sort cannot be streamed, merged or kept in constant memory. So examples are
counted in cells that are narrow everywhere, by the confidence c and r = 1 - c:

| where | cells | because |
|-|-|-|
| c below 2^-6 | 512 an octave, down to 2^-16 | many classes, an untrained network |
| in between | 1/16384 wide | |
| r below 2^-6 | 256 an octave, down to 2^-30 | overconfident networks put most of their examples here |
| r below 2^-30 | 8 an octave, down to 2^-1022 | logits in the hundreds: only the order matters |

Examples of a cell are treated as tied. The measures stay within 5e-4 of the exact functions (tests/metrics).
"""

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics._pointwise import State, real, whole
from levelhead.metrics.chunks import Chunk

WIDTH = 16384
EDGE = 6  # octaves from zero and from one at which the cells of equal width end
LOW_OCTAVES, LOW_RATE = 10, 512
HIGH_OCTAVES, HIGH_RATE = 24, 256
FAR_OCTAVES, FAR_RATE = 992, 8

LOW = LOW_OCTAVES * LOW_RATE
MIDDLE = WIDTH - 2 * (WIDTH >> EDGE)
HIGH = HIGH_OCTAVES * HIGH_RATE
CELLS = LOW + MIDDLE + HIGH + FAR_OCTAVES * FAR_RATE


def zeros(num_classes: int, n_bins: int) -> State:
    """Per cell, by rising confidence: examples, right predictions, sum of confidence."""
    return {"cell_count": whole(CELLS), "cell_correct": whole(CELLS), "cell_confidence": real(CELLS)}


def add(state: State, chunk: Chunk) -> None:
    """Put a chunk into the cells."""
    # added in place: a histogram of all cells a chunk would cost more than the chunk
    index, confidence = cell_index(chunk.rest), 1 - chunk.rest
    state["cell_count"].scatter_add_(0, index, torch.ones_like(index))
    state["cell_correct"].scatter_add_(0, index, chunk.correct.to(state["cell_correct"].dtype))
    state["cell_confidence"].scatter_add_(0, index, confidence)


def cell_index(rest: Tensor) -> Tensor:
    """The cell of each example from one minus its confidence (float64); rises with confidence.

    Within an octave cells are equally wide, so the leading bits of a number say its cell; no logarithm is needed.
    """
    confidence = 1 - rest
    bits = rest.contiguous().view(torch.int64)
    # Steps from where the cells of equal width end, downwards and upwards: of each example one of the two is zero.
    # Adding up what is cut off there costs a fourth of choosing with `where`.
    below = confidence.mul(WIDTH).to(torch.int64).sub_(WIDTH - (WIDTH >> EDGE)).clamp_(max=0)
    above = (_bits(2.0**-EDGE) - bits).bitwise_right_shift_(_shift(HIGH_RATE)).clamp_(0, HIGH)
    index = below.add_(above).add_(LOW + MIDDLE)
    if not len(rest):
        return index
    if float(rest.amin()) < 2.0 ** -(EDGE + HIGH_OCTAVES):
        far = (_bits(2.0 ** -(EDGE + HIGH_OCTAVES)) - bits).bitwise_right_shift_(_shift(FAR_RATE))
        index.add_(far.clamp_(min=0)).clamp_(max=CELLS - 1)
    if float(confidence.amin()) < 2.0**-EDGE:
        bits = confidence.view(torch.int64) - _bits(2.0 ** -(EDGE + LOW_OCTAVES))
        low = bits.bitwise_right_shift_(_shift(LOW_RATE)).clamp_(min=0)
        index = torch.where(confidence < 2.0**-EDGE, low, index)
    return index


def _bits(number: float) -> int:
    """The bits of a float64 as a whole number: they sort like the numbers, if these are positive."""
    return int(np.float64(number).view(np.int64))


def _shift(rate: int) -> int:
    """How many bits to drop so that an octave has `rate` cells."""
    return 52 - (rate.bit_length() - 1)
