"""Encoded images to uint8 arrays of one shape, with Pillow.

Every image ends as `form.channels` channels of `form.height x form.width`. On the way there:

- the rotation that a camera noted (EXIF) is carried out;
- a palette is looked up, transparency is laid on white, CMYK and the like become RGB;
- 16 bits become 8 by dividing by 257 (not by cutting off), floats in [0, 1] by multiplying by 255;
- the image is scaled (bilinear, with antialiasing) by the form's `fit`: `cover` until it covers the form, and what
  stands out is cut off on both sides; `central` likewise to 8/7 of the form, of which the centre is cut out (256 and
  224, as networks are asked about ImageNet); `letterbox` until it lies inside, and the rest is black; `stretch` each
  side by itself, which alone distorts.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil, floor
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, get_args

import numpy as np

LONGEST_SIDE = 64  # pixels, unless the user asks for more
GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
SURVEYED = 20_000  # files that are looked into before a set is read, at most
TRIES = 10  # windows that are drawn until one fits, as torchvision does
ORIENTATION = 0x0112  # the EXIF tag; 5 to 8 swap height and width
NO_BYTES = "it has no bytes"
File = Path | bytes
Item = TypeVar("Item")
Fit = Literal["cover", "central", "letterbox", "stretch"]
FITS: tuple[Fit, ...] = get_args(Fit)


class Files(Protocol):
    """The images of a part in order: what to call each, and its path or content, or whatever says its own `fault`."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> tuple[str, Any]: ...


@dataclass(frozen=True)
class Form:
    """What all images of a set are brought to: channels (1 grey, 3 colour), height and width in pixels, and how."""

    channels: int
    height: int
    width: int
    fit: Fit = "cover"

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(channels, height, width)`."""
        return self.channels, self.height, self.width

    @property
    def size(self) -> tuple[int, int]:
        """`(width, height)`, as Pillow has it."""
        return self.width, self.height


@dataclass(frozen=True)
class Window:
    """A random resized crop, as ImageNet is trained with: a window of every image, anew in every epoch.

    Attributes:
        least: the smallest share of an image's area that is cut out, above 0 and at most 1.
        seed: of the run.
        epoch: counted from 0.
        size: height and width that it is scaled to, or None for those of the images' form.
    """

    least: float
    seed: int
    epoch: int
    size: tuple[int, int] | None = None

    def form(self, whole: Form) -> Form:
        """What a window of images of this form is brought to."""
        return whole if self.size is None else replace(whole, height=self.size[0], width=self.size[1])

    def draws(self, position: int) -> np.ndarray:
        """The numbers of one image for `decode_window`: of seed, epoch and position alone, whoever decodes."""
        drawn = np.random.default_rng((self.seed, self.epoch, position)).random((TRIES, 4))
        return np.column_stack([drawn, np.full(TRIES, self.least)])


def spaced(items: Sequence[Item]) -> Sequence[Item]:
    """All of them, or of very many some that are evenly spaced: looking into every file of ImageNet takes minutes."""
    return items[:: -(-len(items) // SURVEYED) or 1]


class BrokenImage(ValueError):
    """An image that cannot be read: `where` it is, and the `reason`."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} cannot be read as an image ({reason}); replace or remove it")
        self.where, self.reason = where, reason


def survey(files: Iterable[tuple[str, File]], image_size: tuple[int, int] | None, fit: Fit = "cover") -> Form:
    """The form for these images: grey if all are; the most common size, its longer side at most 64 pixels.

    Args:
        files: pairs of what to call a file in an error, and its path or content; only headers are read.
        image_size: height and width if the user wants others.
        fit: how images of other proportions are brought to it.

    Raises:
        BrokenImage: an unreadable header.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    grey = True
    for where, file in files:
        with opened(where, file) as image:
            grey = grey and image.mode in GREY_MODES
            width, height = image.size
            turned = image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
        sizes[(width, height) if turned else (height, width)] += 1
    if image_size is None:
        height, width = max(sizes, key=lambda size: (sizes[size], size))
        shrink = min(1.0, LONGEST_SIDE / max(height, width))
        image_size = max(1, round(height * shrink)), max(1, round(width * shrink))
    return Form(1 if grey else 3, *image_size, fit)


def decode(where: str, file: File, form: Form) -> np.ndarray:
    """One image as uint8 `(channels, height, width)`.

    Raises:
        BrokenImage: the image cannot be read, or holds values that have no place in 8 bits.
    """
    from PIL import ImageOps

    with opened(where, file) as image:
        ImageOps.exif_transpose(image, in_place=True)
        flat = _to_8_bits(image).convert("L" if form.channels == 1 else "RGB")
        pixels = np.asarray(_fitted(flat, form))
    return pixels[None] if form.channels == 1 else pixels.transpose(2, 0, 1)


def decode_window(where: str, file: File, form: Form, draws: np.ndarray) -> np.ndarray:
    """A random window of one image, scaled to the form: uint8 `(channels, height, width)`. Raises like `decode`.

    A JPEG is decoded at half, a quarter or an eighth of its size where the window stays at least as large as the form.

    Args:
        where: what to call the image in an error.
        file: its path or content.
        form: what it is brought to.
        draws: what `Window.draws` gave, with the smallest share of the area in its last column: `(TRIES, 5)`.
    """
    from PIL import Image, ImageOps

    with opened(where, file) as image:
        turned = image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
        whole = image.size[::-1] if turned else image.size
        box = window_box(whole, draws)
        wanted = [-(-side * new // (box[at + 2] - box[at])) for at, (side, new) in enumerate(zip(whole, form.size))]
        image.draft(None, tuple(wanted[::-1] if turned else wanted))
        ImageOps.exif_transpose(image, in_place=True)
        flat = _to_8_bits(image).convert("L" if form.channels == 1 else "RGB")
        scaled = [edge * flat.size[at % 2] / whole[at % 2] for at, edge in enumerate(box)]
        left, top, right, bottom = floor(scaled[0]), floor(scaled[1]), ceil(scaled[2]), ceil(scaled[3])
        inside = [edge - (left, top)[at % 2] for at, edge in enumerate(scaled)]
        cut = flat.crop((left, top, right, bottom))  # or the filter would see what is beyond the window
        pixels = np.asarray(cut.resize(form.size, Image.Resampling.BILINEAR, box=inside))
    return pixels[None] if form.channels == 1 else pixels.transpose(2, 0, 1)


def window_box(size: tuple[int, int], draws: np.ndarray) -> tuple[int, int, int, int]:
    """A window as Szegedy et al. (2015) draw it, in torchvision's way: left, top, right, bottom, in whole pixels.

    Its area is uniform between the smallest share and the whole, its aspect log-uniform between 3/4 and 4/3; the first
    of ten draws that fits is taken, else the largest window at the centre whose aspect is allowed.

    Args:
        size: width and height.
        draws: uniform numbers, `(TRIES, 5)`: of area, aspect, left, top; the last column is the smallest share.

    >>> window_box((40, 30), np.tile([1.0, 0.5, 0.0, 0.0, 1.0], (TRIES, 1)))  # the whole area is never a square
    (0, 0, 40, 30)
    """
    width, height = size
    for area, aspect, left, top, least in draws:
        share, ratio = least + (1 - least) * area, (3 / 4) ** (1 - 2 * aspect)
        wide, high = round((width * height * share * ratio) ** 0.5), round((width * height * share / ratio) ** 0.5)
        if 0 < wide <= width and 0 < high <= height:
            x, y = int(left * (width - wide + 1)), int(top * (height - high + 1))
            return x, y, x + wide, y + high
    wide, high = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    x, y = (width - wide) // 2, (height - high) // 2
    return x, y, x + wide, y + high


def fault(where: str, file: Any) -> BrokenImage | None:
    """What is wrong with an image, or None: all of it is read, though a JPEG at an eighth of its size.

    What is no path and no content (an image with its mask) is asked for its own `fault()`.
    """
    if not isinstance(file, File):
        found: BrokenImage | None = file.fault()
        return found
    try:
        with opened(where, file) as image:
            image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
            _to_8_bits(image).convert("RGB")
    except BrokenImage as error:
        return error
    return None


def _fitted(image: Any, form: Form) -> Any:
    from PIL import Image, ImageOps

    size, method = (form.width, form.height), Image.Resampling.BILINEAR
    if form.fit == "central":
        return ImageOps.fit(image, size, method, bleed=1 / 16)  # of each side, so that 7/8 are left
    if image.size == size:
        return image
    if form.fit == "stretch":
        return image.resize(size, method)
    return ImageOps.fit(image, size, method) if form.fit == "cover" else ImageOps.pad(image, size, method)


def _to_8_bits(image: Any) -> Any:
    """The image in mode L, RGB or another of 8 bits without transparency."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        highest, unit = (1.0, 255.0) if image.mode == "F" else (65535.0, 1 / 257)
        if not (values.min() >= 0 and values.max() <= highest):
            raise ValueError(
                f"pixels of mode {image.mode} must lie from 0 to {highest:g}, got {values.min():g} to {values.max():g}"
            )
        return Image.fromarray(np.rint(values * unit).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image)
    return image


@contextmanager
def opened(where: str, file: File) -> Iterator[Any]:
    """The image while it is being read; whatever goes wrong meanwhile is said as `BrokenImage`."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd but readable metadata is nobody's concern here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
                yield image
    except UnidentifiedImageError:
        size = len(file) if isinstance(file, bytes) else file.stat().st_size
        stored = " and is perhaps only the path of a file elsewhere" if isinstance(file, bytes) else ""
        raise BrokenImage(where, "it is of no format of images" if size else f"{NO_BYTES}{stored}") from None
    except FileNotFoundError:
        raise BrokenImage(where, "there is no such file") from None
    except IsADirectoryError:
        raise BrokenImage(where, "it is a folder") from None
    except Exception as error:  # Pillow's decoders raise many kinds for broken files
        raise BrokenImage(where, str(error) or type(error).__name__) from error
