"""Images with masks, brought to one size: pairs of files to a part whose labels are maps.

Every image and its mask are scaled by one factor until they fit into the form (images bilinear, masks by the nearest
pixel), laid into its upper left corner, and what stays free is black with ignored labels: nothing is cut off and
nothing is distorted. N pairs, H, W.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from levelhead.data.decode import GREY_MODES, ORIENTATION, Form, decode
from levelhead.data.records import IGNORED, Augment
from levelhead.data.source import Part

LONGEST_SIDE = 256  # pixels, unless the user asks for more: what two cores can train on


@dataclass(frozen=True)
class Pair:
    """The files of one image and of its mask."""

    image: Path
    mask: Path


@dataclass(frozen=True)
class MaskedForm:
    """What all pairs of a set are brought to, and how large each image is as it came, `(height, width)`."""

    form: Form
    sizes: dict[Path, tuple[int, int]]

    @property
    def augment(self) -> Augment:
        """Mirrored, and moved by at most a sixteenth of the longer side."""
        return Augment(crop=min(64, max(self.form.height, self.form.width) // 16), flip=True)

    @property
    def words(self) -> str:
        """How sizes were treated, for people."""
        here = (self.form.height, self.form.width)
        size = f"{self.form.height}x{self.form.width}"
        if set(self.sizes.values()) == {here}:
            return size
        return f"each scaled to fit into {size}, the rest of it ignored"


def survey(pairs: Sequence[Pair], image_size: tuple[int, int] | None) -> MaskedForm:
    """Reads all headers: the form is grey if all images are, and of the most common size, its longer side at most 256.

    Args:
        pairs: all of the set.
        image_size: height and width if the user wants others.

    Raises:
        ValueError: a file that is no image, or a mask of another size than its image; with the path.
    """
    sizes, grey = {}, True
    for pair in pairs:
        mode, sizes[pair.image] = _header(pair.image)
        grey = grey and mode in GREY_MODES
        if (mask := _header(pair.mask)[1]) != sizes[pair.image]:
            raise ValueError(
                f"{pair.mask} is {_size(mask)} but its image {pair.image.name} is {_size(sizes[pair.image])}; "
                "a mask gives every pixel of its image a class: save it in the image's size"
            )
    if image_size is None:
        counted = Counter(sizes.values())
        height, width = max(counted, key=lambda size: (counted[size], size))
        shrink = min(1.0, LONGEST_SIDE / max(height, width))
        image_size = max(1, round(height * shrink)), max(1, round(width * shrink))
    return MaskedForm(Form(1 if grey else 3, *image_size), sizes)


def part(pairs: Sequence[Pair], form: MaskedForm, num_classes: int | None, void: int | None = None) -> Part:
    """The pairs as a part: masks read now, images when it is known which are wanted.

    Args:
        pairs: in the part's order.
        form: what `survey` found.
        num_classes: masks hold 0 to `num_classes - 1`, or 255 for ignored; None where that is to be found out.
        void: another number that means ignored.

    Raises:
        ValueError: a mask that holds no classes, or others; with its path.
    """
    return with_highest(pairs, form, num_classes, void)[0]


def with_highest(
    pairs: Sequence[Pair], form: MaskedForm, num_classes: int | None, void: int | None = None
) -> tuple[Part, np.ndarray]:
    """`part`, and the highest class in each mask as it came, `(N,)`, -1 where there is none."""
    here = form.form
    labels = np.full((len(pairs), here.height, here.width), IGNORED, dtype=np.uint8)
    highest = np.empty(len(pairs), dtype=np.int64)
    for row, pair in enumerate(pairs):
        values = read_mask(pair.mask, num_classes, void)
        highest[row] = np.where(values == IGNORED, -1, values.astype(np.int64)).max()
        height, width = _fitted(form, pair)
        rows, columns = (_nearest(new, old) for new, old in zip((height, width), values.shape))
        labels[row, :height, :width] = values[rows][:, columns]
    return Part(labels, lambda positions: _images(pairs, positions, form)), highest


def read_mask(path: Path, num_classes: int | None, void: int | None = None) -> np.ndarray:
    """Class numbers of one mask, uint8 `(H, W)`, 255 ignored.

    Grey masks are taken by their values, palette masks by their indices, colours are refused unless all are grey.
    """
    from PIL import Image

    try:
        with Image.open(path) as mask:
            values = np.asarray(mask)
    except Exception as error:  # Pillow's decoders raise many kinds for broken files
        raise _unreadable(path, error) from error
    if values.ndim == 3 and (values[..., :1] == values[..., : min(3, values.shape[2])]).all():
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise ValueError(
            f"{path} holds colours ({mask.mode}), not classes; save masks as grey or palette PNG whose values are the "
            f"classes 0, 1, 2, ... and {IGNORED} for what is ignored"
        )
    values = values.astype(np.int64)
    if void is not None:
        values[values == void] = IGNORED
    highest = IGNORED if num_classes is None else num_classes
    wrong = ((values < 0) | (values >= highest)) & (values != IGNORED)
    if wrong.any():
        row, column = np.unravel_index(int(np.argmax(wrong)), values.shape)
        raise ValueError(
            f"{path}: class {values[row, column]} at row {row}, column {column} is outside 0 to {highest - 1} "
            f"({int(wrong.sum()):,} such pixels); use {IGNORED} for what is ignored"
        )
    return values.astype(np.uint8)


def _images(pairs: Sequence[Pair], positions: np.ndarray, form: MaskedForm) -> np.ndarray:
    here = form.form
    images = np.zeros((len(positions), here.channels, here.height, here.width), dtype=np.uint8)
    for row, position in enumerate(positions):
        pair = pairs[position]
        height, width = _fitted(form, pair)
        images[row, :, :height, :width] = decode(str(pair.image), pair.image, Form(here.channels, height, width))
    return images


def _fitted(form: MaskedForm, pair: Pair) -> tuple[int, int]:
    """Height and width of an image once it is scaled to fit into the form."""
    height, width = form.sizes[pair.image]
    scale = min(form.form.height / height, form.form.width / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _nearest(new: int, old: int) -> np.ndarray:
    """Which of `old` pixels lies nearest to the centre of each of `new`."""
    return ((np.arange(new) + 0.5) * old / new).astype(np.int64)


def _header(path: Path) -> tuple[str, tuple[int, int]]:
    """An image's mode, and its height and width as the camera was held."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
            return image.mode, (width, height) if turned else (height, width)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} cannot be read as an image ({error}); replace or remove it")


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
