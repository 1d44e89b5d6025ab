"""Cross-fitted scaling: no example meets a temperature that saw it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.metrics.synthetic import overconfident

from levelhead.calibrate import TemperatureScaling, cross_fitted
from levelhead.calibrate.cross_fit import fold_of


@given(st.lists(st.integers(0, 3), min_size=2, max_size=60), st.integers(2, 6))
@settings(max_examples=200, deadline=None)
def test_folds_are_even_in_size_and_in_every_class(labels, folds):
    labels = np.array(labels)
    fold = fold_of(labels, folds)
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    for k in set(labels.tolist()):
        of_class = np.bincount(fold[labels == k], minlength=folds)
        assert of_class.max() - of_class.min() <= 1


def test_each_example_is_scaled_by_the_temperature_of_the_others():
    logits, labels = (t.numpy() for t in overconfident(200, 4))
    fold = fold_of(labels, 5)
    scaled = cross_fitted(logits, labels)
    for k in range(5):
        others = TemperatureScaling().fit(logits[fold != k], labels[fold != k]).temperature
        np.testing.assert_allclose(scaled[fold == k], logits[fold == k] / others, rtol=1e-6)


def test_an_examples_own_label_does_not_reach_its_temperature():
    logits, labels = (t.numpy() for t in overconfident(200, 4))
    scaled = cross_fitted(logits, labels)
    i = 17
    fold = fold_of(labels, 5)
    same_fold = fold == fold[i]
    moved = logits.copy()
    moved[i] = moved[i] * 50  # an outlier moves every temperature but that of its own fold
    again = cross_fitted(moved, labels)
    untouched = same_fold.copy()
    untouched[i] = False
    np.testing.assert_array_equal(again[untouched], scaled[untouched])
    assert not np.allclose(again[~same_fold], scaled[~same_fold])


def test_the_same_input_gives_the_same_output_and_moves_no_random_state():
    logits, labels = overconfident(100, 4)
    state = torch.get_rng_state()
    np.testing.assert_array_equal(cross_fitted(logits, labels), cross_fitted(logits.numpy(), labels.numpy()))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_and_type_are_kept(dtype):
    logits, labels = (t.numpy() for t in overconfident(50, 4))
    scaled = cross_fitted(logits.astype(dtype), labels)
    assert (scaled.shape, scaled.dtype) == ((50, 4), dtype)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
def test_sets_smaller_than_the_folds_are_left_one_out(n):
    logits, labels = (t.numpy() for t in overconfident(n, 3, seed=n))
    scaled = cross_fitted(logits, labels)
    assert np.isfinite(scaled).all()
    np.testing.assert_array_equal(scaled.argmax(1), logits.argmax(1))


def test_a_single_example_stays_as_it_is():
    logits = np.array([[1.0, 3.0]])
    np.testing.assert_array_equal(cross_fitted(logits, np.array([1])), logits)


@pytest.mark.parametrize("folds", [1, 0, 2.0, True])
def test_fewer_than_two_folds_are_refused(folds):
    with pytest.raises(ValueError, match="folds must be a whole number"):
        cross_fitted(np.zeros((4, 2)), np.zeros(4, dtype=int), folds)


def test_nothing_is_refused():
    with pytest.raises(ValueError, match="no example"):
        cross_fitted(np.zeros((0, 2)), np.zeros(0, dtype=int))
