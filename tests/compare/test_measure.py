"""From a run's predictions to its entries: the accumulator's numbers, and examples that are on both sides."""

import numpy as np
import pytest

from levelhead import metrics
from levelhead.calibrate import TemperatureScaling
from levelhead.compare.measure import MEASURES, measure_run, measures, shared_with_cal
from levelhead.files import write_json
from levelhead.predictions import Predictions
from levelhead.train.run import FINISHED

ABOUT = {"method": "m", "sentence": "s", "seed": 0, "seconds": 1.0, "passes": 1, "train_accuracy": 1.0, "hash": "h"}


def run(folder, cal, test):
    folder.mkdir()
    write_json(folder / FINISHED, ABOUT)
    for role, (logits, labels) in (("cal", cal), ("test", test)):
        Predictions(labels=labels, logits=logits, role=role).save(folder / f"{role}.safetensors")
    return measure_run(folder)


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    logits = (3 * rng.normal(size=(600, 4))).astype(np.float32)
    return logits, (logits / 2 + rng.gumbel(size=logits.shape)).argmax(1)


def test_every_measure_is_that_of_the_library(drawn):
    logits, labels = drawn
    found = measures(logits, labels)
    assert tuple(found) == MEASURES
    for name, value in found.items():
        assert value == pytest.approx(getattr(metrics, name)(logits=logits, labels=labels), abs=1e-12), name


def test_examples_on_both_sides_are_counted_and_said(tmp_path, drawn):
    logits, labels = drawn
    apart = run(tmp_path / "apart", (logits[:300], labels[:300]), (logits[300:], labels[300:]))
    assert [entry["shared_with_cal"] for entry in apart] == [0, 0]
    assert shared_with_cal(apart) == []
    scaling = TemperatureScaling().fit(logits[:300], labels[:300])
    assert apart[1]["scaled"]["nll"] == pytest.approx(
        metrics.nll(logits=scaling.apply(logits[300:]), labels=labels[300:])
    )
    twice = run(tmp_path / "twice", (logits[:300], labels[:300]), (logits[260:], labels[260:]))
    assert [entry["shared_with_cal"] for entry in twice] == [0, 40]
    (said,) = shared_with_cal(apart + twice)
    assert "40 of 340 test examples are also in cal" in said
    assert shared_with_cal([]) == []
