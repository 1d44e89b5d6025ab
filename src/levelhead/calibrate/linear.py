"""Vector and matrix scaling: a linear map of the logits, fitted after training (Guo et al. 2017).

Vector scaling gives each class its own factor and offset, matrix scaling mixes the classes as well. Both can change
predictions, and matrix scaling overfits small sets, so both are held towards temperature scaling: the penalty is
`ridge` times the mean squares of what is added to the fitted temperature's map (Kull et al. 2019 hold the off-diagonal
entries and the offsets). The problem is convex; SciPy's L-BFGS finds its optimum in float64.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from levelhead.calibrate._scores import applied, given_to_fit
from levelhead.calibrate._solve import solve
from levelhead.metrics.given import Array
from levelhead.predictions import Predictions


class _LinearScaling:
    """logits @ weight.T + bias, with the negative log-likelihood of the fitting data never worse than before."""

    name: ClassVar[str]

    def __init__(self, ridge: float = 1e-2) -> None:
        if not (ridge >= 0 and math.isfinite(ridge)):
            raise ValueError(f"ridge must be a number of at least 0, got {ridge!r}")
        self.ridge = ridge
        self.status = "not fitted"
        self.weight: np.ndarray | None = None  # (C, C)
        self.bias: np.ndarray | None = None  # (C,)

    def _free(self, num_classes: int) -> np.ndarray:
        """(C, C) bool: the entries of the weight that are fitted."""
        raise NotImplementedError

    def fit(self, logits: Array | Predictions, labels: Array | None = None) -> Self:
        """Find the map from `logits` (N, C) with `labels` (N,), or from a `Predictions` that is not of the role test.

        Raises ValueError as `TemperatureScaling.fit` does, and for a logit of minus infinity, which cannot be mixed.
        """
        given = given_to_fit(logits, labels)
        z, y = given.scores.double().cpu().numpy(), given.labels.cpu().numpy()
        solution = solve(given)
        if not np.isfinite(z).all():
            raise ValueError(f"{self.name} scaling needs finite logits; temperature scaling allows minus infinity")
        num_classes = z.shape[1]
        start = np.eye(num_classes) * solution.beta
        self.weight, self.bias = self._optimum(z, y, start)
        before, after = _nll(z, y), _nll(z @ self.weight.T + self.bias, y)
        self.status = "optimum"
        if not after < before:
            self.weight, self.bias, self.status = np.eye(num_classes), np.zeros(num_classes), "identity"
        return self

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
            penalty = self.ridge / len(values)
            return (
                float(-log_p[own > 0].mean() + penalty * values @ values),
                gradient + 2 * penalty * values,
            )

        found = minimize(loss, np.zeros(count + num_classes), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
        weight, bias = unpacked(found.x)
        return weight / scale, bias

    def apply(self, logits: Any) -> Any:
        """`logits` (N, C) mapped: a tensor, array or `Predictions` as it came in; gradients do not pass."""
        if self.weight is None or self.bias is None:
            raise ValueError("the map is not known yet: call fit(logits, labels) first")
        weight, bias = self.weight, self.bias
        return applied(logits, lambda z: z @ weight.T + bias, self.name)

    def arrays(self) -> dict[str, np.ndarray]:
        """The fitted numbers by name, for `save`."""
        if self.weight is None or self.bias is None:
            raise ValueError("there is nothing to save: call fit(logits, labels) first")
        return {"weight": self.weight, "bias": self.bias}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], status: str) -> Self:
        """What `arrays` gave, back."""
        scaling = cls()
        scaling.weight, scaling.bias, scaling.status = arrays["weight"], arrays["bias"], status
        return scaling


def _nll(logits: np.ndarray, labels: np.ndarray) -> float:
    top = logits.max(1)
    own = logits[np.arange(len(labels)), labels]
    return float((np.log(np.exp(logits - top[:, None]).sum(1)) + top - own).mean())


class VectorScaling(_LinearScaling):
    """Each class's logit times its own factor, plus its own offset; `ridge` holds both towards one temperature."""

    name = "vector"

    def _free(self, num_classes: int) -> np.ndarray:
        return np.eye(num_classes, dtype=bool)


class MatrixScaling(_LinearScaling):
    """A full linear map of the logits plus offsets: C x C + C numbers, so give it many examples or a larger `ridge`."""

    name = "matrix"

    def _free(self, num_classes: int) -> np.ndarray:
        return np.ones((num_classes, num_classes), dtype=bool)
