"""In against out of distribution: direction, ties, thresholds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from levelhead.metrics import aupr_in, aupr_out, auroc, fpr95

small = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@given(small, small)
@settings(max_examples=200, deadline=None)
def test_auroc_is_the_share_of_pairs_in_order_with_ties_one_half(inside, outside):
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in inside for b in outside]
    assert auroc(np.array(inside), np.array(outside)) == pytest.approx(np.mean(pairs), abs=1e-15)


@given(small, small)
@settings(max_examples=200, deadline=None)
def test_fpr95_is_the_least_share_of_out_let_in_by_a_threshold_that_keeps_95_per_cent(inside, outside):
    a, b = np.array(inside), np.array(outside)
    shares = [(b >= t).mean() for t in a if (a >= t).sum() * 100 >= 95 * len(a)]
    assert fpr95(a, b) == min(shares)


def test_a_higher_score_means_more_in():
    assert auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert auroc(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 0
    assert fpr95(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 0
    assert fpr95(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1


def test_nineteen_of_twenty_are_kept():
    inside = np.arange(20.0)  # 95 % of twenty is nineteen: the threshold is 1
    assert fpr95(inside, np.array([0.5, 0.9, 1.0, 1.5])) == 0.5


def test_all_equal_is_chance():
    assert auroc(np.ones(5), np.ones(7)) == 0.5
    assert fpr95(np.ones(5), np.ones(7)) == 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_tensors_of_any_floating_type(dtype):
    assert auroc(torch.tensor([2.0, 3.0], dtype=dtype), torch.tensor([1.0, 2.0], dtype=dtype)) == 0.875


def test_infinite_scores_have_a_place():
    assert auroc(np.array([np.inf, 0.0]), np.array([-np.inf])) == 1


@pytest.mark.parametrize("measure", [auroc, fpr95, aupr_in, aupr_out])
def test_nan_and_empty_sides_are_refused(measure):
    with pytest.raises(ValueError, match="out_scores holds 1 NaN of 3, the first at index 1"):
        measure(np.ones(3), np.array([0, np.nan, 1]))
    with pytest.raises(ValueError, match="in_scores must have shape"):
        measure(np.ones(0), np.ones(3))
    with pytest.raises(ValueError, match="out_scores must have shape"):
        measure(np.ones(3), np.ones((3, 1)))


@given(small, small)
@settings(max_examples=200, deadline=None)
def test_aupr_is_sklearns_average_precision_on_either_side(inside, outside):
    truth = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    scores = np.r_[inside, outside]
    assert aupr_in(np.array(inside), np.array(outside)) == pytest.approx(
        average_precision_score(truth, scores), abs=1e-12
    )
    assert aupr_out(np.array(inside), np.array(outside)) == pytest.approx(
        average_precision_score(1 - truth, -scores), abs=1e-12
    )


def test_aupr_of_a_score_that_says_nothing_is_the_share_of_the_positive_side():
    assert aupr_in(np.ones(3), np.ones(9)) == 0.25
    assert aupr_out(np.ones(3), np.ones(9)) == 0.75
