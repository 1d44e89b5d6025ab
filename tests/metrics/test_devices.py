"""Scores on a GPU give what they give on the CPU."""

import pytest
import torch

from levelhead import metrics
from levelhead.calibrate import TemperatureScaling

from .synthetic import overconfident

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@needs_gpu
@pytest.mark.parametrize("num_classes", [2, 10, 200])
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_every_measure_is_the_same(num_classes, kind):
    logits, labels = overconfident(20_000, num_classes)
    scores = logits if kind == "logits" else logits.softmax(1)
    results = []
    for device in ("cpu", "cuda"):
        acc = metrics.Calibration(num_classes)
        acc.update(**{kind: scores.to(device)}, labels=labels.to(device))
        values = acc.compute()
        values["exact adaptive"] = metrics.adaptive_ece(**{kind: scores.to(device)}, labels=labels)
        values["exact aurc"] = metrics.aurc(**{kind: scores.to(device)}, labels=labels)
        results.append(values)
    # a confidence within rounding of an edge may change bins: a few of 20,000
    assert results[1] == pytest.approx(results[0], abs=5e-4)


@needs_gpu
def test_the_temperature_is_the_same():
    logits, labels = overconfident(30_000, 10)
    there = TemperatureScaling().fit(logits.cuda(), labels.cuda()).temperature
    assert there == pytest.approx(TemperatureScaling().fit(logits, labels).temperature, rel=1e-5)


def test_labels_may_lie_on_another_device_than_scores():
    logits, labels = overconfident(100, 4)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert metrics.ece(logits=logits.to(device), labels=labels) == pytest.approx(
        metrics.ece(logits=logits, labels=labels), abs=1e-6
    )
