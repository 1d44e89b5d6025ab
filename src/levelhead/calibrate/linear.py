"""Vector and matrix scaling: a linear map of the logits, fitted after training (Guo et al. 2017).

Vector scaling gives each class its own factor and offset, matrix scaling mixes the classes as well. Both can change
predictions, and matrix scaling overfits small sets, so both are held towards temperature scaling. The loss is

    mean NLL + ridge / N * (sum of squares of what is added to the fitted temperature's map and to the offsets)

with logits in units of their mean size: a normal prior of standard deviation sqrt(1 / (2 ridge)), .22 by default, whose
weight fades with the examples N. (Kull et al. 2019 hold the off-diagonal entries and the offsets, by mean squares, with
weights that cross-validation chooses.) On the outputs of real networks, with 500 to 5,000 examples, the best ridge lies
between 0.5 and 100. The problem is convex; SciPy's L-BFGS finds its optimum in float64.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from levelhead.calibrate._fitted import MapCalibrator
from levelhead.calibrate._solve import solve
from levelhead.metrics.given import Given


class _LinearScaling(MapCalibrator):
    """logits @ weight.T + bias: `weight` (C, C), `bias` (C,), both None before `fit`."""

    def __init__(self, ridge: float = 10.0) -> None:
        if not (ridge >= 0 and math.isfinite(ridge)):
            raise ValueError(f"ridge must be a number of at least 0, got {ridge!r}")
        super().__init__()
        self.ridge = ridge
        self.weight: np.ndarray | None = None
        self.bias: np.ndarray | None = None

    def settings(self) -> dict[str, Any]:
        """`ridge`."""
        return {"ridge": self.ridge}

    def _free(self, num_classes: int) -> np.ndarray:
        """(C, C) bool: the entries of the weight that are fitted."""
        raise NotImplementedError

    def _fit_map(self, z: np.ndarray, labels: np.ndarray, given: Given) -> None:
        if not np.isfinite(z).all():
            raise ValueError(
                f"{self.name} scaling needs finite logits: a class ruled out by minus infinity cannot be mixed with "
                "others; temperature scaling allows it"
            )
        start = np.eye(z.shape[1]) * solve(given).beta
        self.weight, self.bias = self._optimum(z, labels, start)

    def _fit(self, given: Given) -> None:
        super()._fit(given)
        if self.status == "identity":
            self.weight, self.bias = np.eye(self.num_classes), np.zeros(self.num_classes)

    def _optimum(self, z: np.ndarray, y: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from scipy.optimize import minimize

        num_classes = z.shape[1]
        free = self._free(num_classes)
        scale = max(float(np.abs(z).mean()), 1e-30)  # in units of the logits, so that scaling them changes nothing
        x, count = z / scale, int(free.sum())
        own = np.eye(num_classes)[y]

        def unpacked(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            weight = start * scale
            weight[free] += values[:count]
            return weight, values[count:]

        def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
            weight, bias = unpacked(values)
            scores = x @ weight.T + bias
            scores -= scores.max(1, keepdims=True)
            log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
            excess = (np.exp(log_p) - own) / len(x)
            gradient = np.concatenate([(excess.T @ x)[free], excess.sum(0)])
            penalty = self.ridge / len(x)
            return (
                float(-log_p[own > 0].mean() + penalty * values @ values),
                gradient + 2 * penalty * values,
            )

        found = minimize(loss, np.zeros(count + num_classes), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
        weight, bias = unpacked(found.x)
        return weight / scale, bias

    def _map(self, z: np.ndarray) -> np.ndarray:
        assert self.weight is not None
        assert self.bias is not None
        return z @ self.weight.T + self.bias

    def arrays(self) -> dict[str, np.ndarray]:
        """`weight` and `bias`. ValueError before `fit`."""
        self._require_fit()
        assert self.weight is not None
        assert self.bias is not None
        return {"weight": self.weight, "bias": self.bias}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the numbers that `arrays` gave."""
        self.weight, self.bias = arrays["weight"], arrays["bias"]
        self.num_classes = len(self.bias)


class VectorScaling(_LinearScaling):
    """Each class's logit times its own factor, plus its own offset; `ridge` holds both towards one temperature.

    Fit and apply logits (N, C); finite ones only. Can change predictions.
    """

    name = "vector"

    def _free(self, num_classes: int) -> np.ndarray:
        return np.eye(num_classes, dtype=bool)


class MatrixScaling(_LinearScaling):
    """A full linear map of the logits plus offsets: C x C + C numbers, so give it many examples or a larger `ridge`.

    Fit and apply logits (N, C); finite ones only. Can change predictions.
    """

    name = "matrix"

    def _free(self, num_classes: int) -> np.ndarray:
        return np.ones((num_classes, num_classes), dtype=bool)
