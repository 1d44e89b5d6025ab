"""Features in the plane, epoch by epoch: how the classes part (LaMix, figure 8).

They are those of a bottleneck such as that of `small(embedding=2)`, else the penultimate ones, of a run that was
trained with `--record embeddings`. Features of more than two numbers are shown along the two directions in which those
of the last epoch vary most, the same for all epochs. N examples, m features.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.plots import style


@dataclass(frozen=True, eq=False)
class Embedding:
    """One epoch: `points (N, 2)`, `labels (N,)`.

    `spread` is the mean squared distance to the centre of the own class over that between the centres, of all m
    features: it falls as the classes tighten and part. NaN with one class.
    """

    epoch: int
    points: np.ndarray
    labels: np.ndarray
    spread: float

    def table(self) -> list[dict[str, Any]]:
        """One row an example: epoch, x, y, label."""
        rows = zip(self.points, self.labels, strict=True)
        return [{"epoch": self.epoch, "x": float(x), "y": float(y), "label": int(label)} for (x, y), label in rows]


def embeddings(run: str | Path, epochs: tuple[int, ...] | None = None) -> tuple[Embedding, ...]:
    """Read what a run recorded: at `epochs`, by default four that are evenly spaced.

    Raises:
        ValueError: the run recorded no embeddings, or not those of these epochs.
    """
    files = {int(path.stem.split("-")[1]): path for path in sorted((Path(run) / "records").glob("embeddings-*.npz"))}
    if not files:
        raise ValueError(f"no embeddings in {Path(run) / 'records'}; train with --record embeddings")
    there = list(files)
    chosen = epochs or tuple(there[i] for i in np.unique(np.linspace(0, len(there) - 1, 4).round().astype(int)))
    missing = [epoch for epoch in chosen if epoch not in files]
    if missing:
        raise ValueError(f"epochs {missing} were not recorded; there are {there[0]} to {there[-1]}")
    stored = {epoch: _read(files[epoch]) for epoch in {*chosen, there[-1]}}
    axes = _directions(stored[there[-1]][0])
    return tuple(
        Embedding(epoch, stored[epoch][0] @ axes, stored[epoch][1], spread(*stored[epoch])) for epoch in chosen
    )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path) as stored:
        return stored["features"].reshape(len(stored["labels"]), -1).astype(np.float64), stored["labels"]


def _directions(features: np.ndarray) -> np.ndarray:
    """`(m, 2)`: the two first principal directions; two features are shown as they are."""
    if features.shape[1] <= 2:
        return np.eye(features.shape[1], 2)
    _, _, directions = np.linalg.svd(features - features.mean(0), full_matrices=False)
    return directions[:2].T


def spread(features: np.ndarray, labels: np.ndarray) -> float:
    """Variance within the classes over that between their centres, of features `(N, m)`; NaN with one class."""
    classes = np.unique(labels)
    centres = np.array([features[labels == k].mean(0) for k in classes])
    within = np.mean([np.square(features[labels == k] - c).sum(1).mean() for k, c in zip(classes, centres)])
    between = np.square(centres - centres.mean(0)).sum(1).mean()
    return float(within / between) if between > 0 else float("nan")


def draw(ax: Any, data: Embedding, *, classes: tuple[str, ...] = (), title: str | None = None) -> None:
    """Draw onto a matplotlib axis: a colour and mark a class. `title` defaults to the epoch; give "" for none."""
    for position, label in enumerate(np.unique(data.labels)):
        points = data.points[data.labels == label]
        name = classes[label] if int(label) < len(classes) else str(label)
        ax.scatter(
            *points.T, s=6, linewidths=0, alpha=0.6, color=style.method_colour(position),
            marker=style.method_marker(position), label=style.plain(name),
        )  # fmt: skip
    ax.set(xticks=[], yticks=[])
    ax.set_title(style.plain(f"epoch {data.epoch}, spread {data.spread:.2f}" if title is None else title))
