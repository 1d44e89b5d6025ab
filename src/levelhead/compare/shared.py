"""The data of a comparison and its probes, handed to workers as files they map into memory: one copy for all."""

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from levelhead.compare.probing import Asked
from levelhead.data import Dataset, Split


@dataclass(frozen=True)
class Shared:
    """A data set without its arrays, and the folder where these are."""

    bare: Dataset
    folder: Path
    probes: tuple[Asked, ...] = ()

    def open(self) -> Dataset:
        """The data set with its arrays mapped, copy-on-write, so that nobody can change them for the others."""
        splits = {
            role: Split(**{name: np.load(self.folder / f"{role}-{name}.npy", mmap_mode="c") for name in _ARRAYS})
            for role in self.bare.splits
        }
        return dataclasses.replace(self.bare, splits=splits)


_ARRAYS = ("inputs", "labels", "ids")


def share(data: Dataset, probes: Sequence[Asked], folder: Path) -> Shared:
    """Write the arrays of both into ``folder``, in place of what an interrupted comparison may have left."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for role, split in data.splits.items():
        for name in _ARRAYS:
            np.save(folder / f"{role}-{name}.npy", getattr(split, name))
    empty = {role: Split(*[np.empty(0, dtype=np.int64)] * len(_ARRAYS)) for role in data.splits}
    written = []
    for number, asked in enumerate(probes):
        paths = {name: folder / f"probe{number}-{name}.npy" for name in asked.arrays}
        for name, path in paths.items():
            np.save(path, asked.open()[name])
        written.append(dataclasses.replace(asked, arrays=paths))
    return Shared(dataclasses.replace(data, splits=empty), folder, tuple(written))
