"""Target rules: a distribution over classes in, a distribution out."""

from levelhead.targets.learned_smooth import LearnedSmooth
from levelhead.targets.nearest import Nearest
from levelhead.targets.one_hot import OneHot
from levelhead.targets.rule import Rule
from levelhead.targets.smooth import Smooth

#: Every target rule by the word that names it in a sentence.
RULES: dict[str, type[Rule]] = {
    "one_hot": OneHot,
    "nearest": Nearest,
    "smooth": Smooth,
    "learned_smooth": LearnedSmooth,
}

__all__ = ["RULES", "LearnedSmooth", "Nearest", "OneHot", "Rule", "Smooth"]
