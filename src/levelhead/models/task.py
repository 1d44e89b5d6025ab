"""What a network is built for."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """``num_classes``, the ``shape`` of one input (without B), and for text the ``words`` by their ids.

    Images are ``(C, H, W)``, vectors ``(D,)``, texts ``(L,)`` of token ids.
    """

    num_classes: int
    shape: tuple[int, ...]
    words: Sequence[str] | None = None

    def image(self, name: str, at_least: int = 1) -> tuple[int, int, int]:
        """``(C, H, W)``. Raises ``ValueError`` where the inputs are no images, or smaller than the network reads."""
        if self.words is not None or len(self.shape) != 3:
            what = "texts" if self.words is not None else f"of shape {self.shape}"
            instead = "sentence_cnn or gpcn" if self.words is not None else "mlp"
            raise ValueError(f"{name} reads images (C, H, W), but the inputs are {what}; use {instead}")
        channels, height, width = self.shape
        if min(height, width) < at_least:
            raise ValueError(
                f"{name} needs images of at least {at_least}x{at_least} pixels, not {height}x{width}; "
                "use small, or enlarge the images"
            )
        return channels, height, width

    def vocabulary(self, name: str) -> Sequence[str]:
        """The words by their ids. Raises ``ValueError`` where the inputs are no texts."""
        if self.words is None or len(self.shape) != 1:
            instead = "mlp" if len(self.shape) == 1 else "small"
            raise ValueError(
                f"{name} reads texts, token ids (L,) with their vocabulary, but the inputs have shape {self.shape} "
                f"and no vocabulary; use {instead}"
            )
        return self.words
