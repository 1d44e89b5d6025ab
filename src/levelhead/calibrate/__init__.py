"""Calibration after training: fit on one role, apply to another."""

from levelhead.calibrate.cross_fit import cross_fitted
from levelhead.calibrate.temperature import TemperatureScaling

__all__ = ["TemperatureScaling", "cross_fitted"]
