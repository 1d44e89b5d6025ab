"""Temperature scaling: divide all logits by one number, fitted after training (Guo et al. 2017).

It changes confidence and never the prediction. Fit on the `cal` role, report on `test`; fitting on `test`
raises.
"""

import math
from typing import Any, Literal, Self

import numpy as np
from torch import Tensor

from levelhead.calibrate._solve import solve
from levelhead.metrics.functions import ece
from levelhead.metrics.given import Array, Given, check, check_scores
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
        given = _given(logits, labels)
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


def divided(logits: Any, temperature: float) -> Any:
    """`logits` over `temperature`, same kind and floating type; `Predictions` come back holding logits."""
    if isinstance(logits, Predictions):
        scores = log_scores(logits) / temperature
        return Predictions(
            labels=logits.labels,
            logits=scores,
            ids=logits.ids,
            role=logits.role,
            classes=logits.classes,
            meta={**logits.meta, "temperature": repr(temperature)},
        )
    if isinstance(logits, Tensor):
        return logits / temperature
    array = np.asarray(logits)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    return array / array.dtype.type(temperature)


def log_scores(predictions: Predictions) -> np.ndarray:
    """The logits of `predictions`, or the logarithms of its probabilities (which softmax brings back)."""
    if predictions.logits is not None:
        return predictions.logits
    assert predictions.probs is not None
    with np.errstate(divide="ignore"):  # a probability of zero is a class ruled out
        return np.log(predictions.probs)


def _given(logits: Array | Predictions, labels: Array | None) -> Given:
    if isinstance(logits, Predictions):
        if labels is not None:
            raise ValueError("predictions bring their own labels: give only the predictions")
        if logits.role == "test":
            raise ValueError(
                "these predictions have the role 'test': a temperature fitted on what it is reported on is "
                "not a result; fit on predictions of the role 'cal' or 'val'"
            )
        labels = logits.labels
        logits = log_scores(logits)
    if labels is None:
        raise ValueError("labels are missing: fit(logits, labels), or fit(predictions)")
    given = check(check_scores(logits, "logits"), None, labels)
    if given.scores.shape[0] == 0:
        raise ValueError("there is no example to fit a temperature to")
    return given


def _best_of_grid(given: Given) -> float:
    best, lowest = math.nan, math.inf
    for temperature in GRID:
        error = ece(logits=given.scores.to(given.working_dtype) / temperature, labels=given.labels)
        if error < lowest:
            best, lowest = temperature, error
    return best
