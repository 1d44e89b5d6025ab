"""What every target rule is: a distribution over classes in, a distribution out.

Hard labels are opened to one-hot before they get here, and mixed labels are distributions like any other, so that
smoothing and mixing are the same kind of thing and commute. Rows sum to one, in and out.
Shapes: B batch, C classes, m features.
"""

from dataclasses import dataclass

from torch import Tensor

from levelhead.member import Member, choice


@dataclass(frozen=True, kw_only=True)
class Rule(Member):
    """Base of the target rules.

    ``lam`` says with which weight labels are mixed: ``mix`` is the weight of the inputs, ``uniform`` a draw from
    U(0, 1) that the inputs know nothing of (LaMix, eq. 4).
    """

    lam: str = choice("mix", "uniform")

    def unsaid(self) -> set[str]:
        """Labels mixed as the inputs are is what every rule means unless it says otherwise."""
        return self.moot() | ({"lam"} if self.lam == "mix" else set())

    def label_lam(self, lam: Tensor) -> Tensor:
        """The weight ``(B,)`` of the original's label, from the weight that was drawn."""
        return lam

    def head_size(self, num_classes: int) -> int:
        """Outputs of the linear head that this rule learns on the penultimate features; 0 for none."""
        return 0

    def __call__(self, targets: Tensor, head_logits: Tensor | None = None) -> Tensor:
        """Turn targets ``(B, C, ...)`` into targets of the same shape."""
        raise NotImplementedError
