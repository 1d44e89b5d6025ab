"""The temperature of a file of scores: fitted on another file, or cross-fitted on the file itself.

Cross-fitted: the rows are dealt to five folds and each is divided by the temperature of the other four, so that no
example is scaled by a temperature that saw it (`levelhead.calibrate.cross_fit`). The temperature that is named is that
of all rows.

A file that is held in memory is handed to `lh.calibrate`. From a larger one a sample gives the start, and Newton's
steps over all rows, folds apart, the rest: two or three passes. The interval is a normal one for the inverse, with the
sandwich variance, which holds for a model that no temperature makes right. Against votes it is the temperature with the
least cross-entropy, found by the same steps.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from levelhead.calibrate import TemperatureScaling
from levelhead.calibrate._likelihood import curve
from levelhead.evaluate.fold import Dealer
from levelhead.evaluate.source import Rows, Source
from levelhead.metrics._distributions import rows as distributed
from levelhead.metrics.chunks import chunks
from levelhead.metrics.given import Given, check

FOLDS = 5
_SAMPLE = 1 << 20  # scores from which a large file's temperature gets its start
_ENOUGH = 1e-4  # a Newton step this small in log beta leaves an error of about its square
_STEP = 0.01  # relative, of the difference that gives a row's slope


@dataclass(frozen=True)
class Scaling:
    """A temperature with its interval (NaN where it has none), and those of the folds where it was cross-fitted."""

    temperature: float
    lo: float
    hi: float
    status: str
    n: int  # rows it was fitted on
    folds: tuple[float, ...] = ()
    counts: np.ndarray | None = None  # (C,) labels of the file that the folds are dealt from

    def apply(self, source: Source) -> Iterator[tuple[Tensor, Rows]]:
        """The blocks of `source` as scaled logits."""
        dealer = Dealer(self.counts, len(self.folds)) if self.counts is not None else None
        divisors = torch.tensor(self.folds, dtype=torch.float64)
        for logits, rows in source.logits():
            if dealer is None:
                yield logits / self.temperature, rows
                continue
            own = divisors[torch.from_numpy(dealer.deal(rows.labels.numpy()))]
            yield logits / own[:, None].to(logits.dtype), rows


def fit(source: Source, counts: np.ndarray, level: float, *, cross: bool) -> Scaling:
    """The temperature of `source`, cross-fitted or of all rows; `counts` (C,): labels of each class in it."""
    n = int(counts.sum())
    folds = min(FOLDS, n) if cross and n > 1 else 0
    if source.held is not None and not source.voted:
        parts = [(logits, rows.labels) for logits, rows in source.logits()]
        logits, labels = torch.cat([part for part, _ in parts]), torch.cat([known for _, known in parts])
        whole = TemperatureScaling().fit(logits, labels)
        temperature, status = whole.temperature, whole.status
        dealt = torch.from_numpy(Dealer(counts, folds).deal(labels.numpy())) if folds else labels
        each = tuple(TemperatureScaling().fit(logits[dealt != k], labels[dealt != k]).temperature for k in range(folds))
    else:
        temperature, status, each = _fit_streaming(source, counts, n, folds)
    lo, hi = _interval(source, temperature, level) if status in ("optimum", "identity") else (math.nan, math.nan)
    return Scaling(temperature, lo, hi, status, n, each, counts if folds else None)


def _fit_streaming(source: Source, counts: np.ndarray, n: int, folds: int) -> tuple[float, str, tuple[float, ...]]:
    start = TemperatureScaling().fit(*_sample(source, n))
    found = start.status in ("optimum", "identity")
    if not found and not source.voted:
        return start.temperature, start.status, (start.temperature,) * folds
    beta = 1 / start.temperature if found else 1.0
    low, high = 0.0, math.inf  # the slope rises with beta, so the optimum lies between
    for _ in range(20):
        slopes, curvatures = _by_fold(source, counts, folds, beta)
        step = _newton(beta, slopes.sum(), curvatures.sum())
        if abs(step) < _ENOUGH:
            break
        low, high = (low, beta) if slopes.sum() > 0 else (beta, high)
        onward = beta * math.exp(step)
        beta = onward if low < onward < high else math.sqrt(low * high)
    # a fold's own optimum lies about a standard error away: one step from here leaves an error of its square
    others = tuple(
        1 / (beta * math.exp(_newton(beta, slopes.sum() - slopes[k], curvatures.sum() - curvatures[k])))
        for k in range(folds)
    )
    if abs(step) >= _ENOUGH:  # it runs away from votes that no temperature or any would suit
        return 1 / beta, "hopeless" if step < 0 else "separable", (1 / beta,) * folds
    return 1 / (beta * math.exp(step)), "optimum", others


def _newton(beta: float, slope: float, curvature: float) -> float:
    """The step in log beta towards the root of the slope."""
    rise = beta * curvature
    return min(max(-slope / rise, -3.0), 3.0) if rise > 0 else 0.0


def _sample(source: Source, n: int) -> tuple[Tensor, Tensor]:
    """Every k-th row."""
    stride = max(1, -(-n * source.num_classes // _SAMPLE))
    parts = []
    for logits, rows in source.logits():
        first = -rows.start % stride
        parts.append((logits[first::stride].clone(), rows.labels[first::stride].clone()))
    return torch.cat([logits for logits, _ in parts]), torch.cat([labels for _, labels in parts])


def _by_fold(source: Source, counts: np.ndarray, folds: int, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Slope and curvature of the likelihood at `beta`, summed over the rows of each fold."""
    slopes, curvatures = np.zeros(max(1, folds)), np.zeros(max(1, folds))
    dealer = Dealer(counts, max(1, folds))
    for logits, rows in source.logits():
        fold = torch.from_numpy(dealer.deal(rows.labels.numpy()))
        for k in range(max(1, folds)):
            mine = fold == k
            if not bool(mine.any()):
                continue
            if rows.votes is None:
                at = curve(Given(logits[mine], "logits", rows.labels[mine]), beta)
                slope, curvature = at.slope, at.curvature
            else:
                slope, curvature = _voted_curve(logits[mine], rows.votes[mine], beta)
            slopes[k] += slope
            curvatures[k] += curvature
    return slopes, curvatures


def _voted_curve(logits: Tensor, votes: Tensor, beta: float) -> tuple[float, float]:
    """Slope E_p[z] - E_votes[z] and curvature Var_p[z] in beta of the cross-entropy with votes, summed over rows."""
    z = logits.double()
    voted = torch.where(votes > 0, votes * z, 0.0).sum(1)
    known = voted.isfinite()  # a vote for a class that is ruled out says nothing of the temperature
    z, p = z[known], (beta * z[known]).softmax(1)
    z = torch.where(p > 0, z, 0.0)
    mean = (p * z).sum(1)
    return float((mean - voted[known]).sum()), float(((p * z.square()).sum(1) - mean.square()).sum())


def _interval(source: Source, temperature: float, level: float) -> tuple[float, float]:
    """Bounds of the temperature: slopes and curvatures of the rows' likelihoods from three values each."""
    from scipy.special import ndtri

    beta = 1 / temperature
    step = _STEP * beta
    squares = curvature = 0.0
    for logits, rows in source.logits():
        low, middle, high = (_nll(logits, rows, b) for b in (beta - step, beta, beta + step))
        known = np.isfinite(middle)  # a label that is ruled out says nothing of the temperature
        slope = (high[known] - low[known]) / (2 * step)
        squares += float(slope @ slope)
        curvature += float((high[known] - 2 * middle[known] + low[known]).sum()) / step**2
    if curvature <= 0:
        return math.nan, math.nan
    half = float(ndtri((1 + level) / 2)) * math.sqrt(squares) / curvature
    return 1 / (beta + half), 1 / (beta - half) if half < beta else math.inf


def _nll(logits: Tensor, rows: Rows, beta: float) -> np.ndarray:
    if rows.votes is not None:
        return torch.cat([block.nll for block in distributed(logits * beta, None, rows.votes)]).numpy()
    given = check(logits * beta, None, rows.labels)
    return torch.cat([chunk.nll for chunk in chunks(given)]).numpy()
