"""Every example's confidence and whether it was right, in one sortable integer each.

The bits of a positive float, read as an integer, sort like the float. One minus the confidence is shifted
left by one and the wrong/right bit put below, so one sort of plain integers orders examples, keeps ties
together and carries the outcome along: a quarter of the time and memory of a sort with indices.
"""

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics.chunks import Chunk


class Samples:
    """A growing list of sortable keys, 4 bytes an example (8 for float64 scores, or where float32 underflows)."""

    def __init__(self) -> None:
        self.keys: list[np.ndarray] = []

    def add(self, chunk: Chunk) -> None:
        """Take the examples of a chunk."""
        narrow = chunk.weights.dtype == torch.float32 and not bool(_too_small(chunk.rest).any())
        rest = chunk.rest.float() if narrow else chunk.rest
        bits = rest.contiguous().view(torch.int32 if narrow else torch.int64)
        self.keys.append((bits * 2 + ~chunk.correct).cpu().numpy())

    def merge(self, other: "Samples") -> None:
        """Take the examples of `other` as well."""
        self.keys.extend(other.keys)

    def ranked(self) -> tuple[np.ndarray, np.ndarray]:
        """One minus the confidence (rising), and whether each prediction was wrong; right first in a tie."""
        if not self.keys:
            return np.zeros(0), np.zeros(0, dtype=bool)
        if len({k.dtype for k in self.keys}) > 1:
            self.keys = [_widened(k) for k in self.keys]
        joined = np.concatenate(self.keys)
        joined.sort()
        wrong = (joined & 1).astype(bool)
        joined >>= 1
        return joined.view(np.float32 if joined.dtype == np.int32 else np.float64), wrong


def _too_small(rest: Tensor) -> Tensor:
    """Which numbers lose their order in float32 (zero does not)."""
    return (rest < 1e-37) & (rest > 0)


def _widened(keys: np.ndarray) -> np.ndarray:
    if keys.dtype == np.int64:
        return keys
    rest = (keys >> 1).view(np.float32).astype(np.float64)
    return rest.view(np.int64) * 2 + (keys & 1)
