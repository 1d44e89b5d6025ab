"""How methods do on each class: counted again by hand, and shown on the page from the most frequent class down."""

import numpy as np
import pytest

from levelhead.plots.classes import by_class
from levelhead.plots.comparison import read
from levelhead.predictions import Predictions
from levelhead.report.classes import COLUMNS, classes
from levelhead.report.evaluation_terminal import FEW
from levelhead.report.page import build
from report.conftest import METHODS


def test_accuracy_and_calibration_error_are_those_of_the_predictions(usual):
    comparison = read(usual)
    found = by_class(comparison, "mixup")
    expected = []
    for result in comparison.of("mixup"):
        predictions = comparison.predictions(result)
        right = predictions.logits.argmax(1) == predictions.labels
        accuracy = [right[predictions.labels == k].mean() for k in range(4)]
        errors = []
        for temperature in (1.0, result["temperature"]):
            powers = np.exp(predictions.logits.astype(np.float64) / temperature)
            probs = powers / powers.sum(1, keepdims=True)
            bins = np.ceil(15 * probs).clip(1, 15)
            errors.append(
                [
                    sum(
                        abs((probs[:, k] - (predictions.labels == k))[bins[:, k] == b].sum()) for b in range(1, 16)
                    ) / len(probs)
                    for k in range(4)
                ]
            )  # fmt: skip
        expected.append([accuracy, *errors])
    np.testing.assert_allclose([found.accuracy, found.ece_raw, found.ece_scaled], np.mean(expected, 0), atol=1e-6)
    assert found.count.tolist() == np.bincount(predictions.labels, minlength=4).tolist()


def test_the_gap_of_a_class_is_of_what_is_called_it(usual):
    comparison = read(usual)
    found = by_class(comparison, "mixup")
    gaps, called = [], []
    for result in comparison.of("mixup"):
        predictions = comparison.predictions(result)
        powers = np.exp(predictions.logits.astype(np.float64) / result["temperature"])
        probs = powers / powers.sum(1, keepdims=True)
        predicted = probs.argmax(1)
        right = predicted == predictions.labels
        gaps.append([(probs.max(1) - right)[predicted == k].mean() for k in range(4)])
        called.append(np.bincount(predicted, minlength=4))
    np.testing.assert_allclose(found.gap_scaled, np.mean(gaps, 0), atol=1e-6)
    np.testing.assert_allclose(found.predicted, np.mean(called, 0))
    assert (found.lo < found.accuracy).all()
    assert (found.accuracy < found.hi).all()


def test_a_class_that_no_seed_predicts_has_no_gap(comparison):
    folder = comparison(seeds=1, methods=("vanilla",))
    path = next(folder.glob("runs/*/test.safetensors"))
    predictions = Predictions.load(path)
    logits = predictions.logits.copy()
    logits[:, 0] = -50
    Predictions(labels=predictions.labels, logits=logits, role="test", classes=predictions.classes).save(path)
    found = by_class(read(folder), "vanilla")
    assert np.isnan(found.gap_raw).tolist() == [True, False, False, False]
    assert found.accuracy[0] == 0
    assert classes(read(folder)).texts[0][2][0] == "–"


def test_every_method_can_be_chosen_and_the_recommended_one_leads(comparison):
    found = classes(read(comparison(recommended="mixup", n_test=60)))
    assert found.methods[0] == "mixup"
    assert sorted(found.methods) == sorted(METHODS)
    accuracy = [float(text) for text in found.texts[0][0]]
    assert accuracy == sorted(accuracy)
    assert [line.few for line in found.lines] == [line.count < FEW for line in found.lines]
    assert any(line.few for line in found.lines)
    assert all(len(texts) == len(COLUMNS) for texts in found.texts)
    assert all(small.startswith("[") for bounds in found.bounds for small in bounds)


def test_few_examples_are_said_in_words(comparison):
    small = build(comparison(n_test=60)).read_text(encoding="utf-8")
    assert "<small>few examples</small>" in small
    assert "under 30 on test" in small
    large = build(comparison(n_test=2000)).read_text(encoding="utf-8")
    assert "<small>few examples</small>" not in large
    assert "under 30 on test" not in large
    assert "ECE after" in large


def test_without_predictions_there_is_no_such_section(comparison):
    folder = comparison()
    for path in folder.glob("runs/*/test.safetensors"):
        path.unlink()
    assert classes(read(folder)) is None
    assert "Class by class" not in build(folder).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_probabilities_count_like_logits(comparison, kind):
    found = by_class(read(comparison(kind=kind, seeds=1)), "vanilla")
    np.testing.assert_allclose(found.ece_raw, by_class(read(comparison(seeds=1)), "vanilla").ece_raw, atol=1e-5)
