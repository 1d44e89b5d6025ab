"""Equal-width bins of the confidence (the probability of the predicted class).

The state of one model is three small tables over bins and outcomes, and ECE, OE, MCE, the gap and the reliability
diagram are all read from it, so they cannot disagree.
"""

from levelhead.metrics._counting import histogram
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
    shape = state["bin_count"].shape
    cell = bin_index(chunk.confidence, shape[0], chunk.stored_as).mul_(2).add_(chunk.correct)
    confidence = chunk.confidence.double()
    found = histogram(cell, shape.numel(), confidence, confidence.square())
    for name, values in zip(("count", "confidence", "square"), found, strict=True):
        state[f"bin_{name}"] += values.view(shape)
