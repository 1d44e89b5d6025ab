"""Intervals by resampling the accumulator's state instead of the examples: the same cost for any number of them.

Drawing N examples with replacement is drawing how many fall on each cell of confidence and outcome. Cells are first
joined to about a thousand groups of equal mass. Only measures are offered whose percentile interval is honest: for ECE
it is not (see `evidence.py`).
"""

import numpy as np

from levelhead.metrics import _ranked
from levelhead.metrics.intervals import Interval, check_level
from levelhead.metrics.streaming import Calibration

GROUPS = 1024


def bootstrap(
    accumulator: Calibration, *, replicates: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, Interval]:
    """Percentile intervals of `accuracy`, `gap` and `aurc` for everything `accumulator` has seen.

    The draws come from a private generator seeded by `seed`. `mean` of an interval is the measure itself. Raises
    ValueError before the first example, or for an accumulator made without its cells.
    """
    check_level(level)
    n = accumulator.num_examples
    if n == 0:
        raise ValueError("the accumulator has seen no example: there is nothing to resample")
    count, right, confidence = _groups(*accumulator.cells())
    rng = np.random.default_rng(seed)
    share = np.stack([count - right, right], axis=1).ravel() / n
    drawn = rng.multinomial(n, share, size=replicates).reshape(replicates, -1, 2)
    size = drawn.sum(2)
    accuracy = drawn[:, :, 1].sum(1) / n
    values = {
        "accuracy": accuracy,
        "gap": size @ confidence / n - accuracy,
        "aurc": np.array([_ranked.aurc(s[::-1], d[::-1, 0]) for s, d in zip(size, drawn, strict=True)]),
    }
    measured = accumulator.compute()
    intervals = {}
    for name, value in values.items():
        lo, hi = np.quantile(value, [(1 - level) / 2, (1 + level) / 2]).tolist()
        intervals[name] = Interval(measured.get(name, float(value.mean())), lo, hi, n)
    return intervals


def _groups(count: np.ndarray, right: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Examples, right ones and mean confidence of neighbouring cells joined, by rising confidence; none is empty."""
    group = (np.cumsum(count) - count) * GROUPS // max(1, int(count.sum()))
    sums = [np.bincount(group, weights=values, minlength=GROUPS) for values in (count, right, total)]
    full = sums[0] > 0
    size, hits, confidence = (values[full] for values in sums)
    return size.astype(np.int64), hits.astype(np.int64), confidence / size
