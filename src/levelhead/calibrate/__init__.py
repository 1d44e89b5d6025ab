"""After training: calibrators, abstention and prediction sets, fitted on one role and reported on another."""

from levelhead.calibrate.abstention import Abstention, Answered
from levelhead.calibrate.conformal import ConformalSets, Coverage
from levelhead.calibrate.cross_fit import cross_fitted
from levelhead.calibrate.files import load, save
from levelhead.calibrate.linear import MatrixScaling, VectorScaling
from levelhead.calibrate.logistic import BetaCalibration, PlattScaling
from levelhead.calibrate.per_class import HistogramBinning, IsotonicRegression
from levelhead.calibrate.temperature import TemperatureScaling
from levelhead.calibrate.wrap import Calibrated, wrap

__all__ = [
    "Abstention",
    "Answered",
    "BetaCalibration",
    "Calibrated",
    "ConformalSets",
    "Coverage",
    "HistogramBinning",
    "IsotonicRegression",
    "MatrixScaling",
    "PlattScaling",
    "TemperatureScaling",
    "VectorScaling",
    "cross_fitted",
    "load",
    "save",
    "wrap",
]
