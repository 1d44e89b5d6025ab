"""Measures of predictions: accuracy, calibration, selective prediction, detection."""

from levelhead.metrics._bins import Bins
from levelhead.metrics.batch_mean import BatchMean
from levelhead.metrics.bootstrap import bootstrap, paired_bootstrap
from levelhead.metrics.decomposition import (
    BrierDecomposition,
    NLLDecomposition,
    brier_decomposition,
    brier_decomposition_of,
    nll_decomposition,
    nll_decomposition_of,
)
from levelhead.metrics.detecting import Detection
from levelhead.metrics.detection import aupr_in, aupr_out, auroc, fpr95
from levelhead.metrics.evidence import (
    CalibrationTest,
    bin_intervals,
    calibration_test,
    calibration_test_of,
    clopper_pearson,
    gap_interval,
    mean_intervals,
)
from levelhead.metrics.functions import (
    accuracy,
    accuracy_at_coverage,
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
    smooth_ece,
    top5,
)
from levelhead.metrics.intervals import Interval, paired, student_t
from levelhead.metrics.pairing import McNemar, PairedDifference, aligned, mcnemar, paired_difference, per_example
from levelhead.metrics.scores import energy, max_logit, max_softmax, negative_entropy
from levelhead.metrics.seeds import SeedsInterval, hierarchical_bootstrap, seeds_difference, seeds_needed, sign_flip
from levelhead.metrics.streaming import Calibration

__all__ = [
    "BatchMean",
    "Bins",
    "BrierDecomposition",
    "Calibration",
    "CalibrationTest",
    "Detection",
    "Interval",
    "McNemar",
    "NLLDecomposition",
    "PairedDifference",
    "SeedsInterval",
    "accuracy",
    "accuracy_at_coverage",
    "ace",
    "adaptive_ece",
    "aligned",
    "aupr_in",
    "aupr_out",
    "aurc",
    "auroc",
    "bin_intervals",
    "bootstrap",
    "brier",
    "brier_decomposition",
    "brier_decomposition_of",
    "calibration_test",
    "calibration_test_of",
    "classwise_ece",
    "clopper_pearson",
    "debiased_ece",
    "ece",
    "energy",
    "fpr95",
    "gap",
    "gap_interval",
    "hierarchical_bootstrap",
    "max_logit",
    "max_softmax",
    "mce",
    "mcnemar",
    "mean_intervals",
    "negative_entropy",
    "nll",
    "nll_decomposition",
    "nll_decomposition_of",
    "oe",
    "paired",
    "paired_bootstrap",
    "paired_difference",
    "per_example",
    "reliability",
    "rmsce",
    "seeds_difference",
    "seeds_needed",
    "sign_flip",
    "smooth_ece",
    "student_t",
    "top5",
]
