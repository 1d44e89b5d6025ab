"""Few seeds: what they show, what they cannot, and that it is said."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test

from levelhead.metrics import hierarchical_bootstrap, paired_difference, seeds_difference, seeds_needed, sign_flip
from levelhead.predictions import Predictions

from .synthetic import overconfident


@pytest.mark.parametrize("n", range(1, 13))
def test_no_p_value_is_below_two_to_the_one_minus_n(n):
    assert sign_flip(np.arange(1.0, n + 1)) == 2.0 ** (1 - n)  # all of one sign is as clear as it gets


def test_three_seeds_cannot_say_more_than_a_quarter_and_eight_agreeing_can():
    assert sign_flip([0.5, 0.4, 0.6]) == 0.25
    assert sign_flip([0.5, 0.4, -0.1]) == 0.5  # sums of 1, .8, .2 and 0, twice each: half reach .8
    assert sign_flip([1.0] * 8) == 2 / 256


def test_it_is_every_flip_by_hand_and_scipys_test():
    values = np.array([0.3, -0.1, 0.25, 0.4, 0.05])
    flips = [abs(np.mean(values * np.array(signs))) for signs in product((1, -1), repeat=5)]
    assert sign_flip(values) == np.mean(np.array(flips) >= abs(values.mean()) - 1e-12)
    theirs = permutation_test((values,), lambda x, axis: np.mean(x, axis), permutation_type="samples")
    assert sign_flip(values) == pytest.approx(theirs.pvalue)


def test_many_seeds_are_flipped_at_random_from_a_generator_of_their_own():
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 1, 40)
    before = np.random.get_state()[1].copy()
    p = sign_flip(values)
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    normal = 2 * (1 - 0.5 * (1 + math.erf(abs(values.mean()) / np.sqrt((values**2).mean() / 40) / math.sqrt(2))))
    assert p == pytest.approx(normal, abs=0.015)
    assert sign_flip(np.ones(40)) == pytest.approx(1 / 10_001)


def test_no_difference_is_refused_and_a_missing_one_makes_the_p_value_missing():
    with pytest.raises(ValueError, match="at least one number"):
        sign_flip([])
    assert math.isnan(sign_flip([0.1, math.nan]))
    assert sign_flip([0.0, 0.0]) == 1


def test_how_many_seeds_a_p_value_needs():
    for p in (0.5, 0.25, 0.1, 0.05, 0.01):
        n = seeds_needed(p)
        assert 2.0 ** (1 - n) <= p
        assert n == 2 or 2.0 ** (2 - n) > p
    with pytest.raises(ValueError, match="between 0 and 1"):
        seeds_needed(0)


def values(seeds, examples, seed=0, by_seed=0.05):
    rng = np.random.default_rng(seed)
    return 0.2 + by_seed * rng.normal(size=(seeds, 1)) + rng.normal(size=examples) + rng.normal(size=(seeds, examples))


def test_what_is_said_of_three_seeds():
    got = hierarchical_bootstrap(values(3, 400))
    assert got.smallest_p == 0.25
    assert got.p_value >= 0.25
    assert got.remark == "3 seeds: no sign-flip p-value can be below 0.25; 6 could reach 0.05"
    assert (got.n_seeds, got.n_examples) == (3, 400)
    assert got.lo < got.mean < got.hi
    assert got.mean == pytest.approx(values(3, 400).mean())


def test_six_seeds_need_no_remark_at_95_per_cent_and_do_at_99():
    assert hierarchical_bootstrap(values(6, 100)).remark == ""
    assert "8 could reach 0.01" in hierarchical_bootstrap(values(6, 100), level=0.99).remark


def test_one_seed_is_about_examples_only():
    got = hierarchical_bootstrap(values(1, 900))
    row = values(1, 900)[0]
    half = 1.96 * row.std(ddof=1) / 30
    assert (got.lo, got.hi) == pytest.approx((row.mean() - half, row.mean() + half), abs=0.15 * half)
    assert math.isnan(got.seed_error)
    assert math.isnan(got.p_value)
    assert "says nothing about training again" in got.remark


def test_one_example_is_students_interval_over_seeds_and_one_of_each_is_nothing():
    column = values(6, 1)
    got = hierarchical_bootstrap(column, replicates=20_000)
    half = 2.5705818 * column.std(ddof=1) / math.sqrt(6)  # t(.975, 5)
    assert (got.lo, got.hi) == pytest.approx((column.mean() - half, column.mean() + half), rel=0.1)
    alone = hierarchical_bootstrap(np.array([[0.3]]))
    assert alone.mean == 0.3
    assert math.isnan(alone.lo)
    assert math.isnan(alone.hi)


def test_more_examples_do_not_make_up_for_few_seeds():
    few, many = (hierarchical_bootstrap(values(3, n, by_seed=0.5)) for n in (200, 20_000))
    assert many.example_error < few.example_error / 5
    assert many.hi - many.lo > 0.5 * (few.hi - few.lo)  # the seeds' spread stays


def test_the_errors_are_those_of_a_two_way_analysis():
    x = values(5, 3000)
    got = hierarchical_bootstrap(x)
    assert got.seed_error == pytest.approx(x.mean(1).std(ddof=1) / math.sqrt(5))
    # the examples' own variance is 1; what a seed does to an example is another 1, and not counted twice
    assert got.example_error == pytest.approx(1 / math.sqrt(3000), rel=0.05)


def test_the_same_input_gives_the_same_answer_and_no_state_moves():
    before = np.random.get_state()[1].copy()
    assert hierarchical_bootstrap(values(3, 2000)) == hierarchical_bootstrap(values(3, 2000))
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_equal_values_have_an_interval_of_no_width():
    got = hierarchical_bootstrap(np.full((3, 10), 0.25))
    assert (got.lo, got.mean, got.hi) == (0.25, 0.25, 0.25)
    assert got.p_value == 0.25


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (3,), (2, 3, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="shape \\(seeds, examples\\)"):
        hierarchical_bootstrap(np.zeros(shape))


def networks(scale, shuffled=False):
    """Three networks of one method on the same examples; each row's id is its place."""
    made = []
    logits, labels = overconfident(600, 4)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        noisy = (logits.numpy() + 0.2 * rng.normal(size=logits.shape)) * scale
        order = rng.permutation(600) if shuffled else np.arange(600)
        made.append(Predictions(labels=labels.numpy()[order], logits=noisy[order], ids=order))
    return made


def test_two_methods_over_seeds_are_the_mean_of_their_pairs():
    first, second = networks(1.0), networks(0.5)
    got = seeds_difference(first, second)
    for name in ("accuracy", "nll", "brier", "gap"):
        pairs = [getattr(paired_difference(a, b), name).mean for a, b in zip(first, second, strict=True)]
        assert got[name].mean == pytest.approx(np.mean(pairs), abs=1e-12)
        assert got[name].p_value == sign_flip(pairs)
        assert (got[name].n_seeds, got[name].n_examples) == (3, 600)
    assert got["gap"].lo > 0  # doubling the logits makes overconfident, whatever the seed
    assert (got["accuracy"].lo, got["accuracy"].hi) == (0, 0)


def test_files_in_any_order_are_matched_by_their_ids():
    straight, mixed = (
        seeds_difference(networks(1.0), networks(0.5)),
        seeds_difference(networks(1.0), networks(0.5, True)),
    )
    assert mixed["nll"].mean == pytest.approx(straight["nll"].mean, abs=1e-12)


def test_seeds_without_a_partner_are_refused():
    with pytest.raises(ValueError, match="got 3 and 2"):
        seeds_difference(networks(1.0), networks(0.5)[:2])
    with pytest.raises(ValueError, match="got 0 and 0"):
        seeds_difference([], [])
