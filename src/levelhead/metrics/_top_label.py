"""Equal-width bins of the confidence (the probability of the predicted class).

The state of one model is four vectors over M bins, and ECE, OE, MCE, the gap and the reliability diagram are
all read from it, so they cannot disagree.
"""

import torch

from levelhead.metrics._edges import bin_index
from levelhead.metrics._pointwise import State, real, whole
from levelhead.metrics.chunks import Chunk


def zeros(num_classes: int, n_bins: int) -> State:
    """Per bin: examples, sum of confidence, sum of confidence * (1 - confidence), right predictions."""
    return {
        "bin_count": whole(n_bins),
        "bin_confidence": real(n_bins),
        "bin_variance": real(n_bins),
        "bin_correct": whole(n_bins),
    }


def add(state: State, chunk: Chunk) -> None:
    """Put a chunk into the bins."""
    n_bins = state["bin_count"].numel()
    confidence = chunk.confidence
    stored_as = chunk.scores.dtype if chunk.kind == "probs" else confidence.dtype
    index = bin_index(confidence, n_bins, stored_as)
    split = torch.bincount(index.mul(2).add_(chunk.correct), minlength=2 * n_bins).view(n_bins, 2).cpu()
    state["bin_count"] += split.sum(1)
    state["bin_correct"] += split[:, 1]
    weights = confidence.double()
    state["bin_confidence"] += torch.bincount(index, weights=weights, minlength=n_bins).cpu()
    variance = (weights * (1 - weights)).clamp_(min=0)
    state["bin_variance"] += torch.bincount(index, weights=variance, minlength=n_bins).cpu()
