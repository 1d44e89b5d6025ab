"""What `levelhead data` shows: the table of all named sets, or all that is known of one, with counts and examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from levelhead.data import names, read_source
from levelhead.data.examples import Examples, as_text, examples
from levelhead.data.facts import FACTS, Facts
from levelhead.data.named import look, state
from levelhead.data.places import data_root
from levelhead.data.records import class_counts
from levelhead.data.source import Source


def table(data_dir: str | None = None) -> list[dict[str, Any]]:
    """A row a named set: name, kind, classes, sizes, licence, and whether its files are there."""
    return [
        {
            "name": name,
            "kind": FACTS[name].kind,
            "classes": FACTS[name].num_classes,
            "sizes": dict(FACTS[name].sizes),
            "licence": FACTS[name].licence,
            "files": state(name, data_dir),
        }
        for name in names()
    ]


def show(source: str, *, data_dir: str | None = None, out: Path | None = None, **columns: Any) -> dict[str, Any]:
    """One data set: its facts if it has a name, and counts and examples if its files are there. Nothing is downloaded.

    Args:
        source: a name or path, as `levelhead.data.load` takes it.
        data_dir: the folder of data sets.
        out: where the picture of the examples is written; of images only.
        columns: `label`, `text` and whatever else `read_source` takes.

    Returns:
        What was found, ready for JSON. Of images the examples are in the picture alone, under `picture`.

    Raises:
        ValueError: the data cannot be read, or a picture is wanted of what is no image.
    """
    facts = FACTS.get(source)
    shown: dict[str, Any] = {"name": source}
    if facts is not None:
        shown |= _facts(facts)
        shown["files"] = state(source, data_dir)
        if facts.folders and look(source, data_root(data_dir)) is None:
            if out is not None:
                raise ValueError(f"--out: there is nothing to draw, {source} is {shown['files']}")
            return shown
    found = read_source(source, data_dir=data_dir, **columns)
    chosen = examples(found)
    shown |= {
        "kind": found.kind,
        "classes": list(found.classes),
        "origin": found.origin,
        "notes": list(found.notes),
        "shape": list(chosen[0].inputs.shape[1:]),
        "counts": {role: class_counts(part.labels, len(found.classes)).tolist() for role, part in found.parts.items()},
    }
    if chosen[0].inputs.ndim == 4:  # images, whatever their labels are
        shown["picture"] = None if out is None else _draw(out, found, chosen)
    elif out is not None:
        raise ValueError(f"--out writes a picture of images, but {source} holds {found.kind}s, which are shown as text")
    else:
        shown["examples"] = {each.name: as_text(found, each.inputs) for each in chosen}
    return shown


def _facts(facts: Facts) -> dict[str, Any]:
    return {
        "title": facts.title,
        "kind": facts.kind,
        "classes": list(facts.classes) if isinstance(facts.classes, tuple) else facts.classes,
        "sizes": dict(facts.sizes),
        "shape": None if facts.shape is None else list(facts.shape),
        "augment": {
            "crop": facts.augment.crop,
            "flip": facts.augment.flip,
            "resized_crop": facts.augment.window,
            "crop_size": facts.augment.size,
            "jitter": str(facts.augment.jitter),
            "words": facts.augment.words,
        },
        "licence": facts.licence,
        "citation": facts.citation,
        "homepage": facts.homepage,
        "layouts": [layout.name for layout in facts.layouts],
        "folders": list(facts.folders),
        "originals": [{"file": name, "bytes": size} for name, size in facts.files],
        "downloaded": [remote.urls[0] for remote in facts.remote],
        "note": facts.note,
    }


def _draw(out: Path, found: Source, chosen: list[Examples]) -> str:
    from levelhead.plots.examples import save

    if out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--out: pictures end in .png, .pdf or .svg, not {out.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    more = f", the first {len(chosen)} of {len(found.classes)} classes" if len(chosen) < len(found.classes) else ""
    save(out, [each.name for each in chosen], [each.inputs for each in chosen], f"{found.name}{more}")
    return str(out)
