"""The data of a comparison, handed to its workers as files they map into memory: one copy, however many workers."""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from levelhead.data import Dataset, Split


@dataclass(frozen=True)
class Shared:
    """A data set without its arrays, and the folder where these are."""

    bare: Dataset
    folder: Path

    def open(self) -> Dataset:
        """The data set with its arrays mapped, copy-on-write, so that nobody can change them for the others."""
        splits = {
            role: Split(**{name: np.load(self.folder / f"{role}-{name}.npy", mmap_mode="c") for name in _ARRAYS})
            for role in self.bare.splits
        }
        return dataclasses.replace(self.bare, splits=splits)


_ARRAYS = ("inputs", "labels", "ids")


def share(data: Dataset, folder: Path) -> Shared:
    """Write the arrays of ``data`` into ``folder``, in place of what an interrupted comparison may have left."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for role, split in data.splits.items():
        for name in _ARRAYS:
            np.save(folder / f"{role}-{name}.npy", getattr(split, name))
    empty = {role: Split(*[np.empty(0, dtype=np.int64)] * len(_ARRAYS)) for role in data.splits}
    return Shared(dataclasses.replace(data, splits=empty), folder)
