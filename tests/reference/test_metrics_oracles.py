"""Agreement with independent libraries where they are right; where they are wrong: test_unlike_peers.py."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve
from tests.metrics.synthetic import overconfident
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

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


@pytest.mark.parametrize(("theirs", "ours"), [("ECE", "ece"), ("MCE", "mce"), ("ACE", "ace")])
@pytest.mark.parametrize("n_bins", [10, 15, 100])
def test_calibration_errors_are_netcals_in_float64(sample, theirs, ours, n_bins):
    netcal = pytest.importorskip("netcal.metrics")
    probs, labels = sample
    expected = getattr(netcal, theirs)(n_bins).measure(probs, labels)  # its ACE is the plain mean over bins
    assert getattr(metrics, ours)(probs=probs, labels=labels, n_bins=n_bins) == pytest.approx(expected, abs=1e-12)


def test_ece_of_a_real_network_is_netcals(real_data):
    netcal = pytest.importorskip("netcal.metrics")
    path = real_data / "network-outputs" / "cifar100-densenet-bc-100-cifar-100.npz"
    if not path.is_file():
        pytest.skip("the folder of real data has no network-outputs")
    with np.load(path) as file:
        probs, labels = file["probs"].astype(np.float64), file["labels"]
    assert metrics.ece(probs=probs, labels=labels) == pytest.approx(netcal.ECE(15).measure(probs, labels), abs=1e-12)


def test_auroc_is_scipys_mann_whitney_statistic():
    rng = np.random.default_rng(2)
    inside, outside = rng.integers(0, 20, 300) + 4.0, rng.integers(0, 20, 200) * 1.0
    statistic = stats.mannwhitneyu(inside, outside).statistic
    assert metrics.auroc(inside, outside) == pytest.approx(statistic / (300 * 200), abs=1e-12)


def test_refinement_of_brier_is_sklearns_calibration_curve(sample):
    probs, labels = sample
    # class by class: the share of the class in each bin, and how many are in it
    refinement = 0.0
    for k in range(6):
        share, _ = calibration_curve(labels == k, probs[:, k], n_bins=15)
        count = np.histogram(probs[:, k], np.arange(16) / 15)[0]
        refinement += (count[count > 0] * share * (1 - share)).sum() / len(labels)
    got = metrics.brier_decomposition(probs=probs, labels=labels).refinement
    assert got == pytest.approx(refinement, abs=1e-12)


def test_accuracy_at_coverage_and_aurc_are_those_of_a_sort(sample):
    probs, labels = sample
    order = np.argsort(-probs.max(1), kind="stable")
    right = (probs.argmax(1) == labels)[order]
    risks = 1 - np.cumsum(right) / np.arange(1, len(right) + 1)
    assert metrics.aurc(probs=probs, labels=labels) == pytest.approx(risks.mean(), abs=1e-12)
    # Traub et al. 2024, eq. 7: of mistakes and right answers, and of pairs of mistakes
    ours, theirs = probs.max(1)[probs.argmax(1) != labels], probs.max(1)[probs.argmax(1) == labels]
    above = ((ours[:, None] > theirs) + (ours[:, None] == theirs) / 2).sum() / len(labels) ** 2
    augrc = metrics.augrc(probs=probs, labels=labels)
    assert augrc == pytest.approx(above + (~right).mean() ** 2 / 2, abs=1e-12)
    for coverage in (0.1, 0.5, 0.8):
        kept = right[: int(coverage * len(right))]
        got = metrics.accuracy_at_coverage(coverage, probs=probs, labels=labels)
        assert got == pytest.approx(kept.mean(), abs=1e-12)
