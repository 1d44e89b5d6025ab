"""NLL and Brier score split into calibration, which relabelling the confidences could mend, and refinement, which not.

Both splits add up exactly. They are made in different ways, each where it is sound:

- *Brier* is a sum over classes of squared distances, so each class's probability is binned as for class-wise ECE and
  split after Murphy (1973): (mean probability - frequency)^2 of the bins is calibration, frequency * (1 - frequency)
  refinement. What remains are the differences within bins (Stephenson et al. 2008): their variance less twice their
  covariance with the labels. It is negative where the order of probabilities within a bin says something.
- *NLL*: wide bins fail here, because .94 and .9999 share one and cost very differently. So no bins: the question "is
  the predicted class right" is recalibrated by isotonic regression over the confidence, which is the best monotone
  relabelling for every proper score at once (Dimitriadis et al. 2021). What it gains is calibration, what is left is
  refinement. The rest of the NLL is the choice among the other classes where the prediction was wrong, which no
  relabelling of the confidence can touch: -log p(label | not the predicted class).

Shapes: N examples, C classes, M bins, G groups of examples that tie.
"""

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from levelhead.metrics import _distributions
from levelhead.metrics._distributions import Rows
from levelhead.metrics.functions import _accumulate
from levelhead.metrics.given import Array
from levelhead.metrics.streaming import Calibration


@dataclass(frozen=True)
class BrierDecomposition:
    """brier = calibration + refinement + within; all summed over classes, means over n examples."""

    brier: float
    calibration: float  # >= 0: of bins, (mean probability - frequency)^2
    refinement: float  # >= 0: of bins, frequency * (1 - frequency); uncertainty less resolution
    within: float  # what differs within bins, of either sign; goes to zero with finer bins
    uncertainty: float  # the score of predicting each class's overall frequency
    n: int
    n_bins: int

    @property
    def resolution(self) -> float:
        """By how much the bins' frequencies differ from the overall ones; at least zero, higher is better."""
        return self.uncertainty - self.refinement


@dataclass(frozen=True)
class NLLDecomposition:
    """nll = calibration + refinement + others, in nats, means over n examples."""

    nll: float
    calibration: float  # >= 0: what the best monotone relabelling of the confidence would gain
    refinement: float  # >= 0: what it would leave of telling right from wrong predictions
    others: float  # >= 0: the choice among the classes that were not predicted; zero for two classes
    uncertainty: float  # telling right from wrong by the accuracy alone
    n: int

    @property
    def discrimination(self) -> float:
        """How much of the uncertainty the order of the confidences resolves; at least zero, higher is better."""
        return self.uncertainty - self.refinement


def brier_decomposition(
    *, logits: Array | None = None, probs: Array | None = None, labels: Array, n_bins: int = 15
) -> BrierDecomposition:
    """Split the Brier score; arguments and errors as for `brier` and `classwise_ece`. Labels may be distributions.

    Calibration is biased upwards by chance, by frequency * (1 - frequency) / n for each class's filled bin.

    >>> import numpy as np
    >>> probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    >>> got = brier_decomposition(probs=probs, labels=np.array([0, 0, 0, 1]))
    >>> round(got.calibration, 6), round(got.refinement, 6), round(abs(got.within), 6), round(got.brier, 6)
    (0.045, 0.375, 0.0, 0.42)
    """
    return brier_decomposition_of(_accumulate(("class_bins", "brier"), logits, probs, labels, n_bins))


def brier_decomposition_of(accumulator: Calibration) -> BrierDecomposition:
    """The same for everything that `accumulator` has seen, with its bins; NaN before the first example.

    Raises ValueError for an accumulator made without its parts `class_bins` and `brier`.
    """
    state = accumulator.state_dict()["state"]
    if not {"class_count", "brier"} <= set(state):
        raise ValueError("this accumulator was made without its parts 'class_bins' and 'brier'")
    n = accumulator.num_examples
    squares = float(state.get("class_square", n))  # of the labels: of one class an example, 1 each
    count, confidence, correct = (state[f"class_{name}"].numpy() for name in ("count", "confidence", "correct"))
    return _split_brier(count, confidence, correct, squares, float(state["brier"]) / n if n else math.nan)


def _split_brier(
    count: np.ndarray, confidence: np.ndarray, mass: np.ndarray, squares: float, brier: float
) -> BrierDecomposition:
    """From sums over class and bin (C, M); `squares` is the sum over examples and classes of the squared labels."""
    n = int(count[0].sum())
    if n == 0:
        return BrierDecomposition(math.nan, math.nan, math.nan, math.nan, math.nan, 0, count.shape[1])
    size = np.maximum(count, 1)
    calibration = float(((confidence - mass) ** 2 / size).sum() / n)
    refinement = max(0.0, float((squares - (mass**2 / size).sum()) / n))
    uncertainty = float((squares - (mass.sum(1) ** 2).sum() / n) / n)
    return BrierDecomposition(
        brier, calibration, refinement, brier - calibration - refinement, uncertainty, n, count.shape[1]
    )


def nll_decomposition(*, logits: Array | None = None, probs: Array | None = None, labels: Array) -> NLLDecomposition:
    """Split the negative log-likelihood; arguments and errors as for `nll`. Labels may be distributions.

    Calibration is biased upwards, because the relabelling is fitted on the examples that it is judged by: a calibrated
    binary model shows .019 nats with 500 examples, .003 with 10,000. Where the NLL is infinite, so is the calibration
    if a prediction of confidence one was wrong, and `others` if another class was ruled out. Keeps 32 bytes an example.

    >>> import numpy as np
    >>> probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    >>> got = nll_decomposition(probs=probs, labels=np.array([0, 0, 0, 1]))
    >>> round(got.calibration, 4), round(got.refinement, 4), round(got.others, 4), round(got.nll, 4)
    (0.0923, 0.5623, 0.0, 0.6547)
    """
    parts = [_top_label_loss(block) for block in _distributions.rows(logits, probs, labels)]
    rest, mass, top_label, others = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _split_nll(*_tied(rest, mass), float(top_label.sum()), float(others.sum()))


def nll_decomposition_of(accumulator: Calibration, *, top_label: float, others: float) -> NLLDecomposition:
    """The same for everything that `accumulator` has seen, in constant memory: relabelled by its fine cells.

    `top_label`, `others`: sums over the examples of the loss of telling right from wrong, -log(confidence) where right
    and -log(1 - confidence) where wrong, and of the rest of their NLL. A cell's examples count as tied, which puts what
    their order in it tells (less than 1e-4 nats on real networks) into refinement. NaN before the first example.
    """
    count, mass, _ = accumulator.cells()
    keep = count > 0
    return _split_nll(count[keep], mass[keep].astype(np.float64), top_label, others)


def _split_nll(count: np.ndarray, mass: np.ndarray, top_label: float, others: float) -> NLLDecomposition:
    """From the examples and the mass of right predictions (G,) of each confidence, which rises."""
    from scipy.optimize import isotonic_regression

    n = int(count.sum())
    if n == 0:
        return NLLDecomposition(math.nan, math.nan, math.nan, math.nan, math.nan, 0)
    share = np.clip(isotonic_regression(mass / count, weights=count).x, 0, 1)
    refinement = float((_entropy(share) * count).sum() / n)
    calibration = max(0.0, top_label / n - refinement)
    return NLLDecomposition(
        nll=calibration + refinement + others / n,
        calibration=calibration,
        refinement=refinement,
        others=others / n,
        uncertainty=float(_entropy(mass.sum(keepdims=True) / n)[0]),
        n=n,
    )


def _top_label_loss(block: Rows) -> tuple[np.ndarray, ...]:
    """(n,) each: probability of all but the predicted class, mass, loss of right against wrong, and of the others."""
    probs, predicted = block.probs, block.predicted[:, None]
    confidence = probs.gather(1, predicted).squeeze(1)
    # summed, not one less the confidence: in float32 that is often zero where the other classes are not
    rest = probs.scatter(1, predicted, 0.0).sum(1)
    log_rest = log_of_rest(block.chunk.scores, block.chunk.kind, block.predicted, rest)
    c, r, log_r, m, nll = (values.cpu().numpy() for values in (confidence, rest, log_rest, block.mass, block.nll))
    with np.errstate(divide="ignore", invalid="ignore"):
        right, wrong = np.where(m > 0, -m * np.log(c), 0.0), np.where(m < 1, -(1 - m) * log_r, 0.0)
        loss = right + wrong
        others = np.where(np.isinf(loss), 0.0, nll - loss)
    return r, m, loss, others


def log_of_rest(scores: Tensor, kind: str, predicted: Tensor, rest: Tensor) -> Tensor:
    """(n,) float64 logarithm of `rest`, the probability of all but the predicted class of `scores` (n, C).

    Where logits are more than 745 apart it is zero in float64; its logarithm is not.
    """
    found = rest.double().log()
    if kind == "logits" and bool((rest == 0).any()):
        lost = (rest == 0).nonzero().flatten()
        z = scores[lost].double()
        others = z.scatter(1, predicted[lost, None], -math.inf).logsumexp(1)
        found[lost] = others - z.logsumexp(1)
    return found


def _tied(rest: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(G,) examples and mass of each distinct confidence, by rising confidence."""
    order = np.argsort(-rest, kind="stable")
    rest = rest[order]
    ends = np.flatnonzero(np.append(rest[1:] != rest[:-1], True)) + 1
    count = np.diff(ends, prepend=0)
    return count, np.diff(np.cumsum(mass[order])[ends - 1], prepend=0.0)


def _entropy(share: np.ndarray) -> np.ndarray:
    from scipy.special import entr

    return entr(share) + entr(1 - share)
