"""Isotonic regression and histogram binning: each class's probability is mapped on its own, then rows are normalised.

One curve a class from probability to frequency (Zadrozny and Elkan 2001, 2002): a rising step function for isotonic
regression, the mean of equal bins for histogram binning. What comes back are log-probabilities, so that they can be
used like any logits. Both are made of flat pieces, hence ties, and can change predictions. Frequencies of zero, which
would cost infinitely many nats on new data, are kept away from zero by one example's worth.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from levelhead.calibrate._fitted import MapCalibrator
from levelhead.calibrate._scores import log_softmax
from levelhead.metrics._edges import check_n_bins
from levelhead.metrics.given import Given


class _PerClass(MapCalibrator):
    """A curve for each class from its probability to a frequency."""

    def __init__(self) -> None:
        super().__init__()
        self._curves: list[tuple[np.ndarray, np.ndarray]] = []  # a class: places and values
        self._floor = 0.0

    def _curve(self, p: np.ndarray, hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def _read(self, p: np.ndarray, curve: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        raise NotImplementedError

    def _fit_map(self, z: np.ndarray, labels: np.ndarray, given: Given) -> None:
        probs = np.exp(log_softmax(z))
        self._floor = 1 / (len(labels) + self.num_classes)
        self._curves = [self._curve(probs[:, k], labels == k) for k in range(self.num_classes)]

    def _map(self, z: np.ndarray) -> np.ndarray:
        probs = np.exp(log_softmax(z))
        values = np.stack([self._read(probs[:, k], curve) for k, curve in enumerate(self._curves)], axis=1)
        values = np.maximum(values, self._floor)
        return np.log(values / values.sum(1, keepdims=True))

    def arrays(self) -> dict[str, np.ndarray]:
        """The curves, end to end. ValueError before `fit`."""
        self._require_fit()
        return {
            "places": np.concatenate([places for places, _ in self._curves]),
            "values": np.concatenate([values for _, values in self._curves]),
            "lengths": np.array([len(places) for places, _ in self._curves]),
            "floor": np.array(self._floor),
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the numbers that `arrays` gave."""
        cuts = np.cumsum(arrays["lengths"])[:-1]
        places, values = np.split(arrays["places"], cuts), np.split(arrays["values"], cuts)
        self._curves = list(zip(places, values, strict=True))
        self._floor, self.num_classes = float(arrays["floor"]), len(self._curves)


class IsotonicRegression(_PerClass):
    """The rising step function with the least squared error, a class; linear between steps (scikit-learn's)."""

    name = "isotonic"

    def _curve(self, p: np.ndarray, hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.isotonic import IsotonicRegression as Fit

        fit = Fit(y_min=0, y_max=1, out_of_bounds="clip").fit(p, hit.astype(np.float64))
        return fit.X_thresholds_, fit.y_thresholds_

    def _read(self, p: np.ndarray, curve: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return np.interp(p, *curve)


class HistogramBinning(_PerClass):
    """The frequency of the class in each of `n_bins` equal bins (lo, hi]; an empty bin keeps its centre."""

    name = "histogram"

    def __init__(self, n_bins: int = 15) -> None:
        super().__init__()
        self.n_bins = check_n_bins(n_bins)

    def settings(self) -> dict[str, Any]:
        """`n_bins`."""
        return {"n_bins": self.n_bins}

    def _curve(self, p: np.ndarray, hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        upper = np.arange(1, self.n_bins + 1) / self.n_bins
        index = np.minimum(np.searchsorted(upper, p, side="left"), self.n_bins - 1)
        count = np.bincount(index, minlength=self.n_bins)
        hits = np.bincount(index, weights=hit, minlength=self.n_bins)
        return upper, np.where(count > 0, hits / np.maximum(count, 1), upper - 0.5 / self.n_bins)

    def _read(self, p: np.ndarray, curve: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        upper, values = curve
        return values[np.minimum(np.searchsorted(upper, p, side="left"), len(upper) - 1)]
