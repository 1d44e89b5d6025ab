"""What a data set is once its splits have roles: frozen records that compute nothing but a summary.

N examples, C channels, D features, H, W.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from levelhead.data.jitter import Jitter
from levelhead.data.lazy import LazyImages

ROLES = ("train", "val", "cal", "test")
Kind = Literal["image", "vector", "text", "segmentation"]
#: The label of a pixel that counts nowhere.
IGNORED = 255


@dataclass(frozen=True)
class Augment:
    """Random crop, window, flip and colours of training images; the default is none of them.

    Attributes:
        crop: zero pixels added on every side before a window of the old size is cut out at random; 0 is no
            crop.
        flip: mirror left and right with probability 1/2.
        window: the smallest share of an image's area that a random resized crop cuts out of the original image;
            None is no such crop.
        size: height and width of a window that is cut out at random, smaller than the images; 0 is the whole. What is
            asked of images with one class is asked of the window at their centre, maps are asked for whole.
        jitter: how far colours are changed.
    """

    crop: int = 0
    flip: bool = False
    window: float | None = None
    size: int = 0
    jitter: Jitter = Jitter()

    def __post_init__(self) -> None:
        if isinstance(self.crop, bool) or not isinstance(self.crop, int) or self.crop < 0:
            raise ValueError(f"crop is a padding in pixels, 0 (no crop) or more; got {self.crop!r}")
        if not isinstance(self.flip, bool):
            raise ValueError(f"flip is true or false; got {self.flip!r}")
        if self.window is not None and not 0 < self.window <= 1:
            raise ValueError(f"window is a share of an image's area, above 0 and at most 1; got {self.window!r}")
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 0:
            raise ValueError(f"size is a side in pixels, 0 (the whole image) or more; got {self.size!r}")

    @property
    def words(self) -> str:
        """What is done, for people."""
        each = [
            self.window and f"random windows of {100 * self.window:g} % of the area or more",
            self.size and f"windows of {self.size}x{self.size}",
            self.crop and f"crop {self.crop}",
            self.flip and "flip",
            self.jitter and "colours",
        ]
        done = [str(words) for words in each if words]
        return " and ".join([", ".join(done[:-1]), done[-1]] if len(done) > 1 else done) or "no"


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
        centre: of images that are cut, height and width of the window at the centre that a network is shown; None
            where it is shown the whole.
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
    centre: tuple[int, int] | None = None

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
        """The shape of one example as a network is shown it: `(C, H, W)`, `(D,)` or `(L,)`."""
        return self.whole if self.centre is None else (self.whole[0], *self.centre)

    @property
    def whole(self) -> tuple[int, ...]:
        """The shape of one example as it is stored."""
        return tuple(self.splits["train"].inputs.shape[1:])

    def cut(self, size: int) -> Dataset:
        """The data set of which windows of `size` by `size` pixels are trained on; 0 is the whole.

        Raises:
            ValueError: a window that is larger than the images.
        """
        if not size:
            return replace(self, centre=None)
        height, width = self.whole[1:]
        dense = self.kind == "segmentation"  # there a window may stand out on one side, and is ignored
        if size > (max if dense else min)(height, width):
            raise ValueError(
                f"crop_size={size} is larger than the images of {self.name}, which are brought to {height}x{width}; "
                "say a smaller --crop-size, or a larger --image-size"
            )
        return self if dense else replace(self, centre=(size, size))

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
