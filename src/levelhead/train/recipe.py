"""How a network is trained, apart from the method: one frozen record that is part of a run's name."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from levelhead.errors import unknown
from levelhead.train.class_weights import checked_weights
from levelhead.train.optimizers import OPTIMIZERS
from levelhead.train.papers import PAPERS
from levelhead.train.schedule import parse_schedule


class Recipe(BaseModel):
    """Optimiser, weight decay and schedule; batch, epochs, crop, flip, class weights. Momentum belongs to SGD alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(20, ge=1, le=100_000)
    batch: int = Field(128, ge=2, le=65_536)
    optimizer: str = "sgd"
    lr: float = Field(0.1, gt=0, le=100, allow_inf_nan=False)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(5e-4, ge=0, le=1)
    schedule: str = "one_cycle"
    clip: float | None = Field(None, gt=0, allow_inf_nan=False)
    crop: int = Field(0, ge=0, le=64)
    flip: bool = False
    class_weights: str = "none"

    @model_validator(mode="after")
    def _sound(self) -> "Recipe":
        # the printed form says every argument, so that two ways of writing one schedule name one run
        object.__setattr__(self, "schedule", str(parse_schedule(self.schedule, self.epochs)))
        if self.optimizer != "sgd":
            asked = [name for name in ("momentum", "nesterov") if name in self.model_fields_set and getattr(self, name)]
            if asked:
                raise ValueError(f"{' and '.join(asked)} belong to sgd and have no effect with {self.optimizer}")
            object.__setattr__(self, "momentum", 0.0)
            object.__setattr__(self, "nesterov", False)
        return self

    @field_validator("optimizer")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in OPTIMIZERS:
            raise ValueError(f"must be one of {', '.join(OPTIMIZERS)}")
        return value

    @field_validator("class_weights")
    @classmethod
    def _weighs(cls, value: str) -> str:
        return checked_weights(value)

    @field_validator("nesterov")
    @classmethod
    def _with_momentum(cls, value: bool, info: Any) -> bool:
        return value and info.data.get("momentum", 0) > 0


#: What is trained how unless the user says otherwise, by kind of data and for the tiny sets by name. Chosen on cal:
#: see docs/decisions.md.
DEFAULTS: dict[str, dict[str, Any]] = {
    "image": {"epochs": 20, "batch": 128, "lr": 0.1},
    "vector": {"epochs": 60, "batch": 64, "lr": 0.05},
    "text": PAPERS["kim"].arguments,
    "digits": {"epochs": 100, "batch": 32, "lr": 0.1},
    "spiral": {"epochs": 100, "batch": 64, "lr": 0.05},
}


def make_recipe(name: str, kind: str, paper: str | None = None, **given: Any) -> Recipe:
    """The recipe for a data set, or a paper's by name, with what was given (not ``None``) in place of its parts."""
    if paper is not None and paper not in PAPERS:
        raise unknown("recipe", paper, PAPERS)
    usual = DEFAULTS.get(name, DEFAULTS[kind]) if paper is None else PAPERS[paper].arguments
    said = {key: value for key, value in given.items() if value is not None}
    if paper is not None and kind != "image":
        usual = {key: value for key, value in usual.items() if key not in ("crop", "flip")}
    chosen = usual | said
    if chosen.get("optimizer", "sgd") != "sgd":
        # of a usual recipe for SGD; what was said stays, and is refused
        chosen = {key: value for key, value in chosen.items() if key not in ("momentum", "nesterov") or key in said}
    try:
        return Recipe(**chosen)
    except ValidationError as error:
        raise ValueError(explain(error)) from None


def explain(error: ValidationError) -> str:
    """A pydantic error as one sentence a complaint."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'the recipe'}: {item['msg'].removeprefix('Value error, ')}"
        + (f", not {item['input']!r}" if item["loc"] else "")
        for item in error.errors()
    )
