"""Files of images as parts of a source: which can be read, their common form, and their pixels when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.blobs import Blobs
from levelhead.data.broken import all_named, named_at_once, sound
from levelhead.data.decode import File, Files, Fit, Form, spaced, survey
from levelhead.data.facts import FACTS
from levelhead.data.lazy import LazyImages
from levelhead.data.source import Part, Request


def picture_parts(
    files: Mapping[str, Files],
    labels: Mapping[str, np.ndarray],
    groups: Callable[[str, np.ndarray], np.ndarray] | None,
    request: Request,
    form: Form | None = None,
) -> tuple[dict[str, Part], Form, tuple[str, ...], dict[str, Any]]:
    """Reads all headers now; with `request.skip_broken` all pixels, to leave out what cannot be read.

    Args:
        files: what to call each image, and its path, a role.
        labels: int64 `(N,)`, a role.
        groups: takes a role and positions, and says what these images belong to; or None.
        request: says the size, how it is reached, and whether broken images are left out.
        form: what they are brought to, where that is known; else the headers say it.

    Returns:
        The parts, the images' form, and notes and facts for the source.

    Raises:
        ValueError: broken images that are not to be left out, or nothing else in a role.
    """
    rows, notes, facts = sound(files, request.source, request.skip_broken, request.streaming)
    kept = {role: [files[role][row] for row in rows[role]] for role in files}
    with all_named(kept.values(), request.streaming):
        if form is None:
            headers = [file for each in kept.values() for file in each]
            form = survey(spaced(headers), request.image_size, request.fit or "cover")
        parts = {role: _part(kept[role], np.asarray(labels[role])[rows[role]], form) for role in files}
    parts = {
        role: replace(named_at_once(part, kept.values()), groups=None if groups is None else groups(role, rows[role]))
        for role, part in parts.items()
    }
    if form.fit != "cover":
        facts = {**facts, "fit": form.fit}
    return parts, form, notes, facts


@dataclass(frozen=True)
class NamedFiles:
    """The files of a part of a set that is known by name, with their labels `(N,)`."""

    paths: Sequence[Path]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> tuple[str, File]:
        return str(self.paths[position]), self.paths[position]


def named_pictures(
    files: Mapping[str, NamedFiles], form: Form, folder: Path, request: Request
) -> tuple[dict[str, Part], tuple[str, ...], dict[str, Any]]:
    """The parts of a set of photographs known by name, and notes and facts; arguments and errors as above."""
    labels = {role: each.labels for role, each in files.items()}
    parts, _, notes, facts = picture_parts(files, labels, None, replace(request, source=str(folder)), form)
    return parts, notes, facts


def named_form(name: str, request: Request, fit: Fit = "cover") -> Form:
    """What the photographs of a set known by name are brought to: its own size and `fit` unless the user says."""
    shape = FACTS[name].shape
    assert shape is not None
    height, width = request.image_size or shape[1:]
    return Form(3, height, width, request.fit or fit)


def _part(files: Files, labels: np.ndarray, form: Form) -> Part:
    """These files as a part that can stream."""
    paths = [files[position][1] for position in range(len(files))]
    return Part.of_encoded(
        LazyImages.of(Blobs.of_files([path for path in paths if isinstance(path, Path)]), form), labels
    )
