"""Which fold an example belongs to, dealt out while the rows stream by.

The folds are those of `levelhead.calibrate.cross_fit`: every class is dealt out in turn, in order, without a draw.
"""

import numpy as np


class Dealer:
    """Deals rows to folds; `counts` (C,): how many labels each class has in the whole file."""

    def __init__(self, counts: np.ndarray, folds: int) -> None:
        self._next = np.cumsum(counts) - counts  # place of each class's next row, were the file sorted by class
        self._folds = folds

    def deal(self, labels: np.ndarray) -> np.ndarray:
        """(n,) the folds of the next rows."""
        order = np.argsort(labels, kind="stable")
        ordered = labels[order]
        within = np.arange(len(labels)) - np.searchsorted(ordered, ordered, side="left")
        fold = np.empty(len(labels), dtype=np.int64)
        fold[order] = (self._next[ordered] + within) % self._folds
        self._next += np.bincount(labels, minlength=len(self._next))
        return fold
