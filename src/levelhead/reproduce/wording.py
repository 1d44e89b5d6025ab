"""What a measure is, in the words of the papers: for pages and tables; files keep the short names."""

import re

_WORDS = {
    "error": "error",
    "accuracy": "accuracy",
    "top5": "top-5 accuracy",
    "nll": "NLL",
    "ece": "ECE",
    "oe": "over-confidence error",
    "gap": "mean confidence minus accuracy",
    "confidence": "mean winning score",
    "auroc": "AUROC",
    "miou": "mean IoU",
    "pixel_accuracy": "accuracy of pixels",
    "pixel_ece": "ECE of pixels",
    "winning_25": "winning score, lower quartile",
    "winning_50": "winning score, median",
    "winning_75": "winning score, upper quartile",
    "share_70": "share of winning scores above .7",
    "share_95": "share of winning scores above .95",
    "temperature": "temperature of least NLL",
    "temperature_ece": "temperature of least ECE",
    "loss_last": "training loss of the last epoch",
    "true_class_target": "training target of a true class",
    "second_target": "second largest training target",
    "own_target": "target of an original's own class",
    "learned_first": "learned share of a true class, first epoch",
    "learned_last": "learned share of a true class, last epoch",
    "activation_area": "area of the activation map",
    "fitted_part": "part of the epochs after every training example is right",
    "spread_slope": "slope of the spread of classes there",
    "band_width": "width of the undecided band",
    "ece25_above": "calibration error of scores above .72",
    "ece25_below": "calibration error of scores up to .68",
    "hull_area": "accuracy, area over distance from the hull",
    "hull_rise": "rise of confidence after its minimum",
}
_PROBES = {"fgsm": "under FGSM", "gaussian_noise": "on Gaussian noise", "notmnist": "on notMNIST", "svhn": "on SVHN"}
_STATES = {"raw": "", "scaled": ", temperature scaled"}


def measure(name: str) -> str:
    """A measure in words; a name that is not known stays as it is.

    >>> measure("ece_raw"), measure("ece_scaled"), measure("auroc_raw@gaussian_noise"), measure("mine")
    ('ECE', 'ECE, temperature scaled', 'AUROC on Gaussian noise', 'mine')
    """
    name, _, probe = name.partition("@")
    stem = re.sub("_(raw|scaled)$", "", name)
    state = _STATES[name.rsplit("_", 1)[1]] if stem != name else ""
    words = _WORDS.get(stem, stem) + state
    return f"{words} {_PROBES.get(probe, f'on {probe}')}" if probe else words
