"""Measures taken batch by batch and averaged, as segmentation papers report them (Liu et al. 2022, MbLS).

Not the measure of all pixels: ECE of a batch has fewer pixels in a bin and so a larger bias, and depends on the batch
size. It is here so that published numbers can be compared; `Calibration` pools all pixels and is what to report.
"""

import math
from typing import Any, Self

import torch

from levelhead.metrics._sharing import reduced
from levelhead.metrics.given import Array
from levelhead.metrics.streaming import Calibration


class BatchMean:
    """Every measure of each batch, averaged with the number of its examples as weight.

    Arguments as for `Calibration`; pixels whose label is ignored have no weight, and a batch without others none.

    >>> import numpy as np
    >>> mean = BatchMean(2)
    >>> for label in (0, 1):
    ...     mean.update(probs=np.array([[0.7, 0.3]]), labels=np.array([label]))
    >>> round(mean.compute()["ece"], 6)
    0.5
    """

    def __init__(self, num_classes: int, n_bins: int = 15, **options: Any) -> None:
        self._make = lambda: Calibration(num_classes, n_bins, **options)
        self._sums = {name: torch.zeros((), dtype=torch.float64) for name in self._make().compute()}
        self.num_examples = 0

    def update(self, *, logits: Array | None = None, probs: Array | None = None, labels: Array | None = None) -> None:
        """Add one batch, as `Calibration.update` takes it."""
        batch = self._make()
        batch.update(logits=logits, probs=probs, labels=labels)
        if batch.num_examples:
            for name, value in batch.compute().items():
                self._sums[name] = self._sums[name] + value * batch.num_examples
        self.num_examples += batch.num_examples

    def compute(self) -> dict[str, float]:
        """The weighted mean of each measure over the batches; NaN before the first example."""
        n = self.num_examples
        return {name: float(total) / n if n else math.nan for name, total in self._sums.items()}

    def merge(self, other: "BatchMean") -> Self:
        """Add the batches of `other`; `other` stays as it is. Returns self."""
        if self._sums.keys() != other._sums.keys():
            raise ValueError("means over batches cannot be merged: they hold different measures")
        self._sums = {name: total + other._sums[name] for name, total in self._sums.items()}
        self.num_examples += other.num_examples
        return self

    def all_reduce(self, group: Any = None) -> Self:
        """Add up the batches of all processes of `group` (default: all), in every one of them. Returns self."""
        whole = reduced({**self._sums, "num_examples": torch.tensor(self.num_examples)}, group)
        self.num_examples = int(whole.pop("num_examples"))
        self._sums = whole
        return self
