"""How a comparison's methods do on each class: accuracy on its examples, and its calibration error.

Means over seeds; each run is scaled by its own temperature, the one that was fitted on cal.
C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from levelhead.metrics import Calibration
from levelhead.plots.comparison import Comparison
from levelhead.plots.pooled import scaled


@dataclass(frozen=True, eq=False)
class ByClass:
    """A method on one role, class by class.

    Attributes:
        method: its name.
        count: examples of each class, int64 `(C,)`.
        accuracy: the share of a class's examples that are predicted as it, `(C,)`; NaN where there are none.
        ece_raw: the class-wise calibration error, `(C,)`: of the probability of the class against whether it is the
            class, over all examples, in bins of equal width.
        ece_scaled: the same after scaling.
    """

    method: str
    count: np.ndarray
    accuracy: np.ndarray
    ece_raw: np.ndarray
    ece_scaled: np.ndarray


def by_class(comparison: Comparison, method: str, *, role: str = "test") -> ByClass | None:
    """Reads a method's predictions; None where none can be read, or where labels are given pixel by pixel."""
    bins = int(comparison.summary.get("n_bins") or 15)
    found: list[tuple[np.ndarray, ...]] = []
    count = np.zeros(0, np.int64)
    for result in comparison.of(method, role):
        try:
            predictions = comparison.predictions(result)
        except (OSError, ValueError):
            continue  # which the diagrams say
        if predictions.labels.ndim != 1 or not result.get("temperature"):
            continue
        scores, labels = predictions.scores, predictions.labels
        held = next(iter(scores.values()))
        count = np.bincount(labels, minlength=held.shape[1])
        hits = np.bincount(labels[held.argmax(1) == labels], minlength=held.shape[1])
        errors = []
        for state in (scores, scaled(scores, float(result["temperature"]))):
            calibration = Calibration(num_classes=held.shape[1], n_bins=bins)
            calibration.update(**state, labels=labels)
            errors.append(calibration.class_ece().numpy())
        with np.errstate(invalid="ignore"):
            found.append((hits / count, *errors))
    if not found:
        return None
    accuracy, raw, after = (np.mean([run[part] for run in found], axis=0) for part in range(3))
    return ByClass(method, count, accuracy, raw, after)
