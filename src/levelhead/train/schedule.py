"""The learning rate over a run, as a factor on ``lr``: a pure function of how far the run has come.

Written like every other word: ``one_cycle(warmup=0.2)``, ``cosine``, ``steps(at=[0.5, 0.75], factor=0.1)``.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from levelhead.binding import built
from levelhead.errors import unknown
from levelhead.grammar import parse_term
from levelhead.member import Member, number, show

if TYPE_CHECKING:
    from levelhead.train.recipe import Recipe

#: Where a warm-up begins that has no smaller batch to begin with: not at zero, so that the first step moves.
_START = 0.04


def _epochs(default: tuple[float, ...]) -> Any:
    """A rising list of numbers above zero: below one a part of the run, from one on an epoch."""

    def check(value: Any) -> tuple[float, ...]:
        values = value if isinstance(value, list | tuple) else [value]
        sound = all(isinstance(v, int | float) and not isinstance(v, bool) and 0 < v < math.inf for v in values)
        if not values or not sound or sorted(set(values)) != list(values):
            raise ValueError("must be a rising list of epochs, or of parts of the run below 1, such as [0.5, 0.75]")
        return tuple(float(v) for v in values)

    return field(default=default, metadata={"check": check})


@dataclass(frozen=True)
class Schedule(Member):
    """Base of the schedules."""

    def factor(self, done: float, epochs: int) -> float:
        """What ``lr`` is multiplied with after the part ``done`` in [0, 1) of a run of ``epochs``."""
        raise NotImplementedError


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up in a straight line during ``warmup``, then down to zero along half a cosine."""

    word: ClassVar[str] = "one_cycle"
    warmup: float = number(0.2, low=0, high=0.9)

    def factor(self, done: float, epochs: int) -> float:
        """Triangle up, cosine down."""
        if done < self.warmup:
            return _START + (1 - _START) * done / self.warmup
        return 0.5 * (1 + math.cos(math.pi * (done - self.warmup) / (1 - self.warmup)))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Down to zero along half a cosine, a little in every step."""

    word: ClassVar[str] = "cosine"

    def factor(self, done: float, epochs: int) -> float:
        """Half a cosine."""
        return 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class Linear(Schedule):
    """Up in a straight line during ``warmup``, then down in a straight line to zero."""

    word: ClassVar[str] = "linear"
    warmup: float = number(0.1, low=0, high=0.9)

    def factor(self, done: float, epochs: int) -> float:
        """Triangle."""
        if done < self.warmup:
            return _START + (1 - _START) * done / self.warmup
        return 1 - (done - self.warmup) / (1 - self.warmup)


@dataclass(frozen=True)
class Steps(Schedule):
    """Multiplied with ``factor`` at each of the points ``at``."""

    word: ClassVar[str] = "steps"
    at: tuple[float, ...] = _epochs((0.5, 0.75))
    by: float = number(0.1, low=0, high=1, open_low=True)

    def factor(self, done: float, epochs: int) -> float:
        """A power of ``by``; a drop counts from the first step of its epoch on."""
        # exact for epochs: place / total * epochs may miss a whole number by a rounding
        return self.by ** sum(done * epochs >= point - 1e-9 if point >= 1 else done >= point for point in self.at)


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate from the first step to the last."""

    word: ClassVar[str] = "constant"

    def factor(self, done: float, epochs: int) -> float:
        """One."""
        return 1.0


SCHEDULES: dict[str, type[Schedule]] = {
    "one_cycle": OneCycle,
    "cosine": Cosine,
    "linear": Linear,
    "steps": Steps,
    "constant": Constant,
}


def rate(recipe: "Recipe", schedule: Schedule, done: float) -> float:
    """The learning rate after the part ``done`` in [0, 1) of a run.

    With ``lr_per`` the rate is ``lr * update / lr_per`` (Goyal et al. 2017, the linear scaling rule). During ``warmup``
    epochs the schedule is multiplied with a straight line up to one, from the rate before scaling where that is smaller
    (their gradual warm-up), else from 0.04.

    >>> from levelhead.train.recipe import Recipe
    >>> goyal = Recipe(epochs=90, lr=0.1, batch=1024, lr_per=256, warmup=5, schedule="steps(at=[30, 60, 80])")
    >>> [round(rate(goyal, parse_schedule(goyal.schedule, 90), at / 90), 6) for at in (0, 2.5, 5, 30)]
    [0.1, 0.25, 0.4, 0.04]
    """
    scale = recipe.update / recipe.lr_per if recipe.lr_per else 1.0
    factor = schedule.factor(done, recipe.epochs)
    epochs = done * recipe.epochs
    if epochs < recipe.warmup:
        start = 1 / scale if scale > 1 else _START
        factor *= start + (1 - start) * epochs / recipe.warmup
    return recipe.lr * scale * factor


def parse_schedule(text: str, epochs: int) -> Schedule:
    """Read a schedule for a run of so many epochs; a drop that the run never reaches is refused."""
    term = parse_term(text.replace("one-cycle", "one_cycle"))
    if term.name not in SCHEDULES:
        raise unknown("schedule", term.name, SCHEDULES)
    schedule = built(SCHEDULES[term.name], term)
    if isinstance(schedule, Steps) and schedule.at[-1] >= max(epochs, 1) and schedule.at[-1] >= 1:
        raise ValueError(
            f"{text}: a step at epoch {show(schedule.at[-1])} is never reached in {epochs} epochs; "
            "give parts of the run such as 0.5, or more epochs"
        )
    return schedule
