"""Images that cannot be read: all of them are named at once, or left out and said.

Headers are read when a set is opened, pixels when it is known which are wanted; whichever finds the first broken image,
the refusal looks at every file, so that one message is enough to mend them all. Of a set that streams every image of
every role is decoded once by the workers before anything is trained: train's are wanted for mean and deviation anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from levelhead.data.decode import BrokenImage, Files, fault
from levelhead.data.lazy import LazyImages
from levelhead.data.memory import Streaming
from levelhead.data.places import cache_root
from levelhead.data.source import Part
from levelhead.data.statistics import LEVELS
from levelhead.files import read_json, write_json

NAMED = 10  # broken images that an error or a note names


@dataclass(frozen=True)
class What:
    """How sentences call the examples, and what cannot be done with broken ones."""

    one: str
    many: str
    done: str


IMAGES = What("image", "images", "read")
PAIRS = What("pair of image and mask", "pairs of image and mask", "used")


@contextmanager
def all_named(parts: Iterable[Files], streaming: Streaming | None = None, what: What = IMAGES) -> Iterator[None]:
    """Turns the first broken image met inside into a refusal that names every broken one of the parts.

    Raises:
        ValueError: how many there are, the first ten with reasons, and what would do.
    """
    try:
        yield
    except BrokenImage as first:
        parts = list(parts)
        number = sum(map(len, parts))
        workers = streaming.checkers(number) if streaming else 0
        found = [error for faults in _faults(parts, workers) for error in faults.values()] or [first]
        raise _refusal(found, number, what) from first


def seen_once(splits: Mapping[str, LazyImages], fingerprint: str) -> np.ndarray:
    """The levels of train, int64 `(C, 256)`, once every image of a set that streams was decoded.

    What was seen is kept in the cache folder under the set's fingerprint, since a pass through all of ImageNet takes
    many minutes.

    Raises:
        ValueError: images that cannot be read: how many of all roles, the first ten with reasons, and what would do.
        WorkFailed: a worker died.
    """
    from levelhead.data.stream import look_through  # which needs torch

    train = splits["train"]
    place = cache_root() / "seen" / f"{fingerprint}.json"
    with suppress(OSError, ValueError):  # not there, or cut short
        kept = np.array(read_json(place), dtype=np.int64)
        if kept.shape == (train.shape[1], LEVELS) and kept.sum() == train.nbytes:
            return kept
    seen = dict(zip(splits, look_through(list(splits.values()))))
    found = [BrokenImage(where, reason) for each in seen.values() for _, where, reason in each.broken]
    if found:
        raise _refusal(found, sum(map(len, splits.values())))
    with suppress(OSError):  # a cache that cannot be written costs time only
        write_json(place, seen["train"].levels.tolist())
    return seen["train"].levels


def _refusal(found: Sequence[BrokenImage], number: int, what: What = IMAGES) -> ValueError:
    them = "it" if len(found) == 1 else "them"
    if len(found) == 1 and what is IMAGES:
        said = f"{found[0].where} cannot be read as an image ({found[0].reason})"
    else:
        each = [f"{error.where} ({error.reason})" for error in found]
        said = f"{len(found):,} of {number:,} {what.many} cannot be {what.done}: {_first(each)}"
    return ValueError(f"{said}; replace or remove {them}, or go on without {them} by --skip-broken (skip_broken=True)")


def named_at_once(part: Part, files: Iterable[Files], what: What = IMAGES) -> Part:
    """The part, whose first image that cannot be read is refused with all other broken ones of `files`."""

    def read(positions: np.ndarray) -> np.ndarray:
        with all_named(files, what=what):
            return part.read(positions)

    return replace(part, read=read)


def sound(
    parts: Mapping[str, Files], root: str, skip: bool, streaming: Streaming, what: What = IMAGES
) -> tuple[dict[str, np.ndarray], tuple[str, ...], dict[str, Any]]:
    """Which images of each role are used: all, or those that can be read.

    Args:
        parts: the images of each role.
        root: the front of the names that notes and facts leave out.
        skip: whether broken images are looked for and left out.
        streaming: who decodes: the workers where some were asked for or will be.
        what: how they are called.

    Returns:
        Positions a role; a note and the facts for `Source` where something was left out.

    Raises:
        ValueError: nothing is left of a role.
    """
    rows = {role: np.arange(len(files)) for role, files in parts.items()}
    if not skip:
        return rows, (), {}
    broken: dict[str, list[str]] = {}
    workers = streaming.checkers(sum(map(len, parts.values())))
    for (role, files), faults in zip(parts.items(), _faults(list(parts.values()), workers)):
        if faults:
            rows[role] = np.delete(rows[role], list(faults))
            if len(faults) == len(files):
                raise ValueError(f"{root}: none of the {len(files):,} {what.many} of {role} can be {what.done}")
            broken[role] = [error.where.removeprefix(root).lstrip("/, ") for error in faults.values()]
    if not broken:
        return rows, (), {}
    names = [name for each in broken.values() for name in each]
    counts = ", ".join(f"{len(each):,} of {role}" for role, each in broken.items())
    split = f" ({counts})" if len(parts) > 1 else ""
    number = f"1 {what.one}" if len(names) == 1 else f"{len(names):,} {what.many}"
    were = "was" if len(names) == 1 else "were"
    note = f"{number} that cannot be {what.done} {were} left out{split}: {_first(names)}"
    return rows, (note,), {"broken": broken}


def _faults(parts: Sequence[Files], workers: int) -> list[dict[int, BrokenImage]]:
    """By position the images of each part that cannot be read, looked at here or by workers."""
    if not workers:
        checked = [[(position, fault(*files[position])) for position in range(len(files))] for files in parts]
        return [{position: error for position, error in each if error is not None} for each in checked]
    from levelhead.data.stream import check  # which needs torch

    found = [seen.broken for seen in check(parts, workers)]
    return [{position: BrokenImage(where, reason) for position, where, reason in each} for each in found]


def _first(names: Sequence[str]) -> str:
    more = f"; and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return "; ".join(names[:NAMED]) + more
