"""What a run is trained on and how, as data: sets and beds from ``beds.toml``, the papers' designs from their plans.

A bed is a design that two cores manage. Loading is kept: many runs share one data set.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from levelhead.errors import unknown

if TYPE_CHECKING:
    from levelhead.compare.settings import Comparison
    from levelhead.data import Dataset
    from levelhead.data.source import Part, Source
    from levelhead.train import Recipe

#: How a reason begins that is data.
MISSING = "data missing: "


class DataSet(BaseModel):
    """A data set as a design needs to know it before it is there: training images, shape of an input, classes.

    ``image_size`` is the side that the paper brought images to, where that is not the usual one here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    data: str
    images: int = Field(ge=1)
    shape: tuple[int, ...]
    classes: int = Field(ge=2)
    kind: Literal["image", "text", "vector", "segmentation"] = "image"
    fingerprint: str = ""
    image_size: int | None = None


class Design(BaseModel):
    """Data, network and recipe of runs; ``training`` replaces parts of the recipe, a paper's by name or the usual one.

    ``classes`` are those of the set that are kept, all where none is named.
    ``probes`` are asked of every run, ``record`` is kept of every run; ``note`` says where it departs from the paper,
    ``waits`` why it cannot be run yet, ``given`` is the data that were read in place of a known set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    set: str
    network: str = "small"
    recipe: str | None = None
    training: dict[str, Any] = {}
    train_size: int | None = None
    classes: tuple[str, ...] = ()
    seeds: int = Field(5, ge=1)
    probes: tuple[str, ...] = ()
    record: tuple[str, ...] = ()
    note: str = ""
    waits: str = ""
    given: DataSet | None = None

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits of what the numbers depend on."""
        depends = {"set", "network", "recipe", "training", "train_size"}
        # what came later is left out where it changes nothing, so that runs keep the digits they had
        what = self.model_dump(include=depends | ({"classes"} if self.classes else set()))
        if self.given:
            what["set"] = self.given.fingerprint
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def about(self) -> DataSet:
        """Its data set."""
        return self.given or sets()[self.set]

    @property
    def images(self) -> int:
        """Training examples in an epoch."""
        share = len(self.classes) / self.about.classes if self.classes else 1
        return self.train_size or round(share * self.about.images)

    @property
    def epochs(self) -> int:
        """How often each is seen."""
        return self._said.epochs

    @property
    def needs_val(self) -> bool:
        """Whether something is decided on examples that are neither trained on nor reported."""
        return self._said.needs_val

    @property
    def _said(self) -> "Recipe":
        """The recipe without what is the data's own."""
        from levelhead.train import make_recipe

        return make_recipe(self.about.data, self.about.kind, self.recipe, **self.training)


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads((files("levelhead.reproduce") / "beds.toml").read_text(encoding="utf-8"))


@cache
def sets() -> Mapping[str, DataSet]:
    """The data sets of the papers by short name."""
    return {name: DataSet(**given) for name, given in _tables()["set"].items()}


@cache
def beds() -> Mapping[str, Design]:
    """The beds by name."""
    return {name: Design(**given) for name, given in _tables()["bed"].items()}


def bed(name: str) -> Design:
    """One bed. Raises ``ValueError`` for an unknown one."""
    if name not in beds():
        raise unknown("bed", name, beds())
    return beds()[name]


@cache
def load(
    data: str,
    train_size: int | None,
    data_dir: str | None,
    classes: tuple[str, ...] = (),
    image_size: int | None = None,
    needs_val: bool = False,
) -> "Dataset":
    """The data of a design, read once. Raises what `levelhead.data.load` raises."""
    from levelhead.data import load as read
    from levelhead.data import read_source
    from levelhead.data.assemble import assemble

    if not classes:
        return read(data, train_size=train_size, data_dir=data_dir, image_size=image_size, needs_val=needs_val)
    source = of_classes(read_source(data, data_dir=data_dir, image_size=image_size), classes)
    return assemble(source, train_size=train_size, needs_val=needs_val)


def data_of(design: Design, data_dir: Path | None = None) -> "Dataset":
    """A design's data. Raises what `levelhead.data.load` raises."""
    where = None if data_dir is None else str(data_dir)
    about = design.about
    return load(about.data, design.train_size, where, design.classes, about.image_size, design.needs_val)


def of_classes(source: "Source", classes: Sequence[str]) -> "Source":
    """The examples of some classes alone, numbered in this order. Raises ``ValueError`` for an unknown one."""
    for name in classes:
        if name not in source.classes:
            raise unknown(f"class of {source.name}", name, source.classes)
    sizes = ("train_size", "cal_size")
    columns = np.full(len(source.classes), -1)
    columns[[source.classes.index(name) for name in classes]] = np.arange(len(classes))

    def kept(part: "Part") -> "Part":
        rows = np.flatnonzero(columns[part.labels] >= 0)
        groups = None if part.groups is None else part.groups[rows]
        return replace(
            part, labels=columns[part.labels[rows]], read=lambda at: part.read(rows[at]), encoded=None, groups=groups
        )

    return replace(
        source,
        name=f"{source.name}-{'-'.join(classes)}",
        classes=tuple(classes),
        parts={role: kept(part) for role, part in source.parts.items()},
        # a set's own sizes are for all of its classes
        **{name: round(size * len(classes) / len(columns)) for name in sizes if (size := getattr(source, name))},
    )


def comparison(
    design: Design,
    methods: Sequence[str],
    seeds: Sequence[int],
    *,
    probes: Sequence[str] = (),
    data_dir: Path | None = None,
    devices: str = "auto",
) -> "Comparison":
    """The comparison that a design asks for, as ``levelhead compare`` with these options would make it.

    Raises ``ValueError`` where data, network or recipe cannot be had; ``DownloadError`` for a download that failed.
    """
    from levelhead.compare.probing import wanted
    from levelhead.compare.settings import Comparison, distinct, find_devices
    from levelhead.train import augmented, make_recipe

    where = None if data_dir is None else str(data_dir)
    data = data_of(design, data_dir)
    recipe = make_recipe(data.name, data.kind, design.recipe, **augmented(data, design.recipe, design.training))
    data = data.cut(recipe.crop_size)
    return Comparison(
        data=data,
        methods=distinct(list(methods)),
        seeds=tuple(seeds),
        network=design.network,
        recipe=recipe,
        devices=find_devices(devices),
        precision="32",
        threads=1,
        probes=wanted(probes, data, data_dir=where, label=None, network=design.network),
    )


def missing(design: Design, data_dir: Path | None = None) -> str:
    """Why a design cannot be run: what it waits for, or the data that are not there; empty where it can."""
    from levelhead.data import names
    from levelhead.data.named import state

    if design.waits:
        return design.waits
    data = design.about.data
    if design.given:
        return ""
    if data not in names():
        return MISSING + design.about.title
    there = state(data, None if data_dir is None else str(data_dir))
    return MISSING + design.about.title if there.startswith(("not found", "incomplete")) else ""
