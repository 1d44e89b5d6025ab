"""Training one run: recipe, schedule, loop, checkpoints."""

from levelhead.train.recipe import Recipe, make_recipe
from levelhead.train.run import Run

__all__ = ["Recipe", "Run", "make_recipe"]
