"""How methods do on each class: counted again by hand, and shown on the page from the most frequent class down."""

import numpy as np
import pytest

from levelhead.plots.classes import by_class
from levelhead.plots.comparison import read
from levelhead.report.page import build
from levelhead.report.sections import FEW, data_section


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


def test_the_page_shows_the_baseline_and_the_recommended_method_class_by_class(comparison):
    section = data_section(read(comparison(recommended="mixup", n_test=60)))
    assert section.methods == ("vanilla", "mixup")
    trained = [row.counts[section.roles.index("train")] for row in section.classes]
    assert trained == sorted(trained, reverse=True)
    tested = [row.counts[section.roles.index("test")] for row in section.classes]
    assert [row.few for row in section.classes] == [count < FEW for count in tested]
    assert any(row.few for row in section.classes)
    for row in section.classes:
        assert len(row.scores) == 4
        assert 0 <= float(row.scores[0]) <= 100
        raw, scaled = map(float, row.scores[3].split(" → "))
        assert 0 <= raw <= 1 >= scaled >= 0


def test_few_examples_are_said_in_words(comparison):
    small = build(comparison(n_test=60)).read_text(encoding="utf-8")
    assert "<small>few examples</small>" in small
    assert "under 30 on test" in small
    large = build(comparison(n_test=2000)).read_text(encoding="utf-8")
    assert "<small>few examples</small>" not in large
    assert "under 30 on test" not in large
    assert "class-wise ECE" in large


def test_without_predictions_there_are_counts_alone(comparison):
    folder = comparison()
    for path in folder.glob("runs/*/test.safetensors"):
        path.unlink()
    section = data_section(read(folder))
    assert section.methods == ()
    assert all(row.scores == () for row in section.classes)


@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_probabilities_count_like_logits(comparison, kind):
    found = by_class(read(comparison(kind=kind, seeds=1)), "vanilla")
    np.testing.assert_allclose(found.ece_raw, by_class(read(comparison(seeds=1)), "vanilla").ece_raw, atol=1e-5)
