"""What a data set is once its splits have roles: frozen records that compute nothing but a summary.

N examples, C channels, D features, H, W.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from levelhead.data.lazy import LazyImages

ROLES = ("train", "val", "cal", "test")
Kind = Literal["image", "vector", "text", "segmentation"]
#: The label of a pixel that counts nowhere.
IGNORED = 255


@dataclass(frozen=True)
class Augment:
    """Random crop, window and flip of training images; the default is none of them.

    Attributes:
        crop: zero pixels added on every side before a window of the old size is cut out at random; 0 is no
            crop.
        flip: mirror left and right with probability 1/2.
        window: the smallest share of an image's area that a random resized crop cuts out of the original image;
            None is no such crop.
    """

    crop: int = 0
    flip: bool = False
    window: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.crop, bool) or not isinstance(self.crop, int) or self.crop < 0:
            raise ValueError(f"crop is a padding in pixels, 0 (no crop) or more; got {self.crop!r}")
        if not isinstance(self.flip, bool):
            raise ValueError(f"flip is true or false; got {self.flip!r}")
        if self.window is not None and not 0 < self.window <= 1:
            raise ValueError(f"window is a share of an image's area, above 0 and at most 1; got {self.window!r}")


@dataclass(frozen=True, eq=False)
class Split:
    """The examples of one role.

    Attributes:
        inputs: images, uint8 or float32 in [0, 1], `(N, C, H, W)`; vectors, float32, `(N, D)`; texts, int32 word
            ids, `(N, L)`. Images that stream stay on disk: an array that is computed when it is read.
        labels: int64 `(N,)`, indices into the data set's `classes`; of a segmentation uint8 `(N, H, W)`, one a pixel,
            255 where it is ignored.
        ids: int64 `(N,)`, the example's position in the whole source, whose parts are counted on in the order
            train, val, cal, test: no two examples of a source share an id, whatever their role.
    """

    inputs: np.ndarray | LazyImages
    labels: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Splits with roles, and all that training and reporting need to know about them.

    Attributes:
        name: the word or path that `load` was given, shortened to a name.
        kind: "image", "vector", "text", or "segmentation": images with a class for every pixel.
        classes: the classes' names; a label is an index into them.
        splits: `train`, `cal`, `test`, and `val` only if the source has one.
        mean: float32 `(C,)` in [0, 1] units for images, `(D,)` for vectors; of `train` alone. Empty for texts.
        std: like `mean`, never zero.
        augment: what this source's training images are augmented with unless the user says otherwise.
        origin: one sentence: where it came from and in which layout.
        notes: sentences that a user should see before training (imbalance, tiny classes, a lossy copy).
        fingerprint: SHA-256 (hex) of roles, inputs (encoded images: as they are stored), labels and class names,
            not of paths; the same whether the set streams or not.
        split_info: how the roles came about, ready for JSON.
        words: of texts, the word of every id; 0 is padding and 1 a word that is not in the vocabulary.
    """

    name: str
    kind: Kind
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    mean: np.ndarray
    std: np.ndarray
    augment: Augment
    origin: str
    notes: tuple[str, ...]
    fingerprint: str
    split_info: dict[str, Any]
    words: tuple[str, ...] | None = None

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)

    @property
    def ignore_index(self) -> int:
        """The label that counts nowhere: 255 in maps; -100, which no example has, elsewhere."""
        return IGNORED if self.kind == "segmentation" else -100

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example: `(C, H, W)`, `(D,)` or `(L,)`."""
        return tuple(self.splits["train"].inputs.shape[1:])

    def counts(self) -> dict[str, list[int]]:
        """Examples of each class, a role; the classes in the order of `classes`. Of a segmentation: pixels."""
        return {role: class_counts(split.labels, self.num_classes).tolist() for role, split in self.splits.items()}

    def describe(self) -> list[tuple[str, int, list[int]]]:
        """The rows of the table shown before training: role, examples in all, examples of each class."""
        return [(role, sum(counts), counts) for role, counts in self.counts().items()]


def class_counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """How often each class stands in `labels` `(N,)`, or in maps `(N, H, W)` without what is ignored."""
    if labels.ndim == 1:
        return np.bincount(labels, minlength=num_classes)
    counts = np.zeros(IGNORED + 1, dtype=np.int64)
    for one in labels:
        counts += np.bincount(one.reshape(-1), minlength=IGNORED + 1)
    return counts[:num_classes]
