"""Scores of how much an example looks like the training data: values by hand, one direction for all."""

import math

import numpy as np
import pytest
import torch

from levelhead.metrics import auroc, energy, max_logit, max_softmax, negative_entropy

from .synthetic import overconfident

Z = np.array([[2.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
ODDS = math.exp(2)


def test_by_hand():
    p = ODDS / (ODDS + 2)
    np.testing.assert_allclose(max_softmax(logits=Z), [p, 1 / 3])
    np.testing.assert_allclose(max_logit(logits=Z), [2, 1])
    np.testing.assert_allclose(energy(logits=Z), [math.log(ODDS + 2), 1 + math.log(3)])
    q = (1 - p) / 2
    np.testing.assert_allclose(negative_entropy(logits=Z), [p * math.log(p) + 2 * q * math.log(q), -math.log(3)])


@pytest.mark.parametrize("score", [max_softmax, negative_entropy])
def test_probabilities_give_what_their_logits_give(score):
    logits, _ = overconfident(300, 5)
    exact = score(logits=logits.double())
    np.testing.assert_allclose(score(probs=logits.double().softmax(1)), exact, atol=1e-12)
    np.testing.assert_allclose(score(logits=logits), exact, rtol=2e-7)  # float32 is worked in float32, or better


@pytest.mark.parametrize("score", [max_softmax, negative_entropy, energy, max_logit])
def test_a_sharper_example_scores_higher(score):
    sharp, flat = overconfident(300, 5)[0] * 3, torch.randn(200, 5, generator=torch.Generator().manual_seed(0)) / 3
    assert auroc(score(logits=sharp), score(logits=flat)) > 0.95


def test_a_class_that_is_ruled_out_adds_nothing():
    with_it = np.c_[Z, [-np.inf, -np.inf]]
    for score in (max_softmax, negative_entropy, energy, max_logit):
        np.testing.assert_allclose(score(logits=with_it), score(logits=Z))
    np.testing.assert_allclose(negative_entropy(probs=np.array([[1.0, 0.0]])), [0.0])


def test_bad_rows_and_guesses_are_refused():
    for score in (max_softmax, negative_entropy, energy, max_logit):
        with pytest.raises(ValueError, match="1 of 2 rows hold NaN, the first is row 1"):
            score(logits=np.array([[0.0, 1.0], [np.nan, 0.0]]))
    with pytest.raises(ValueError, match="exactly one of"):
        max_softmax()
    with pytest.raises(ValueError, match="exactly one of"):
        negative_entropy(logits=Z, probs=Z)
    with pytest.raises(ValueError, match="negative"):
        max_softmax(probs=np.array([[1.5, -0.5]]))
