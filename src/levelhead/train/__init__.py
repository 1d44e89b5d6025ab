"""Training one run: recipe, schedule, loop, checkpoints."""

from levelhead.train.recipe import Recipe, augmented, make_recipe
from levelhead.train.record import check_records
from levelhead.train.run import Run

__all__ = ["Recipe", "Run", "augmented", "check_records", "make_recipe"]
