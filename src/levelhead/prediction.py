"""How a trained model is asked: once, or many times with dropout on (MC-dropout, Gal and Ghahramani 2016).

    p = (1 / S) sum_s softmax(f(x; mask_s))

Written behind a sentence as ``@ predict(dropout=0.3, samples=10)``, the values of Thulasidasan et al. 2019. The same
dropout is on in training. ``samples=1`` trains with dropout and predicts once without, as dropout is usually meant.
The model's own dropout layers take the rate; a model that has none gets dropout on its penultimate features.
"""

from dataclasses import dataclass
from typing import ClassVar

from levelhead.member import Member, number, whole


@dataclass(frozen=True)
class Predict(Member):
    """Dropout in training at a rate, and the mean probability of ``samples`` passes when predicting."""

    word: ClassVar[str] = "predict"
    dropout: float = number(0.0, low=0, high=0.99)
    samples: int = whole(1, low=1, high=10_000)

    def check(self) -> None:
        """Without dropout all passes are the same one."""
        if self.samples > 1 and self.dropout == 0:
            raise ValueError(f"predict(samples={self.samples}) needs dropout=, or all samples are the same pass")

    def unsaid(self) -> set[str]:
        """One pass goes without saying."""
        return {"samples"} if self.samples == 1 else set()
