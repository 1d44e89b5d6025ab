"""The data of a comparison and its probes, handed to workers as files they map into memory: one copy for all."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from levelhead.compare.probing import Asked
from levelhead.data import Dataset, Split


@dataclass(frozen=True)
class Shared:
    """A data set without its arrays, and the folder where these are; images that stream stay where they lie."""

    bare: Dataset
    folder: Path
    probes: tuple[Asked, ...] = ()

    def open(self) -> Dataset:
        """The data set with its arrays mapped, copy-on-write, so that nobody can change them for the others."""
        splits = {role: replace(split, **self._arrays(role, split)) for role, split in self.bare.splits.items()}
        return replace(self.bare, splits=splits)

    def _arrays(self, role: str, split: Split) -> dict[str, np.ndarray]:
        names = [name for name in _ARRAYS if isinstance(getattr(split, name), np.ndarray)]
        return {name: np.load(self.folder / f"{role}-{name}.npy", mmap_mode="c") for name in names}


_ARRAYS = ("inputs", "labels", "ids")


def share(data: Dataset, probes: Sequence[Asked], folder: Path) -> Shared:
    """Write the arrays of both into ``folder``, in place of what an interrupted comparison may have left."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bare = {}
    for role, split in data.splits.items():
        arrays = {name: array for name in _ARRAYS if isinstance(array := getattr(split, name), np.ndarray)}
        for name, array in arrays.items():
            np.save(folder / f"{role}-{name}.npy", array)
        # what lies on disk is read from there by every worker
        bare[role] = replace(split, **dict.fromkeys(arrays, np.empty(0, dtype=np.int64)))
    written = []
    for number, asked in enumerate(probes):
        paths = {name: folder / f"probe{number}-{name}.npy" for name in asked.arrays}
        for name, path in paths.items():
            np.save(path, asked.open()[name])
        written.append(replace(asked, arrays=paths))
    return Shared(replace(data, splits=bare), folder, tuple(written))
