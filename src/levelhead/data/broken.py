"""Images that cannot be read: all of them are named at once, or left out and said.

Headers are read when a set is opened, pixels when it is known which are wanted; whichever finds the first broken image,
the refusal looks at every file, so that one message is enough to mend them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from levelhead.data.decode import BrokenImage, File, fault
from levelhead.data.source import Part

NAMED = 10  # broken images that an error or a note names


class Files(Protocol):
    """The images of a part in order: what to call each, and its path or content."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> tuple[str, File]: ...


@contextmanager
def all_named(parts: Iterable[Files]) -> Iterator[None]:
    """Turns the first broken image met inside into a refusal that names every broken one of the parts.

    Raises:
        ValueError: how many there are, the first ten with reasons, and what would do.
    """
    try:
        yield
    except BrokenImage as first:
        parts = list(parts)
        found = [error for files in parts for error in _faults(files).values()] or [first]
        if len(found) == 1:
            what, them = f"{found[0].where} cannot be read as an image ({found[0].reason})", "it"
        else:
            each = [f"{error.where} ({error.reason})" for error in found]
            what, them = f"{len(found):,} of {sum(map(len, parts)):,} images cannot be read: {_first(each)}", "them"
        raise ValueError(
            f"{what}; replace or remove {them}, or go on without {them} by --skip-broken (skip_broken=True)"
        ) from first


def named_at_once(part: Part, files: Iterable[Files]) -> Part:
    """The part, whose first image that cannot be read is refused with all other broken ones of `files`."""

    def read(positions: np.ndarray) -> np.ndarray:
        with all_named(files):
            return part.read(positions)

    return replace(part, read=read)


def sound(
    parts: Mapping[str, Files], root: str, skip: bool
) -> tuple[dict[str, np.ndarray], tuple[str, ...], dict[str, Any]]:
    """Which images of each role are used: all, or those that can be read.

    Args:
        parts: the images of each role.
        root: the front of the names that notes and facts leave out.
        skip: whether broken images are looked for and left out.

    Returns:
        Positions a role; a note and the facts for `Source` where something was left out.

    Raises:
        ValueError: nothing is left of a role.
    """
    rows = {role: np.arange(len(files)) for role, files in parts.items()}
    if not skip:
        return rows, (), {}
    broken: dict[str, list[str]] = {}
    for role, files in parts.items():
        faults = _faults(files)
        if faults:
            rows[role] = np.delete(rows[role], list(faults))
            if len(faults) == len(files):
                raise ValueError(f"{root}: none of the {len(files):,} images of {role} can be read")
            broken[role] = [error.where.removeprefix(root).lstrip("/, ") for error in faults.values()]
    if not broken:
        return rows, (), {}
    names = [name for each in broken.values() for name in each]
    counts = ", ".join(f"{len(each):,} of {role}" for role, each in broken.items())
    split = f" ({counts})" if len(parts) > 1 else ""
    what = "1 image that cannot be read was" if len(names) == 1 else f"{len(names):,} images that cannot be read were"
    return rows, (f"{what} left out{split}: {_first(names)}",), {"broken": broken}


def _faults(files: Files) -> dict[int, BrokenImage]:
    checked = ((position, fault(*files[position])) for position in range(len(files)))
    return {position: error for position, error in checked if error is not None}


def _first(names: Sequence[str]) -> str:
    more = f"; and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return "; ".join(names[:NAMED]) + more
