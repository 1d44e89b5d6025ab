"""Agreement with independent libraries where they are right, and a named difference where they are wrong."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from tests.metrics.synthetic import overconfident
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_accuracy,
    multiclass_calibration_error,
)

from levelhead import metrics


@pytest.fixture(scope="module")
def sample():
    logits, labels = overconfident(4000, 6)
    return logits.double().softmax(1).numpy(), labels.numpy()


def test_nll_is_sklearns_log_loss(sample):
    probs, labels = sample
    assert metrics.nll(probs=probs, labels=labels) == pytest.approx(sk.log_loss(labels, probs), rel=1e-12)


def test_brier_is_sklearns(sample):
    probs, labels = sample
    expected = sk.brier_score_loss(labels, probs, labels=np.arange(6), scale_by_half=False)
    assert metrics.brier(probs=probs, labels=labels) == pytest.approx(expected, rel=1e-12)


def test_accuracy_and_top5_are_sklearns(sample):
    probs, labels = sample
    assert metrics.accuracy(probs=probs, labels=labels) == sk.accuracy_score(labels, probs.argmax(1))
    assert metrics.top5(probs=probs, labels=labels) == sk.top_k_accuracy_score(labels, probs, k=5)


def test_auroc_is_sklearns_with_ties():
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 30, 500) + 5.0, rng.integers(0, 30, 300) * 1.0
    truth = np.r_[np.ones(500), np.zeros(300)]
    assert metrics.auroc(inside, outside) == pytest.approx(sk.roc_auc_score(truth, np.r_[inside, outside]), abs=1e-12)


def test_fpr95_is_read_off_sklearns_roc_curve():
    rng = np.random.default_rng(1)
    inside, outside = rng.integers(0, 60, 400) + 9.0, rng.integers(0, 60, 300) * 1.0
    truth = np.r_[np.ones(400), np.zeros(300)]
    fpr, tpr, _ = sk.roc_curve(truth, np.r_[inside, outside], drop_intermediate=False)
    assert metrics.fpr95(inside, outside) == pytest.approx(fpr[np.argmax(tpr >= 0.95)])


@pytest.mark.parametrize(("norm", "name"), [("l1", "ece"), ("l2", "rmsce"), ("max", "mce")])
def test_calibration_errors_are_torchmetrics_on_a_small_sample(sample, norm, name):
    probs, labels = torch.from_numpy(sample[0]), torch.from_numpy(sample[1])
    theirs = multiclass_calibration_error(probs, labels, num_classes=6, n_bins=15, norm=norm).item()
    assert getattr(metrics, name)(probs=probs, labels=labels) == pytest.approx(theirs, abs=2e-5)


def test_accuracy_is_torchmetrics(sample):
    probs, labels = torch.from_numpy(sample[0]), torch.from_numpy(sample[1])
    theirs = multiclass_accuracy(probs, labels, num_classes=6, average="micro").item()
    assert metrics.accuracy(probs=probs, labels=labels) == pytest.approx(theirs, abs=1e-6)


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
