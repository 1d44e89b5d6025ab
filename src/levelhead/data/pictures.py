"""Files of images as parts of a source: which can be read, their common form, and their pixels when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.blobs import Blobs
from levelhead.data.broken import all_named, named_at_once, sound
from levelhead.data.decode import Files, Form, spaced, survey
from levelhead.data.lazy import LazyImages
from levelhead.data.source import Part, Request


def picture_parts(
    files: Mapping[str, Files],
    labels: Mapping[str, np.ndarray],
    groups: Callable[[str, np.ndarray], np.ndarray] | None,
    request: Request,
) -> tuple[dict[str, Part], Form, tuple[str, ...], dict[str, Any]]:
    """Reads all headers now; with `request.skip_broken` all pixels, to leave out what cannot be read.

    Args:
        files: what to call each image, and its path, a role.
        labels: int64 `(N,)`, a role.
        groups: takes a role and positions, and says what these images belong to; or None.
        request: says the size, how it is reached, and whether broken images are left out.

    Returns:
        The parts, the images' form, and notes and facts for the source.

    Raises:
        ValueError: broken images that are not to be left out, or nothing else in a role.
    """
    rows, notes, facts = sound(files, request.source, request.skip_broken, request.streaming)
    kept = {role: [files[role][row] for row in rows[role]] for role in files}
    with all_named(kept.values(), request.streaming):
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


def _part(files: Files, labels: np.ndarray, form: Form) -> Part:
    """These files as a part that can stream."""
    paths = [files[position][1] for position in range(len(files))]
    return Part.of_encoded(
        LazyImages.of(Blobs.of_files([path for path in paths if isinstance(path, Path)]), form), labels
    )
