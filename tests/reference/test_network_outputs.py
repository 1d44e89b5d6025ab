"""Known answers on the outputs of real networks, to four decimals."""

import numpy as np
import pytest

from levelhead import metrics

KNOWN = {  # file: (ECE with 15 bins, accuracy)
    "cifar10-lenet-5-cifar-10": (0.1079, 0.5308),
    "cifar10-wideresnet-16-4-cifar-10": (0.0537, 0.9109),
    "cifar100-lenet-5-cifar-100": (0.0149, 0.1246),
    "cifar100-wideresnet-16-4-cifar-100": (0.0581, 0.7543),
    "cifar100-densenet-bc-100-cifar-100": (0.1422, 0.7541),
}


@pytest.fixture(params=KNOWN)
def outputs(request, real_data):
    path = real_data / "network-outputs" / f"{request.param}.npz"
    if not path.is_file():
        pytest.skip(f"the folder of real data has no network-outputs/{request.param}.npz")
    with np.load(path) as file:
        return file["probs"], file["labels"], *KNOWN[request.param]


def test_ece_and_accuracy_are_the_published_ones(outputs):
    probs, labels, ece, accuracy = outputs
    assert round(metrics.ece(probs=probs, labels=labels), 4) == ece
    assert metrics.accuracy(probs=probs, labels=labels) == accuracy


def test_the_log_probabilities_are_logits(outputs):
    probs, labels, ece, _ = outputs
    assert round(metrics.ece(logits=np.log(probs), labels=labels), 4) == ece


def test_streaming_gives_the_same(outputs):
    probs, labels, ece, accuracy = outputs
    acc = metrics.Calibration(probs.shape[1])
    for start in range(0, len(labels), 999):
        acc.update(probs=probs[start : start + 999], labels=labels[start : start + 999])
    got = acc.compute()
    assert round(got["ece"], 4) == ece
    assert got["accuracy"] == accuracy
    assert got["adaptive_ece"] == pytest.approx(metrics.adaptive_ece(probs=probs, labels=labels), abs=5e-4)
    assert got["aurc"] == pytest.approx(metrics.aurc(probs=probs, labels=labels), abs=5e-4)
