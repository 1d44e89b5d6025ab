"""Every measure against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch

from levelhead import metrics

from .synthetic import overconfident, plain_ece, two_columns

# Four binary examples in four of ten bins: confidence .95 right, .95 wrong, .75 right, .65 wrong
PROBS = two_columns([0.95, 0.95, 0.25, 0.65])
LABELS = np.array([0, 1, 1, 1])
BY_HAND = {
    "accuracy": 0.5,
    "nll": -(math.log(0.95) + math.log(0.05) + math.log(0.75) + math.log(0.35)) / 4,
    "brier": 2 * (0.05**2 + 0.95**2 + 0.25**2 + 0.65**2) / 4,
    "gap": (0.95 + 0.95 + 0.75 + 0.65) / 4 - 0.5,
    # bins: {.95, .95} accuracy .5, {.75} accuracy 1, {.65} accuracy 0
    "ece": (2 * 0.45 + 0.25 + 0.65) / 4,
    "oe": (2 * 0.95 * 0.45 + 0.65 * 0.65) / 4,
    "mce": 0.65,
    "ace": (0.45 + 0.25 + 0.65) / 3,
    "rmsce": math.sqrt((2 * 0.45**2 + 0.25**2 + 0.65**2) / 4),
    # class 0 in bins of p0: {.95, .95} one of two, {.25} none, {.65} none; class 1 mirrors it
    "classwise_ece": (abs(1.9 - 1) + 0.25 + 0.65) / 4,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_four_examples_by_hand(name):
    options = {} if name in ("accuracy", "nll", "brier", "gap") else {"n_bins": 10}
    got = getattr(metrics, name)(probs=PROBS, labels=LABELS, **options)
    assert got == pytest.approx(BY_HAND[name], abs=1e-12)


@pytest.mark.parametrize("name", BY_HAND)
def test_logits_give_what_their_probabilities_give(name):
    options = {} if name in ("accuracy", "nll", "brier", "gap") else {"n_bins": 10}
    got = getattr(metrics, name)(logits=np.log(PROBS) + 7.0, labels=LABELS, **options)
    assert got == pytest.approx(BY_HAND[name], abs=1e-12)


def test_adaptive_ece_of_two_bins_by_hand():
    # sorted .65 .75 .95 .95: edges .65, .95 (position 2), .95; all ties at .95 stay in the first bin (.65, .95]
    assert metrics.adaptive_ece(probs=PROBS, labels=LABELS, n_bins=2) == pytest.approx((3.3 - 2) / 4)
    # sorted .6 .7 .8 .9 over two bins: edges .6, .8, .9, so {.6, .7, .8} and {.9}
    probs, labels = two_columns([0.6, 0.7, 0.8, 0.9]), np.array([0, 0, 0, 1])
    assert metrics.adaptive_ece(probs=probs, labels=labels, n_bins=2) == pytest.approx((0.9 + 0.9) / 4)


def test_adaptive_ece_reference_variant_leaves_out_the_least_confident():
    probs, labels = two_columns([0.6, 0.7, 0.8, 0.9]), np.array([0, 0, 0, 1])
    got = metrics.adaptive_ece(probs=probs, labels=labels, n_bins=2, reference=True)
    assert got == pytest.approx((2 - 1.5 + 0.9) / 4)


def test_adaptive_ece_edges_are_interpolated_between_neighbours():
    # five examples, two bins: position 2.5 lies between .7 and .8, the edge is .75
    probs, labels = two_columns([0.55, 0.6, 0.7, 0.8, 0.9]), np.array([0, 0, 0, 1, 1])
    low, high = 3 - (0.55 + 0.6 + 0.7), 0.8 + 0.9
    assert metrics.adaptive_ece(probs=probs, labels=labels, n_bins=2) == pytest.approx((low + high) / 5)


def test_aurc_by_hand():
    # by falling confidence: wrong, right, wrong -> error rates 1, 1/2, 2/3
    probs, labels = two_columns([0.9, 0.8, 0.7]), np.array([1, 0, 1])
    assert metrics.aurc(probs=probs, labels=labels) == pytest.approx((1 + 1 / 2 + 2 / 3) / 3)


def test_aurc_of_a_tie_is_the_mean_over_its_orders():
    # first .9 right; then two at .7, one of them wrong: orders give 0, 1/2, 1/3 and 0, 0, 1/3
    probs, labels = two_columns([0.9, 0.7, 0.7]), np.array([0, 0, 1])
    assert metrics.aurc(probs=probs, labels=labels) == pytest.approx((0 + 1 / 4 + 1 / 3) / 3)


def test_augrc_by_hand():
    # by falling confidence wrong, right, wrong: one, one, two wrong of all three; a line from zero through them
    probs, labels = two_columns([0.9, 0.8, 0.7]), np.array([1, 0, 1])
    assert metrics.augrc(probs=probs, labels=labels) == pytest.approx((1 / 2 + 1 + 3 / 2) / 3 / 3)


def test_augrc_of_a_tie_is_the_mean_over_its_orders_and_half_the_error_where_all_tie():
    # right, then two at .7: orders wrong, right and right, wrong give 1.5 and 0.5 of nine
    probs, labels = two_columns([0.9, 0.7, 0.7]), np.array([0, 0, 1])
    assert metrics.augrc(probs=probs, labels=labels) == pytest.approx((1.5 + 0.5) / 2 / 9)
    assert metrics.augrc(probs=two_columns([0.8] * 5), labels=np.array([0, 1, 0, 0, 1])) == pytest.approx(0.4 / 2)


def test_top5_by_hand_with_ties_ranked_by_class():
    logits = np.array([[6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0.0]])
    assert metrics.top5(logits=logits, labels=np.array([4, 5, 4, 5])) == 0.5


def test_debiased_ece_by_hand():
    # one bin of four at confidence .5 (a tie predicts class 0), three right: gap .25, spread sqrt(.75 .25 / 4)
    probs, labels = two_columns([0.5] * 4), np.array([0, 0, 0, 1])
    gap, spread = 0.25, math.sqrt(0.75 * 0.25 / 4)
    folded = spread * math.sqrt(2 / math.pi) * math.exp(-((gap / spread) ** 2) / 2) + gap * math.erf(
        gap / spread / math.sqrt(2)
    )
    assert metrics.debiased_ece(probs=probs, labels=labels) == pytest.approx(2 * gap - folded)


def test_reliability_by_hand():
    bins = metrics.reliability(probs=PROBS, labels=LABELS, n_bins=10)
    np.testing.assert_allclose(bins.edges, np.linspace(0, 1, 11))
    assert bins.count.tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 0, 2]
    assert bins.count.dtype == np.int64
    np.testing.assert_allclose(bins.confidence[[6, 7, 9]], [0.65, 0.75, 0.95])
    np.testing.assert_allclose(bins.accuracy[[6, 7, 9]], [0, 1, 0.5])
    assert np.isnan(bins.confidence[[0, 8]]).all()
    assert np.isnan(bins.accuracy[[0, 8]]).all()
    assert bins.correct.tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 0, 1]


@pytest.mark.parametrize("num_classes", [3, 10, 63, 64, 200])  # both layouts of a chunk
@pytest.mark.parametrize("n_bins", [1, 10, 15, 49, 100])
def test_ece_is_the_literal_formula(num_classes, n_bins):
    logits, labels = overconfident(3000, num_classes)
    probs = logits.double().softmax(1).numpy()
    expected = plain_ece(probs, labels.numpy(), n_bins)
    assert metrics.ece(probs=probs, labels=labels, n_bins=n_bins) == pytest.approx(expected, abs=1e-12)
    assert metrics.ece(logits=logits.double(), labels=labels, n_bins=n_bins) == pytest.approx(expected, abs=1e-12)
    # in float32 a confidence within rounding of an edge may change bins: at most a few of 3000
    assert metrics.ece(logits=logits, labels=labels, n_bins=n_bins) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("num_classes", [3, 63, 64, 200])
def test_classwise_ece_is_the_literal_formula(num_classes):
    logits, labels = overconfident(2000, num_classes)
    probs = logits.double().softmax(1).numpy()
    errors = []
    for k in range(num_classes):
        hit = labels.numpy() == k
        index = np.clip(np.ceil(probs[:, k] * 15) - 1, 0, 14)
        errors.append(sum(abs((probs[index == m, k] - hit[index == m]).sum()) for m in range(15)) / len(hit))
    assert metrics.classwise_ece(probs=probs, labels=labels) == pytest.approx(np.mean(errors), abs=1e-12)
    assert metrics.classwise_ece(logits=logits, labels=labels) == pytest.approx(np.mean(errors), abs=1e-5)


@pytest.mark.parametrize("num_classes", [5, 200])
def test_nll_brier_and_accuracy_are_what_float64_gives(num_classes):
    logits, labels = overconfident(4000, num_classes)
    probs = logits.double().softmax(1)
    own = torch.nn.functional.one_hot(labels, num_classes)
    nll = torch.nn.functional.cross_entropy(logits.double(), labels).item()
    assert metrics.nll(logits=logits, labels=labels) == pytest.approx(nll, rel=1e-6)
    brier = (probs - own).square().sum(1).mean().item()
    assert metrics.brier(logits=logits, labels=labels) == pytest.approx(brier, rel=1e-6)
    assert metrics.accuracy(logits=logits, labels=labels) == (logits.argmax(1) == labels).double().mean().item()


def test_debiased_ece_lies_between_zero_and_ece_and_removes_two_fifths_of_pure_chance():
    g = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(2000, 4, generator=g, dtype=torch.float64)
    plain, debiased = [], []
    for _ in range(30):
        labels = torch.multinomial(logits.softmax(1), 1, generator=g).flatten()  # calibrated by construction
        plain.append(metrics.ece(logits=logits, labels=labels))
        debiased.append(metrics.debiased_ece(logits=logits, labels=labels))
    assert all(0 <= d <= p for d, p in zip(debiased, plain, strict=True))
    # without any true error: |z| less its bias is 2 |z| - E|N(z, 1)|, whose mean is 2 - sqrt 2 = .586 of that of |z|
    assert np.mean(debiased) == pytest.approx(0.586 * np.mean(plain), rel=0.1)
