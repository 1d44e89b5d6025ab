"""What a row of a run's predictions is: an example or, of a segmentation, one pixel of a fixed sample.

All pixels of a test set are too many to keep (CamVid: ten million times eleven logits). So a sample of them is kept as
predictions like any other, in which every image has a share in proportion to the pixels that count in it; drawn from
the images' ids alone, so that every method and every seed is asked about the same ones. The measures of all pixels are
taken in one pass when a run is done (`compare/pixels.py`). N examples, n rows, B batch, C classes, H, W.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from levelhead.data import Split
from levelhead.data.records import IGNORED

#: Rows of one split at most, and of one image.
MOST = 1 << 17
MOST_OF_IMAGE = 512
_DRAW = 20_090_101  # of the sample; another number would be another sample


@dataclass(frozen=True, eq=False)
class Rows:
    """Labels int64 ``(n,)`` and ids of the rows; of label maps also which ``pixels (n,)``, counted along the rows of an
    image, and where each image's rows begin, ``starts (N + 1,)``.
    """

    labels: np.ndarray
    ids: np.ndarray
    pixels: np.ndarray | None = None
    starts: np.ndarray | None = None

    def places(self, examples: np.ndarray) -> np.ndarray:
        """Which rows belong to these examples, in the order of the examples."""
        if self.starts is None:
            return examples
        return np.concatenate([np.arange(self.starts[i], self.starts[i + 1]) for i in examples])

    def of(self, logits: Tensor, examples: np.ndarray) -> Tensor:
        """The rows' logits ``(b, C)`` out of the examples' ``(B, C)`` or ``(B, C, H, W)``."""
        if self.pixels is None or self.starts is None:
            return logits
        chosen = [torch.from_numpy(self.pixels[self.starts[i] : self.starts[i + 1]]) for i in examples]
        return torch.cat([each.flatten(1)[:, at.to(each.device)].T for each, at in zip(logits, chosen, strict=True)])


def rows_of(split: Split) -> Rows:
    """The rows of a split: its examples, or a sample of its pixels; a pixel's id is its image's * H * W + its place."""
    if split.labels.ndim == 1:
        return Rows(split.labels, split.ids)
    flat = split.labels.reshape(len(split), -1)
    valid = (flat != IGNORED).sum(1)
    rate = min(MOST, MOST_OF_IMAGE * len(split)) / max(int(valid.sum()), 1)
    counts = np.minimum(np.ceil(rate * valid), valid).astype(np.int64)
    chosen = []
    for labels, number, count in zip(flat, split.ids, counts):
        rng = np.random.default_rng([_DRAW, int(number)])
        chosen.append(np.sort(rng.choice(np.flatnonzero(labels != IGNORED), count, replace=False, shuffle=False)))
    pixels = np.concatenate(chosen)
    images = np.repeat(np.arange(len(split)), counts)
    return Rows(
        labels=flat[images, pixels].astype(np.int64),
        ids=split.ids[images] * flat.shape[1] + pixels,
        pixels=pixels,
        starts=np.concatenate([[0], np.cumsum(counts)]),
    )
