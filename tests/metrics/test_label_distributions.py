"""Distributions instead of labels: one-hot rows are integers, linear measures are means over drawn labels."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from levelhead import metrics

from .synthetic import overconfident, two_columns

BINNED = ("gap", "ece", "oe", "mce", "ace", "rmsce", "debiased_ece", "classwise_ece", "adaptive_ece")
ALL = ("accuracy", "top5", "nll", "brier", "aurc", "augrc", "smooth_ece", *BINNED)


def votes_for(num_examples, num_classes, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(num_classes, 0.5), num_examples)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize("num_classes", [3, 7, 100])
def test_one_hot_rows_give_what_their_integers_give(name, kind, num_classes):
    logits, labels = overconfident(3000, num_classes)
    scores = {kind: logits.double() if kind == "logits" else logits.double().softmax(1)}
    one_hot = torch.nn.functional.one_hot(labels, num_classes).double()
    measure = getattr(metrics, name)
    # the accumulator reads smooth ECE from cells
    close = 1e-4 if name == "smooth_ece" else 1e-10
    assert measure(**scores, labels=one_hot) == pytest.approx(measure(**scores, labels=labels), abs=close)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_one_hot_rows_in_narrow_types(dtype):
    logits, labels = overconfident(3000, 10)
    narrow = logits.to(dtype)
    one_hot = torch.nn.functional.one_hot(labels, 10).to(dtype)
    for name in ALL:
        measure = getattr(metrics, name)
        close = 1e-4 if name == "smooth_ece" else 1e-6
        assert measure(logits=narrow, labels=one_hot) == pytest.approx(measure(logits=narrow, labels=labels), abs=close)


def test_two_examples_by_hand():
    probs, votes = two_columns([0.95, 0.25]), np.array([[0.8, 0.2], [0.4, 0.6]])
    given = {"probs": probs, "labels": votes}
    assert metrics.accuracy(**given) == pytest.approx((0.8 + 0.6) / 2)
    assert metrics.gap(**given) == pytest.approx((0.95 + 0.75) / 2 - 0.7)
    assert metrics.ece(**given, n_bins=10) == pytest.approx((0.15 + 0.15) / 2)
    assert metrics.oe(**given, n_bins=10) == pytest.approx((0.95 * 0.15 + 0.75 * 0.15) / 2)
    assert metrics.ece(**given, n_bins=1) == pytest.approx(0.15)
    nll = -(0.8 * math.log(0.95) + 0.2 * math.log(0.05) + 0.4 * math.log(0.25) + 0.6 * math.log(0.75)) / 2
    assert metrics.nll(**given) == pytest.approx(nll)
    assert metrics.brier(**given) == pytest.approx((2 * 0.15**2 + 2 * 0.15**2) / 2)
    # risk of the surer one is .2, of both .3
    assert metrics.aurc(**given) == pytest.approx((0.2 + 0.3) / 2)
    assert metrics.augrc(**given) == pytest.approx((0.2 / 2 + (0.2 + 0.6) / 2) / 4)
    assert metrics.accuracy_at_coverage(0.5, **given) == pytest.approx(0.8)
    # class 0: .95 against .8 and .25 against .4 in two bins; class 1 mirrors it
    assert metrics.classwise_ece(**given, n_bins=10) == pytest.approx(0.15)
    # equal masses have no spread but that of the true difference: .8 and .6 in one bin
    spread = math.sqrt(0.01 / 2)
    folded = spread * math.sqrt(2 / math.pi) * math.exp(-((0.15 / spread) ** 2) / 2) + 0.15 * math.erf(
        0.15 / spread / math.sqrt(2)
    )
    assert metrics.debiased_ece(**given, n_bins=1) == pytest.approx(0.3 - folded)


def test_predicting_the_votes_costs_their_entropy_and_no_distance():
    votes = votes_for(500, 6)
    entropy = -(votes * np.log(votes)).sum(1).mean()
    assert metrics.nll(probs=votes, labels=votes) == pytest.approx(entropy)
    assert metrics.nll(probs=votes_for(500, 6, seed=1), labels=votes) > entropy  # and nothing costs less
    assert metrics.brier(probs=votes, labels=votes) == pytest.approx(0, abs=1e-15)
    for name in ("ece", "classwise_ece", "adaptive_ece", "mce"):
        assert getattr(metrics, name)(probs=votes, labels=votes) == pytest.approx(0, abs=1e-12), name


@pytest.mark.parametrize("name", ["accuracy", "top5", "nll", "gap", "aurc"])
def test_a_measure_that_is_linear_in_the_labels_is_its_mean_over_labels_drawn_from_the_votes(name):
    logits, _ = overconfident(60, 6)
    votes = votes_for(60, 6)
    rng = np.random.default_rng(3)
    drawn = (rng.random((4000, 60, 1)) > votes.cumsum(1)[:, :-1]).sum(2)
    values = [getattr(metrics, name)(logits=logits, labels=labels) for labels in drawn[:800]]
    error = np.std(values) / math.sqrt(len(values))
    expected = getattr(metrics, name)(logits=logits, labels=votes)
    assert np.mean(values) == pytest.approx(expected, abs=4 * error)  # four standard errors


def test_brier_of_drawn_labels_is_larger_by_the_spread_of_the_votes():
    logits, _ = overconfident(200, 4)
    votes, probs = votes_for(200, 4), logits.double().softmax(1).numpy()
    expected = (probs**2).sum(1) - 2 * (probs * votes).sum(1) + 1  # mean of the integer score under the votes
    spread = 1 - (votes**2).sum(1)
    got = metrics.brier(logits=logits.double(), labels=votes)
    assert got == pytest.approx(expected.mean() - spread.mean(), abs=1e-12)


@given(arrays(np.float64, (12, 3), elements=st.floats(0.01, 1)), arrays(np.float64, (12, 3), elements=st.floats(-5, 5)))
def test_the_bounds_that_hold_for_labels_hold_for_votes(weights, logits):
    given = {"logits": logits, "labels": weights / weights.sum(1, keepdims=True)}
    ece = metrics.ece(**given)
    assert metrics.oe(**given) <= ece + 1e-12
    assert abs(metrics.gap(**given)) <= ece + 1e-12
    assert ece <= metrics.rmsce(**given) + 1e-12
    assert ece <= metrics.mce(**given) + 1e-12
    assert 0 <= metrics.debiased_ece(**given) <= ece + 1e-12
    bins = metrics.reliability(**given)
    assert bins.count.sum() == 12
    assert bins.count.dtype == np.int64
    assert bins.outcomes.sum() == pytest.approx(12)
    assert metrics.accuracy(**given) == pytest.approx(bins.correct.sum() / 12)
    assert metrics.accuracy_at_coverage(1.0, **given) == pytest.approx(metrics.accuracy(**given))


def test_the_interval_of_the_gap_uses_the_spread_of_the_masses():
    logits, _ = overconfident(500, 4)
    votes = votes_for(500, 4)
    probs = logits.double().softmax(1).numpy()
    differences = probs.max(1) - votes[np.arange(500), probs.argmax(1)]
    got = metrics.gap_interval(metrics.reliability(logits=logits.double(), labels=votes))
    assert got.mean == pytest.approx(differences.mean(), abs=1e-12)
    assert got.hi - got.lo == pytest.approx(2 * 1.959963985 * differences.std(ddof=1) / math.sqrt(500), rel=1e-9)


def test_what_counts_right_and_wrong_refuses_votes_with_the_reason():
    given = {"logits": overconfident(50, 4)[0], "labels": votes_for(50, 4)}
    with pytest.raises(ValueError, match=r"noise floor redraws labels; judge by integers: labels.argmax\(1\)"):
        metrics.calibration_test(**given)
    with pytest.raises(ValueError, match="Clopper-Pearson bounds are of a share"):
        metrics.bin_intervals(metrics.reliability(**given))


def test_what_resamples_or_splits_a_streamed_state_refuses_votes_or_leaves_out_what_it_cannot_say():
    logits, votes = overconfident(50, 4)[0], votes_for(50, 4)
    acc = metrics.Calibration(4)
    acc.update(logits=logits, labels=votes)
    with pytest.raises(ValueError, match="no right and wrong predictions to draw"):
        metrics.bootstrap(acc)
    assert metrics.brier_decomposition_of(acc) == metrics.brier_decomposition(logits=logits, labels=votes)
    got = metrics.mean_intervals(acc)
    expected = metrics.gap_interval(metrics.reliability(logits=logits, labels=votes))
    assert set(got) == {"gap"}
    assert (got["gap"].lo, got["gap"].hi) == pytest.approx((expected.lo, expected.hi))


@pytest.mark.parametrize("name", ALL)
def test_rows_that_are_no_distributions_are_refused_with_count_and_place(name):
    logits = np.zeros((5, 4))
    for value, reason in ((math.nan, "NaN or infinity"), (math.inf, "NaN or infinity"), (-0.25, "negative")):
        votes = np.full((5, 4), 0.25)
        votes[[2, 4], 1] = value
        with pytest.raises(ValueError, match=rf"2 of 5 rows hold .*{reason.split()[0]}.*the first is row 2"):
            getattr(metrics, name)(logits=logits, labels=votes)
    votes = np.full((5, 4), 0.25)
    votes[3] = 0.26
    with pytest.raises(ValueError, match=r"1 of 5 rows do not sum to one within 0.001.*the first is row 3"):
        getattr(metrics, name)(logits=logits, labels=votes)


def test_counts_of_votes_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match="divide counts of votes by their sum"):
        metrics.nll(logits=np.zeros((2, 3)), labels=np.array([[40.0, 10.0, 1.0], [51.0, 0.0, 0.0]]))


def test_the_tolerance_is_a_thousandth_and_a_hundredth_in_bfloat16():
    scores = np.zeros((1, 2))
    assert metrics.accuracy(logits=scores, labels=np.array([[0.5, 0.4995]])) == 0.5
    with pytest.raises(ValueError, match=r"within 0.001"):
        metrics.accuracy(logits=scores, labels=np.array([[0.5, 0.498]]))
    assert metrics.accuracy(logits=scores, labels=torch.tensor([[0.5, 0.494]], dtype=torch.bfloat16)) == 0.5
    with pytest.raises(ValueError, match=r"within 0.01"):
        metrics.accuracy(logits=scores, labels=torch.tensor([[0.5, 0.47]], dtype=torch.bfloat16))


@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (1, 4), (0, 4)])
def test_shapes_that_differ_are_refused(shape):
    with pytest.raises(ValueError, match=rf"a number for each score, \(5, 4\), got \({shape[0]}, {shape[1]}\)"):
        metrics.nll(logits=np.zeros((5, 4)), labels=np.full(shape, 1 / shape[1]))


@pytest.mark.parametrize("name", ALL)
def test_what_is_wrong_with_the_scores_is_said_as_for_integers(name):
    measure, votes = getattr(metrics, name), votes_for(5, 4)
    with pytest.raises(ValueError, match="there is no example"):
        measure(logits=np.zeros((0, 4)), labels=np.zeros((0, 4)))
    with pytest.raises(ValueError, match="got both"):
        measure(logits=np.zeros((5, 4)), probs=votes, labels=votes)
    with pytest.raises(ValueError, match="got neither"):
        measure(labels=votes)
    bad = np.zeros((5, 4))
    bad[3, 1] = math.nan
    with pytest.raises(ValueError, match="1 of 5 rows hold NaN, the first is row 3"):
        measure(logits=bad, labels=votes)


def test_a_class_that_was_ruled_out_costs_nothing_without_votes_and_everything_with_them():
    logits = np.array([[1.0, 0.0, -np.inf]])
    without, with_some = np.array([[0.5, 0.5, 0.0]]), np.array([[0.5, 0.4, 0.1]])
    assert metrics.nll(logits=logits, labels=without) == pytest.approx(math.log(1 + math.exp(-1)) + 0.5)
    assert metrics.nll(logits=logits, labels=with_some) == math.inf
    assert metrics.brier(logits=logits, labels=with_some) < 2


def test_a_bad_row_in_a_later_chunk_is_found():
    logits, _ = overconfident(60_000, 10)  # more than one chunk of scores
    votes = votes_for(60_000, 10)
    votes[59_999, 0] += 0.5
    with pytest.raises(ValueError, match=r"1 of 60000 rows do not sum to one.*the first is row 59999"):
        metrics.ece(logits=logits, labels=votes)


def test_votes_of_people_on_real_outputs(real_data):
    file = real_data / "network-outputs" / "cifar10-wideresnet-16-4-cifar-10.npz"
    people = real_data / "cifar10h" / "cifar10h-probs.npy"
    if not (file.is_file() and people.is_file()):
        pytest.skip("the folder of real data has no network-outputs or no cifar10h")
    votes = np.load(people)
    with np.load(file) as outputs:
        probs, labels = outputs["probs"], outputs["labels"]
    assert (votes.argmax(1) == labels).mean() > 0.99  # the rows line up
    given = {"probs": probs, "labels": votes}
    wide = probs.astype(np.float64)
    assert metrics.nll(**given) == pytest.approx(-(votes * np.log(wide)).sum(1).mean(), rel=1e-9)
    assert metrics.brier(**given) == pytest.approx(((wide - votes) ** 2).sum(1).mean(), rel=1e-9)
    mass = votes[np.arange(len(votes)), probs.argmax(1)]
    assert metrics.accuracy(**given) == pytest.approx(mass.mean(), rel=1e-12)
    # people doubt too: against their votes the network is right less often, and its overconfidence is larger
    assert metrics.accuracy(**given) < metrics.accuracy(probs=probs, labels=labels)
    assert metrics.gap(**given) > metrics.gap(probs=probs, labels=labels)
