"""The inverse temperature with the least negative log-likelihood, by a safeguarded Newton search.

The slope is a rising function of beta, so the root is bracketed; Newton steps that leave the bracket are
replaced by its middle. A twentieth of the rows gives the start for large inputs, after which two full passes
usually do.

Where there is no optimum the answer is a bound, and says so. Bounds scale with the logits, as the optimum
does: multiplying all logits by ten multiplies the answer by ten.

- *separable*: no row has a class above its label, so sharper is always better on these rows. N rows without
  an error cannot tell an error rate below about 1/N from zero, so sharpening stops where the model expects
  half an error in N.
- *hopeless*: labels score no higher than the average class, so flatter is always better; the bound is where
  the logits' spread is a ten-thousandth.
"""

import math
from dataclasses import dataclass

from levelhead.calibrate import _likelihood
from levelhead.metrics.given import Given

SHARPEST = 1e4  # bounds of beta times the mean spread of the logits
FLATTEST = 1e-4
EQUAL = 1e-30  # logits that differ by less are equal: float32 could not hold the beta that tells them apart
ENOUGH = 1e-4  # a Newton step this small in log beta leaves an error of about its square
START_FROM = 20_000  # rows from which a start on every twentieth row pays


@dataclass(frozen=True)
class Solution:
    """An inverse temperature and how it was come by."""

    beta: float
    status: str  # optimum | separable | hopeless | identity


def solve(given: Given) -> Solution:
    """The best inverse temperature for `given` (logits with labels); see the head of this file."""
    unscaled = _likelihood.curve(given, 1.0)  # also refuses NaN and infinities before anything is read off them
    scale = _likelihood.spread(_thinned(given)) or _likelihood.spread(given)
    if scale < EQUAL or unscaled.rows == 0:
        return Solution(1.0, "identity")  # every class scores the same: no temperature changes anything
    if _likelihood.all_right(given):
        return _separable(given, scale, unscaled)
    low, high = math.log(FLATTEST / scale), math.log(SHARPEST / scale)
    if _likelihood.curve(given, math.exp(low)).slope >= 0:
        return _kept_if_better(given, Solution(math.exp(low), "hopeless"), unscaled)
    start = min(max(0.0, low), high)
    few = _thinned(given)
    if few.scores.shape[0] < given.scores.shape[0]:
        start = _newton(few, start, low, high)
    theta = _newton(given, start, low, high, at_zero=unscaled)
    status = "separable" if theta >= high - ENOUGH else "optimum"
    return _kept_if_better(given, Solution(math.exp(theta), status), unscaled)


def _newton(given: Given, theta: float, low: float, high: float, at_zero: _likelihood.Curve | None = None) -> float:
    """The root of the slope in [low, high] of log beta, from `theta`; `at_zero`: the curve at zero."""
    for _ in range(200):
        beta = math.exp(theta)
        here = at_zero if at_zero is not None and theta == 0 else _likelihood.curve(given, beta)
        if here.slope == 0:
            return theta
        low, high = (theta, high) if here.slope < 0 else (low, theta)
        rise = beta * here.curvature
        step = -here.slope / rise if rise > 0 else math.copysign(math.inf, -here.slope)
        following = theta + step
        if not low <= following <= high or abs(step) > 3:
            following = min(max(theta + math.copysign(3, step), low), high)
            if following in (low, high):
                following = (low + high) / 2
        if abs(following - theta) < ENOUGH:
            return following
        theta = following
    return theta


def _separable(given: Given, scale: float, unscaled: _likelihood.Curve) -> Solution:
    """The sharpest temperature that N rows without an error can support, by bisection in log beta."""
    low, high = math.log(FLATTEST / scale), math.log(SHARPEST / scale)
    for _ in range(60):
        middle = (low + high) / 2
        if _likelihood.expected_errors(given, math.exp(middle)) > 0.5:
            low = middle
        else:
            high = middle
    return _kept_if_better(given, Solution(math.exp(high), "separable"), unscaled)


def _kept_if_better(given: Given, solution: Solution, unscaled: _likelihood.Curve) -> Solution:
    if _likelihood.curve(given, solution.beta).loss < unscaled.loss:
        return solution
    return Solution(1.0, "identity" if solution.status == "optimum" else solution.status)


def _thinned(given: Given) -> Given:
    if given.scores.shape[0] < START_FROM:
        return given
    return Given(given.scores[::20].contiguous(), given.kind, given.labels[::20].contiguous())
