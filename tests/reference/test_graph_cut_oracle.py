"""The puzzle's cut against the package that the released code solves it with (for research only, so not required)."""

import numpy as np
import pytest

from levelhead.mixing._puzzle_cut import cut, energy, swap
from levelhead.mixing._puzzle_terms import Costs

gco = pytest.importorskip("gco", reason="pip install gco-wrapper to compare with the released code's solver")


@pytest.mark.parametrize("scale", [3, 50, 4000])
def test_the_exact_cut_is_never_above_the_released_solver_and_swapping_is_that_solver(scale):
    rng = np.random.default_rng(scale)
    squares = (np.arange(3)[:, None] - np.arange(3)) ** 2
    ours, swapped, theirs = [], [], []
    for side in [2, 4, 8, 16] * 10:
        costs = Costs(
            rng.integers(0, scale + 1, (1, side, side, 3)),
            rng.integers(0, scale // 2 + 1, (1, side - 1, side)),
            rng.integers(0, scale // 2 + 1, (1, side, side - 1)),
        )
        whole = [np.ascontiguousarray(term[0], dtype=np.int32) for term in costs]
        found = gco.cut_grid_graph(whole[0], squares.astype(np.int32), *whole[1:], algorithm="swap")
        theirs.append(int(energy(found.reshape(1, side, side).astype(np.int64), costs)[0]))
        ours.append(int(energy(cut(costs), costs)[0]))
        swapped.append(int(energy(swap(costs), costs)[0]))
    assert all(a <= b for a, b in zip(ours, theirs))
    # the same moves in the same order; where two exchanges cost the same, they may part
    assert np.mean(np.equal(swapped, theirs)) >= 0.9
    assert sum(swapped) == pytest.approx(sum(theirs), rel=0.002)
