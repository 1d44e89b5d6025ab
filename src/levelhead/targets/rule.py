"""What every target rule is: a distribution over classes in, a distribution out.

Hard labels are opened to one-hot before they get here, and mixed labels are distributions like any other, so that
smoothing and mixing are the same kind of thing and commute. Rows sum to one, in and out.
Shapes: B batch, C classes, m features, P partners.
"""

from dataclasses import dataclass

from torch import Tensor

from levelhead.member import Member, choice


@dataclass(frozen=True, kw_only=True)
class Rule(Member):
    """Base of the target rules.

    ``lam`` says with which weight labels are mixed: ``mix`` is the weight of the inputs, ``uniform`` a draw from
    U(0, 1) that the inputs know nothing of (LaMix, eq. 4), one a batch or, with ``per=sample``, one an example.
    """

    lam: str = choice("mix", "uniform")
    per: str = choice("batch", "sample")

    def moot(self) -> set[str]:
        """Where labels are mixed as the inputs are, there is nothing to draw."""
        return {"per"} if self.lam == "mix" else set()

    def unsaid(self) -> set[str]:
        """Labels mixed as the inputs are, one lam a batch, is what every rule means unless it says otherwise."""
        return self.moot() | ({"lam"} if self.lam == "mix" else set()) | ({"per"} if self.per == "batch" else set())

    @property
    def own_weights(self) -> bool:
        """Whether labels are mixed with other weights than the inputs."""
        return self.lam == "uniform"

    def label_lam(self, lam: Tensor) -> Tensor:
        """The weights ``(B,)`` or ``(B, 1 + P)`` of the labels, from the weights that were drawn."""
        return lam

    def head_size(self, num_classes: int) -> int:
        """Outputs of the linear head that this rule learns on the penultimate features; 0 for none."""
        return 0

    def __call__(self, targets: Tensor, head_logits: Tensor | None = None) -> Tensor:
        """Turn targets ``(B, C, ...)`` into targets of the same shape."""
        raise NotImplementedError
