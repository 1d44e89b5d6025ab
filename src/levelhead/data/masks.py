"""Images with masks, brought to one size: pairs of files to a part whose labels are maps.

By `letterbox`, the usual way, every image and its mask are scaled by one factor until they fit into the form (images
bilinear, masks by the nearest pixel), laid into its upper left corner, and what stays free is black with ignored
labels: nothing is cut off and nothing is distorted. `cover` scales until the form is covered and cuts off what stands
out on both sides; `stretch` scales each side by itself. A pair that cannot be used is one whose image or mask cannot be
read, or whose sizes differ. N pairs, H, W.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.broken import PAIRS, all_named, named_at_once, sound
from levelhead.data.decode import GREY_MODES, ORIENTATION, BrokenImage, Fit, Form, decode, fault, opened
from levelhead.data.records import IGNORED, Augment
from levelhead.data.source import Part, Request

LONGEST_SIDE = 256  # pixels, unless the user asks for more: what two cores can train on
FITS: tuple[Fit, ...] = ("letterbox", "cover", "stretch")


@dataclass(frozen=True)
class Pair:
    """The files of one image and of its mask."""

    image: Path
    mask: Path

    def header(self) -> tuple[str, tuple[int, int]]:
        """The image's mode, and the height and width of both as the camera was held.

        Raises:
            BrokenImage: an unreadable header, or sizes that differ.
        """
        mode, size = _header(self.image)
        if (other := _header(self.mask)[1]) != size:
            raise BrokenImage(
                str(self.mask),
                f"it is {_size(other)} but its image {self.image.name} is {_size(size)}: a mask gives every pixel of "
                "its image a class",
            )
        return mode, size

    def fault(self) -> BrokenImage | None:
        """What keeps the pair from being used, or None: all of both files is read."""
        try:
            self.header()
            _values(self.mask)
        except BrokenImage as error:
            return error
        return fault(str(self.image), self.image)


@dataclass(frozen=True)
class _Pairs:
    """The pairs of one role, as those who look for broken ones take them."""

    pairs: Sequence[Pair]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, position: int) -> tuple[str, Pair]:
        return str(self.pairs[position].image), self.pairs[position]


@dataclass(frozen=True)
class _Place:
    """Where an image lies: its box in its own pixels, and the size that the box is scaled to, at the upper left."""

    top: float
    left: float
    tall: float
    wide: float
    height: int
    width: int


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
        return {
            "letterbox": f"each scaled to fit into {size}, the rest of it ignored",
            "cover": f"each scaled to cover {size} and cut at the centre",
            "stretch": f"each stretched to {size}",
        }[self.form.fit]

    @property
    def facts(self) -> dict[str, Any]:
        """What was said about it, where it is not the usual."""
        return {} if self.form.fit == "letterbox" else {"fit": self.form.fit}

    def place(self, pair: Pair) -> _Place:
        """Where an image and its mask go."""
        height, width = self.sizes[pair.image]
        wanted = self.form.height, self.form.width
        if self.form.fit == "letterbox":
            scale = min(wanted[0] / height, wanted[1] / width)
            return _Place(0, 0, height, width, max(1, round(height * scale)), max(1, round(width * scale)))
        if self.form.fit == "stretch":
            return _Place(0, 0, height, width, *wanted)
        scale = min(height / wanted[0], width / wanted[1])
        tall, wide = wanted[0] * scale, wanted[1] * scale
        return _Place((height - tall) / 2, (width - wide) / 2, tall, wide, *wanted)


@dataclass(frozen=True, eq=False)
class Masked:
    """All pairs of a set that are used, read: parts, the form, and the notes and facts for the source.

    Attributes:
        pairs: which they are, a role.
        parts: likewise; masks lie in memory, images are read when it is known which are wanted.
        highest: the highest class in each mask as it came, `(N,)`, -1 where there is none.
        form: what they are brought to.
        notes: what was left out.
        facts: likewise, and how the images got their size where that is not the usual way.
    """

    pairs: Mapping[str, Sequence[Pair]]
    parts: dict[str, Part]
    highest: dict[str, np.ndarray]
    form: MaskedForm
    notes: tuple[str, ...]
    facts: dict[str, Any]


def read_pairs(
    found: Mapping[str, Sequence[Pair]], root: Path, num_classes: int | None, request: Request, void: int | None = None
) -> Masked:
    """Reads all headers and masks now; with `request.skip_broken` all images, too, to leave out what cannot be used.

    Args:
        found: the pairs of each role.
        root: the folder, which names in notes leave out.
        num_classes: masks hold 0 to `num_classes - 1`, or 255 for ignored; None where that is to be found out.
        request: says the size, how it is reached, and whether broken pairs are left out.
        void: another number that means ignored.

    Raises:
        ValueError: pairs that cannot be used, all of them with reasons; a mask that holds no classes, or others, with
            its path; a way of bringing to size that images with masks do not take.
    """
    fit = request.fit or FITS[0]
    if fit not in FITS:
        raise ValueError(
            f"fit={fit} cuts a border off every image, as networks are asked about photographs of one class; images "
            f"with masks take {FITS[0]} (whole, the rest ignored: the default), {FITS[1]} (cut at the centre) or "
            f"{FITS[2]} (distorted)"
        )
    rows, notes, facts = sound(
        {role: _Pairs(pairs) for role, pairs in found.items()}, str(root), request.skip_broken, request.streaming, PAIRS
    )
    kept = {role: [pairs[row] for row in rows[role]] for role, pairs in found.items()}
    files = [_Pairs(pairs) for pairs in kept.values()]
    with all_named(files, request.streaming, PAIRS):
        form = survey([pair for pairs in kept.values() for pair in pairs], request.image_size, fit)
        read = {role: _read_masks(pairs, form, num_classes, void) for role, pairs in kept.items()}
    parts = {role: named_at_once(part, files, PAIRS) for role, (part, _) in read.items()}
    return Masked(kept, parts, {role: top for role, (_, top) in read.items()}, form, notes, {**facts, **form.facts})


def survey(pairs: Sequence[Pair], image_size: tuple[int, int] | None, fit: Fit = "letterbox") -> MaskedForm:
    """Reads all headers: the form is grey if all images are, and of the most common size, its longer side at most 256.

    Args:
        pairs: all of the set.
        image_size: height and width if the user wants others.
        fit: how images of other sizes are brought to it.

    Raises:
        BrokenImage: a file that is no image, or a mask of another size than its image; with the path.
    """
    sizes, grey = {}, True
    for pair in pairs:
        mode, sizes[pair.image] = pair.header()
        grey = grey and mode in GREY_MODES
    if image_size is None:
        counted = Counter(sizes.values())
        height, width = max(counted, key=lambda size: (counted[size], size))
        shrink = min(1.0, LONGEST_SIDE / max(height, width))
        image_size = max(1, round(height * shrink)), max(1, round(width * shrink))
    return MaskedForm(Form(1 if grey else 3, *image_size, fit), sizes)


def _read_masks(
    pairs: Sequence[Pair], form: MaskedForm, num_classes: int | None, void: int | None
) -> tuple[Part, np.ndarray]:
    """The pairs of one role as a part, and the highest class in each mask."""
    here = form.form
    labels = np.full((len(pairs), here.height, here.width), IGNORED, dtype=np.uint8)
    highest = np.empty(len(pairs), dtype=np.int64)
    for row, pair in enumerate(pairs):
        values = read_mask(pair.mask, num_classes, void)
        highest[row] = np.where(values == IGNORED, -1, values.astype(np.int64)).max()
        at = form.place(pair)
        rows = _nearest(at.height, at.top, at.tall, values.shape[0])
        columns = _nearest(at.width, at.left, at.wide, values.shape[1])
        labels[row, : at.height, : at.width] = values[rows][:, columns]
    return Part(labels, lambda positions: _images(pairs, positions, form)), highest


def read_mask(path: Path, num_classes: int | None, void: int | None = None) -> np.ndarray:
    """Class numbers of one mask, uint8 `(H, W)`, 255 ignored.

    Grey masks are taken by their values, palette masks by their indices, colours are refused unless all are grey.

    Args:
        path: of the mask.
        num_classes: it holds 0 to `num_classes - 1`, or 255 for ignored; None where that is to be found out.
        void: another number that means ignored.

    Raises:
        BrokenImage: it cannot be read.
        ValueError: it holds no classes, or others; with the path.
    """
    values, mode = _values(path)
    if values.ndim == 3 and (values[..., :1] == values[..., : min(3, values.shape[2])]).all():
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise ValueError(
            f"{path} holds colours ({mode}), not classes; save masks as grey or palette PNG whose values are the "
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
        at = form.place(pair)
        # the rounding to whole pixels is cut off, not stretched over, where the image keeps its proportions
        one = Form(here.channels, at.height, at.width, "stretch" if here.fit == "stretch" else "cover")
        images[row, :, : at.height, : at.width] = decode(str(pair.image), pair.image, one)
    return images


def _nearest(new: int, start: float, length: float, old: int) -> np.ndarray:
    """Which of `old` pixels lies nearest to the centre of each of `new`, laid over `length` of them from `start` on."""
    return np.minimum(start + (np.arange(new) + 0.5) * length / new, old - 1).astype(np.int64)


def _values(path: Path) -> tuple[np.ndarray, str]:
    """A mask's numbers as the camera was held, and its mode."""
    from PIL import ImageOps

    with opened(str(path), path) as mask:
        return np.asarray(ImageOps.exif_transpose(mask)), mask.mode


def _header(path: Path) -> tuple[str, tuple[int, int]]:
    """An image's mode, and its height and width as the camera was held."""
    with opened(str(path), path) as image:
        width, height = image.size
        turned = image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
        return image.mode, (width, height) if turned else (height, width)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
