"""Two models on the same examples."""

import math

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import ttest_rel

from levelhead import metrics
from levelhead.metrics import mcnemar, paired_difference
from levelhead.predictions import Predictions

from .synthetic import overconfident, two_columns


def test_mcnemar_by_hand():
    # 1 against 4: 2 (C(5,0) + C(5,1)) / 32 - C(5,1) / 32 = (12 - 5) / 32
    first = np.array([1, 0, 0, 0, 0, 1, 0], dtype=bool)
    second = np.array([0, 1, 1, 1, 1, 1, 0], dtype=bool)
    got = mcnemar(first, second)
    assert (got.only_first, got.only_second, got.p_value, got.n) == (1, 4, pytest.approx(7 / 32), 7)


def test_mcnemar_of_models_that_agree_says_nothing():
    same = np.array([True, False])
    assert mcnemar(same, same).p_value == 1
    assert mcnemar(np.array([True, False]), np.array([False, True])).p_value == pytest.approx(1)


def test_mcnemar_needs_the_same_examples():
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\)"):
        mcnemar(np.ones(2), np.ones(3))


def two_models(n=2000):
    logits, labels = overconfident(n, 5)
    return (
        Predictions(labels=labels, logits=logits, ids=np.arange(n)),
        Predictions(labels=labels, logits=logits / 1.8, ids=np.arange(n)),
    )


def test_differences_are_those_of_the_measures():
    first, second = two_models()
    got = paired_difference(first, second)
    for name in ("accuracy", "nll", "brier", "gap"):
        measure = getattr(metrics, name)
        difference = measure(**first.scores, labels=first.labels) - measure(**second.scores, labels=second.labels)
        assert getattr(got, name).mean == pytest.approx(difference, abs=1e-7)
        assert getattr(got, name).n == 2000
    assert got.nll.lo > 0  # the overconfident one is worse, beyond chance
    assert got.gap.lo > 0
    assert (got.accuracy.lo, got.accuracy.hi) == (0, 0)  # and exactly as accurate
    assert got.mcnemar.p_value == 1


def test_the_interval_uses_the_pairing():
    first, second = two_models()
    nll = [
        np.array([metrics.nll(logits=p.logits[i : i + 1], labels=p.labels[i : i + 1]) for i in range(300)])
        for p in two_models(300)
    ]
    del first, second
    got = paired_difference(*two_models(300)).nll
    expected = ttest_rel(*nll).confidence_interval(0.95)
    assert (got.lo, got.hi) == pytest.approx((expected.low, expected.high), rel=0.02)  # normal for t with 299


def test_models_on_different_examples_are_refused():
    first, second = two_models(10)
    shorter = Predictions(labels=second.labels[:9], logits=second.logits[:9])
    with pytest.raises(ValueError, match="10 and 9"):
        paired_difference(first, shorter)
    with pytest.raises(ValueError, match="1 of the first model's are not among the second's: 0"):
        paired_difference(first, Predictions(labels=first.labels, logits=first.logits, ids=np.arange(1, 11)))
    twice, again = (
        Predictions(labels=first.labels, logits=first.logits, ids=ids) for ids in (np.r_[0:9, 8], np.r_[8, 0:9])
    )
    with pytest.raises(ValueError, match="more than one example"):
        paired_difference(twice, again)
    with pytest.raises(ValueError, match="ids are of different kinds"):
        paired_difference(first, Predictions(labels=first.labels, logits=first.logits, ids=np.arange(10).astype(str)))
    labels = (first.labels + (np.arange(10) == 4)) % 5
    with pytest.raises(ValueError, match="first at row 4"):
        paired_difference(first, Predictions(labels=labels, logits=first.logits))


@pytest.mark.parametrize("kind", [int, str])
def test_rows_in_another_order_are_matched_by_their_ids(kind):
    first, second = two_models(200)
    ids = first.ids.astype(kind)
    first = Predictions(labels=first.labels, logits=first.logits, ids=ids)
    order = np.random.default_rng(0).permutation(200)
    shuffled = Predictions(labels=second.labels[order], probs=softmax(second.logits[order], 1), ids=ids[order])
    back = metrics.aligned(first, shuffled)
    np.testing.assert_array_equal(back.ids, ids)
    np.testing.assert_allclose(back.probs, softmax(second.logits, 1))
    assert paired_difference(first, shuffled).nll.mean == pytest.approx(paired_difference(*two_models(200)).nll.mean)


def test_ids_that_match_and_labels_that_do_not_are_refused():
    first, second = two_models(50)
    with pytest.raises(ValueError, match="labels differ"):
        paired_difference(first, Predictions(labels=second.labels, logits=second.logits, ids=np.arange(50)[::-1]))


def test_examples_one_by_one_average_to_the_measures():
    first, _ = two_models(500)
    rows = metrics.per_example(first)
    assert set(rows) == {"accuracy", "nll", "brier", "gap"}
    for name, values in rows.items():
        assert values.shape == (500,)
        assert values.dtype == np.float64
        assert values.mean() == pytest.approx(getattr(metrics, name)(**first.scores, labels=first.labels), abs=1e-9)


def test_an_infinite_likelihood_is_no_number():
    certain = Predictions(labels=np.array([1, 0]), probs=two_columns([1.0, 0.5]))
    assert math.isinf(
        paired_difference(certain, Predictions(labels=certain.labels, probs=two_columns([0.5, 0.5]))).nll.mean
    )
    assert math.isnan(paired_difference(certain, certain).nll.mean)
