"""Photograph-like images of mixed sizes and modes as files, three of them broken, made by the tests themselves.

`python tests/data/photographs.py FOLDER 5000` writes the folder that the documentation speaks of.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("beach", "forest", "town")
BROKEN = ("beach/broken-cut.jpg", "forest/broken-empty.jpg", "town/broken-text.png")
_TINTS = {"beach": (230, 200, 140), "forest": (60, 140, 70), "town": (150, 150, 165)}
#: mode of the image, ending of the file, and how often it comes
_KINDS = (
    *(("RGB", ".jpg", 12), ("L", ".jpg", 2), ("CMYK", ".jpg", 1), ("RGB", ".png", 3), ("RGBA", ".png", 2)),
    *(("P", ".png", 1), ("I;16", ".png", 1), ("LA", ".png", 1), ("RGB", ".webp", 1), ("1", ".png", 1)),
)
_SIZES = ((64, 48), (48, 64), (80, 60), (50, 50), (120, 40), (33, 77))  # width and height, the first the most common


def photograph(kind: str, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A smooth scene in the class's colours with some noise."""
    width, height = size
    coarse = rng.normal(0, 45, (4, 5, 3)) + np.linspace(50, -30, 4)[:, None, None] + _TINTS[kind]
    scene = Image.fromarray(coarse.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noisy = np.asarray(scene) + rng.normal(0, 8, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def converted(image: Image.Image, mode: str) -> Image.Image:
    """The scene in another mode; transparency falls off to the right."""
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    image = image.convert(mode)
    if mode in ("RGBA", "LA"):
        ramp = np.broadcast_to(np.linspace(255, 60, image.width).astype(np.uint8), (image.height, image.width))
        image.putalpha(Image.fromarray(np.ascontiguousarray(ramp)))
    return image


def write_photographs(folder: Path, number: int, broken: bool = True, seed: int = 0) -> list[str]:
    """Class folders of `number` images; the last three are broken if wanted. Returns the broken ones' names."""
    rng = np.random.default_rng(seed)
    kinds = [kind[:2] for kind in _KINDS for _ in range(kind[2])]
    for index in range(number - 3 * broken):
        name = CLASSES[index % 3]
        mode, ending = kinds[int(rng.integers(len(kinds)))]
        size = _SIZES[0] if rng.random() < 0.4 else _SIZES[int(rng.integers(len(_SIZES)))]
        path = folder / name / f"clip{index // 30:03d}" / f"{index:05d}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {}
        if ending == ".jpg" and rng.random() < 0.2:
            exif = Image.Exif()
            exif[0x0112] = int(rng.integers(1, 9))
            options["exif"] = exif
        converted(photograph(name, size, rng), mode).save(path, **options)
    if not broken:
        return []
    cut, empty, text = (folder / name for name in BROKEN)
    photograph("beach", (64, 48), rng).save(cut)
    cut.write_bytes(cut.read_bytes()[:-200])
    empty.write_bytes(b"")
    text.write_text("This was never an image.\n")
    return list(BROKEN)


if __name__ == "__main__":
    write_photographs(Path(sys.argv[1]), int(sys.argv[2]))
