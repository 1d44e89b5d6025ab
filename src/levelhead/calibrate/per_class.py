"""Isotonic regression and histogram binning: each class's probability is mapped on its own, then rows are normalised.

One curve a class from probability to frequency (Zadrozny and Elkan 2001, 2002): a rising step function for isotonic
regression, the mean of equal bins for histogram binning. What comes back are log-probabilities, so that they can be
used like any logits. Both are made of flat pieces, hence ties, and can change predictions. Frequencies of zero, which
would cost infinitely many nats on new data, are kept away from zero by one example's worth.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from levelhead.calibrate._scores import applied, given_to_fit
from levelhead.metrics._edges import check_n_bins
from levelhead.metrics.given import Array
from levelhead.predictions import Predictions


class _PerClass:
    """A curve for each class; identity where the curves would make the fitting data less likely."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.status = "not fitted"
        self._curves: list[tuple[np.ndarray, np.ndarray]] | None = None  # a class: places and values
        self._floor = 0.0

    def _curve(self, p: np.ndarray, hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def _read(self, p: np.ndarray, curve: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        raise NotImplementedError

    def fit(self, logits: Array | Predictions, labels: Array | None = None) -> Self:
        """Fit one curve a class from `logits` (N, C) with `labels` (N,), or from a `Predictions` not of the role test.

        Raises ValueError as `TemperatureScaling.fit` does.
        """
        given = given_to_fit(logits, labels)
        z, y = given.scores.double().cpu().numpy(), given.labels.cpu().numpy()
        if np.isnan(z).any() or np.isposinf(z).any():
            raise ValueError("logits hold NaN or plus infinity")
        probs = np.exp(_log_softmax(z))
        self._floor = 1 / (len(y) + probs.shape[1])
        self._curves = [self._curve(probs[:, k], y == k) for k in range(probs.shape[1])]
        rows = np.arange(len(y))
        better = self._mapped(z)[rows, y].sum() > _log_softmax(z)[rows, y].sum()
        self.status = "optimum" if better else "identity"
        return self

    def _mapped(self, z: np.ndarray) -> np.ndarray:
        assert self._curves is not None
        probs = np.exp(_log_softmax(z))
        values = np.stack([self._read(probs[:, k], curve) for k, curve in enumerate(self._curves)], axis=1)
        values = np.maximum(values, self._floor)
        return np.log(values / values.sum(1, keepdims=True))

    def apply(self, logits: Any) -> Any:
        """Calibrated log-probabilities of `logits` (N, C): a tensor, array or `Predictions` as it came in."""
        if self._curves is None:
            raise ValueError("the curves are not known yet: call fit(logits, labels) first")
        num_classes = len(self._curves)

        def mapped(z: np.ndarray) -> np.ndarray:
            if z.ndim != 2 or z.shape[1] != num_classes:
                raise ValueError(f"logits must have shape (N, {num_classes}), got {z.shape}")
            return z if self.status == "identity" else self._mapped(z)

        return applied(logits, mapped, self.name)

    def arrays(self) -> dict[str, np.ndarray]:
        """The fitted numbers by name, for `save`."""
        if self._curves is None:
            raise ValueError("there is nothing to save: call fit(logits, labels) first")
        return {
            "places": np.concatenate([places for places, _ in self._curves]),
            "values": np.concatenate([values for _, values in self._curves]),
            "lengths": np.array([len(places) for places, _ in self._curves]),
            "floor": np.array(self._floor),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], status: str) -> Self:
        """What `arrays` gave, back."""
        fitted = cls()
        cuts = np.cumsum(arrays["lengths"])[:-1]
        places, values = np.split(arrays["places"], cuts), np.split(arrays["values"], cuts)
        fitted._curves = list(zip(places, values, strict=True))
        fitted._floor, fitted.status = float(arrays["floor"]), status
        return fitted


def _log_softmax(z: np.ndarray) -> np.ndarray:
    shifted = z - z.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


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

    def _curve(self, p: np.ndarray, hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        upper = np.arange(1, self.n_bins + 1) / self.n_bins
        index = np.minimum(np.searchsorted(upper, p, side="left"), self.n_bins - 1)
        count = np.bincount(index, minlength=self.n_bins)
        hits = np.bincount(index, weights=hit, minlength=self.n_bins)
        return upper, np.where(count > 0, hits / np.maximum(count, 1), upper - 0.5 / self.n_bins)

    def _read(self, p: np.ndarray, curve: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        upper, values = curve
        return values[np.minimum(np.searchsorted(upper, p, side="left"), len(upper) - 1)]
