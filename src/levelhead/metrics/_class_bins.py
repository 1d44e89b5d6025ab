"""Equal-width bins of every class's probability, for class-wise calibration error.

State: C x M. Nearly all probabilities of many classes lie in the first bin, so only those above its upper edge are
binned (at most M - 1 a row), and the first bin is the total less the rest: a fourth of the time of binning everything.
"""

from typing import Any

import torch

from levelhead.metrics._blocks import Block, joined
from levelhead.metrics._counting import histogram
from levelhead.metrics._edges import bin_index
from levelhead.metrics._pointwise import State, real, whole


def zeros(num_classes: int, n_bins: int) -> State:
    """Per class and bin: rows, sum of the class's probability, rows with that label."""
    return {
        "class_count": whole(num_classes, n_bins),
        "class_confidence": real(num_classes, n_bins),
        "class_correct": whole(num_classes, n_bins),
    }


KEPT = 1 << 16  # entries that are put into bins together, at least


class Collector:
    """What blocks have for the bins, kept until there is enough: tables of C x M cost more than a block's rows."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._most = max(KEPT, 8 * state["class_count"].numel())
        self._clear()

    def _clear(self) -> None:
        self._others: list[tuple[Any, Any]] = []  # classes and probabilities above the first bin, but the labels'
        self._own: list[tuple[Any, Any]] = []  # C + label, and its probability
        self._totals: Any = 0
        self._rows = self._kept = 0

    def visit(self, block: Block, total: Any) -> None:
        """Take a block's probabilities, all classes; its weights are gone then."""
        block.normalize(total)
        self._totals = self._totals + block.probs_by_class()
        labels, probs = block.label_probs()
        self._own.append((labels + len(self._state["class_count"]), probs))
        # from below the upper edge by more than an edge rounds in bfloat16, so that none that belongs above is lost
        self._others.append(block.other_probs_above(0.99 / self._state["class_count"].shape[1]))
        self._stored_as = block.stored_as
        self._rows += len(block)
        self._kept += len(block) + len(self._others[-1][0])
        if self._kept > self._most:
            self.flush()

    def flush(self) -> None:
        """Put what is kept into the bins."""
        if not self._rows:
            return
        shape = self._state["class_count"].shape
        classes, probs = (joined(column) for column in zip(*self._others, *self._own, strict=True))
        cells = bin_index(probs, shape[1], self._stored_as).add_(classes, alpha=shape[1])
        (others, right), (above, own) = (
            column.view(2, *shape) for column in histogram(cells, 2 * shape.numel(), probs)
        )
        count, confidence = others + right, above + own
        # the first bin: everything that was left out, plus what was found and fell there after all
        count[:, 0] += self._rows - count.sum(1)
        confidence[:, 0] += torch.as_tensor(self._totals) - confidence.sum(1)
        self._state["class_correct"] += right
        self._state["class_count"] += count
        self._state["class_confidence"] += confidence
        self._clear()
