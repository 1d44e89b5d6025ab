"""Everything one pass over a model's scores says about it, in constant memory.

The measures come from `lh.metrics.Calibration`; beside it are the sums that intervals and the split of the NLL need,
counts by class, and the histogram of confidence. Where examples are judged by label distributions (votes), a prediction
is right by its share of the votes, and what counts right and wrong predictions is left out.

Shapes: n rows of a block, C classes, K bins of the histogram.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from levelhead.evaluate.source import Rows
from levelhead.metrics import Calibration, Interval, _distributions, brier_decomposition_of, nll_decomposition_of
from levelhead.metrics.chunks import chunks
from levelhead.metrics.decomposition import log_of_rest
from levelhead.metrics.given import Kind, check
from levelhead.plots.confidence import Histogram, axis

MOST_CONFUSED = 1024  # classes up to which confusions are counted: 8 MB


@dataclass(frozen=True, eq=False)
class Examples:
    """What each row (n,) of a block shows, float64: the terms of its measures, and the predicted class."""

    confidence: np.ndarray
    rest: np.ndarray  # one minus the confidence, without cancellation
    correct: np.ndarray  # bool; of votes float64, the predicted class's share
    nll: np.ndarray
    brier: np.ndarray
    predicted: np.ndarray  # int64


def examples(kind: Kind, scores: Tensor, rows: Rows) -> Examples:
    """The rows of a block by these scores, one by one. ValueError as for the measures."""
    labels = rows.labels
    logits, probs = (scores, None) if kind == "logits" else (None, scores)
    if rows.votes is not None:
        return _against_votes(list(_distributions.rows(logits, probs, rows.votes)))
    given = check(logits, probs, labels)
    parts: dict[str, list[Tensor]] = {name: [] for name in ("confidence", "rest", "correct", "nll", "brier")}
    for chunk in chunks(given):
        for name, values in parts.items():
            values.append(getattr(chunk, name))
    joined: dict[str, Any] = {name: torch.cat(values).numpy() for name, values in parts.items()}
    predicted = np.array(labels.numpy(), copy=True)
    wrong = np.flatnonzero(~joined["correct"])
    predicted[wrong] = scores[torch.from_numpy(wrong)].argmax(1).numpy()
    joined["confidence"] = joined["confidence"].astype(np.float64)
    return Examples(**joined, predicted=predicted)


def _against_votes(blocks: list[_distributions.Rows]) -> Examples:
    def joined(name: str) -> np.ndarray:
        parts = [getattr(block.chunk if name in ("confidence", "rest") else block, name) for block in blocks]
        return torch.cat(parts).numpy()

    return Examples(
        confidence=joined("confidence").astype(np.float64),
        rest=joined("rest"),
        correct=joined("mass"),
        nll=joined("nll"),
        brier=joined("brier"),
        predicted=joined("predicted"),
    )


class Mean:
    """A running mean with its normal interval; values that are infinite are counted apart."""

    def __init__(self) -> None:
        self.n = self.infinite = 0
        self.total = self.squares = 0.0
        self._shift = math.nan  # the first value: squares around it do not cancel

    def add(self, values: np.ndarray) -> None:
        """Take the values (n,) of a block."""
        finite = np.isfinite(values)
        if not finite.all():
            self.infinite += int((~finite).sum())
            values = values[finite]
        if not len(values):
            return
        if math.isnan(self._shift):
            self._shift = float(values[0])
        apart = values - self._shift
        self.n += len(values)
        with np.errstate(over="ignore"):
            self.total += float(apart.sum())
            self.squares += float(np.square(apart).sum())

    def interval(self, level: float) -> Interval:
        """The mean of the finite values; bounds are NaN for fewer than two."""
        from scipy.special import ndtri

        if self.n == 0:
            return Interval(math.nan, math.nan, math.nan, 0)
        mean = self.total / self.n
        if self.n < 2 or not math.isfinite(self.squares):  # squares of 1e160 are no numbers any more
            return Interval(mean + self._shift, math.nan, math.nan, self.n)
        variance = max(0.0, self.squares / self.n - mean**2) * self.n / (self.n - 1)
        half = float(ndtri((1 + level) / 2)) * math.sqrt(variance / self.n)
        return Interval(mean + self._shift, mean + self._shift - half, mean + self._shift + half, self.n)


class Tally:
    """What blocks of scores of one kind add up to."""

    def __init__(self, kind: Kind, num_classes: int, n_bins: int, *, exact: bool = False, voted: bool = False) -> None:
        self.kind = kind
        self.num_classes = num_classes
        self.voted = voted
        self.calibration = Calibration(num_classes=num_classes, n_bins=n_bins, exact=exact)
        self.nll, self.brier, self.correct = Mean(), Mean(), Mean()
        self.top_label_loss = self.other_loss = 0.0  # of the NLL: right or wrong, and which of the other classes
        self.saturated = self.agreed = self.undivided = 0
        self.confidence = 0.0
        self.per_class = {name: np.zeros(num_classes) for name in ("confidence", "square")}
        self.counts = {name: np.zeros(num_classes, np.int64) for name in ("labels", "predicted", "hits")}
        self.confusions = np.zeros((num_classes, num_classes), np.int64) if num_classes <= MOST_CONFUSED else None
        self.edges = axis(num_classes)
        self.right, self.wrong = (np.zeros(len(self.edges) - 1, np.int64) for _ in range(2))

    @property
    def n(self) -> int:
        """Rows seen."""
        return self.calibration.num_examples

    def add(self, scores: Tensor, rows: Rows) -> Examples:
        """Take a block by these scores; returns its rows. ValueError, and nothing taken, for what no measure takes."""
        seen = examples(self.kind, scores, rows)
        logits, probs = (scores, None) if self.kind == "logits" else (None, scores)
        self.calibration.update(logits=logits, probs=probs, labels=rows.labels if rows.votes is None else rows.votes)
        self.nll.add(seen.nll)
        self.brier.add(seen.brier)
        self.saturated += int(np.count_nonzero(seen.confidence.astype(np.float32) >= 1))
        self.confidence += float(seen.confidence.sum())
        self._add_losses(seen, scores)
        if rows.votes is not None:
            self.counts["labels"] += np.bincount(rows.labels.numpy(), minlength=self.num_classes)
            self.correct.add(seen.correct)
            self.agreed += int((rows.votes.argmax(1) == rows.labels).sum())
            self.undivided += int((rows.votes.amax(1) == 1).sum())
            return seen
        self._add_classes(seen, rows.labels.numpy())
        with np.errstate(divide="ignore"):
            odds = np.log1p(-seen.rest) - np.log(seen.rest)
        index = np.clip(np.searchsorted(self.edges, odds, side="left") - 1, 0, len(self.right) - 1)
        self.right += np.bincount(index[seen.correct], minlength=len(self.right))
        self.wrong += np.bincount(index[~seen.correct], minlength=len(self.wrong))
        return seen

    def _add_losses(self, seen: Examples, scores: Tensor) -> None:
        right, rest = seen.correct.astype(np.float64), seen.rest
        if self.kind == "probs":  # summed: less than one the confidence is often zero where the others are not
            some = torch.from_numpy(np.flatnonzero(right < 1))
            others = scores[some].double().scatter(1, torch.from_numpy(seen.predicted)[some, None], 0.0).sum(1)
            rest = rest.copy()
            rest[some.numpy()] = others.numpy()
        log_rest = log_of_rest(scores, self.kind, torch.from_numpy(seen.predicted), torch.from_numpy(rest)).numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            sure = -np.log(seen.confidence) if self.kind == "probs" else -np.log1p(-rest)
            loss = np.where(right > 0, right * sure, 0.0) + np.where(right < 1, -(1 - right) * log_rest, 0.0)
            self.top_label_loss += float(loss.sum())
            self.other_loss += float(np.where(np.isinf(loss), 0.0, seen.nll - loss).sum())

    def splits(self) -> dict[str, float]:
        """NLL and Brier score in parts: what relabelling the confidences could mend, what not, and the rest."""
        nll = nll_decomposition_of(self.calibration, top_label=self.top_label_loss, others=self.other_loss)
        brier = brier_decomposition_of(self.calibration)
        return {
            "nll_calibration": nll.calibration,
            "nll_refinement": nll.refinement,
            "nll_others": nll.others,
            "brier_calibration": brier.calibration,
            "brier_refinement": brier.refinement,
            "brier_within": brier.within,
        }

    def _add_classes(self, seen: Examples, labels: np.ndarray) -> None:
        size, predicted = self.num_classes, seen.predicted
        self.counts["labels"] += np.bincount(labels, minlength=size)
        self.counts["predicted"] += np.bincount(predicted, minlength=size)
        self.counts["hits"] += np.bincount(labels[seen.correct], minlength=size)
        gap = seen.confidence - seen.correct
        self.per_class["confidence"] += np.bincount(predicted, weights=seen.confidence, minlength=size)
        self.per_class["square"] += np.bincount(predicted, weights=gap * gap, minlength=size)
        if self.confusions is not None:
            wrong = ~seen.correct
            pairs = np.bincount(labels[wrong] * size + predicted[wrong], minlength=size * size)
            self.confusions += pairs.reshape(size, size)

    def histogram(self) -> Histogram:
        """The histogram of confidence of everything seen."""
        return Histogram(self.edges, self.right, self.wrong, self.confidence / self.n if self.n else math.nan, 1)
