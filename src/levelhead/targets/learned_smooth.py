"""Learned smoothing: a second head says how the spare mass is spread (PLS, eq. 8-14; LaMix, eq. 5-10).

    v = sigmoid(W_t S + b_t),   u' = softmax(v)           S: the penultimate features (B, m)
    q' = (1 - w) q + w u'                                  w = 1/2 in PLS, 1 - beta in LaMix

The gradient flows through u' into the head and the features; cut off (``detach=true``) the head would stay at its
initial values. The sigmoid bounds u': with C = 10 its entries lie in [.039, .232]. The head is made like the
classifier, with a bias; ``bias=false`` leaves it out. ``learned=`` gives the ablations of the PLS paper (tables 3 and
4): ``none`` keeps q, ``uniform`` spreads ``weight`` over all classes, ``coefficient`` learns one smoothing strength a
= sigmoid(w S + b) an example, q' = (1 - a) q + a / C, or with ``halved=true`` the average of that and q.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from levelhead.member import choice, flag, number
from levelhead.targets.rule import Rule


@dataclass(frozen=True)
class LearnedSmooth(Rule):
    """Blend the targets with a distribution that a linear head on the features learns."""

    word: ClassVar[str] = "learned_smooth"
    weight: float = number(0.5, low=0, high=1)
    learned: str = choice("distribution", "coefficient", "uniform", "none")
    detach: bool = flag(False)
    bias: bool = flag(True)
    halved: bool = flag(False)

    def moot(self) -> set[str]:
        """Without a head there is nothing to detach; ``weight`` has no say over a learned coefficient."""
        moot = super().moot()
        if not self.head_size(2):
            moot |= {"detach", "bias"}
        if self.learned in ("none", "coefficient"):
            moot |= {"weight"}
        return moot if self.learned == "coefficient" else moot | {"halved"}

    def unsaid(self) -> set[str]:
        """A bias and the coefficient's plain reading go without saying."""
        return super().unsaid() | ({"bias"} if self.bias else set()) | (set() if self.halved else {"halved"})

    def head_size(self, num_classes: int) -> int:
        """One output a class, or one in all for the coefficient; none where nothing is learned."""
        if self.learned == "distribution":
            return num_classes if self.weight > 0 else 0
        return 1 if self.learned == "coefficient" else 0

    def learn(self, head_logits: Tensor) -> Tensor:
        """What the head says ``(B, head_size, ...)``: the distribution u', or the coefficient a."""
        said = torch.sigmoid(head_logits)
        return said.softmax(1) if self.learned == "distribution" else said

    def __call__(self, targets: Tensor, head_logits: Tensor | None = None) -> Tensor:
        """Targets that carry the gradient of the head; ``head_logits`` is ``(B, head_size)`` where there is a head."""
        num_classes = targets.shape[1]
        if self.learned == "uniform":
            return (1 - self.weight) * targets + self.weight / num_classes
        if not self.head_size(num_classes):
            return targets
        assert head_logits is not None
        learned = self.learn(head_logits.to(targets.dtype))
        if self.detach:
            learned = learned.detach()
        if self.learned == "distribution":
            return (1 - self.weight) * targets + self.weight * learned
        if self.halved:
            learned = learned / 2
        return (1 - learned) * targets + learned / num_classes
