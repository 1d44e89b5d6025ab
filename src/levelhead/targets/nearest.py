"""The hard label of the nearer end (Thulasidasan et al. 2019, section 3.5, figure 6).

Mixing features alone: inputs are blended, the target is the label of whichever input weighs more. A tie at one half
goes to the original. It shows that mixup's calibration comes from the mixed labels.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from levelhead.targets.rule import Rule


@dataclass(frozen=True)
class Nearest(Rule):
    """Round the labels' lam to 0 or 1."""

    word: ClassVar[str] = "nearest"

    def moot(self) -> set[str]:
        """A lam of the labels' own would be rounded away from the inputs it belongs to."""
        return {"lam", "per"}

    @property
    def own_weights(self) -> bool:
        """Rounded ones."""
        return True

    def label_lam(self, lam: Tensor) -> Tensor:
        """1 for whoever weighs most, else 0; a tie goes to the original, then to the earlier partner."""
        if lam.ndim == 1:
            return (lam >= 0.5).to(lam.dtype)
        return torch.nn.functional.one_hot(lam.argmax(1), lam.shape[1]).to(lam.dtype)

    def __call__(self, targets: Tensor, head_logits: Tensor | None = None) -> Tensor:
        """The targets, unchanged: rounding lam has already made them hard."""
        return targets
