"""Where well-known libraries are wrong, and ours is not: a named test each.

Every test shows both: what the peer says today (so that it fails, and can go, when the peer is mended) and what is
right. Found by measuring torchmetrics 1.9, netcal 1.4 and scikit-learn 1.9.
"""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss, roc_auc_score
from tests.metrics.synthetic import overconfident, two_columns
from torchmetrics.classification import MulticlassCalibrationError
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_calibration_error,
    multiclass_calibration_error,
)

from levelhead import metrics
from levelhead.metrics.pairing import columns
from levelhead.predictions import Predictions


@pytest.fixture(scope="module")
def sample():
    logits, labels = overconfident(4000, 6)
    return logits.double().softmax(1).numpy(), labels.numpy()


@pytest.fixture
def netcal():
    return pytest.importorskip("netcal.metrics")


# .8 lies on an edge of ten bins: with .75 below it, not with .85 above it; three classes, all among the labels
ON_AN_EDGE = np.array([[0.8, 0.1, 0.1], [0.75, 0.15, 0.1], [0.1, 0.35, 0.55]])
ITS_LABELS, ITS_ECE = np.array([0, 1, 2]), (abs(1.55 - 1) + 0.45) / 3
THREE = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.7, 0.2, 0.1]])  # three classes for labels that show fewer


def test_unlike_torchmetrics_confidence_one_is_in_the_last_bin():
    probs, labels = torch.tensor([[0.0, 1.0], [0.05, 0.95]]), torch.tensor([0, 1])
    theirs = multiclass_calibration_error(probs, labels, num_classes=2, n_bins=10).item()
    assert metrics.ece(probs=probs, labels=labels, n_bins=10) == pytest.approx(0.475, abs=1e-6)
    assert theirs == pytest.approx(0.525, abs=1e-6)  # a hidden eleventh bin


def test_unlike_torchmetrics_labels_out_of_range_are_refused():
    probs = torch.tensor([[0.2, 0.8], [0.7, 0.3]])
    assert multiclass_calibration_error(probs, torch.tensor([1, 7]), num_classes=2).isfinite()
    with pytest.raises(ValueError, match="labels must lie in"):
        metrics.ece(probs=probs, labels=torch.tensor([1, 7]))


def test_unlike_torchmetrics_one_nan_row_does_not_turn_probabilities_into_logits(sample):
    probs, labels = torch.from_numpy(sample[0]).clone(), torch.from_numpy(sample[1])
    clean = multiclass_calibration_error(probs, labels, num_classes=6).item()
    probs[17] = torch.nan
    assert abs(multiclass_calibration_error(probs, labels, num_classes=6).item() - clean) > 0.05
    with pytest.raises(ValueError, match="the first is row 17"):
        metrics.ece(probs=probs, labels=labels)


def test_unlike_torchmetrics_logits_within_zero_and_one_are_logits():
    logits, labels = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.5]]), torch.tensor([0, 1])
    ours = metrics.ece(logits=logits, labels=labels)
    assert ours == pytest.approx(metrics.ece(probs=logits.softmax(1), labels=labels), abs=1e-6)
    theirs = multiclass_calibration_error(logits, labels, num_classes=3, n_bins=15).item()
    assert abs(ours - theirs) > 0.1


def test_unlike_torchmetrics_five_million_examples_do_not_drift():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.9, 1.0, 5_000_000).astype(np.float32)
    right = rng.random(5_000_000) < confidence - 0.02
    theirs = binary_calibration_error(torch.from_numpy(confidence), torch.from_numpy(right).int(), n_bins=15).item()
    probs = np.stack([1 - confidence, confidence], axis=1)
    ours = metrics.ece(probs=probs, labels=right.astype(np.int64))
    assert ours == pytest.approx(0.02, abs=1e-3)
    assert abs(theirs - 0.02) > 0.005


def test_unlike_torchmetrics_an_edge_belongs_to_the_bin_below():
    probs, labels = torch.from_numpy(ON_AN_EDGE), torch.from_numpy(ITS_LABELS)
    assert metrics.ece(probs=probs, labels=labels, n_bins=10) == pytest.approx(ITS_ECE)
    theirs = multiclass_calibration_error(probs, labels, num_classes=3, n_bins=10).item()
    assert theirs == pytest.approx((0.2 + 0.75 + 0.45) / 3, abs=1e-6)  # [lo, hi)


def test_unlike_torchmetrics_empty_input_is_an_error_not_nan():
    assert multiclass_calibration_error(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), num_classes=3).isnan()
    with pytest.raises(ValueError, match="there is no example"):
        metrics.ece(probs=np.zeros((0, 3)), labels=np.zeros(0, dtype=int))


def test_unlike_torchmetrics_batches_of_one_are_not_guessed_to_be_probabilities():
    logits, labels = overconfident(1000, 5, 0.2)  # small enough for some rows to lie within [0, 1]
    theirs, ours = MulticlassCalibrationError(num_classes=5), metrics.Calibration(5)
    for row in range(1000):
        theirs.update(logits[row : row + 1], labels[row : row + 1])
        ours.update(logits=logits[row : row + 1], labels=labels[row : row + 1])
    whole = metrics.ece(logits=logits, labels=labels)
    assert ours.compute()["ece"] == pytest.approx(whole, abs=1e-12)
    assert abs(theirs.compute().item() - whole) > 0.01


def test_unlike_torchmetrics_and_sklearn_an_auroc_of_one_side_is_an_error_not_a_number():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert binary_auroc(torch.tensor([0.9, 0.8]), torch.tensor([1, 1])).item() == 0  # averages into results
        assert math.isnan(roc_auc_score([1, 1], [0.9, 0.8]))
    with pytest.raises(ValueError, match="out_scores must have shape"):
        metrics.auroc(np.array([0.9, 0.8]), np.zeros(0))


def test_unlike_torchmetrics_with_thresholds_auroc_in_constant_memory_does_not_lose_saturated_scores():
    logits, labels = overconfident(4000, 10, 5.0)
    confidence, right = logits.softmax(1).amax(1).double(), logits.argmax(1) == labels
    exact = metrics.auroc(confidence[right], confidence[~right])
    assert exact == pytest.approx(roc_auc_score(right, confidence), abs=1e-12)
    assert abs(binary_auroc(confidence, right.int(), thresholds=200).item() - exact) > 0.03


def test_unlike_netcal_an_edge_belongs_to_the_bin_below(netcal):
    assert metrics.ece(probs=ON_AN_EDGE, labels=ITS_LABELS, n_bins=10) == pytest.approx(ITS_ECE)
    assert netcal.ECE(10).measure(ON_AN_EDGE, ITS_LABELS) == pytest.approx((0.2 + 0.75 + 0.45) / 3)


def test_unlike_netcal_a_nan_row_is_not_dropped_without_a_word(netcal, sample):
    probs, labels = sample[0].copy(), sample[1]
    probs[17] = np.nan
    assert math.isfinite(netcal.ECE(15).measure(probs, labels))
    with pytest.raises(ValueError, match="1 of 4000 rows hold NaN, the first is row 17"):
        metrics.ece(probs=probs, labels=labels)


def test_unlike_netcal_labels_that_show_two_of_three_classes_are_not_binary(netcal):
    labels = np.array([0, 1, 1])
    with pytest.raises(RuntimeError, match="binary"):
        netcal.ECE(10).measure(THREE, labels)
    assert metrics.ece(probs=THREE, labels=labels, n_bins=1) == pytest.approx(1.8 / 3 - 1 / 3)


def test_unlike_netcal_one_example_is_enough(netcal):
    with pytest.raises(RuntimeError, match="binary"):
        netcal.ECE(10).measure(THREE[2:], np.array([0]))
    assert metrics.ece(probs=THREE[2:], labels=np.array([0]), n_bins=10) == pytest.approx(0.3)


@pytest.mark.parametrize("label", [3, -1, 255])
def test_unlike_netcal_labels_out_of_range_are_refused(netcal, label):
    probs, labels = np.vstack([THREE, THREE[:1]]), np.array([0, 1, label, 2])
    assert math.isfinite(netcal.ECE(10).measure(probs, labels))
    with pytest.raises(ValueError, match=f"the first is {label} at index 2"):
        metrics.ece(probs=probs, labels=labels)


def test_unlike_netcal_logits_given_as_probabilities_are_refused(netcal):
    logits, labels = (t.numpy() for t in overconfident(200, 5))
    assert math.isfinite(netcal.ECE(15).measure(logits, labels))
    with pytest.raises(ValueError, match="say logits="):
        metrics.ece(probs=logits, labels=labels)


def test_unlike_netcal_half_precision_does_not_overflow(netcal, sample):
    probs, labels = (np.tile(a, (50,) + (1,) * (a.ndim - 1)) for a in sample)  # 200,000 rows: beyond float16's 65504
    narrow = probs.astype(np.float16)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        netcal.ECE(15).measure(narrow, labels)
    assert any("overflow" in str(warning.message) for warning in said)
    # half precision moves confidences across edges, each by at most a thousandth
    assert metrics.ece(probs=narrow, labels=labels) == pytest.approx(metrics.ece(probs=probs, labels=labels), abs=1e-3)


def test_unlike_netcal_adaptive_means_bins_of_equal_mass(netcal, sample):
    probs, labels = sample
    adaptive = metrics.adaptive_ece(probs=probs, labels=labels)
    assert abs(netcal.ACE(15).measure(probs, labels) - adaptive) > 0.01  # a plain mean over bins of equal width
    assert adaptive == pytest.approx(metrics.ece(probs=probs, labels=labels), abs=0.005)


def test_unlike_sklearn_a_float32_confidence_on_an_edge_is_on_the_edge():
    confidence = np.array([0.25, 0.3, 0.35])  # .3 belongs to (.2, .3]
    for dtype, expected in ((np.float64, [0.275, 0.35]), (np.float32, [0.25, 0.325])):
        _, means = calibration_curve([0, 1, 1], confidence.astype(dtype), n_bins=10)
        assert means == pytest.approx(expected, abs=1e-6)  # in float32, theirs moves into the bin above
        rows = np.stack([confidence, *[(1 - confidence) / 4] * 4], axis=1).astype(dtype)
        bins = metrics.reliability(probs=rows, labels=np.zeros(3, dtype=int), n_bins=10)
        assert bins.count.tolist() == [0, 0, 2, 1, 0, 0, 0, 0, 0, 0]


def test_unlike_sklearn_what_was_called_impossible_costs_infinity():
    probs, labels = two_columns([0.0, 0.2]), np.array([0, 1])
    assert log_loss(labels, probs) < 19  # clipped at the type's epsilon, so the number depends on the type
    assert metrics.nll(probs=probs, labels=labels) == math.inf


def risk_coverage_by_sorting(confidence, right):
    """How tools that break ties by position compute it."""
    risks = 1 - np.cumsum(right[np.argsort(-confidence, kind="stable")]) / np.arange(1, len(right) + 1)
    return risks.mean()


def test_unlike_a_plain_sort_ties_do_not_depend_on_the_order_of_the_file():
    right = np.arange(100) >= 10
    probs, labels = np.tile([[1.0, 0.0]], (100, 1)), (~right).astype(int)
    by_order = {risk_coverage_by_sorting(probs[:, 0], r) for r in (right, right[::-1])}
    assert max(by_order) > 2 * min(by_order)
    for order in (slice(None), slice(None, None, -1)):
        assert metrics.aurc(probs=probs, labels=labels[order]) == pytest.approx(0.1, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_unlike_a_rank_by_softmax_saturated_confidences_still_rank_from_logits(dtype):
    logits, labels = overconfident(3000, 20, 12.0)
    logits = logits.to(dtype)
    saturated = logits.softmax(1).amax(1)
    assert (saturated == 1).double().mean() > 0.3
    values = np.sort(columns(Predictions(labels=labels, logits=logits.float()))["rest"])
    assert len(np.unique(values)) > (2990 if dtype == torch.float32 else 2900)
    got = metrics.aurc(logits=logits, labels=labels)
    back = metrics.aurc(logits=logits.flip(0), labels=labels.flip(0))
    assert got == pytest.approx(back, abs=1e-12)
    # the order by log-odds in float64, which hardly ties, says the same
    wide = logits.double()
    top, first = wide.max(1)
    odds = top - wide.scatter(1, first[:, None], -math.inf).logsumexp(1)
    assert got == pytest.approx(risk_coverage_by_sorting(odds.numpy(), (first == labels).numpy()), abs=1e-4)


def test_unlike_names_without_a_side_fpr95_says_which_side_is_positive():
    inside, outside = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 1.5, 2.5])
    # in-distribution positive: all four kept at a threshold of 1, which two of the three others pass
    assert metrics.fpr95(inside, outside) == pytest.approx(2 / 3)
    # the other convention, by turning scores and sides round: all three kept at 2.5, which two of the four pass
    assert metrics.fpr95(-outside, -inside) == pytest.approx(1 / 2)
