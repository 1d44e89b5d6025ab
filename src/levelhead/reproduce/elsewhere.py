"""A paper's item on other data: its methods, measures and recipes as they are, the data of its designs changed."""

import re
from pathlib import Path

from levelhead.reproduce.designs import DataSet, Design, load
from levelhead.reproduce.plans import Item, Plan


def on_data(plan: Plan, item: Item, scale: str, data: str, data_dir: Path | None = None) -> tuple[Plan, Item]:
    """The plan and its item with every design on ``data``, a name or a path as for ``levelhead compare``.

    Designs that are the same then stand once. The network of a design stays where it reads such data, else it is the
    usual one of the kind of data; probes that are data sets of their own are left out.

    Raises what `levelhead.data.load` raises; ``ValueError`` for an item that no run is needed for.
    """
    if not item.columns:
        raise ValueError(f"--data has no effect on {item.id}, which needs no run; leave it out")
    there = load(data, None, None if data_dir is None else str(data_dir))
    about = DataSet(
        title=there.name, data=data, images=len(there.splits["train"]), shape=tuple(there.shape),
        classes=there.num_classes, kind=there.kind, fingerprint=there.fingerprint,
    )  # fmt: skip
    designs: dict[str, Design] = {}
    for column in item.columns:
        found = plan.design_of(item, column, scale)
        if found is None:
            continue
        changed = _changed(found[1], about)
        if changed.digest not in {each.digest for each in designs.values()}:
            designs[column] = changed
    slug = re.sub(r"\W+", "-", there.name).strip("-")
    names = {column: f"{column}-on-{slug}-{each.digest}" for column, each in designs.items()}
    own = {names[column]: each for column, each in designs.items()}
    return (
        plan.model_copy(update={"bed": {**plan.bed, **own}, "design": plan.design | designs}),
        item.model_copy(update={"columns": tuple(designs), "small": names, "published": {}, "small_probes": None}),
    )


def _changed(design: Design, about: DataSet) -> Design:
    from levelhead.data import NAMED
    from levelhead.models import auto

    same = design.about.kind == about.kind
    size = design.train_size if design.train_size and design.train_size < about.images else None
    return design.model_copy(
        update={
            "set": about.title,
            "given": about,
            "train_size": size,
            "classes": (),
            "network": design.network if same else auto(about.kind, "cpu"),
            "recipe": design.recipe if same else None,
            "training": design.training if same else {},
            "probes": tuple(probe for probe in design.probes if probe.split("(")[0] not in NAMED),
            "note": "other data than the paper's",
            "waits": "",
        }
    )
