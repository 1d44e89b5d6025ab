"""Class activation maps: where methods look, the same images side by side (LaMix, figure 7).

    maps = lh.plots.activation_maps.activation_maps("lamix", lh.load_run(FOLDER).activation, images, labels)
    lh.plots.activation_maps.draw_image(ax, maps, 0)

N images, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style

#: The share of its largest value above which a map counts as looking.
LOOKING = 0.5
SHADES = "YlOrRd"


@dataclass(frozen=True, eq=False)
class ActivationMaps:
    """What one run looks at: `images (N, C, H, W)` as they are stored, `maps (N, H, W)` in [0, 1] of the predicted
    classes, `predicted (N,)`, `labels (N,)`."""

    method: str
    images: np.ndarray
    maps: np.ndarray
    predicted: np.ndarray
    labels: np.ndarray

    @property
    def area(self) -> np.ndarray:
        """`(N,)`: the share of each image where its map is above half of its maximum."""
        return area(self.maps)

    def table(self) -> list[dict[str, Any]]:
        """One row an image: method, image, label, predicted, area."""
        rows = zip(self.labels.tolist(), self.predicted.tolist(), self.area.tolist(), strict=True)
        return [
            {"method": self.method, "image": number, "label": label, "predicted": predicted, "area": share}
            for number, (label, predicted, share) in enumerate(rows)
        ]


def area(maps: np.ndarray) -> np.ndarray:
    """The share of each map `(N, H, W)` that lies above half of its maximum; smaller looks more narrowly.

    >>> area(np.array([[[1.0, 0.4], [0.6, 0.0]]]))
    array([0.5])
    """
    return (maps > LOOKING * maps.max((1, 2), keepdims=True)).mean((1, 2))


def activation_maps(
    method: str,
    look: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    images: np.ndarray,
    labels: np.ndarray,
) -> ActivationMaps:
    """Ask a run where it looks.

    Args:
        method: the name to show.
        look: takes images `(N, C, H, W)`, gives maps `(N, H, W)` and the classes `(N,)` that they are of; the
            `activation` of a run that `lh.load_run` reads.
        images: as they are stored.
        labels: `(N,)` integers.

    Raises:
        ValueError: no images, or labels that are not theirs.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 4 or len(images) == 0 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"activation maps need images (N, C, H, W) with labels (N,); got {images.shape} and {labels.shape}"
        )
    return ActivationMaps(method, images, *look(images), labels)


def draw_image(ax: Any, data: ActivationMaps, number: int, *, classes: tuple[str, ...] = ()) -> Any:
    """Draw one image in grey under its map onto a matplotlib axis; the line is at half of the maximum.

    The label below says what was predicted, and "right" or "wrong", and the area. Returns the shades.
    """
    image = data.images[number].astype(np.float64)
    grey = image.mean(0) / (255 if data.images.dtype == np.uint8 else 1)
    # pale, so that black does not swallow the colours of the map
    ax.imshow(grey, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    shades = ax.imshow(data.maps[number], cmap=SHADES, vmin=0, vmax=1, alpha=0.6, interpolation="nearest")
    if np.ptp(data.maps[number]) > 0:
        ax.contour(data.maps[number], levels=[LOOKING * data.maps[number].max()], colors=style.INK, linewidths=0.7)
    said = int(data.predicted[number])
    name = classes[said] if said < len(classes) else str(said)
    mark = "" if said == data.labels[number] else " (wrong)"
    ax.set(xticks=[], yticks=[])
    ax.set_xlabel(style.plain(f"{name}{mark}, {data.area[number]:.0%}"), labelpad=2)
    return shades
