"""Losses and penalties: unreduced, with soft targets everywhere."""

from levelhead.losses.bce import BinaryCrossEntropy, bce
from levelhead.losses.cross_entropy import CrossEntropy, cross_entropy
from levelhead.losses.focal import Focal, focal
from levelhead.losses.focal_sd import FocalSD, focal_sd
from levelhead.losses.logit_match import LogitMatch, logit_match
from levelhead.losses.loss import Consistency, Loss, Penalty, full_precision, one_hot
from levelhead.losses.margin import Margin, margin
from levelhead.losses.negative_entropy import NegativeEntropy, negative_entropy
from levelhead.losses.vwci import VWCI, vwci

#: Every loss by the word that names it in a sentence.
LOSSES: dict[str, type[Loss]] = {
    "cross_entropy": CrossEntropy,
    "focal": Focal,
    "focal_sd": FocalSD,
    "bce": BinaryCrossEntropy,
    "vwci": VWCI,
}

#: Every penalty by the word that names it in a sentence.
PENALTIES: dict[str, type[Penalty] | type[Consistency]] = {
    "margin": Margin,
    "negative_entropy": NegativeEntropy,
    "logit_match": LogitMatch,
}

__all__ = [
    "LOSSES",
    "PENALTIES",
    "VWCI",
    "BinaryCrossEntropy",
    "Consistency",
    "CrossEntropy",
    "Focal",
    "FocalSD",
    "LogitMatch",
    "Loss",
    "Margin",
    "NegativeEntropy",
    "Penalty",
    "bce",
    "cross_entropy",
    "focal",
    "focal_sd",
    "full_precision",
    "logit_match",
    "margin",
    "negative_entropy",
    "one_hot",
    "vwci",
]
