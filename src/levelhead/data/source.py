"""What every reader hands over: labelled parts whose inputs are read once it is known which are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from levelhead.data.decode import Fit
from levelhead.data.lazy import Encoded, pixels
from levelhead.data.memory import Streaming
from levelhead.data.records import Augment, Kind


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a source, in the source's order.

    Attributes:
        labels: int64 `(N,)`, indices into the source's classes; of a segmentation uint8 `(N, H, W)`, 255 ignored.
        read: takes int64 positions `(n,)` and gives those inputs, new memory, as `Split.inputs` wants them.
        encoded: the images that `read` decodes, if that is what it does; without, the part cannot stream.
        groups: what each example belongs to (an object, an author), `(N,)` of words or numbers, or None: examples of
            one group never lie in two roles.
    """

    labels: np.ndarray
    read: Callable[[np.ndarray], np.ndarray]
    encoded: Encoded | None = None
    groups: np.ndarray | None = None

    @classmethod
    def of_array(cls, inputs: np.ndarray, labels: np.ndarray) -> Part:
        """A part whose inputs already lie in memory; labels become int64, maps of labels stay as they are."""
        labels = np.asarray(labels)
        return cls(labels if labels.ndim > 1 else labels.astype(np.int64), lambda positions: inputs[positions])

    @classmethod
    def of_encoded(cls, encoded: Encoded, labels: np.ndarray) -> Part:
        """A part of encoded images, which are decoded when it is known which are wanted, or stay where they are."""

        def read(positions: np.ndarray) -> np.ndarray:
            images = np.empty((len(positions), *encoded.form.shape), dtype=np.uint8)
            for row, position in enumerate(map(int, positions)):
                images[row] = pixels(encoded.where(position), encoded.content(position), encoded.form)
            return images

        return cls(np.asarray(labels, dtype=np.int64), read, encoded)


@dataclass(frozen=True, eq=False)
class Source:
    """A data set as it came, before roles that it lacks are cut from its train part.

    Attributes:
        name: the name to show.
        kind: "image", "vector", "text" or "segmentation".
        classes: class names, in the order of the labels.
        parts: "train", and any of "val", "cal" and "test" that the source has itself.
        origin: one sentence for `Dataset.origin`.
        augment: this source's default augmentation.
        notes: sentences for `Dataset.notes`.
        train_size: how many training examples are used unless the user says; `test` then gets what is left.
        cal_size: how many are cut for `cal` unless the user says.
        words: of texts, the word of every id; 0 is padding.
        facts: what else the user decided about the examples, for `Dataset.split_info`: ready for JSON, without paths.
    """

    name: str
    kind: Kind
    classes: tuple[str, ...]
    parts: Mapping[str, Part]
    origin: str
    augment: Augment = field(default_factory=Augment)
    notes: tuple[str, ...] = ()
    train_size: int | None = None
    cal_size: int | None = None
    words: tuple[str, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What a reader may need to know from the call to `load`.

    Attributes:
        source: the name or path as it was given.
        data_dir: the folder with data sets by name, or None.
        label: the column of labels in a table, or None.
        image_size: height and width that a folder's images are brought to, or None for the usual size in it.
        text: the column of texts in a table, or None.
        max_words: how many words of a text are used, or None for the usual number.
        streaming: whether images stay on disk.
        image: the column of paths of images in a table, or None.
        split: the column of a table that says each row's role, or None.
        group: the column of a table that says what each row belongs to, or None.
        group_pattern: the regular expression that finds this in the path of an image of a folder, or None.
        fit: how images are brought to their size, or None for the usual way.
        skip_broken: whether images that cannot be read are left out.
    """

    source: str
    data_dir: str | None = None
    label: str | None = None
    image_size: tuple[int, int] | None = None
    text: str | None = None
    max_words: int | None = None
    streaming: Streaming = Streaming()
    image: str | None = None
    split: str | None = None
    group: str | None = None
    group_pattern: str | None = None
    fit: Fit | None = None
    skip_broken: bool = False
