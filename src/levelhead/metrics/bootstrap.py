"""Intervals by resampling what the examples add up to instead of the examples: the same cost for any number of them.

One model: drawing N examples with replacement is drawing how many fall on each cell of confidence and outcome of the
accumulator. Cells are first joined to about a thousand groups of equal mass.

Two models on the same examples: the examples are dealt at random to at most 1024 groups, and groups are drawn, the same
for both models. A group of random examples varies as its size says, so resampling groups spreads as resampling examples
does (the spread itself is known to 2 %).

Only measures are offered whose percentile interval is honest: for ECE it is not (see `evidence.py`).

Shapes: N examples, G groups, K cells, R replicates.
"""

import math

import numpy as np

from levelhead.metrics import _ranked
from levelhead.metrics.intervals import Interval, check_level
from levelhead.metrics.pairing import MEASURES, aligned, columns
from levelhead.metrics.streaming import Calibration
from levelhead.predictions import Predictions

GROUPS = 1024
TOGETHER = 50  # replicates worked on at once: 0.4 MB a matrix
CELLS = 256  # of confidence, for the risk-coverage curve of a resample


def bootstrap(
    accumulator: Calibration, *, replicates: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, Interval]:
    """Percentile intervals of `accuracy`, `gap`, `aurc` and `augrc` for everything `accumulator` has seen.

    The draws come from a private generator seeded by `seed`. `mean` of an interval is the measure itself. Raises
    ValueError before the first example, for an accumulator made without its cells, or of label distributions.
    """
    check_level(level)
    n = accumulator.num_examples
    if n == 0:
        raise ValueError("the accumulator has seen no example: there is nothing to resample")
    cells = accumulator.cells()
    if cells[1].dtype.kind == "f":
        raise ValueError("the accumulator was fed distributions, which leave no right and wrong predictions to draw")
    count, right, confidence = _groups(*cells)
    rng = np.random.default_rng(seed)
    share = np.stack([count - right, right], axis=1).ravel() / n
    blocks = []
    for start in range(0, replicates, TOGETHER):
        drawn = rng.multinomial(n, share, size=min(TOGETHER, replicates - start)).reshape(-1, len(count), 2)
        size = drawn.sum(2)
        accuracy = drawn[:, :, 1].sum(1) / n
        ranked = size[:, ::-1], drawn[:, ::-1, 0]
        areas = _ranked.aurc_of_each(*ranked), _ranked.augrc_of_each(*ranked)
        blocks.append((accuracy, size @ confidence / n - accuracy, *areas))
    values = dict(
        zip(("accuracy", "gap", "aurc", "augrc"), map(np.concatenate, zip(*blocks, strict=True)), strict=True)
    )
    measured = accumulator.compute()
    return {
        name: percentiles(value, measured.get(name, float(value.mean())), n, level) for name, value in values.items()
    }


def _groups(count: np.ndarray, right: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Examples, right ones and mean confidence of neighbouring cells joined, by rising confidence; none is empty."""
    group = (np.cumsum(count) - count) * GROUPS // max(1, int(count.sum()))
    sums = [np.bincount(group, weights=values, minlength=GROUPS) for values in (count, right, total)]
    full = sums[0] > 0
    size, hits, confidence = (values[full] for values in sums)
    return size.astype(np.int64), hits.astype(np.int64), confidence / size


def percentiles(draws: np.ndarray, mean: float, n: int, level: float) -> Interval:
    """The middle `level` of the draws around a `mean` that was measured; NaN where a draw is."""
    lo, hi = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(mean, lo, hi, n)


def paired_bootstrap(
    first: Predictions, second: Predictions, *, replicates: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, Interval]:
    """First model less second on shared resamples: `accuracy`, `nll`, `brier`, `gap` and `aurc`.

    Examples are matched by id where both have ids (`aligned`). The draws come from a private generator seeded by
    `seed`; `mean` is the measured difference. An infinite likelihood makes the interval of `nll` NaN; one example has
    no intervals. Raises ValueError unless both hold the same examples, and for none.
    """
    check_level(level)
    ours, theirs = columns(first), columns(aligned(first, second))
    n = first.num_examples
    if n == 0:
        raise ValueError("there is no example: there is nothing to resample")
    rng = np.random.default_rng(seed)
    group = dealt(n, rng)
    size = np.bincount(group)
    drawn = resamples(len(size), replicates, rng).astype(np.float64)
    intervals = {}
    with np.errstate(invalid="ignore"):
        for name in MEASURES:
            difference = ours[name] - theirs[name]
            draws = drawn @ np.bincount(group, difference) / (drawn @ size)
            intervals[name] = percentiles(draws, float(difference.mean()), n, level)
    draws = _resampled_aurc(ours, group, drawn) - _resampled_aurc(theirs, group, drawn)
    intervals["aurc"] = percentiles(draws, _aurc(ours) - _aurc(theirs), n, level)
    if n == 1:
        return {name: Interval(i.mean, math.nan, math.nan, 1) for name, i in intervals.items()}
    return intervals


def dealt(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) the group of each example: dealt at random to at most GROUPS groups whose sizes differ by at most one."""
    group = np.arange(n) % min(n, GROUPS)
    rng.shuffle(group)
    return group


def resamples(groups: int, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """(R, G) how often each group is in each resample of G with replacement; faster than multinomial draws."""
    place = rng.integers(0, groups, (replicates, groups)) + groups * np.arange(replicates)[:, None]
    return np.bincount(place.ravel(), minlength=replicates * groups).reshape(replicates, groups)


def _aurc(model: dict[str, np.ndarray]) -> float:
    cell, cells = _cells(model["rest"], len(model["rest"]))
    count = np.bincount(cell, minlength=cells)
    return _ranked.aurc(count, count - np.bincount(cell, model["accuracy"], cells))


def _resampled_aurc(model: dict[str, np.ndarray], group: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(R,) AURC of each resample, from how many right and wrong predictions of each cell are in each group."""
    cell, cells = _cells(model["rest"], CELLS)
    place = (group * cells + cell) * 2 + (model["accuracy"] == 0)
    table = np.bincount(place, minlength=drawn.shape[1] * cells * 2).reshape(drawn.shape[1], -1)
    found = (drawn @ table).reshape(len(drawn), cells, 2)
    return _ranked.aurc_of_each(found.sum(2), found[:, :, 1])


def _cells(rest: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """The cell of each example by falling confidence, of equal mass but that ties stay together, and their number."""
    distinct, place = np.unique(rest, return_inverse=True)
    count = np.bincount(place, minlength=len(distinct))
    cell = (np.cumsum(count) - count) * most // len(rest)
    return cell[place], int(cell[-1]) + 1
