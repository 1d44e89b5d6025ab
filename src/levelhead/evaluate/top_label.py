"""Files that hold only the true class, the predicted one and its confidence: what can be had of them, what cannot."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.evaluate.source import Source
from levelhead.metrics import Calibration

CANNOT = (
    "NLL, Brier score, top-5 accuracy, class-wise ECE and a temperature: the file holds only the predicted class and "
    "its confidence, and these need the scores of all classes"
)


class TopLabel:
    """Sums over the examples, for the measures that need nothing but confidence and outcome."""

    def __init__(self, n_bins: int) -> None:
        self.calibration = Calibration(num_classes=2, n_bins=n_bins, parts=["correct", "top_label", "cells"])
        self.saturated = 0

    def add(self, confidence: np.ndarray, correct: np.ndarray) -> None:
        """Take a block of (n,) confidences in [0, 1] and outcomes."""
        self.calibration.update_outcomes(confidence=confidence, correct=correct)
        self.saturated += int(np.count_nonzero(confidence.astype(np.float32) >= 1))


@dataclass(frozen=True, eq=False)
class Answers:
    """A block of rows (n,): confidence, whether right; true class, predicted class and ids as the file has them."""

    confidence: np.ndarray
    correct: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    ids: np.ndarray | None


def answers(source: Source) -> Iterator[Answers]:
    """The rows of a file, a block at a time. ValueError for confidences outside [0, 1]."""
    layout = source.layout
    assert layout.confidence
    assert layout.predicted
    assert layout.label
    names = [layout.confidence, layout.predicted, layout.label, *([layout.ids] if layout.ids else [])]
    start = 0
    for block in source.file.store.read(names, 1 << 16):
        confidence = np.asarray(block[layout.confidence])
        if confidence.dtype.kind not in "f":
            confidence = confidence.astype(np.float64)
        bad = ~((confidence >= 0) & (confidence <= 1))
        if bad.any():
            first = int(bad.argmax())
            raise ValueError(
                f"{source.path}: {layout.confidence} must lie in [0, 1], but row {start + first} holds "
                f"{confidence[first]:g}; a confidence is the probability of the predicted class, not per cent or a "
                "logit"
            )
        predicted, truth = comparable(np.asarray(block[layout.predicted]), np.asarray(block[layout.label]))
        if predicted.shape != confidence.shape or truth.shape != confidence.shape:
            raise ValueError(f"{source.path}: label, {layout.predicted} and {layout.confidence} need one value a row")
        start += len(confidence)
        ids = None if layout.ids is None else np.asarray(block[layout.ids])
        yield Answers(confidence, predicted == truth, truth, predicted, ids)
    if start == 0:
        raise ValueError(f"{source.path} holds no example")


def comparable(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as numbers where both are, also as digits in text; else as text."""

    def numbers(values: np.ndarray) -> Any:
        try:
            return values.astype(np.float64)
        except ValueError:
            return None

    ours, theirs = numbers(predicted), numbers(truth)
    return (predicted.astype(str), truth.astype(str)) if ours is None or theirs is None else (ours, theirs)
