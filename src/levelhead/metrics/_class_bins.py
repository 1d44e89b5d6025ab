"""Equal-width bins of every class's probability, for class-wise calibration error.

State: C x M. Nearly all probabilities of many classes lie in the first bin, so only those above its upper edge are
binned (at most M - 1 a row), and the first bin is the total less the rest. The label's own probability, mostly the
highest, is known without a search. Together they take a fourth of the time of binning everything.
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


class Collector:
    """What blocks have for the bins, kept until there is enough: tables of C x M cost more than a block's rows."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._clear()

    def _clear(self) -> None:
        self._own: list[tuple[Tensor, Tensor]] = []
        self._others: list[tuple[Tensor, Tensor]] = []
        self._totals = torch.zeros(())
        self._rows = self._kept = 0

    def visit(self, block: Block, total: Tensor) -> None:
        """Take a block's probabilities, all classes."""
        n_bins = self._state["class_count"].shape[1]

        def cells(classes: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
            return bin_index(values, n_bins, block.stored_as).add_(classes, alpha=n_bins), values

        own = cells(block.labels, block.label_probs(total))
        # from below the upper edge by more than an edge rounds in bfloat16, so that none that belongs above is lost
        others = cells(*block.others_above(0.99 / n_bins, total))
        self._own.append(own)
        self._others.append(others)
        self._totals = block.probs_by_class(total) + self._totals.to(total.device)
        self._rows += len(block)
        self._kept += len(block) + len(others[0])
        if self._kept > 8 * self._state["class_count"].numel():
            self.flush()

    def flush(self) -> None:
        """Put what is kept into the bins."""
        if not self._rows:
            return
        shape = self._state["class_count"].shape
        correct, confidence = _tables(self._own, shape)
        count, other_confidence = _tables(self._others, shape)
        self._state["class_correct"] += correct
        count += correct
        confidence += other_confidence
        # the first bin: everything that was left out, plus what was handed in and fell there after all
        count[:, 0] += self._rows - count.sum(1)
        confidence[:, 0] += self._totals - confidence.sum(1)
        self._state["class_count"] += count
        self._state["class_confidence"] += confidence
        self._clear()


def _tables(parts: list[tuple[Tensor, Tensor]], shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Entries and sum of probabilities of each class and bin."""
    cells, values = (torch.cat(column) for column in zip(*parts, strict=True))
    size = shape.numel()
    return counted(cells, size).view(shape), summed(cells, values, size).view(shape)
