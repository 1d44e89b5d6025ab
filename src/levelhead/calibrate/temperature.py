"""Temperature scaling: divide all logits by one number, fitted after training (Guo et al. 2017).

It changes confidence and never the prediction. Fit on the `cal` role, report on `test`; fitting on `test`
raises.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from levelhead.calibrate._fitted import Calibrator
from levelhead.calibrate._likelihood import curve
from levelhead.calibrate._scores import divided
from levelhead.calibrate._solve import solve
from levelhead.metrics.functions import ece
from levelhead.metrics.given import Given

GRID = tuple(k / 10 for k in range(1, 101))  # 0.1, 0.2, ... 10.0


class TemperatureScaling(Calibrator):
    """Divide logits (..., C) by a temperature.

    `criterion="nll"` (default) takes the temperature with the least negative log-likelihood, by a safeguarded
    Newton search; `"ece"` takes the first best of the grid 0.1, 0.2, ..., 10.0 for ECE with 15 bins, as the
    papers do (MbLS: on the validation set). Neither depends on where a search starts.

    `temperature` is always positive. `status` says how it was come by: `optimum`; `separable` (the fitting
    data hold no error, so sharper always looks better: it stops where half an error would be expected in that
    many examples); `hopeless` (labels score no better than the average class: almost uniform); `identity`
    (nothing beats 1, or all logits are equal). The negative log-likelihood of the fitting data is never worse
    than before; only the papers' grid, which looks at ECE, can make it so, and says `nll worse`. Rows whose label
    has a logit of minus infinity say nothing about the temperature and are left out.

    >>> import numpy as np
    >>> logits = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
    >>> scaling = TemperatureScaling().fit(logits, np.array([0, 0, 0, 1]))
    >>> round(scaling.temperature, 4)  # 4 / log 3: three of four right
    3.641
    """

    name = "temperature"

    def __init__(self, criterion: Literal["nll", "ece"] = "nll") -> None:
        if criterion not in ("nll", "ece"):
            raise ValueError(f"criterion must be 'nll' or 'ece', got {criterion!r}")
        super().__init__()
        self.criterion = criterion
        self._temperature: float | None = None

    @property
    def temperature(self) -> float:
        """The divisor, above zero. Raises ValueError before `fit`."""
        self._require_fit()
        assert self._temperature is not None
        return self._temperature

    def settings(self) -> dict[str, Any]:
        """`criterion`."""
        return {"criterion": self.criterion}

    def _fit(self, given: Given) -> None:
        if self.criterion == "nll":
            solution = solve(given)
            self._temperature, self.status = 1 / solution.beta, solution.status
            return
        self._temperature = _best_of_grid(given)
        before, after = (curve(given, beta).loss for beta in (1.0, 1 / self._temperature))
        if after > before * (1 + 1e-6):
            self.status = "nll worse"
        else:
            self.status = "identity" if self._temperature == 1 else "optimum"

    def _apply(self, logits: Any) -> Any:
        return divided(logits, self.temperature)

    def arrays(self) -> dict[str, np.ndarray]:
        """`temperature`. ValueError before `fit`."""
        return {"temperature": np.array(self.temperature)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the number that `arrays` gave."""
        self._temperature = float(arrays["temperature"])


def _best_of_grid(given: Given) -> float:
    best, lowest = math.nan, math.inf
    for temperature in GRID:
        error = ece(logits=given.scores.to(given.working_dtype) / temperature, labels=given.labels)
        if error < lowest:
            best, lowest = temperature, error
    return best
