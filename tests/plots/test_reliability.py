from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from scipy.stats import binom

from levelhead.metrics import reliability as fill
from levelhead.plots.reliability import calibrated_range, caption, clopper_pearson, diagram, draw, isotonic


def bins_of(confidences, labels, n_bins=2):
    """Bins of a two-class model that always predicts class 0 with these confidences."""
    probs = np.array([[c, 1 - c] for c in confidences])
    return fill(probs=probs, labels=np.array(labels), n_bins=n_bins)


# (1/2, 3/4] holds 0.6 right and 0.7 wrong, (3/4, 1] holds 0.8 right and 0.9 wrong
FIRST = bins_of([0.6, 0.8, 0.9, 0.7], [0, 0, 1, 1], n_bins=4)
SECOND = bins_of([0.6, 0.9, 0.9], [0, 0, 0], n_bins=4)


def test_hand_worked_bins():
    found = diagram(FIRST)
    assert found.count.tolist() == [0, 0, 2, 2]
    assert found.confidence[2:] == pytest.approx([0.65, 0.85])
    assert found.accuracy[2:] == pytest.approx([0.5, 0.5])
    assert found.n == 4
    assert found.mean_accuracy == pytest.approx(0.5)
    assert found.mean_confidence == pytest.approx(0.75)


def test_empty_bins_are_nan_and_none_and_never_drawn(ax):
    found = diagram(FIRST)
    assert np.isnan(found.accuracy[:2]).all()
    assert np.isnan(found.lo[:2]).all()
    assert found.table()[0] == {
        "from": 0.0,
        "to": 0.25,
        "count": 0,
        "confidence": None,
        "accuracy": None,
        "lo": None,
        "hi": None,
        "gap": None,
    }
    draw(ax, found)
    points = [c.get_offsets() for c in ax.collections if isinstance(c, PathCollection)]
    shown = {tuple(np.round(point, 6)) for point in np.concatenate(points)}
    assert (0.65, 0.5) in shown
    assert (0.85, 0.5) in shown
    assert len(shown) == 2


def test_table_has_the_gap_of_a_filled_bin():
    row = diagram(FIRST).table()[2]
    assert row["gap"] == pytest.approx(0.65 - 0.5)
    assert row["count"] == 2


def test_pooling_adds_counts_and_weighs_means():
    both = diagram([FIRST, SECOND])
    assert both.runs == 2
    assert both.count.tolist() == [0, 0, 3, 4]
    assert both.accuracy[2] == pytest.approx(2 / 3)
    assert both.accuracy[3] == pytest.approx(3 / 4)
    assert both.confidence[3] == pytest.approx((0.8 + 0.9 + 0.9 + 0.9) / 4)
    assert both.mean_accuracy == pytest.approx(5 / 7)


def test_pooling_is_what_one_pass_over_all_rows_finds():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(300, 4)), rng.integers(0, 4, 300)
    parts = [fill(logits=logits[i : i + 100], labels=labels[i : i + 100]) for i in (0, 100, 200)]
    whole, pooled = diagram(fill(logits=logits, labels=labels)), diagram(parts)
    np.testing.assert_array_equal(whole.count, pooled.count)
    np.testing.assert_allclose(whole.accuracy, pooled.accuracy)
    np.testing.assert_allclose(whole.confidence, pooled.confidence)


def test_seeds_do_not_make_the_test_set_larger():
    one, three = diagram(FIRST), diagram([FIRST, FIRST, FIRST])
    np.testing.assert_allclose(three.lo, one.lo)
    np.testing.assert_allclose(three.hi, one.hi)


def test_clopper_pearson_against_its_definition():
    k, n = np.array([3.0, 40.0]), np.array([10.0, 41.0])
    lo, hi = clopper_pearson(k, n, 0.95)
    # at the lower bound seeing k or more has probability 2.5 %, at the upper bound seeing k or fewer
    np.testing.assert_allclose(binom.sf(k - 1, n, lo), 0.025, rtol=1e-6)
    np.testing.assert_allclose(binom.cdf(k, n, hi), 0.025, rtol=1e-6)


@pytest.mark.parametrize(("right", "wanted"), [(0, (0.0, 0.3085)), (10, (0.6915, 1.0))])
def test_clopper_pearson_where_all_or_none_are_right(right, wanted):
    lo, hi = clopper_pearson(np.array([right]), np.array([10]), 0.95)
    assert (lo[0], hi[0]) == pytest.approx(wanted, abs=5e-5)  # 1 - 0.025 ** (1 / 10) = 0.3085


def test_clopper_pearson_of_nothing_is_nan():
    assert np.isnan(clopper_pearson(np.array([0]), np.array([0]), 0.95)).all()


def test_few_examples_are_not_steady():
    many = bins_of([0.9] * 10 + [0.6] * 9, [0] * 19)
    assert diagram(many).steady.tolist() == [False, True]
    assert diagram(bins_of([0.9] * 9, [0] * 9)).steady.tolist() == [False, False]
    # ten in all, over two runs, is five a run
    assert diagram([bins_of([0.9] * 5, [0] * 5)] * 2).steady.tolist() == [False, False]


def test_no_examples_at_all(ax):
    nothing = np.full(4, np.nan)
    empty = diagram(replace(FIRST, count=np.zeros(4, np.int64), confidence=nothing, accuracy=nothing))
    assert empty.n == 0
    assert np.isnan(empty.mean_accuracy)
    draw(ax, empty)
    assert ax.get_title() == "n = 0"


def test_title_says_n_and_seeds(ax):
    assert caption(diagram(FIRST)) == "n = 4"
    draw(ax, diagram([FIRST, FIRST]))
    assert ax.get_title() == "n = 4 × 2 seeds"
    draw(ax, diagram(FIRST), title="costs $5 or $6")
    assert ax.get_title() == r"costs \$5 or \$6"  # no formula
    ax.figure.canvas.draw()


@pytest.mark.parametrize("level", [0, 1, 1.5])
def test_a_level_is_between_zero_and_one(level):
    with pytest.raises(ValueError, match="level is a coverage"):
        diagram(FIRST, level=level)


def test_what_cannot_be_pooled():
    with pytest.raises(ValueError, match="at least one run"):
        diagram([])
    with pytest.raises(ValueError, match="same bins; got 4 and 5"):
        diagram([FIRST, bins_of([0.9], [0], n_bins=5)])


def test_the_range_of_honest_bins_by_hand_and_at_the_size_of_one_run():
    # one example at .99 is wrong with a probability of .01, less than the tail of .025
    sure = diagram(bins_of([0.99], [0]))
    lo, hi = calibrated_range(sure)
    assert np.isnan(lo[0])
    assert (lo[1], hi[1]) == (1.0, 1.0)
    # two at .9: both wrong .01, one wrong .18
    lo, hi = calibrated_range(diagram(bins_of([0.9, 0.9], [0, 0])))
    assert (lo[1], hi[1]) == (0.5, 1.0)
    several = calibrated_range(diagram([bins_of([0.9, 0.9], [0, 0])] * 3))
    assert (several[0][1], several[1][1]) == (0.5, 1.0)


def test_the_isotonic_curve_by_hand():
    # 0 of 1, 1 of 1, 0 of 2, 1 of 1: the middle is pooled into 1 of 3; the empty place is passed over
    x, y = isotonic(np.array([1, 1, 2, 0, 1]), np.array([0, 1, 0, 0, 1]), np.array([0.2, 0.4, 0.6, 0.7, 0.9]))
    assert x.tolist() == [0.2, 0.4, 0.6, 0.9]
    assert y == pytest.approx([0, 1 / 3, 1 / 3, 1])
    assert isotonic(np.zeros(2), np.zeros(2), np.ones(2))[0].size == 0
