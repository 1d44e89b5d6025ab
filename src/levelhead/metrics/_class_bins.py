"""Equal-width bins of every class's probability, for class-wise calibration error.

State: C x M. Nearly all probabilities of many classes lie in the first bin, so only those above its upper edge are
binned (at most M - 1 a row), and the first bin is the total less the rest: a fourth of the time of binning everything.
"""

import torch
from torch import Tensor

from levelhead.metrics._counting import counted, summed
from levelhead.metrics._edges import bin_index
from levelhead.metrics._pointwise import State, real, whole
from levelhead.metrics.chunks import Block


def zeros(num_classes: int, n_bins: int) -> State:
    """Per class and bin: rows, sum of the class's probability, rows with that label."""
    return {
        "class_count": whole(num_classes, n_bins),
        "class_confidence": real(num_classes, n_bins),
        "class_correct": whole(num_classes, n_bins),
    }


KEPT = 1 << 17  # entries that are put into bins together, at least: 1.5 MB


class Collector:
    """What blocks have for the bins, kept until there is enough: tables of C x M cost more than a block's rows."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._most = max(KEPT, 8 * state["class_count"].numel())
        self._clear()

    def _clear(self) -> None:
        self._own: list[tuple[Tensor, Tensor]] = []  # labels and their probabilities
        self._above: list[tuple[Tensor, Tensor]] = []  # classes and probabilities above the first bin
        self._totals = torch.zeros(())
        self._rows = self._kept = 0

    def visit(self, block: Block, total: Tensor) -> None:
        """Take a block's probabilities, all classes; its weights are gone then."""
        block.normalize(total)
        # from below the upper edge by more than an edge rounds in bfloat16, so that none that belongs above is lost
        above = block.probs_above(0.99 / self._state["class_count"].shape[1])
        self._own.append((block.labels, block.label_probs()))
        self._above.append(above)
        self._totals = block.probs_by_class() + self._totals.to(total.device)
        self._stored_as = block.stored_as
        self._rows += len(block)
        self._kept += len(block) + len(above[0])
        if self._kept > self._most:
            self.flush()

    def flush(self) -> None:
        """Put what is kept into the bins."""
        if not self._rows:
            return
        shape = self._state["class_count"].shape
        size = shape.numel()
        own, _ = self._cells(self._own)
        cells, values = self._cells(self._above)
        count = counted(cells, size).view(shape)
        confidence = summed(cells, values, size).view(shape)
        # the first bin: everything that was left out, plus what was found and fell there after all
        count[:, 0] += self._rows - count.sum(1)
        confidence[:, 0] += self._totals - confidence.sum(1)
        self._state["class_correct"] += counted(own, size).view(shape)
        self._state["class_count"] += count
        self._state["class_confidence"] += confidence
        self._clear()

    def _cells(self, parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        n_bins = self._state["class_count"].shape[1]
        classes, probs = (torch.cat(column) for column in zip(*parts, strict=True))
        return bin_index(probs, n_bins, self._stored_as).add_(classes, alpha=n_bins), probs
