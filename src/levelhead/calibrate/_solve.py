"""The inverse temperature with the least negative log-likelihood, by a safeguarded Newton search.

The slope is a rising function of beta, so the root is bracketed; steps that leave the bracket are replaced by its
middle. Steps are Halley's (Newton's, bent by the third derivative, which costs little beside the exponentials): they
leave an error of the step's cube. For large inputs a twentieth of the rows gives the start. One full pass then usually
does: its three derivatives leave only the fourth and higher ones unknown, and those are read off the twentieth again.

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

import torch

from levelhead.calibrate import _likelihood
from levelhead.calibrate._likelihood import Curve
from levelhead.metrics.given import Given

SHARPEST = 1e4  # bounds of beta times the mean spread of the logits
FLATTEST = 1e-4
WIDE = 1e9  # cubes of such logits, or of their inverses, may leave float32: they are worked in float64
EQUAL = 1e-30  # logits that differ by less are equal: float32 could not hold the beta that tells them apart
ENOUGH = 5e-3  # a step this small in log beta leaves an error of about its cube
ENOUGH_WITH_FEW = 3e-2  # likewise where few rows tell the higher derivatives: about a twentieth of its cube
UNCHANGED = 1e-5  # a log beta this close to zero is zero: the gain would drown in rounding
START_FROM = 20_000  # rows from which a start on every twentieth row pays


@dataclass(frozen=True)
class Solution:
    """An inverse temperature and how it was come by."""

    beta: float
    status: str  # optimum | separable | hopeless | identity


def solve(given: Given) -> Solution:
    """The best inverse temperature for `given` (logits with labels); see the head of this file."""
    few = _thinned(given)
    scale = _scale(few) or _scale(given)
    if scale == 0:
        _likelihood.curve(given, 1.0)  # for what it refuses
        return Solution(1.0, "identity")  # every class scores the same: no temperature changes anything
    if given.working_dtype == torch.float32 and not 1 / WIDE < scale < WIDE:
        given = Given(given.scores.double(), given.kind, given.labels)
        few = _thinned(given)
    low, high = math.log(FLATTEST / scale), math.log(SHARPEST / scale)
    theta = min(max(0.0, low), high)
    telling = few if few is not given and _likelihood.curve(few, math.exp(theta)).errors else None
    if telling:
        theta = _newton(telling, theta, low, high)
    here = _likelihood.curve(given, math.exp(theta))
    if here.errors == 0:
        return _separable(given, low, high)
    theta = _newton(given, theta, low, high, here, few=telling)
    if theta <= low + ENOUGH:
        return Solution(min(math.exp(low), 1.0), "hopeless")  # where the logits are flatter already, they stay
    if theta >= high - ENOUGH:
        return Solution(max(math.exp(high), 1.0), "separable")
    if abs(theta) < UNCHANGED:
        return Solution(1.0, "identity")
    return Solution(math.exp(theta), "optimum")


def _scale(given: Given) -> float:
    """The mean spread of the logits; zero where they are equal as far as float32 can tell."""
    spread = _likelihood.spread(given)
    return spread if spread > EQUAL else 0.0


def _newton(
    given: Given, theta: float, low: float, high: float, here: Curve | None = None, few: Given | None = None
) -> float:
    """The root of the slope in log beta, or the bound beyond which it lies.

    `here`: the curve at `theta`, where it is known. `few`: a sample of `given` that saves the last pass.
    """
    bounds = {low, high}
    for _ in range(200):
        beta = math.exp(theta)
        here = here or _likelihood.curve(given, beta)
        if here.slope == 0:
            return theta
        low, high = (theta, high) if here.slope < 0 else (low, theta)
        if low == high:
            return theta  # on a bound, and the slope leads out
        step = _step(here, beta)
        following = theta + min(max(step, -3.0), 3.0)
        if not low < following < high:
            end = low if following <= low else high
            following = end if end in bounds else (low + high) / 2
            bounds.discard(end)
        if abs(following - theta) < ENOUGH:
            return following
        if few and abs(following - theta) < ENOUGH_WITH_FEW:
            return _followed(few, here, beta, following)
        theta, here = following, None
    return theta


def _step(here: Curve, beta: float) -> float:
    """Halley's step in log beta towards the root of the slope; Newton's where the bend is too strong to trust."""
    rise = beta * here.curvature
    if rise <= 0:
        return math.copysign(math.inf, -here.slope)
    newton = -here.slope / rise
    bend = 1 + newton * (1 + beta * here.third / here.curvature) / 2
    return newton / bend if 0.5 < bend < 2 else newton


def _followed(few: Given, there: Curve, start: float, theta: float) -> float:
    """The root near `theta` of the slope: its derivatives at `start` are those of `there`, the higher ones of `few`."""
    sample = _likelihood.curve(few, start)
    share = there.rows / sample.rows
    beta = math.exp(theta)
    here, far = _likelihood.curve(few, beta), beta - start
    bend = there.third - share * sample.third
    rise = there.curvature - share * sample.curvature
    slope = there.slope + share * (here.slope - sample.slope) + (rise + bend * far / 2) * far
    curvature = share * here.curvature + rise + bend * far
    return theta - slope / (beta * curvature)


def _separable(given: Given, low: float, high: float) -> Solution:
    """The sharpest temperature that N rows without an error can support, by bisection in log beta."""
    if _likelihood.expected_errors(given, 1.0) <= 0.5:
        return Solution(1.0, "separable")  # sharp enough: anything flatter would be worse on these rows
    for _ in range(60):
        middle = (low + high) / 2
        if _likelihood.expected_errors(given, math.exp(middle)) > 0.5:
            low = middle
        else:
            high = middle
    return Solution(max(math.exp(high), 1.0), "separable")


def _thinned(given: Given) -> Given:
    if given.scores.shape[0] < START_FROM:
        return given
    return Given(given.scores[::20].contiguous(), given.kind, given.labels[::20].contiguous())
