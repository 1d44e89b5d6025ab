"""Inputs that a model should doubt, and what it says of them: predictions like any other."""

from levelhead.probes.fgsm import fgsm
from levelhead.probes.predict import predict

__all__ = ["fgsm", "predict"]
