"""Calibration after training: fit on one role, apply to another."""

from levelhead.calibrate.cross_fit import cross_fitted
from levelhead.calibrate.files import load, save
from levelhead.calibrate.linear import MatrixScaling, VectorScaling
from levelhead.calibrate.per_class import HistogramBinning, IsotonicRegression
from levelhead.calibrate.temperature import TemperatureScaling

__all__ = [
    "HistogramBinning",
    "IsotonicRegression",
    "MatrixScaling",
    "TemperatureScaling",
    "VectorScaling",
    "cross_fitted",
    "load",
    "save",
]
