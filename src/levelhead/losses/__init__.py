"""Losses and penalties: unreduced, with soft targets everywhere."""

from levelhead.losses.cross_entropy import CrossEntropy, cross_entropy
from levelhead.losses.focal import Focal, focal
from levelhead.losses.logit_match import LogitMatch, logit_match
from levelhead.losses.loss import Consistency, Loss, Penalty, one_hot
from levelhead.losses.margin import Margin, margin
from levelhead.losses.negative_entropy import NegativeEntropy, negative_entropy

#: Every loss by the word that names it in a sentence.
LOSSES: dict[str, type[Loss]] = {
    "cross_entropy": CrossEntropy,
    "focal": Focal,
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
    "Consistency",
    "CrossEntropy",
    "Focal",
    "LogitMatch",
    "Loss",
    "Margin",
    "NegativeEntropy",
    "Penalty",
    "cross_entropy",
    "focal",
    "logit_match",
    "margin",
    "negative_entropy",
    "one_hot",
]
