"""Files of images as parts of a source: which can be read, their common form, and their pixels when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from levelhead.data.broken import Files, all_named, sound
from levelhead.data.decode import Form, decode, survey
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
    rows, notes, facts = sound(files, request.source, request.skip_broken)
    kept = {role: [files[role][row] for row in rows[role]] for role in files}
    for role, each in kept.items():
        if not each:
            raise ValueError(f"{request.source}: none of the {len(files[role]):,} images of {role} can be read")
    with all_named(kept.values()):
        form = survey((file for each in kept.values() for file in each), request.image_size, request.fit or "cover")
    parts = {
        role: Part(
            np.asarray(labels[role], dtype=np.int64)[rows[role]],
            partial(_pixels, kept, role, form),
            None if groups is None else groups(role, rows[role]),
        )
        for role in files
    }
    if form.fit != "cover":
        facts = {**facts, "fit": form.fit}
    return parts, form, notes, facts


def _pixels(files: Mapping[str, Files], role: str, form: Form, positions: np.ndarray) -> np.ndarray:
    """The images at some positions of a role, uint8 `(n, C, H, W)`."""
    images = np.empty((len(positions), form.channels, form.height, form.width), dtype=np.uint8)
    with all_named(files.values()):
        for row, position in enumerate(positions):
            images[row] = decode(*files[role][position], form)
    return images
