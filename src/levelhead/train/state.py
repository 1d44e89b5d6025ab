"""Where a run is, and how it says so."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from levelhead.errors import WorkFailed


@dataclass(frozen=True)
class Progress:
    """Where a run is: ``epoch`` of ``epochs`` begun, the mean loss of the epoch so far, images per second."""

    epoch: int
    epochs: int
    done: float
    loss: float
    rate: float


class Stopped(Exception):
    """The run was asked to stop; its checkpoint is on disk."""


class Diverged(WorkFailed):
    """The loss is not finite; all processes of a group find it in the same step."""


@dataclass
class Place:
    """Where the loop stands, and what it has gathered.

    ``ended`` says that a wanted accuracy was reached. ``best`` is the epoch that is kept so far, counted from one, with
    its ``value`` on val and its ``weights`` on the CPU; ``None`` where the last one is.
    """

    epoch: int = 0
    step: int = 0
    order: Tensor | None = None
    sums: dict[str, float] = field(default_factory=dict)
    targets: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    ended: bool = False
    best: dict[str, Any] | None = None
