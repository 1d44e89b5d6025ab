"""Another data set as a network that was trained on this one would get it: resized, converted, normalised alike.

Images are scaled (bilinear, with antialiasing) until they cover the training images' size, and what stands out is cut
off on both sides, as everywhere in `levelhead.data`; grey becomes three equal channels, colour becomes its luma
(ITU-R 601, as Pillow has it). Statistics are those of the training set: the network must not be told that something is
different. N examples.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from levelhead.data import NAMED, Dataset, read_alike
from levelhead.data.batches import centred, normalise
from levelhead.data.decode import Form, decode
from levelhead.data.encoded import shards
from levelhead.data.folder import ENDINGS
from levelhead.data.idx import read_idx
from levelhead.data.places import data_root
from levelhead.data.shards import tar_shards
from levelhead.predictions import Predictions
from levelhead.probes.predict import BATCH
from levelhead.probes.probe import Probe, Subject, text

_LUMA = (0.299, 0.587, 0.114)


def other_data(
    source: str | Path, *, like: Dataset, data_dir: str | Path | None = None, label: str | None = None
) -> Tensor:
    """Another data set's inputs ``(N, *like.shape)``, float32, normalised with the statistics of ``like``.

    ``source``: a name or path as `levelhead.data.load` takes it, a folder of images in any arrangement, or a folder
    with the IDX file of a test split. Its test split is taken where it has one, else all of it: nothing is trained on
    it. ``label`` is the column of labels in a table, which is no input.

    Raises ``ValueError`` where it cannot be read, or its inputs cannot be brought to this shape.
    """
    return normalise(torch.from_numpy(read_other(str(source), like, data_dir, label)), like.mean, like.std)


def read_other(source: str, like: Dataset, data_dir: str | Path | None = None, label: str | None = None) -> np.ndarray:
    """The inputs as they are stored, uint8 or float32, in the shape of ``like``."""
    where = place(source, data_dir)
    folder = Path(where).expanduser()
    if where not in NAMED and folder.is_dir() and not shards(folder) and not tar_shards(folder):
        packed = sorted(folder.glob("t10k-images?idx3-ubyte*"))
        if like.kind != "image":
            raise ValueError(f"{where} holds images, but {like.name} holds vectors of {like.shape[0]} numbers")
        return _as_asked(like, read_idx(packed[0], ndim=3)[:, None], where) if packed else _images(folder, like)
    fit = like.split_info.get("fit", "cover")
    found = read_alike(where, shape=like.whole, fit=fit, data_dir=data_dir, label=label)
    parts = [found.parts["test"]] if "test" in found.parts else list(found.parts.values())
    inputs = np.concatenate([part.read(np.arange(len(part.labels))) for part in parts])
    return _as_asked(like, inputs, where)


def _as_asked(like: Dataset, inputs: np.ndarray, where: str) -> np.ndarray:
    return brought_to(like.shape, inputs, where, like.whole)


def place(source: str, data_dir: str | Path | None) -> str:
    """A name that `load` knows, a path, or a folder of that name where data sets lie."""
    beside = data_root(None if data_dir is None else str(data_dir)) / source
    if source in NAMED or Path(source).expanduser().exists() or not source or not beside.is_dir():
        return source
    return str(beside)


def _images(folder: Path, like: Dataset) -> np.ndarray:
    """Every image below a folder, or below its ``test/``, decoded straight to the wanted form."""
    root = folder / "test" if (folder / "test").is_dir() else folder
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS and path.name[0] != ".")
    if not paths:
        raise ValueError(f"{root} holds no images (endings: {' '.join(sorted(ENDINGS))})")
    channels, height, width = like.whole
    form = Form(1 if channels == 1 else 3, height, width, like.split_info.get("fit", "cover"))
    images = np.stack([decode(str(path), path, form) for path in paths])
    return _as_asked(like, images, str(root))


def brought_to(
    shape: tuple[int, ...], inputs: np.ndarray, where: str, whole: tuple[int, ...] | None = None
) -> np.ndarray:
    """``inputs (N, ...)`` in the given shape of one example, of the same type; ``where`` is for the error.

    Where a network is shown the centre of images, ``whole`` is the shape that it is cut out of.
    """
    if whole is not None and whole != shape:
        return np.ascontiguousarray(centred(brought_to(whole, inputs, where), (shape[1], shape[2])))
    if inputs.ndim != len(shape) + 1 or (len(shape) == 1 and inputs.shape[1:] != shape):
        raise ValueError(
            f"{where}: its inputs have shape {inputs.shape[1:]} each, which cannot be brought to the training set's "
            f"{shape}; give images for images, and vectors of the same features for vectors"
        )
    if len(shape) == 1 or inputs.shape[1:] == shape:
        return np.array(inputs)  # a copy: what came may be read-only, which torch does not know
    if inputs.shape[1] not in (1, 3, shape[0]) or (shape[0] not in (1, 3) and inputs.shape[1] != shape[0]):
        raise ValueError(f"{where}: images of {inputs.shape[1]} channels cannot become images of {shape[0]}")
    brought = np.empty((len(inputs), *shape), dtype=inputs.dtype)
    for start in range(0, len(inputs), BATCH):
        rows = slice(start, start + BATCH)
        brought[rows] = _converted(torch.from_numpy(np.array(inputs[rows])), shape).numpy()
    return brought


def _converted(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A batch of images in another shape and the same type."""
    whole = images.dtype == torch.uint8
    floats = images.float()
    if shape[0] == 1 and floats.shape[1] == 3:
        floats = (floats * torch.tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    if floats.shape[2:] != shape[1:]:
        scale = max(shape[1] / floats.shape[2], shape[2] / floats.shape[3])
        covering = [max(wanted, round(side * scale)) for side, wanted in zip(floats.shape[2:], shape[1:])]
        floats = F.interpolate(floats, size=covering, mode="bilinear", antialias=True)
        top, left = ((side - wanted) // 2 for side, wanted in zip(covering, shape[1:]))
        floats = floats[:, :, top : top + shape[1], left : left + shape[2]]
    floats = floats.clamp(0, 255 if whole else 1)
    changed = floats.round().to(torch.uint8) if whole else floats
    return changed.expand(-1, shape[0], -1, -1)


@dataclass(frozen=True)
class OtherData(Probe):
    """Another data set by name or path: out of the distribution that the network was trained on."""

    word: ClassVar[str] = "other_data"
    outside: ClassVar[bool] = True
    source: str = text("")
    data_dir: str | None = text(None)
    label: str | None = text(None)

    def __str__(self) -> str:
        return self.source

    @property
    def name(self) -> str:
        """The name, or the last part of the path."""
        return Path(self.source).name

    def prepare(self, data: Dataset) -> dict[str, np.ndarray]:
        """The other inputs, in the shape of this data set's."""
        return {"inputs": read_other(self.source, data, self.data_dir, self.label)}

    def predictions(self, subject: Subject) -> Predictions:
        """What the model says of them."""
        mean, std = subject.statistics
        parts = torch.from_numpy(subject.prepared["inputs"]).split(BATCH)
        return subject.asked(normalise(part.to(mean.device), mean, std) for part in parts)
