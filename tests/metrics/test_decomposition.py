"""Calibration and refinement: by hand, against the definition, and what no model can change."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from sklearn.isotonic import IsotonicRegression

from levelhead import metrics
from levelhead.metrics import brier_decomposition, brier_decomposition_of, nll_decomposition

from .synthetic import overconfident, two_columns

PROBS, LABELS = two_columns([0.95, 0.91, 0.75, 0.65]), np.array([0, 1, 0, 0])


def entropy(p):
    return sum(-x * math.log(x) for x in (p, 1 - p) if x > 0)


def test_brier_of_four_examples_by_hand():
    got = brier_decomposition(probs=PROBS, labels=LABELS, n_bins=10)
    # class 0: {.95, .91} says .93, one of two; {.75} and {.65} are right; class 1 mirrors it
    assert got.calibration == pytest.approx(2 * (2 * 0.43**2 + 0.25**2 + 0.35**2) / 4)
    assert got.refinement == pytest.approx(2 * (2 * 0.25) / 4)
    # variance within the bin less twice the covariance: (.02^2 + .02^2) - 2 (.02 * .5 + -.02 * -.5)
    assert got.within == pytest.approx(2 * (2 * 0.02**2 - 4 * 0.02 * 0.5) / 4)
    assert got.uncertainty == pytest.approx(2 * 0.75 * 0.25)
    assert got.resolution == pytest.approx(got.uncertainty - got.refinement)
    assert (got.n, got.n_bins) == (4, 10)
    assert got.brier == metrics.brier(probs=PROBS, labels=LABELS)


def murphy(probs, targets, n_bins):
    """Every part by its own definition, bin by bin."""
    n, parts = len(probs), dict.fromkeys(("calibration", "refinement", "within"), 0.0)
    place = np.clip(np.ceil(probs * n_bins) - 1, 0, n_bins - 1)
    for k in range(probs.shape[1]):
        for m in range(n_bins):
            p, y = probs[place[:, k] == m, k], targets[place[:, k] == m, k]
            if len(p):
                parts["calibration"] += len(p) * (p.mean() - y.mean()) ** 2 / n
                parts["refinement"] += ((y - y.mean()) ** 2).sum() / n
                parts["within"] += ((p - p.mean()) ** 2 - 2 * (p - p.mean()) * (y - y.mean())).sum() / n
    return parts


@pytest.mark.parametrize("num_classes", [2, 10, 100])
@pytest.mark.parametrize("n_bins", [1, 15, 100])
@pytest.mark.parametrize("votes", [False, True])
def test_each_part_of_brier_is_its_definition(num_classes, n_bins, votes):
    logits, labels = (t.double().numpy() for t in overconfident(800, num_classes))
    labels = labels.astype(int)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = np.eye(num_classes)[labels]
    if votes:
        targets = 0.7 * targets + 0.3 * np.random.default_rng(0).dirichlet(np.ones(num_classes), 800)
    got = brier_decomposition(probs=probs, labels=targets if votes else labels, n_bins=n_bins)
    for name, value in murphy(probs, targets, n_bins).items():
        assert getattr(got, name) == pytest.approx(value, abs=1e-12), name
    assert got.calibration + got.refinement + got.within == pytest.approx(((probs - targets) ** 2).sum(1).mean())
    assert got.uncertainty == pytest.approx(((targets - targets.mean(0)) ** 2).sum(1).mean())


def test_within_goes_away_with_finer_bins():
    logits, labels = overconfident(20_000, 3)
    within = [abs(brier_decomposition(logits=logits, labels=labels, n_bins=m).within) for m in (1, 5, 25, 125)]
    assert within == sorted(within, reverse=True)
    assert within[-1] < 1e-3


def test_streamed_brier_splits_alike_and_says_nan_for_nothing():
    logits, labels = overconfident(3000, 5)
    acc = metrics.Calibration(5)
    for start in range(0, 3000, 700):
        acc.update(logits=logits[start : start + 700], labels=labels[start : start + 700])
    whole = brier_decomposition(logits=logits, labels=labels)
    got = brier_decomposition_of(acc)
    for name in ("brier", "calibration", "refinement", "within", "uncertainty", "n", "n_bins"):
        assert getattr(got, name) == pytest.approx(getattr(whole, name), abs=1e-12)
    nothing = brier_decomposition_of(metrics.Calibration(5))
    assert math.isnan(nothing.calibration)
    assert nothing.n == 0
    with pytest.raises(ValueError, match="without its parts"):
        brier_decomposition_of(metrics.Calibration(5, parts=["nll"]))


def test_nll_of_four_examples_by_hand():
    got = nll_decomposition(probs=PROBS, labels=LABELS)
    # by rising confidence right, right, wrong, right: what falls is pooled, {right, right, wrong} and {right}
    refinement = 3 * entropy(2 / 3) / 4
    assert got.refinement == pytest.approx(refinement)
    nll = -(math.log(0.95) + math.log(0.09) + math.log(0.75) + math.log(0.65)) / 4
    assert got.calibration == pytest.approx(nll - refinement)
    assert got.others == pytest.approx(0, abs=1e-15)
    assert got.nll == pytest.approx(nll)
    assert got.discrimination == pytest.approx(entropy(0.75) - refinement)


def test_the_choice_among_the_others_is_apart():
    probs = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])
    got = nll_decomposition(probs=probs, labels=np.array([0, 2]))
    assert got.others == pytest.approx(-math.log(0.1 / 0.4) / 2)
    assert got.refinement == pytest.approx(math.log(2))
    assert got.calibration == pytest.approx(-(math.log(0.6) + math.log(0.4)) / 2 - math.log(2))


@pytest.mark.parametrize("num_classes", [2, 10, 100])
def test_the_refinement_is_the_log_loss_of_sklearns_isotonic_regression(num_classes):
    logits, labels = overconfident(1500, num_classes)
    probs = logits.double().softmax(1).numpy()
    confidence, right = probs.max(1), probs.argmax(1) == labels.numpy()
    fitted = IsotonicRegression(out_of_bounds="clip").fit(confidence, right).predict(confidence)
    loss = np.mean([entropy(p) for p in fitted])  # blocks of one share: their mean loss is their entropy
    got = nll_decomposition(logits=logits.double(), labels=labels)
    assert got.refinement == pytest.approx(loss, abs=1e-9)
    assert got.nll == pytest.approx(metrics.nll(logits=logits, labels=labels), rel=1e-6)
    assert got.calibration > 0.01
    assert got.uncertainty == pytest.approx(entropy(right.mean()))


@given(
    arrays(np.int64, (15, 3), elements=st.integers(-4, 4)),
    arrays(np.int64, 15, elements=st.integers(0, 2)),
    st.booleans(),
)
def test_parts_are_no_less_than_zero_and_add_up(scores, labels, votes):
    given = {"logits": scores.astype(float), "labels": labels}
    if votes:
        given["labels"] = 0.6 * np.eye(3)[labels] + 0.4 / 3
    nll, brier = nll_decomposition(**given), brier_decomposition(**given)
    assert nll.calibration + nll.refinement + nll.others == pytest.approx(metrics.nll(**given), abs=1e-12)
    assert brier.calibration + brier.refinement + brier.within == pytest.approx(metrics.brier(**given), abs=1e-12)
    assert min(nll.calibration, nll.refinement, brier.calibration, brier.refinement) >= 0
    assert nll.others >= -1e-12
    assert nll.discrimination >= -1e-12
    assert brier.resolution >= -1e-12


def test_a_temperature_moves_the_calibration_and_not_the_refinement_of_two_classes():
    logits, labels = overconfident(3000, 2)
    parts = [nll_decomposition(logits=logits.double() / t, labels=labels) for t in (0.5, 1.0, 1.8, 4.0)]
    assert [p.refinement for p in parts] == pytest.approx([parts[0].refinement] * 4, abs=1e-12)  # the order is kept
    assert min(parts, key=lambda p: p.calibration) is parts[2]  # 1.8 is how overconfident it was made
    assert parts[0].calibration > 10 * parts[2].calibration


def test_no_temperature_gains_more_than_the_calibration_of_two_classes():
    logits, labels = (t.double().numpy() for t in overconfident(2000, 2))
    given = {"labels": labels.astype(int)}
    best = minimize_scalar(lambda b: metrics.nll(logits=logits * b, **given), bounds=(0.05, 5), method="bounded").fun
    got = nll_decomposition(logits=logits, **given)
    assert 0 < got.nll - best <= got.calibration


def test_a_calibrated_model_shows_the_stated_bias_and_it_shrinks():
    rng, seen = np.random.default_rng(0), {}
    for n in (500, 10_000):
        values = []
        for _ in range(30):
            confidence = 0.5 + 0.5 * rng.beta(2, 1, n)
            wrong = rng.random(n) >= confidence
            values.append(nll_decomposition(probs=two_columns(confidence), labels=wrong.astype(int)).calibration)
        seen[n] = np.mean(values), np.std(values) / math.sqrt(30)
    assert seen[500][0] == pytest.approx(0.019, abs=4 * seen[500][1])
    assert seen[10_000][0] == pytest.approx(0.003, abs=4 * seen[10_000][1] + 5e-4)


def test_what_is_infinite_stays_where_it_belongs():
    certain = nll_decomposition(probs=two_columns([1.0, 0.7]), labels=np.array([1, 0]))
    assert (certain.nll, certain.calibration, certain.others) == (math.inf, math.inf, 0)
    assert math.isfinite(certain.refinement)
    ruled_out = nll_decomposition(logits=np.array([[2.0, 0.0, -np.inf]]), labels=np.array([2]))
    assert (ruled_out.nll, ruled_out.others) == (math.inf, math.inf)
    assert math.isfinite(ruled_out.calibration)


def test_a_confidence_that_rounds_to_one_in_float32_is_not_certain():
    probs = np.array([[1.0, 1e-9, 1e-10]], dtype=np.float32)
    got = nll_decomposition(probs=probs, labels=np.array([2]))
    assert got.nll == pytest.approx(-math.log(1e-10), rel=1e-6)
    assert got.others == pytest.approx(-math.log(1 / 11), rel=1e-6)


def test_logits_too_far_apart_for_float64_probabilities_have_a_finite_split():
    # of the second row nothing is left of the other classes but their logarithm
    logits = np.array([[0.0, 2000.0, -5.0], [2000.0, 0.0, 1.0]])
    got = nll_decomposition(logits=logits, labels=np.array([1, 1]))
    assert got.nll == pytest.approx(2000 / 2)
    assert got.others == pytest.approx(math.log(1 + math.e) / 2)
    assert got.calibration + got.refinement == pytest.approx(got.nll - got.others)


def test_one_example():
    nll, brier = (f(probs=two_columns([0.8]), labels=np.array([0])) for f in (nll_decomposition, brier_decomposition))
    assert (nll.calibration, nll.refinement) == (pytest.approx(-math.log(0.8)), 0)
    assert (brier.calibration, brier.refinement) == (pytest.approx(2 * 0.2**2), 0)


@pytest.mark.parametrize("split", [nll_decomposition, brier_decomposition])
def test_what_the_score_refuses_the_split_refuses(split):
    with pytest.raises(ValueError, match="there is no example"):
        split(logits=np.zeros((0, 3)), labels=np.zeros(0, dtype=int))
    with pytest.raises(ValueError, match="1 of 2 rows hold NaN"):
        split(logits=np.array([[0, 0], [np.nan, 0]]), labels=np.array([0, 1]))
    with pytest.raises(ValueError, match="labels must lie in"):
        split(logits=np.zeros((2, 2)), labels=np.array([0, 2]))
    with pytest.raises(ValueError, match="n_bins must be"):
        brier_decomposition(logits=np.zeros((2, 2)), labels=np.array([0, 1]), n_bins=0)


def test_a_calibrated_models_brier_calibration_is_chance_alone_of_the_stated_size():
    rng, values, stated = np.random.default_rng(1), [], []
    for _ in range(60):
        confidence = 0.5 + 0.5 * rng.beta(2, 1, 1000)
        wrong = rng.random(1000) >= confidence
        bins = metrics.reliability(probs=two_columns(confidence), labels=wrong.astype(int))
        got = brier_decomposition(probs=two_columns(confidence), labels=wrong.astype(int))
        values.append(got.calibration)
        stated.append(2 * np.nansum(bins.accuracy * (1 - bins.accuracy)) / 1000)  # two classes that mirror each other
    assert np.mean(values) == pytest.approx(np.mean(stated), abs=4 * np.std(values) / math.sqrt(60))


def test_the_nll_is_split_from_cells_as_from_the_examples():
    rng = np.random.default_rng(4)
    logits, labels = 3 * rng.normal(size=(5000, 6)), rng.integers(0, 6, 5000)
    labels[::2] = logits[::2].argmax(1)
    accumulator = metrics.Calibration(6)
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    right = probs.argmax(1) == labels
    top_label = -np.where(right, np.log(probs.max(1)), np.log(1 - probs.max(1)))
    others = -np.log(probs[np.arange(5000), labels]) - top_label
    for part in np.array_split(np.arange(5000), 3):
        accumulator.update(logits=logits[part], labels=labels[part])
    found = metrics.nll_decomposition_of(accumulator, top_label=top_label.sum(), others=others.sum())
    wanted = metrics.nll_decomposition(logits=logits, labels=labels)
    for name in ("nll", "calibration", "refinement", "others", "uncertainty"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), abs=5e-4), name
    assert found.refinement > wanted.refinement - 1e-12
    empty = metrics.nll_decomposition_of(metrics.Calibration(2), top_label=0.0, others=0.0)
    assert np.isnan(empty.nll)
    assert empty.n == 0
