"""How a network is trained, apart from the method: one frozen record that is part of a run's name."""

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from levelhead.data import Dataset
from levelhead.data.jitter import parse_jitter
from levelhead.errors import unknown
from levelhead.train.class_weights import checked_weights
from levelhead.train.optimizers import OPTIMIZERS
from levelhead.train.papers import PAPERS
from levelhead.train.schedule import parse_schedule

#: What the first recipes held, which every record of one says.
_FIRST = (
    *("epochs", "batch", "optimizer", "lr", "momentum", "nesterov", "weight_decay"),
    *("schedule", "clip", "crop", "flip"),
)


class Recipe(BaseModel):
    """Optimiser, weight decay and schedule; batch, epochs, crop and flip. Momentum belongs to SGD alone.

    Attributes:
        crop: a padding in pixels.
        resized_crop: the smallest share of an image's area that is cut out and scaled; 0 is none.
        crop_size: side of the windows that are cut out of larger images, 0 for the whole.
        jitter: how far colours are changed.
        drop_last: leave an update out that would see fewer examples than the others.
        accumulate: batches whose gradients make one update.
        warmup: epochs at the start in which the rate rises in a straight line.
        lr_per: the number of examples that ``lr`` is meant for; the rate grows with the examples of an update.
        stop_at_accuracy: end the run after the epoch that reaches it; of the ``stop_top`` largest logits, on the clean
            examples of ``stop_on``.
        select: which epoch's weights are kept: the last, or the best by this measure on val.
        ema: the weights that are evaluated and saved are an exponential average, which keeps this part of itself in
            every update.
        layer_decay: the classifier learns at the full rate, each layer below it at this part of the one above.
        freeze_epochs: epochs at the start in which only the classifier learns.
        class_weights: what an example of each class weighs in the loss: none, balanced, or numbers by class.
    """

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
    resized_crop: float | None = Field(None, ge=0, le=1)
    crop_size: int = Field(0, ge=0, le=65_536)
    jitter: str = "none"
    drop_last: bool = False
    accumulate: int = Field(1, ge=1, le=65_536)
    warmup: float = Field(0.0, ge=0, allow_inf_nan=False)
    lr_per: int | None = Field(None, ge=1)
    stop_at_accuracy: float | None = Field(None, gt=0, le=1)
    stop_top: int = Field(1, ge=1)
    stop_on: Literal["train", "val"] = "train"
    select: Literal["last", "nll", "accuracy"] = "last"
    ema: float | None = Field(None, gt=0, lt=1)
    layer_decay: float | None = Field(None, gt=0, lt=1)
    freeze_epochs: int = Field(0, ge=0)

    @property
    def update(self) -> int:
        """Examples of one update."""
        return self.batch * self.accumulate

    @property
    def needs_val(self) -> bool:
        """Whether something is decided on val."""
        return self.select != "last" or (self.stop_at_accuracy is not None and self.stop_on == "val")

    @model_serializer(mode="wrap")
    def _as_said(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # what came later is left out where it changes nothing, so that runs keep the names they had
        return {
            name: value
            for name, value in dump(self).items()
            if name in _FIRST or value != type(self).model_fields[name].default
        }

    class_weights: str = "none"

    @model_validator(mode="after")
    def _sound(self) -> "Recipe":
        # the printed form says every argument, so that two ways of writing one schedule name one run
        schedule = parse_schedule(self.schedule, self.epochs)
        object.__setattr__(self, "schedule", str(schedule))
        if self.warmup and getattr(schedule, "warmup", 0):
            raise ValueError(
                f"{schedule} has a warm-up of its own, so warmup= would be a second one; say "
                f"{schedule.word}(warmup=PART OF THE RUN), or another schedule"
            )
        if not self.resized_crop:
            object.__setattr__(self, "resized_crop", None)
        for name in ("warmup", "freeze_epochs"):
            if getattr(self, name) >= self.epochs:
                raise ValueError(f"{name}={getattr(self, name):g} leaves nothing of the {self.epochs} epochs")
        if self.stop_at_accuracy is None and (self.stop_top > 1 or self.stop_on != "train"):
            raise ValueError("stop_top and stop_on have no effect without stop_at_accuracy")
        if self.optimizer != "sgd":
            asked = [name for name in ("momentum", "nesterov") if name in self.model_fields_set and getattr(self, name)]
            if asked:
                raise ValueError(f"{' and '.join(asked)} belong to sgd and have no effect with {self.optimizer}")
            object.__setattr__(self, "momentum", 0.0)
        if not self.momentum:
            object.__setattr__(self, "nesterov", False)
        return self

    @field_validator("optimizer")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in OPTIMIZERS:
            raise ValueError(f"must be one of {', '.join(OPTIMIZERS)}")
        return value

    @field_validator("jitter")
    @classmethod
    def _colours(cls, value: str) -> str:
        return str(parse_jitter(value))

    @field_validator("class_weights")
    @classmethod
    def _weighs(cls, value: str) -> str:
        return checked_weights(value)


#: What is trained how unless the user says otherwise, by kind of data and for the tiny sets by name. Chosen on cal:
#: see docs/decisions.md.
DEFAULTS: dict[str, dict[str, Any]] = {
    "image": {"epochs": 20, "batch": 128, "lr": 0.1},
    "vector": {"epochs": 60, "batch": 64, "lr": 0.05},
    "text": {name: value for name, value in PAPERS["kim"].arguments.items() if name != "select"},
    "segmentation": {"epochs": 25, "batch": 8, "optimizer": "adamw", "lr": 0.003, "weight_decay": 0.01},
    "digits": {"epochs": 100, "batch": 32, "lr": 0.1},
    "spiral": {"epochs": 100, "batch": 64, "lr": 0.05},
}


#: The words of a recipe that are about images alone.
AUGMENTATION = ("crop", "flip", "resized_crop", "crop_size", "jitter")


def augmented(data: Dataset, paper: str | None, said: dict[str, Any]) -> dict[str, Any]:
    """What was said, with the data set's own augmentation for what was not (``None``).

    Where a paper's recipe is named, only what goes with the size of the images, which no recipe knows.

    Raises ``ValueError`` for words about images where there are none.
    """
    if data.kind not in ("image", "segmentation"):
        if any(said.get(name) not in (None, "none") and said[name] for name in AUGMENTATION):
            what = "texts" if data.kind == "text" else f"vectors of {data.shape[0]} numbers"
            raise ValueError(
                f"--crop, --flip, --resized-crop, --crop-size and --jitter are for images, but {data.name} holds {what}"
            )
        return said
    own = data.augment
    usual: dict[str, Any] = {"resized_crop": own.window, "crop_size": own.size}
    if paper is None:
        usual |= {"crop": own.crop, "flip": own.flip, "jitter": str(own.jitter)}
    return said | {name: value for name, value in usual.items() if said.get(name) is None}


def make_recipe(name: str, kind: str, paper: str | None = None, **given: Any) -> Recipe:
    """The recipe for a data set, or a paper's by name, with what was given (not ``None``) in place of its parts."""
    if paper is not None and paper not in PAPERS:
        raise unknown("recipe", paper, PAPERS)
    usual = DEFAULTS.get(name, DEFAULTS[kind]) if paper is None else PAPERS[paper].arguments
    said = {key: value for key, value in given.items() if value is not None}
    if paper is not None and kind not in ("image", "segmentation"):
        usual = {key: value for key, value in usual.items() if key not in AUGMENTATION}
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
