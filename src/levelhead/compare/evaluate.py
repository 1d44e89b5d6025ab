"""Measures of a predictions file from anywhere: raw, and scaled where there is something to fit a temperature on."""

import math
from pathlib import Path
from typing import Any

from levelhead import metrics
from levelhead.calibrate import TemperatureScaling
from levelhead.predictions import Predictions

#: What is asked of anybody's predictions.
MEASURES = (
    "accuracy",
    "nll",
    "brier",
    "gap",
    "ece",
    "oe",
    "mce",
    "adaptive_ece",
    "classwise_ece",
    "debiased_ece",
    "aurc",
)


def evaluate_file(file: Path, cal: Path | None = None, n_bins: int = 15) -> dict[str, Any]:
    """All measures of ``file``; with ``cal``, also after scaling with the temperature fitted there.

    Raises ``ValueError`` for files that cannot be read, and where ``cal`` has other classes or shares examples with
    ``file``.
    """
    predictions = Predictions.load(file)
    entry: dict[str, Any] = {
        "file": str(file),
        "role": predictions.role,
        "n": predictions.num_examples,
        "num_classes": predictions.num_classes,
        "n_bins": n_bins,
        "raw": measures(predictions, n_bins),
    }
    if cal is not None:
        fitted_on = Predictions.load(cal)
        _refuse_mismatch(predictions, fitted_on, file, cal)
        scaling = TemperatureScaling().fit(fitted_on)
        scaled = Predictions(labels=predictions.labels, logits=scaling.apply(log_scores(predictions)))
        entry |= {"temperature": scaling.temperature, "scaled": measures(scaled, n_bins)}
    return entry


def measures(predictions: Predictions, n_bins: int) -> dict[str, float | None]:
    """Every measure by name; ``None`` where it is undefined or infinite."""
    scores: dict[str, Any] = dict(predictions.scores)
    computed = metrics.Calibration(num_classes=predictions.num_classes, n_bins=n_bins)
    computed.update(**scores, labels=predictions.labels)
    values = computed.compute()
    # streaming reads these two from cells; here everything is in memory, so they are exact
    values["adaptive_ece"] = metrics.adaptive_ece(**scores, labels=predictions.labels, n_bins=n_bins)
    values["aurc"] = metrics.aurc(**scores, labels=predictions.labels)
    return {name: values[name] if math.isfinite(values[name]) else None for name in MEASURES}


def log_scores(predictions: Predictions) -> Any:
    """Logits, or the logarithm of probabilities, which is as good: both give the same softmax."""
    if predictions.logits is not None:
        return predictions.logits
    import numpy as np

    assert predictions.probs is not None
    with np.errstate(divide="ignore"):
        return np.log(predictions.probs.astype(np.float64))


def _refuse_mismatch(test: Predictions, cal: Predictions, test_file: Path, cal_file: Path) -> None:
    if cal.num_classes != test.num_classes:
        raise ValueError(f"{cal_file} has {cal.num_classes} classes, but {test_file} has {test.num_classes}")
    if test_file.resolve() == cal_file.resolve():
        raise ValueError(
            f"{cal_file} is the file to be evaluated: a temperature is fitted on other examples, or it flatters"
        )
    if cal.ids is not None and test.ids is not None and cal.ids.dtype.kind == test.ids.dtype.kind:
        shared = len(set(cal.ids.tolist()) & set(test.ids.tolist()))
        if shared:
            raise ValueError(
                f"{cal_file} and {test_file} share {shared} examples by id; fit on examples that are not reported"
            )
