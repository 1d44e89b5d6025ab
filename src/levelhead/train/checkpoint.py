"""Checkpoints: everything a run needs to go on as if it had never stopped."""

import io
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from levelhead.files import write_whole

#: What a state holds. Of another number nothing can be gone on with, so the run begins anew, to the same numbers.
FORMAT = 1


class Checkpoints:
    """Writes a run's state at every epoch and every ``seconds``, whole or not at all."""

    def __init__(self, path: Path, seconds: float = 60.0) -> None:
        self.path, self.seconds = path, seconds
        self.written = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last one is too long ago."""
        return time.monotonic() - self.written >= self.seconds

    def write(self, state: dict[str, Any]) -> None:
        """Put a state on disk."""
        # through memory: torch's own file writer turns a full disk into a RuntimeError that hides it
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, **state}, buffer)
        write_whole(self.path, lambda beside: beside.write_bytes(buffer.getbuffer()))
        self.written = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """The last state, or ``None`` where there is none, or one of another version of levelhead."""
        if not self.path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError(
                f"the checkpoint {self.path} cannot be read ({error}); remove it to start this run anew"
            ) from None
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            said = f"{self.path} is a checkpoint of another version of levelhead; the run begins anew"
            warnings.warn(said, stacklevel=2)
            return None
        return state
