"""The measures as plain functions of `logits=` or `probs=` (never guessed) and `labels=`.

All take (N, C) scores and (N,) integer labels as NumPy arrays or tensors, of any floating type and on any
device, and return a Python float. All raise ValueError for empty input, wrong shapes, labels outside [0, C),
NaN, plus infinity, a row of only minus infinity, and probabilities that are negative or do not sum to one
within 1e-3 (1e-2 in bfloat16). Bins are (lo, hi]; confidence zero is in the first bin and one in the last.
Units are fractions; NLL is in nats.

Labels may also be distributions, (N, C) floating rows that sum to one within the same tolerance, such as people's
votes: an example is then right by the mass on its predicted class (`_distributions.py` has the table).
"""

from collections.abc import Iterable

import numpy as np

from levelhead.metrics import _distributions
from levelhead.metrics._bins import Bins
from levelhead.metrics._edges import check_n_bins
from levelhead.metrics._measures import covered
from levelhead.metrics._ranked import augrc as _augrc
from levelhead.metrics._ranked import aurc as _aurc
from levelhead.metrics._ranked import equal_mass_ece, wrong_among
from levelhead.metrics._samples import Samples, tied
from levelhead.metrics._side_by_side import side_by_side
from levelhead.metrics.chunks import chunks
from levelhead.metrics.given import Array, Given, check, check_scores, one_of
from levelhead.metrics.streaming import Calibration


def _checked(logits: Array | None, probs: Array | None, labels: Array) -> Given:
    given = check(logits, probs, labels)
    if given.scores.shape[0] == 0:
        raise ValueError("there is no example: a measure of nothing is undefined")
    return given


def _accumulate(
    parts: Iterable[str], logits: Array | None, probs: Array | None, labels: Array, n_bins: int = 15
) -> Calibration:
    if _distributions.are_distributions(labels):
        scores = check_scores(*one_of(logits, probs))
        accumulator = Calibration(scores.shape[1], n_bins, parts=parts)
        if len(scores) == 0:
            raise ValueError("there is no example: a measure of nothing is undefined")
        accumulator.update(logits=logits, probs=probs, labels=labels)
        return accumulator
    given = _checked(logits, probs, labels)
    accumulator = Calibration(given.scores.shape[1], n_bins, parts=parts)
    accumulator._add(given)
    return accumulator


def _measure(name: str, part: str, logits: Array | None, probs: Array | None, labels: Array, n_bins: int = 15) -> float:
    return _accumulate([part], logits, probs, labels, n_bins).compute()[name]


def accuracy(*, logits: Array | None = None, probs: Array | None = None, labels: Array) -> float:
    """Share of examples whose label is the predicted class, in [0, 1].

    The prediction is the class with the highest score, the first of them when several tie. Against distributions it
    is the mean mass of the predicted class.

    >>> import numpy as np
    >>> accuracy(probs=np.array([[0.9, 0.1], [0.5, 0.5]]), labels=np.array([0, 1]))
    0.5
    >>> accuracy(probs=np.array([[0.9, 0.1]]), labels=np.array([[0.75, 0.25]]))
    0.75
    """
    return _measure("accuracy", "correct", logits, probs, labels)


def top5(*, logits: Array | None = None, probs: Array | None = None, labels: Array) -> float:
    """Share of examples whose label is among the five highest scores, in [0, 1]; one for C <= 5.

    Classes that tie rank by index, so it agrees with `accuracy` on who is first.
    """
    return _measure("top5", "top5", logits, probs, labels)


def nll(*, logits: Array | None = None, probs: Array | None = None, labels: Array) -> float:
    """Mean negative log-likelihood of the labels in nats, in [0, inf]; lower is better.

    Infinite where a label was given probability exactly zero (a logit of minus infinity). Against distributions it is
    the cross-entropy, at best their entropy.
    """
    return _measure("nll", "nll", logits, probs, labels)


def brier(*, logits: Array | None = None, probs: Array | None = None, labels: Array) -> float:
    """Mean squared distance between probabilities and one-hot label, summed over classes.

    In [0, 2], lower is better. (The binary score of some libraries counts one class only and is half of it.) Against
    distributions it is the squared distance to them, zero for predicting them.
    """
    return _measure("brier", "brier", logits, probs, labels)


def gap(*, logits: Array | None = None, probs: Array | None = None, labels: Array) -> float:
    """Mean confidence minus accuracy, in [-1, 1]: above zero is overconfident. Free of bins and of bias."""
    return _measure("gap", "top_label", logits, probs, labels)


def ece(*, logits: Array | None = None, probs: Array | None = None, labels: Array, n_bins: int = 15) -> float:
    """Expected calibration error: |accuracy - mean confidence| of bins, averaged by share of examples.

    In [0, 1], lower is better. Biased upwards: a perfectly calibrated model of 500 examples shows about 0.04;
    see `debiased_ece`.
    """
    return _measure("ece", "top_label", logits, probs, labels, n_bins)


def oe(*, logits: Array | None = None, probs: Array | None = None, labels: Array, n_bins: int = 15) -> float:
    """Overconfidence error: ECE over bins where confidence exceeds accuracy, times their confidence.

    In [0, 1], lower is better, and never above ECE with the same bins (Thulasidasan et al. 2019).
    """
    return _measure("oe", "top_label", logits, probs, labels, n_bins)


def mce(*, logits: Array | None = None, probs: Array | None = None, labels: Array, n_bins: int = 15) -> float:
    """Maximum calibration error: the largest |accuracy - mean confidence| of a non-empty bin, in [0, 1]."""
    return _measure("mce", "top_label", logits, probs, labels, n_bins)


def ace(*, logits: Array | None = None, probs: Array | None = None, labels: Array, n_bins: int = 15) -> float:
    """Average calibration error: the plain mean of |accuracy - mean confidence| over non-empty bins."""
    return _measure("ace", "top_label", logits, probs, labels, n_bins)


def rmsce(*, logits: Array | None = None, probs: Array | None = None, labels: Array, n_bins: int = 15) -> float:
    """Root-mean-square calibration error: ECE with squares, then the root. In [0, 1], never below ECE."""
    return _measure("rmsce", "top_label", logits, probs, labels, n_bins)


def debiased_ece(*, logits: Array | None = None, probs: Array | None = None, labels: Array, n_bins: int = 15) -> float:
    """ECE less what chance alone adds to it in bins of this size (Kumar et al. 2019). In [0, ECE]."""
    return _measure("debiased_ece", "top_label", logits, probs, labels, n_bins)


def classwise_ece(*, logits: Array | None = None, probs: Array | None = None, labels: Array, n_bins: int = 15) -> float:
    """The calibration error of each class's probability over all examples, averaged over all C classes.

    In [0, 1]. Classes without a single label count too: their probabilities should be near zero.
    """
    return _measure("classwise_ece", "class_bins", logits, probs, labels, n_bins)


def reliability(*, logits: Array | None = None, probs: Array | None = None, labels: Array, n_bins: int = 15) -> Bins:
    """The numbers of a reliability diagram: count, mean confidence and accuracy of each bin.

    Against distributions `accuracy` is the mean mass of the predicted class and `outcomes` are expected numbers.
    """
    return _accumulate(["top_label"], logits, probs, labels, n_bins).bins()


def _ranked(logits: Array | None, probs: Array | None, labels: Array) -> tuple[np.ndarray, np.ndarray]:
    """One minus the confidence of each example, rising, and whether, or by how much, its prediction is wrong."""
    if _distributions.are_distributions(labels):
        return _distributions.ranked(logits, probs, labels)
    samples = Samples()
    for part in side_by_side(_samples, _checked(logits, probs, labels).shares()):
        samples.merge(part)
    return samples.ranked()


def _samples(given: Given) -> Samples:
    samples = Samples()
    for chunk in chunks(given):
        samples.add(chunk)
    return samples


def adaptive_ece(
    *,
    logits: Array | None = None,
    probs: Array | None = None,
    labels: Array,
    n_bins: int = 15,
    reference: bool = False,
) -> float:
    """Calibration error over bins that hold equally many examples, in [0, 1].

    Edges are interpolated between the sorted confidences and bins are (lo, hi], so tied examples stay
    together. `reference=True` drops the lowest confidence, as the code used for published values does.
    """
    check_n_bins(n_bins)
    rest, wrong = _ranked(logits, probs, labels)
    confidence = 1 - rest[::-1].astype("float64")
    right = ~wrong[::-1] if wrong.dtype == np.bool_ else 1 - wrong[::-1]
    return equal_mass_ece(confidence, confidence, right, None, n_bins, reference=reference)


def smooth_ece(*, logits: Array | None = None, probs: Array | None = None, labels: Array) -> float:
    """Calibration error smoothed over the confidence instead of binned, with its own bandwidth. In [0, 1].

    Not an estimate of ECE: the two differ. `smooth.py` has the definition.
    """
    return _accumulate(["cells"], logits, probs, labels).compute()["smooth_ece"]


def accuracy_at_coverage(
    coverage: float, *, logits: Array | None = None, probs: Array | None = None, labels: Array
) -> float:
    """Accuracy of the most confident share `coverage` (in (0, 1]) of the examples, in [0, 1].

    Ranked as in `aurc`; of a tie that is only partly covered, the expected share counts as right.
    """
    count, wrong = tied(*_ranked(logits, probs, labels))
    k = covered(int(count.sum()), coverage)
    return 1 - wrong_among(count, wrong, k) / k


def aurc(*, logits: Array | None = None, probs: Array | None = None, labels: Array) -> float:
    """Area under the risk-coverage curve: the error rate of the k most confident examples, averaged over k.

    In [0, 1], lower is better. From logits, examples are ranked by the log-odds of the prediction, which
    still tells them apart where the confidence rounds to one. Tied examples count as their average over all
    orders.
    """
    return _aurc(*tied(*_ranked(logits, probs, labels)))


def augrc(*, logits: Array | None = None, probs: Array | None = None, labels: Array) -> float:
    """Area under the generalised risk-coverage curve: how often an answer is given and wrong, averaged over coverage.

    In [0, 1/2], lower is better: half the chance that, of two examples drawn at random, the surer answer is wrong
    (Traub et al. 2024, eq. 7). Unlike `aurc` it does not weigh a mistake the more
    the surer its rank. Half the error rate where confidence says nothing. Ranked as in `aurc`; a tie counts as its
    average over all orders.

    >>> import numpy as np
    >>> augrc(probs=np.array([[0.9, 0.1], [0.8, 0.2]]), labels=np.array([0, 1]))  # the less sure one is wrong
    0.125
    """
    return _augrc(*tied(*_ranked(logits, probs, labels)))
