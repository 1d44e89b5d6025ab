"""Figures: computed first, as plain arrays with a `table()`, then drawn, onto an axis that the caller owns.

    bins = lh.metrics.reliability(logits=logits, labels=labels)
    lh.plots.reliability.draw(ax, lh.plots.reliability.diagram(bins))

Each figure is a module: `reliability`, `confidence`, `winning`, `density`, `coverage`, `tradeoff`, `differences`,
`curves`, `hull`, `sweep`, `soft_targets`, `label_entropy`, `embedding`, `surface`,
`activation_maps`. `overview` draws a picture of a
whole comparison. matplotlib is imported when something is drawn, not before.
"""

from levelhead.plots import (
    activation_maps,
    confidence,
    coverage,
    curves,
    density,
    differences,
    embedding,
    hull,
    label_entropy,
    reliability,
    soft_targets,
    surface,
    sweep,
    tradeoff,
    winning,
)
from levelhead.plots.leaderboard import overview

__all__ = [
    "activation_maps",
    "confidence",
    "coverage",
    "curves",
    "density",
    "differences",
    "embedding",
    "hull",
    "label_entropy",
    "overview",
    "reliability",
    "soft_targets",
    "surface",
    "sweep",
    "tradeoff",
    "winning",
]
