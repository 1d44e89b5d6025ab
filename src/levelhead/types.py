"""The records that travel between the rooms; nothing here computes.

Shapes: B batch, C classes, P partners; (H, W) where labels are given pixel by pixel.
"""

from typing import NamedTuple

from torch import Tensor


class Mix(NamedTuple):
    """Who is blended with whom, and by how much.

    ``partner`` is an integer tensor ``(B,)``: example ``i`` is blended with example ``partner[i]`` of the same batch.
    ``lam`` is the weight of the *original*, in [0, 1]: ``(B,)``, or a float where the caller means one for all.
    Where more than two examples meet, ``partner`` is ``(B, P)`` and ``lam`` is ``(B, 1 + P)``: the weight of the
    original, then of each partner; rows sum to one.
    """

    partner: Tensor
    lam: Tensor | float


class Output(NamedTuple):
    """What one call of an objective gives.

    ``loss`` is a scalar to call ``backward`` on. ``logits (B, C[, H, W])`` and ``targets`` of the same shape belong to
    the clean view if it ran, else to the mixed one. ``mix`` is the pairing that inputs and logits were mixed with, and
    labels too unless the target rule weighs them on its own (``nearest``, ``lam=uniform``).
    ``terms`` are the weighted summands of the loss, detached scalars that stay on the device. ``learned`` is what a
    learned target rule added to the targets of that view (PLS and LaMix: the distribution of the second head),
    detached; ``None`` where nothing is learned.
    """

    loss: Tensor
    logits: Tensor
    targets: Tensor
    mix: Mix
    terms: dict[str, Tensor]
    learned: Tensor | None = None

    @property
    def parts(self) -> dict[str, float]:
        """The weighted summands of the loss as floats; they sum to ``loss``. Reading them waits for the device."""
        return {name: float(term) for name, term in self.terms.items()}
