"""How a comparison's methods do on each class: accuracy on its examples, gap of what is called it, calibration error.

Means over seeds; each run is scaled by its own temperature, the one that was fitted on cal.
C classes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from levelhead.metrics import Calibration, max_softmax
from levelhead.plots.comparison import Comparison
from levelhead.plots.pooled import scaled
from levelhead.plots.reliability import clopper_pearson


@dataclass(frozen=True, eq=False)
class ByClass:
    """A method on one role, class by class.

    Attributes:
        method: its name.
        count: examples of each class, int64 `(C,)`.
        accuracy: the share of a class's examples that are predicted as it, `(C,)`; NaN where there are none.
        lo: the lower end of its 95 % Clopper-Pearson interval at the size of one seed's test set, because seeds share
            their examples; `(C,)`.
        hi: the upper end.
        predicted: how often a seed predicts the class, on average, `(C,)`.
        gap_raw: mean confidence less accuracy of what is predicted as the class, `(C,)`; NaN where no seed predicts it.
        gap_scaled: the same after scaling.
        ece_raw: the class-wise calibration error, `(C,)`: of the probability of the class against whether it is the
            class, over all examples, in bins of equal width.
        ece_scaled: the same after scaling.
    """

    method: str
    count: np.ndarray
    accuracy: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    predicted: np.ndarray
    gap_raw: np.ndarray
    gap_scaled: np.ndarray
    ece_raw: np.ndarray
    ece_scaled: np.ndarray


def by_class(comparison: Comparison, method: str, *, role: str = "test") -> ByClass | None:
    """Reads a method's predictions, of a segmentation its sample of pixels; None where none can be read."""
    bins = int(comparison.summary.get("n_bins") or 15)
    found: list[tuple[np.ndarray, ...]] = []
    count = np.zeros(0, np.int64)
    for result in comparison.of(method, role):
        try:
            predictions = comparison.predictions(result)
        except (OSError, ValueError):
            continue  # which the diagrams say
        if not result.get("temperature"):
            continue
        scores, labels = predictions.scores, predictions.labels
        held = next(iter(scores.values()))
        classes, called = held.shape[1], held.argmax(1)
        count = np.bincount(labels, minlength=classes)
        hits, predicted = (np.bincount(which, minlength=classes) for which in (labels[called == labels], called))
        gaps, errors = [], []
        with np.errstate(invalid="ignore"):
            for state in (scores, scaled(scores, float(result["temperature"]))):
                calibration = Calibration(num_classes=classes, n_bins=bins)
                calibration.update(**state, labels=labels)
                errors.append(calibration.class_ece().numpy())
                sure = np.bincount(called, weights=np.asarray(max_softmax(**state), np.float64), minlength=classes)
                gaps.append((sure - hits) / predicted)
            found.append((hits / count, predicted, *gaps, *errors))
    if not found:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class that no seed predicts has no gap
        accuracy, predicted, *rest = (np.nanmean([run[part] for run in found], axis=0) for part in range(6))
    lo, hi = clopper_pearson(accuracy * count, count, 0.95)
    return ByClass(method, count, accuracy, lo, hi, predicted, *rest)
