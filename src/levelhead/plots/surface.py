"""What a network makes of the whole plane: the probability of one class over two inputs (LogitMix, figure 1).

R places a side, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style

#: Between these two probabilities a network says that it does not know.
BAND = (0.3, 0.7)


@dataclass(frozen=True, eq=False)
class Surface:
    """The probability of one class on a grid.

    Attributes:
        method: the name to show.
        x, y: `(R,)` places along both inputs.
        probability: `(R, R)` in [0, 1], rows along y.
        points: `(N, 2)` examples to draw, `labels` `(N,)` whether each is of the class.
    """

    method: str
    x: np.ndarray
    y: np.ndarray
    probability: np.ndarray
    points: np.ndarray
    labels: np.ndarray

    @property
    def unsure(self) -> float:
        """Share of the plane between the probabilities of `BAND`."""
        return float(((self.probability > BAND[0]) & (self.probability < BAND[1])).mean())

    @property
    def width(self) -> float:
        """Mean width of the band between the probabilities of `BAND`, in units of the inputs: its area over the length
        of the even line. NaN where nothing is even."""
        from contourpy import contour_generator

        lines: Any = contour_generator(self.x, self.y, self.probability).lines(0.5)
        length = sum(float(np.hypot(*np.diff(line, axis=0).T).sum()) for line in lines)
        area = self.unsure * (self.x[-1] - self.x[0]) * (self.y[-1] - self.y[0])
        return float(area / length) if length > 0 else float("nan")

    def table(self) -> list[dict[str, float]]:
        """One row a place: `x`, `y`, `probability`."""
        columns, rows = np.meshgrid(self.x, self.y)
        flat = zip(columns.ravel(), rows.ravel(), self.probability.ravel(), strict=True)
        return [{"x": float(x), "y": float(y), "probability": float(p)} for x, y, p in flat]


def surface(
    method: str,
    logits: Callable[[np.ndarray], np.ndarray],
    points: np.ndarray,
    labels: np.ndarray,
    *,
    target: int = 1,
    resolution: int = 200,
    margin: float = 0.15,
) -> Surface:
    """Ask a network about a grid around the points.

    Args:
        method: the name to show.
        logits: takes float32 `(n, 2)` inputs, gives `(n, C)` logits.
        points: `(N, 2)` examples; the grid covers them with `margin` times their spread on each side.
        labels: `(N,)` integers.
        target: the class whose probability is drawn.
        resolution: R, places along each input.
        margin: how far the grid reaches beyond the points.

    Raises:
        ValueError: points that are not in a plane.
    """
    points, labels = np.asarray(points), np.asarray(labels)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0 or labels.shape != points.shape[:1]:
        raise ValueError(
            f"a decision surface needs points (N, 2) with labels (N,); got {points.shape} and {labels.shape}"
        )
    low, high = points.min(0), points.max(0)
    reach = margin * (high - low)
    x, y = (np.linspace(low[i] - reach[i], high[i] + reach[i], resolution) for i in (0, 1))
    columns, rows = np.meshgrid(x, y)
    said = np.asarray(logits(np.stack([columns.ravel(), rows.ravel()], 1).astype(np.float32)), dtype=np.float64)
    weights = np.exp(said - said.max(1, keepdims=True))
    probability = (weights[:, target] / weights.sum(1)).reshape(resolution, resolution)
    return Surface(method, x, y, probability, points, labels == target)


def draw(ax: Any, data: Surface, *, title: str | None = None) -> Any:
    """Draw onto a matplotlib axis: the probability as shades, its even line, and the points. Returns the shades.

    `title` defaults to the method and the share of the plane where it is unsure; give "" for none.
    """
    shades = ax.pcolormesh(
        data.x, data.y, data.probability, cmap=style.DIVERGING, vmin=0, vmax=1, shading="nearest", rasterized=True
    )
    ax.contour(data.x, data.y, data.probability, levels=[0.5], colors=style.INK, linewidths=0.7)
    for chosen, colour, marker in ((data.labels, style.VERMILLION, "o"), (~data.labels, style.BLUE, "s")):
        ax.scatter(
            *data.points[chosen].T, s=5, color=colour, marker=marker, edgecolors="white", linewidths=0.25, zorder=3
        )
    ax.set(xticks=[], yticks=[], aspect="equal")
    said = f"{data.method}\nunsure on {data.unsure:.0%}" if title is None else title
    ax.set_title(style.plain(said))
    return shades
