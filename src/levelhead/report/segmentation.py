"""What a segmentation adds to the report: the measures of all pixels, IoU by class, and maps of a few test images.

A map shows each image beside its label and, of the baseline and the best methods (their first seed), what is predicted
and how sure: the largest softmax of every pixel, before scaling. M images, H, W.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots.comparison import Comparison
from levelhead.report import rounding
from levelhead.report.pictures import address
from levelhead.report.probes import Grid

Summary = Mapping[str, Any]

#: Methods whose maps are shown: the baseline, then the best of the others.
METHODS = 3
#: Longest side of a map on the page, in pixels.
SIDE = 240
_IGNORED = 255
_NOWHERE = (32, 32, 32)
_COLUMNS = (
    ("miou_raw", "mIoU %", 1, 100),
    ("pixel_accuracy_raw", "acc. %", 1, 100),
    ("pixel_nll_raw", "NLL raw", 3, 1),
    ("pixel_nll_scaled", "NLL scaled", 3, 1),
    ("pixel_ece_raw", "ECE raw", 3, 1),
    ("pixel_ece_scaled", "ECE scaled", 3, 1),
    ("batch_ece_raw", "batch ECE raw", 3, 1),
    ("batch_ece_scaled", "batch ECE scaled", 3, 1),
)


@dataclass(frozen=True)
class Panel:
    """One picture: its address with all its content (``data:``), and words for those who cannot see it."""

    source: str
    words: str


@dataclass(frozen=True)
class Maps:
    """Headings, a row of panels an image, and the classes with their colours for the legend."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Panel, ...], ...]
    classes: tuple[tuple[str, str], ...]


def grids(summary: Summary) -> list[Grid]:
    """The measures of all pixels, and IoU by class; nothing where the data are no segmentation."""
    found = summary.get("segmentation")
    if not found:
        return []
    background = ", without the class background, as there" if found["batch_ignores_background"] else ""
    note = (
        f"All {rounding.count(found['pixels'])} pixels of {rounding.count(found['images'])} test images that have a "
        "class; means over seeds, whose intervals are in leaderboard.csv. "
        f"Batch ECE: of every {found['batch']} images, averaged by their pixels, as Liu et al. (2022) report "
        f"it{background}; the ECE of all pixels is the one to compare. T from cal's sample."
    )
    heads = ("method", *(head for _, head, _, _ in _COLUMNS))
    rows = tuple((str(row["method"]), *_cells(row)) for row in summary["rows"])
    classes = summary.get("classes") or []
    by_class = tuple(
        (name, *(_percent(found["iou"].get(row["sentence"]), at) for row in summary["rows"]))
        for at, name in enumerate(classes)
    )
    measures = Grid("All pixels of test", note, heads, rows, (False,) * len(rows))
    iou = Grid(
        "IoU by class, in per cent",
        "Pixels that are the class and are called it, over those that are it or are called it; means over seeds.",
        ("class", *(str(row["method"]) for row in summary["rows"])),
        by_class,
        (False,) * len(by_class),
    )
    return [measures, iou]


def note(summary: Summary) -> str:
    """What n counts where rows are pixels; empty elsewhere."""
    found = summary.get("segmentation")
    if not found:
        return ""
    return (
        f"n counts a fixed sample of the pixels of {rounding.count(found['images'])} test images, the same for every "
        "run; pixels of one image are alike, so no interval is given over them, only over seeds."
    )


def maps(comparison: Comparison) -> tuple[Maps | None, list[str]]:
    """The maps, and sentences about those that could not be read."""
    if not comparison.summary.get("segmentation"):
        return None, []
    chosen = [row for row in comparison.summary["rows"] if row.get("baseline")]
    chosen += [row for row in comparison.summary["rows"] if not row.get("baseline")]
    read, problems = [], []
    for row in chosen[:METHODS]:
        results = comparison.of(row["method"])
        path = comparison.folder / "runs" / str(results[0]["run"]) / "maps.npz"
        try:
            with np.load(path, allow_pickle=False) as file:
                read.append((row["method"], {name: file[name] for name in file.files}))
        except (OSError, ValueError, KeyError) as error:
            problems.append(f"The maps of {row['method']} could not be read: {error}")
    if not read:
        return None, problems
    colours = palette(len(comparison.class_names))
    sureness = _ramp()
    first = read[0][1]
    rows = []
    for at, number in enumerate(first["ids"].tolist()):
        panels = [
            _panel(_picture(first["inputs"][at]), f"test image {number}"),
            _panel(first["labels"][at], f"label of test image {number}", colours),
        ]
        for method, arrays in read:
            panels.append(_panel(arrays["predicted"][at], f"prediction of {method} for test image {number}", colours))
            panels.append(_panel(arrays["confidence"][at], f"confidence of {method} on test image {number}", sureness))
        rows.append(tuple(panels))
    heads = ("image", "label", *(f"{method}: {what}" for method, _ in read for what in ("prediction", "confidence")))
    named = tuple((name, f"#{colours[k].tobytes().hex()}") for k, name in enumerate(comparison.class_names))
    return Maps(heads, tuple(rows), named), problems


def palette(classes: int) -> np.ndarray:
    """A colour for every label, uint8 ``(256, 3)``: twenty that can be told apart, then again; ignored is dark."""
    from matplotlib import colormaps

    twenty = np.asarray(colormaps["tab20"].colors)  # type: ignore[attr-defined]
    # the strong ones first
    order = np.concatenate([np.arange(0, 20, 2), np.arange(1, 20, 2)])
    colours = np.full((_IGNORED + 1, 3), _NOWHERE, dtype=np.uint8)
    colours[:classes] = np.rint(255 * twenty[order][np.arange(classes) % 20])
    return colours


def _ramp() -> np.ndarray:
    from matplotlib import colormaps

    return np.asarray(colormaps["viridis"](np.arange(256), bytes=True))[:, :3]


def _picture(image: np.ndarray) -> np.ndarray:
    """``(channels, H, W)`` as ``(H, W, 3)``."""
    return np.repeat(image, 3, 0).transpose(1, 2, 0) if len(image) == 1 else image[:3].transpose(1, 2, 0)


def _panel(pixels: np.ndarray, words: str, colours: np.ndarray | None = None) -> Panel:
    """A picture of pixels ``(H, W, 3)``, or of numbers ``(H, W)`` that stand for colours ``(256, 3)``."""
    step = -(-max(pixels.shape[:2]) // SIDE)  # every step-th pixel: colours of classes must not be blended
    return Panel(address(pixels[::step, ::step], colours, small=colours is None), words)


def _cells(row: Mapping[str, Any]) -> list[str]:
    means = [((row.get("metrics") or {}).get(key) or {}).get("mean") for key, *_ in _COLUMNS]
    return [
        rounding.fixed(None if mean is None else mean * scale, digits)
        for mean, (_, _, digits, scale) in zip(means, _COLUMNS, strict=True)
    ]


def _percent(values: list[float | None] | None, at: int) -> str:
    value = None if values is None else values[at]
    return rounding.fixed(None if value is None else 100 * value, 1)
