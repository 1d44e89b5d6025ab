"""What one run is: everything that determines its numbers, and the name that follows from it."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from levelhead._version import __version__
from levelhead.models import without_file
from levelhead.train.recipe import Recipe

#: The file that is written last in a run's folder: where it stands, the run is finished.
FINISHED = "run.json"


@dataclass(frozen=True)
class Run:
    """One method, one seed, on one data set: what a worker needs to train it.

    ``method`` is what the user typed and only a label; ``sentence`` is what is trained. ``record`` names what is
    written beside the result epoch by epoch; it changes no number. ``processes`` train it together. ``weights`` is the
    digest of the weights that it starts from where these are not drawn.
    """

    method: str
    sentence: str
    seed: int
    network: str
    recipe: Recipe
    fingerprint: str
    device: str
    precision: str
    threads: int
    record: tuple[str, ...] = ()
    processes: int = 1
    weights: str = ""

    @property
    def determinants(self) -> dict[str, Any]:
        """All that the run's numbers depend on; versions are recorded with a run, not hashed."""
        return {
            "data": self.fingerprint,
            "sentence": self.sentence,
            "seed": self.seed,
            "network": without_file(self.network) if self.weights else self.network,
            "recipe": self.recipe.model_dump(),
            # which card of a kind computes does not matter, its kind does
            "device": self.device.split(":")[0],
            "precision": self.precision,
            "threads": self.threads,
            # said only where it is so, which keeps the names of all other runs
            **({"processes": self.processes} if self.processes > 1 else {}),
            **({"weights": self.weights} if self.weights else {}),
        }

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name the run."""
        return hashlib.sha256(json.dumps(self.determinants, sort_keys=True).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """The record for a file."""
        return asdict(self) | {"recipe": self.recipe.model_dump()}


def stream(seed: int, purpose: str, rank: int = 0) -> int:
    """A generator seed for one purpose of a run in one of its processes, so that no two of its streams are the same."""
    text = f"{seed}/{purpose}/{rank}" if rank else f"{seed}/{purpose}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def versions() -> dict[str, str]:
    """What was installed when the numbers were made: recorded, not part of a run's name."""
    return {
        "levelhead": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }
