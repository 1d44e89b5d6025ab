"""Equal-width bins of the confidence (the probability of the predicted class).

The state of one model is three small tables over bins and outcomes, and ECE, OE, MCE, the gap and the reliability
diagram are all read from it, so they cannot disagree.

"""

import torch

from levelhead.metrics._edges import bin_index
from levelhead.metrics._pointwise import State, real, whole
from levelhead.metrics.chunks import Chunk


def zeros(num_classes: int, n_bins: int) -> State:
    """Per bin, for wrong and right predictions apart: examples, sum of confidence, sum of its square."""
    return {
        "bin_count": whole(n_bins, 2),
        "bin_confidence": real(n_bins, 2),
        "bin_square": real(n_bins, 2),
    }


def add(state: State, chunk: Chunk) -> None:
    """Put a chunk into the bins."""
    n_bins = state["bin_count"].shape[0]
    confidence = chunk.confidence
    stored_as = chunk.scores.dtype if chunk.kind == "probs" else confidence.dtype
    cell = bin_index(confidence, n_bins, stored_as).mul_(2).add_(chunk.correct)
    wide = confidence.double()
    for name, weights in (("bin_count", None), ("bin_confidence", wide), ("bin_square", wide.square())):
        state[name] += torch.bincount(cell, weights=weights, minlength=2 * n_bins).view(n_bins, 2).cpu()
