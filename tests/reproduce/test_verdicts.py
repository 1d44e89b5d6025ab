"""Each rule on numbers that were worked out by hand: t(0.975) is 12.706, 4.303 and 2.776 for 1, 2 and 4 degrees."""

import math

import numpy as np
import pytest

from levelhead.reproduce import verdicts
from levelhead.reproduce.verdicts import ABSENT, CANNOT_TELL, FAILS, HOLDS, NOT_RUN, OFF_REGIME, Finding


def test_side_is_student_t_over_the_seeds():
    # mean -.03, sd .01, error .01/sqrt(3) = .0057735, half 4.3027 * .0057735 = .024842
    found = verdicts.side([-0.02, -0.03, -0.04], below=True)
    assert (found.mean, found.lo, found.hi) == pytest.approx((-0.03, -0.054842, -0.005158), abs=1e-6)
    assert found.verdict == HOLDS
    assert found.detectable == pytest.approx(0.024842, abs=1e-6)
    # t = 5.196 with 2 degrees: p = 1 - t / sqrt(t^2 + 2) for two-sided with df 2
    assert found.p_value == pytest.approx(1 - math.sqrt(27) / math.sqrt(29), abs=1e-9)


@pytest.mark.parametrize(
    ("values", "below", "bound", "verdict"),
    [
        ([-0.02, -0.03, -0.04], False, 0, FAILS),
        ([0.02, 0.03, 0.04], True, 0, FAILS),
        ([0.02, 0.03, 0.04], False, 0, HOLDS),
        ([-0.02, 0.03, 0.0], True, 0, CANNOT_TELL),
        ([0.001, 0.002, 0.0015], True, 0.005, HOLDS),  # worse, but by less than the margin
        ([0.011, 0.012, 0.0115], True, 0.005, FAILS),
        ([-0.03], True, 0, CANNOT_TELL),
        ([], True, 0, NOT_RUN),
        ([0.1, float("nan")], True, 0, NOT_RUN),
        ([-0.1, -0.1, -0.1], True, 0, HOLDS),
        ([0.0, 0.0, 0.0], True, 0, CANNOT_TELL),
    ],
)
def test_side_decides_by_the_whole_interval(values, below, bound, verdict):
    assert verdicts.side(values, below=below, bound=bound).verdict == verdict


def test_pairs_not_means_decide():
    """The two overlap widely, but every seed says the same."""
    theirs = [0.10, 0.20, 0.30]
    assert verdicts.less([0.09, 0.191, 0.289], theirs).verdict == HOLDS
    assert verdicts.more([0.09, 0.191, 0.289], theirs).verdict == FAILS
    assert verdicts.less([0.289, 0.09, 0.191], theirs).verdict == CANNOT_TELL


def test_not_worse_clears_its_margin_on_both_sides():
    assert verdicts.less([0.103, 0.102, 0.104], [0.10, 0.10, 0.10], margin=0.006).verdict == HOLDS
    assert verdicts.more([0.897, 0.898, 0.896], [0.90, 0.90, 0.90], margin=0.006).verdict == HOLDS
    assert verdicts.more([0.88, 0.881, 0.879], [0.90, 0.90, 0.90], margin=0.005).verdict == FAILS


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.331, 0.331, 0.332], HOLDS),  # .35 within .02
        ([0.299, 0.300, 0.301], FAILS),
        ([0.25, 0.33, 0.29], HOLDS),  # a wide interval overlaps
        ([0.35], CANNOT_TELL),
    ],
)
def test_value_overlaps_the_published_one_within_two_hundredths(values, verdict):
    assert verdicts.value(values, 0.35, 0.35).verdict == verdict


def test_value_may_be_a_range():
    assert verdicts.value([0.53, 0.54, 0.55], 0.5, 0.6).verdict == HOLDS
    assert verdicts.value([0.70, 0.71, 0.70], 0.5, 0.6).verdict == FAILS


def test_argmin_is_the_best_of_the_claimed_range_against_every_other():
    table = np.array([[0.5, 0.51, 0.52], [0.1, 0.11, 0.12], [0.2, 0.21, 0.22], [0.3, 0.31, 0.32]])
    found = verdicts.argmin(table, [False, True, True, False])
    assert [each.verdict for each in found] == [HOLDS, HOLDS]
    assert [each.mean for each in found] == pytest.approx([-0.4, -0.2])
    assert verdicts.together(verdicts.argmin(table, [True, False, False, False])) == FAILS


def test_monotone_is_a_rank_correlation_a_seed():
    table = np.array([[0.4, 0.5, 0.4], [0.3, 0.2, 0.3], [0.2, 0.3, 0.35], [0.1, 0.1, 0.0]])
    found = verdicts.monotone([0, 1, 2, 3], table, falling=True)
    # -1, and twice -.8 (one swap of neighbours: 1 - 6 * 2 / 60)
    assert found.mean == pytest.approx((-1 - 0.8 - 0.8) / 3)
    assert found.verdict == HOLDS
    assert verdicts.monotone([0, 1, 2, 3], table, falling=False).verdict == FAILS
    assert verdicts.monotone([0, 1], np.zeros((2, 3)), falling=True).verdict == CANNOT_TELL


def test_slope_is_least_squares():
    table = np.array([[1.0, 2.0, 0.0], [3.0, 4.1, 2.2], [5.0, 6.2, 4.1]])
    found = verdicts.slope([1, 2, 3], table, falling=False)
    assert found.mean == pytest.approx((2 + 2.1 + 2.05) / 3)
    assert found.verdict == HOLDS


def test_narrower_compares_ranges_by_their_ratio():
    ours = np.array([[0.10, 0.10, 0.10], [0.11, 0.12, 0.11]])
    theirs = np.array([[0.10, 0.10, 0.10], [0.18, 0.20, 0.17]])
    found = verdicts.narrower(ours, theirs)
    assert found.mean == pytest.approx(np.mean(np.log([1 / 8, 2 / 10, 1 / 7])), abs=1e-9)
    assert found.verdict == HOLDS
    assert verdicts.narrower(theirs, ours).verdict == FAILS
    assert verdicts.narrower(np.zeros((2, 3)), np.zeros((2, 3))).verdict == NOT_RUN


def test_nearer_compares_mean_distances_of_curves():
    curve = np.array([[0.1, 0.1, 0.1], [0.2, 0.2, 0.2]])
    assert verdicts.nearer(curve, curve + 0.01, curve + 0.1).verdict == HOLDS
    assert verdicts.nearer(curve, curve - 0.1, curve + 0.01).verdict == FAILS


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, CANNOT_TELL], CANNOT_TELL),
        ([HOLDS, NOT_RUN], NOT_RUN),
        ([NOT_RUN, FAILS, CANNOT_TELL], FAILS),
        ([], NOT_RUN),
    ],
)
def test_all_parts_of_a_claim_must_hold(parts, verdict):
    assert verdicts.together([Finding(part) for part in parts]) == verdict


def test_failing_outside_the_regime_is_failing_at_this_scale():
    assert verdicts.within_regime(FAILS, 0.95) == OFF_REGIME
    assert verdicts.within_regime(FAILS, 0.995) == FAILS
    assert verdicts.within_regime(FAILS, None) == FAILS
    assert verdicts.within_regime(HOLDS, 0.5) == HOLDS
    assert verdicts.within_regime(ABSENT, 0.5) == ABSENT


def test_holm_by_hand():
    # sorted .01 .02 .04 .5: times 4, 3, 2, 1 = .04 .06 .08 .5
    assert verdicts.holm([0.5, 0.01, 0.04, 0.02]) == pytest.approx([0.5, 0.04, 0.08, 0.06])
    assert verdicts.holm([0.6, 0.7]) == [1.0, 1.0]
    assert verdicts.holm([]) == []


def test_a_conjunction_is_as_sure_as_its_weakest_part():
    assert verdicts.joint_p([Finding(HOLDS, p_value=0.01), Finding(HOLDS, p_value=0.03), Finding(HOLDS)]) == 0.03
    assert math.isnan(verdicts.joint_p([Finding(HOLDS)]))
