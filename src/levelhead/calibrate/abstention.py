"""Abstention: answer only where the model is confident enough to be right, or to answer, as often as is wanted.

The threshold on confidence is chosen on `cal` and reported on `test` (selective prediction; Geifman and El-Yaniv 2017).
By default it is chosen so that the promise holds for new examples with a stated `certainty`:

- accuracy: the threshold that answers most, among those at which fewer errors were seen than a model that misses the
  wanted accuracy would show. Thresholds are tried in fixed sequences towards lower confidence, one from each of six
  starts (the most confident 1/32, 1/16, ... of the examples), at a sixth of the error probability each, until one
  fails (Learn then Test, Angelopoulos et al. 2021: the chance that any false promise is made stays below it).
- coverage: the share of new examples above the k-th highest of n confidences is Beta(k, n + 1 - k) whatever their law
  (Wilks 1941), so the smallest k that is certain enough is taken.

`certainty=None` takes the numbers of `cal` as they are: about half of the promises then fail by a little.

Geifman and El-Yaniv search the threshold by bisection under a union bound; sequences are simpler to justify, since
bisection looks at thresholds that depend on the labels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from levelhead.calibrate._fitted import Fitted
from levelhead.calibrate._scores import given_to_answer, given_to_report
from levelhead.metrics.chunks import chunks
from levelhead.metrics.evidence import clopper_pearson
from levelhead.metrics.given import Array, Given
from levelhead.metrics.intervals import Interval
from levelhead.predictions import Predictions

STARTS = 6


@dataclass(frozen=True)
class Answered:
    """How a threshold did on n examples: counts, shares, and exact 95 % intervals (Clopper and Pearson)."""

    n: int
    answered: int
    correct: int  # of those answered

    @property
    def coverage(self) -> Interval:
        """Share of the examples that were answered."""
        return _share(self.answered, self.n)

    @property
    def accuracy(self) -> Interval:
        """Share of the answers that were right; NaN where none was given."""
        return _share(self.correct, self.answered)

    def __str__(self) -> str:
        if self.answered == 0:
            return f"answers none of {self.n} examples, so there is no accuracy"
        coverage, accuracy = self.coverage, self.accuracy
        return (
            f"answers {self.answered} of {self.n} examples ({coverage.mean:.3f} [{coverage.lo:.3f}, {coverage.hi:.3f}])"
            f" with accuracy {accuracy.mean:.3f} [{accuracy.lo:.3f}, {accuracy.hi:.3f}]"
        )


class Abstention(Fitted):
    """A threshold on confidence for at least `accuracy` among the answers, or at least the share `coverage` of answers.

    Give one of the two, in (0, 1). `certainty` in (0, 1): how often the promise holds for new examples of the same
    kind; None: as seen on the fitting data. Accuracy is promised on average over what is answered, not for each answer.

    After `fit`, `status` is `reached` or `unreachable`: then no threshold gives what is wanted, nothing is answered,
    and `statement` says what the data would have to show. `confidence` is the threshold: what has it, or more, is
    answered. From logits it is compared by one minus the confidence, so confidences that round to one are told apart.
    `chosen` is how it did on the fitting data, which flatters; `report` says how it does.

    >>> logits = np.array([[0.1, 0.0], [0.2, 0.0], [3.0, 0.0], [4.0, 0.0]])
    >>> labels = np.array([1, 0, 0, 0])
    >>> abstention = Abstention(accuracy=0.9, certainty=None).fit(logits, labels)
    >>> abstention.accepts(logits).tolist(), round(abstention.confidence, 3)
    ([False, True, True, True], 0.55)
    >>> Abstention(accuracy=0.9).fit(logits, labels).statement
    'accuracy 0.9 cannot be promised with certainty 0.95 from 4 examples: it takes 46 answers without an error'
    """

    name = "abstention"

    def __init__(
        self, *, accuracy: float | None = None, coverage: float | None = None, certainty: float | None = 0.95
    ) -> None:
        if (accuracy is None) == (coverage is None):
            raise ValueError(f"give one of accuracy= and coverage=, got {'neither' if accuracy is None else 'both'}")
        for name, value in (("accuracy", accuracy), ("coverage", coverage), ("certainty", certainty)):
            if value is not None and not 0 < value < 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {value!r}")
        super().__init__()
        self.accuracy, self.coverage, self.certainty = accuracy, coverage, certainty
        self.chosen = Answered(0, 0, 0)
        self._rest = math.nan  # one minus the threshold; below zero: nothing is answered

    def settings(self) -> dict[str, Any]:
        """`accuracy`, `coverage` and `certainty`."""
        return {"accuracy": self.accuracy, "coverage": self.coverage, "certainty": self.certainty}

    def _fit(self, given: Given) -> None:
        rest, correct = _confidences(given)
        order = np.argsort(rest, kind="stable")
        rest = rest[order]
        answered = np.flatnonzero(np.append(rest[1:] != rest[:-1], True)) + 1  # ties are answered together
        right = np.cumsum(correct[order])[answered - 1]
        place = self._by_accuracy(answered, right) if self.accuracy is not None else self._by_coverage(answered)
        self.status = "unreachable" if place is None else "reached"
        self._rest = -1.0 if place is None else float(rest[answered[place] - 1])
        counts = (0, 0) if place is None else (int(answered[place]), int(right[place]))
        self.chosen = Answered(len(rest), *counts)

    def _by_accuracy(self, answered: np.ndarray, right: np.ndarray) -> int | None:
        """The place of the threshold that answers most and keeps the accuracy, or None."""
        if self.certainty is None:
            places = np.flatnonzero(right >= self.accuracy * answered)
            return int(places[-1]) if len(places) else None
        from scipy.stats import binom

        # how often a model that just misses the accuracy would be right so often
        passes = binom.sf(right - 1, answered, self.accuracy) <= (1 - self.certainty) / STARTS
        fails = np.append(np.flatnonzero(~passes), len(passes))
        n = answered[-1]
        starts = {int(np.searchsorted(answered, n / 2**j)) for j in range(STARTS)}
        reached = [int(fails[np.searchsorted(fails, start)]) - 1 for start in starts if passes[start]]
        return max(reached, default=None)

    def _by_coverage(self, answered: np.ndarray) -> int | None:
        assert self.coverage is not None
        n = int(answered[-1])
        wanted = math.ceil(self.coverage * n - 1e-9)
        if self.certainty is not None:
            from scipy.special import betainc

            ranks = np.arange(1, n + 1)
            enough = np.flatnonzero(1 - betainc(ranks, n + 1 - ranks, self.coverage) >= self.certainty)
            if len(enough) == 0:
                return None
            wanted = int(ranks[enough[0]])
        return int(np.searchsorted(answered, wanted))

    @property
    def confidence(self) -> float:
        """The least confidence that is answered; infinite where nothing is. ValueError before `fit`."""
        self._require_fit()
        return 1 - self._rest if self.status == "reached" else math.inf

    @property
    def statement(self) -> str:
        """What was chosen, or why nothing could be, in a sentence. ValueError before `fit`."""
        self._require_fit()
        word, wanted = ("accuracy", self.accuracy) if self.accuracy is not None else ("coverage", self.coverage)
        assert wanted is not None
        if self.status == "reached":
            return f"{word} {wanted:g}: at a confidence of {self.confidence:.4f} it {self.chosen} (fitting data)"
        if self.certainty is None:
            return f"{word} {wanted:g} cannot be had: the most confident of {self.chosen.n} examples fall short of it"
        promise = (
            f"{word} {wanted:g} cannot be promised with certainty {self.certainty:g} from {self.chosen.n} examples"
        )
        miss = 1 - self.certainty
        if self.coverage is not None:  # not even the lowest confidence is low enough
            return f"{promise}: it takes {math.ceil(math.log(miss) / math.log(wanted))}"
        fewest = math.ceil(math.log(miss / STARTS) / math.log(wanted))
        if fewest > self.chosen.n:
            return f"{promise}: it takes {fewest} answers without an error"
        return f"{promise}: at every threshold there are too many errors among too few answers"

    def accepts(self, logits: Array | Predictions) -> np.ndarray:
        """(N,) bool: which rows of `logits` (N, C) are answered. ValueError before `fit` and for what `fit` refuses."""
        self._require_fit()
        return _confidences(given_to_answer(logits))[0] <= self._rest

    def report(self, logits: Array | Predictions, labels: Array | None = None) -> Answered:
        """How the threshold does on `logits` (N, C) with `labels` (N,), or on `Predictions`, that it was not chosen on.

        ValueError where more rows of the predictions were fitted on than one in 200 (see `overlap`), and as `accepts`.
        """
        self._require_fit()
        if isinstance(logits, Predictions):
            self._refuse_overlap(logits)
        rest, correct = _confidences(given_to_report(logits, labels))
        taken = rest <= self._rest
        return Answered(len(rest), int(taken.sum()), int((correct & taken).sum()))

    def arrays(self) -> dict[str, np.ndarray]:
        """The threshold, and the counts of `chosen`. ValueError before `fit`."""
        self._require_fit()
        chosen = self.chosen
        return {"rest": np.array(self._rest), "chosen": np.array([chosen.n, chosen.answered, chosen.correct])}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the numbers that `arrays` gave."""
        self._rest, self.chosen = float(arrays["rest"]), Answered(*map(int, arrays["chosen"]))


def _confidences(given: Given) -> tuple[np.ndarray, np.ndarray]:
    """(N,) one minus the confidence, without cancellation, and (N,) whether the prediction is the label."""
    rest, correct = [torch.empty(0, dtype=torch.float64)], [torch.empty(0, dtype=torch.bool)]
    for chunk in chunks(given):
        rest.append(chunk.rest.cpu())
        correct.append(chunk.correct.cpu())
    return torch.cat(rest).numpy(), torch.cat(correct).numpy()


def _share(successes: int, trials: int) -> Interval:
    lo, hi = clopper_pearson(np.array([successes]), np.array([trials]))
    return Interval(successes / trials if trials else math.nan, float(lo[0]), float(hi[0]), trials)
