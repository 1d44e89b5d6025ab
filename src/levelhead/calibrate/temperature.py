"""Temperature scaling: divide all logits by one number, fitted after training (Guo et al. 2017).

It changes confidence and never the prediction. Fit on the `cal` role, report on `test`; fitting on `test`
raises.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np

from levelhead.calibrate._scores import divided, given_to_fit
from levelhead.calibrate._solve import solve
from levelhead.metrics.functions import ece
from levelhead.metrics.given import Array, Given
from levelhead.predictions import Predictions

GRID = tuple(k / 10 for k in range(1, 101))  # 0.1, 0.2, ... 10.0


class TemperatureScaling:
    """Divide logits by a temperature.

    `criterion="nll"` (default) takes the temperature with the least negative log-likelihood, by a safeguarded
    Newton search; `"ece"` takes the first best of the grid 0.1, 0.2, ..., 10.0 for ECE with 15 bins, as the
    papers do.

    `temperature` is always positive. `status` says how it was come by: `optimum`; `separable` (the fitting
    data hold no error, so sharper always looks better: it stops where half an error would be expected in that
    many examples); `hopeless` (labels score no better than the average class: almost uniform); `identity`
    (nothing beats 1, or all logits are equal). The negative log-likelihood of the fitting data is never worse
    than before.

    >>> import numpy as np
    >>> logits = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
    >>> scaling = TemperatureScaling().fit(logits, np.array([0, 0, 0, 1]))
    >>> round(scaling.temperature, 4)  # 4 / log 3: three of four right
    3.641
    """

    def __init__(self, criterion: Literal["nll", "ece"] = "nll") -> None:
        if criterion not in ("nll", "ece"):
            raise ValueError(f"criterion must be 'nll' or 'ece', got {criterion!r}")
        self.criterion = criterion
        self.status = "not fitted"
        self._temperature: float | None = None

    @property
    def temperature(self) -> float:
        """The divisor, above zero. Raises ValueError before `fit`."""
        if self._temperature is None:
            raise ValueError("the temperature is not known yet: call fit(logits, labels) first")
        return self._temperature

    def fit(self, logits: Array | Predictions, labels: Array | None = None) -> Self:
        """Find the temperature from `logits` (N, C) with `labels` (N,), or from a `Predictions`.

        Predictions that hold probabilities are taken through their logarithm. Rows whose label has a logit of
        minus infinity say nothing about the temperature and are left out. Raises ValueError for predictions
        with the role `test`, for no example, NaN, plus infinity, wrong shapes or labels.
        """
        given = given_to_fit(logits, labels)
        if self.criterion == "ece":
            self._temperature = _best_of_grid(given)
            self.status = "identity" if self._temperature == 1 else "optimum"
        else:
            solution = solve(given)
            self._temperature, self.status = 1 / solution.beta, solution.status
        return self

    def apply(self, logits: Any) -> Any:
        """`logits` (..., C) divided by the temperature: a tensor, array or `Predictions` as it came in."""
        return divided(logits, self.temperature)

    def arrays(self) -> dict[str, np.ndarray]:
        """The fitted numbers by name, for `save`."""
        return {"temperature": np.array(self.temperature)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], status: str) -> Self:
        """What `arrays` gave, back."""
        scaling = cls()
        scaling._temperature, scaling.status = float(arrays["temperature"]), status
        return scaling


def _best_of_grid(given: Given) -> float:
    best, lowest = math.nan, math.inf
    for temperature in GRID:
        error = ece(logits=given.scores.to(given.working_dtype) / temperature, labels=given.labels)
        if error < lowest:
            best, lowest = temperature, error
    return best
