"""Platt scaling and beta calibration: a logistic curve for each class against the rest, then rows are normalised.

With p the probability of a class and q what it becomes:

- Platt (1999): logit q = a logit p + c. His targets (hits + 1) / (hits + 2) and 1 / (misses + 2) instead of one and
  zero keep the optimum finite where the class is told apart without an error.
- Beta calibration (Kull, Silva Filho and Flach 2017, eq. 5): logit q = a log p - b log(1 - p) + c, which holds the
  identity (a = b = 1, c = 0) and curves that Platt's misses. Same targets.

Slopes are held at zero or above, so that each curve rises. Both are made for two classes; one against the rest, then
divided by the row's sum, is how Zadrozny and Elkan (2002) and Kull et al. (2019) take them to many. Calibrating the
predicted class only (Gupta and Ramdas 2022) was the alternative: it leaves no probabilities for the other classes. What
comes back are log-probabilities. SciPy's L-BFGS-B finds each optimum; the problems are convex.
"""

from collections.abc import Mapping

import numpy as np

from levelhead.calibrate._fitted import MapCalibrator
from levelhead.calibrate._scores import log_odds
from levelhead.metrics.given import Given


class _Logistic(MapCalibrator):
    """logit q = features @ slopes + offset, a class at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.slopes = np.empty((0, 0))  # (C, F)
        self.offsets = np.empty(0)  # (C,)

    def _features(self, log_p: np.ndarray, log_rest: np.ndarray) -> list[np.ndarray]:
        """What the curve is linear in, F arrays of the shape of `log_p`, all rising with p."""
        raise NotImplementedError

    def _fit_map(self, z: np.ndarray, labels: np.ndarray, given: Given) -> None:
        features = np.stack(self._features(*_finite_log_odds(z)))  # (F, N, C)
        possible = np.isfinite(z)  # a class that is ruled out stays so, and says nothing about its curve
        fits = [
            _logistic_fit(features[:, possible[:, k], k], labels[possible[:, k]] == k) for k in range(self.num_classes)
        ]
        self.slopes, self.offsets = np.stack([s for s, _ in fits]), np.array([o for _, o in fits])

    def _map(self, z: np.ndarray) -> np.ndarray:
        features = np.stack(self._features(*_finite_log_odds(z)))
        logit = np.einsum("fnc,cf->nc", features, self.slopes) + self.offsets
        log_q = np.where(np.isfinite(z), -np.logaddexp(0, -logit), -np.inf)
        return log_q - np.logaddexp.reduce(log_q, axis=1, keepdims=True)

    def arrays(self) -> dict[str, np.ndarray]:
        """`slopes` (C, F) and `offsets` (C,). ValueError before `fit`."""
        self._require_fit()
        return {"slopes": self.slopes, "offsets": self.offsets}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the numbers that `arrays` gave."""
        self.slopes, self.offsets = arrays["slopes"], arrays["offsets"]
        self.num_classes = len(self.offsets)


class PlattScaling(_Logistic):
    """Each class's log-odds times a factor plus an offset, then rows normalised: 2 C numbers. Fits and maps (N, C)."""

    name = "platt"

    def _features(self, log_p: np.ndarray, log_rest: np.ndarray) -> list[np.ndarray]:
        return [log_p - log_rest]


class BetaCalibration(_Logistic):
    """Each class's log p and log(1 - p) with a factor each plus an offset, then rows normalised: 3 C numbers."""

    name = "beta"

    def _features(self, log_p: np.ndarray, log_rest: np.ndarray) -> list[np.ndarray]:
        return [log_p, -log_rest]


_FARTHEST = 745.0  # nats: about the smallest probability that float64 holds


def _finite_log_odds(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    log_p, log_rest = log_odds(z)
    return np.maximum(log_p, -_FARTHEST), np.maximum(log_rest, -_FARTHEST)


def _logistic_fit(x: np.ndarray, hit: np.ndarray) -> tuple[np.ndarray, float]:
    """Slopes (F,) at or above zero and offset of the likeliest logistic curve through `x` (F, n), Platt's targets."""
    from scipy.optimize import minimize
    from scipy.special import expit

    hits, misses = int(hit.sum()), int((~hit).sum())
    target = np.where(hit, (hits + 1) / (hits + 2), 1 / (misses + 2))
    scale = np.maximum(np.abs(x).mean(1), 1e-30) if x.shape[1] else np.ones(len(x))
    x = x / scale[:, None]
    count = max(len(target), 1)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        logit = values[:-1] @ x + values[-1]
        excess = (expit(logit) - target) / count
        return float((np.logaddexp(0, logit) - target * logit).sum() / count), np.append(x @ excess, excess.sum())

    bounds = [(0.0, None)] * len(x) + [(None, None)]
    start = np.append(scale, 0.0)  # slopes of one: the identity
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9})
    return found.x[:-1] / scale, float(found.x[-1])
