"""What one run is: everything that determines its numbers, and the name that follows from it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from levelhead.train.recipe import Recipe


@dataclass(frozen=True)
class Run:
    """One method, one seed, on one data set: what a worker needs to train it.

    ``method`` is what the user typed and only a label; ``sentence`` is what is trained.
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

    @property
    def determinants(self) -> dict[str, Any]:
        """All that the run's numbers depend on; versions are recorded with a run, not hashed."""
        return {
            "data": self.fingerprint,
            "sentence": self.sentence,
            "seed": self.seed,
            "network": self.network,
            "recipe": self.recipe.model_dump(),
            # which card of a kind computes does not matter, its kind does
            "device": self.device.split(":")[0],
            "precision": self.precision,
            "threads": self.threads,
        }

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name the run."""
        return hashlib.sha256(json.dumps(self.determinants, sort_keys=True).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """The record for a file."""
        return asdict(self) | {"recipe": self.recipe.model_dump()}


def stream(seed: int, purpose: str) -> int:
    """A generator seed for one purpose of a run, so that no two of its streams are the same."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "little") >> 1
