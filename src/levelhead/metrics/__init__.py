"""Measures of predictions: accuracy, calibration, selective prediction, detection."""

from levelhead.metrics._bins import Bins
from levelhead.metrics.detection import auroc, fpr95
from levelhead.metrics.functions import (
    accuracy,
    ace,
    adaptive_ece,
    aurc,
    brier,
    classwise_ece,
    debiased_ece,
    ece,
    gap,
    mce,
    nll,
    oe,
    reliability,
    rmsce,
    top5,
)
from levelhead.metrics.intervals import Interval, paired, student_t
from levelhead.metrics.streaming import Calibration

__all__ = [
    "Bins",
    "Calibration",
    "Interval",
    "accuracy",
    "ace",
    "adaptive_ece",
    "aurc",
    "auroc",
    "brier",
    "classwise_ece",
    "debiased_ece",
    "ece",
    "fpr95",
    "gap",
    "mce",
    "nll",
    "oe",
    "paired",
    "reliability",
    "rmsce",
    "student_t",
    "top5",
]
