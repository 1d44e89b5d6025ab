"""Data with roles: `load` a name or a path, get train, cal and test (and val if the source has one).

A new source is one file with a function from `Request` to `Source`, and one line of a table below.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from levelhead.data import digits, idx, spiral
from levelhead.data.assemble import assemble
from levelhead.data.download import DownloadError
from levelhead.data.records import Augment, Dataset, Split
from levelhead.data.source import Request, Source

if TYPE_CHECKING:
    from levelhead.data.batches import Batches

__all__ = ["Augment", "Batches", "Dataset", "DownloadError", "Split", "load", "names"]

NAMED: dict[str, Callable[[Request], Source]] = {
    "digits": digits.read,
    "spiral": spiral.read,
    "fashion-mnist": idx.fashion_mnist,
    "mnist": idx.mnist,
}


def __getattr__(name: str) -> Any:
    """Imports `Batches`, and with it torch, only when it is asked for: listing the names must not need torch."""
    if name == "Batches":
        from levelhead.data.batches import Batches

        return Batches
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def names() -> tuple[str, ...]:
    """The data sets that `load` knows by name."""
    return tuple(NAMED)


def load(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    label: str | None = None,
    train_size: int | None = None,
    cal_size: int | None = None,
    test_size: int | None = None,
    split_seed: int = 0,
    image_size: int | tuple[int, int] | None = None,
) -> Dataset:
    """Loads a data set and gives every example one role.

    Args:
        source: a name of `names()`, or a path.
        data_dir: the folder where named sets lie, or are downloaded to; else LEVELHEAD_DATA, else a cache folder.
        train_size: how many examples of train are used, a stratified part taken after cal and test were cut.
        split_seed: decides what is cut, from 0.
    """
    request = Request(str(source), None if data_dir is None else str(data_dir), label)
    return assemble(
        NAMED[str(source)](request),
        train_size=train_size,
        cal_size=cal_size,
        test_size=test_size,
        split_seed=split_seed,
    )
