"""Inputs that a model should doubt, and what it says of them: predictions like any other.

The functions make inputs (`fgsm`, `gaussian_noise`, `uniform_noise`, `leave_hull`, `other_data`), `predict` asks a
model about them, `mc_dropout` asks it many times, `natural_adversarial` maps the classes of a set onto the model's. A
new probe is one file and one line of `words.WORDS`.
"""

from levelhead.probes.fgsm import fgsm
from levelhead.probes.gaussian_noise import gaussian_noise
from levelhead.probes.leave_hull import DISTANCES, HullCurve, hull_curve, leave_hull
from levelhead.probes.mc_dropout import mc_dropout
from levelhead.probes.natural_adversarial import class_columns, natural_adversarial
from levelhead.probes.other_data import other_data
from levelhead.probes.predict import predict
from levelhead.probes.probe import Probe, Subject
from levelhead.probes.uniform_noise import uniform_noise
from levelhead.probes.words import parse

__all__ = [
    "DISTANCES",
    "HullCurve",
    "Probe",
    "Subject",
    "class_columns",
    "fgsm",
    "gaussian_noise",
    "hull_curve",
    "leave_hull",
    "mc_dropout",
    "natural_adversarial",
    "other_data",
    "parse",
    "predict",
    "uniform_noise",
]
