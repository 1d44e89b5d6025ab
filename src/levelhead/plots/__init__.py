"""Figures: computed first, as plain arrays with a `table()`, then drawn, onto an axis that the caller owns.

    bins = lh.metrics.reliability(logits=logits, labels=labels)
    lh.plots.reliability.draw(ax, lh.plots.reliability.diagram(bins))

Each figure is a module: `reliability`, `confidence`, `tradeoff`, `differences`, `curves`. `overview` draws a
picture of a whole comparison. matplotlib is imported when something is drawn, not before.
"""

from levelhead.plots import confidence, curves, differences, reliability, tradeoff
from levelhead.plots.leaderboard import overview

__all__ = ["confidence", "curves", "differences", "overview", "reliability", "tradeoff"]
