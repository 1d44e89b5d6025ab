"""The most confident mistakes: which they are, what a folder keeps of them, how the page shows them."""

import json
import re

import numpy as np
import pytest

from levelhead.compare.examples import SIDE, thumbnail
from levelhead.plots.comparison import read
from levelhead.plots.mistakes import FILE, inputs, mistakes
from levelhead.predictions import Predictions
from levelhead.report.mistakes import worst
from levelhead.report.page import build

HOSTILE = "</script><img src=x onerror=alert(1)> שלום 🙈"


def softmax(logits):
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def with_ids(folder):
    for path in folder.glob("runs/*/test.safetensors"):
        said = Predictions.load(path)
        ids = np.arange(1000, 1000 + said.num_examples)
        Predictions(labels=said.labels, logits=said.logits, ids=ids, role="test", classes=said.classes).save(path)
    return folder


def test_they_are_those_of_the_predictions_counted_by_hand(comparison):
    compared = read(with_ids(comparison(seeds=3)))
    wrongly, scaled, wrong = 0, 0, 0
    for result in compared.of("vanilla"):
        said = compared.predictions(result)
        probs = softmax(said.logits)
        is_wrong = probs.argmax(1) != said.labels
        wrongly = wrongly + probs.max(1) * is_wrong
        scaled = scaled + softmax(said.logits / result["temperature"]).max(1) * is_wrong
        wrong = wrong + is_wrong
    order = np.argsort(-wrongly, kind="stable")[:5]
    found = mistakes(compared, "vanilla", most=5)
    assert [each.id for each in found] == (1000 + order).tolist()
    assert [each.label for each in found] == said.labels[order].tolist()
    assert [each.wrong for each in found] == wrong[order].tolist()
    np.testing.assert_allclose([each.confidence for each in found], wrongly[order] / wrong[order], atol=1e-6)
    np.testing.assert_allclose([each.scaled for each in found], scaled[order] / wrong[order], atol=1e-6)
    assert all(each.predicted != each.label for each in found)
    assert {each.seeds for each in found} == {3}


def test_a_method_that_is_never_wrong_has_none(comparison):
    folder = comparison(seeds=1, methods=("vanilla", "uls"))
    run = json.loads((folder / "results.json").read_text())[0]["run"]
    path = folder / "runs" / run / "test.safetensors"
    said = Predictions.load(path)
    right = 9 * np.eye(4, dtype=np.float32)[said.labels]
    Predictions(labels=said.labels, logits=right, role="test", classes=said.classes).save(path)
    compared = read(folder)
    assert mistakes(compared, "vanilla") == ()
    assert [each.method for each in worst(compared)[0]] == ["uls"]


def test_examples_that_are_not_kept_are_named_by_their_ids(comparison):
    folder = with_ids(comparison())
    page = build(folder).read_text(encoding="utf-8")
    assert inputs(read(folder)) == {}
    assert "The examples themselves are not in the folder" in page
    assert re.search(r"example 1\d\d\d<", page)
    (folder / FILE).write_bytes(b"no archive")
    damaged = build(folder).read_text(encoding="utf-8")
    assert "The examples in examples.npz could not be read" in damaged


def test_texts_are_shown_as_text(comparison):
    folder = with_ids(comparison(seeds=1))
    ids = [each.id for method in ("vanilla", "mbls") for each in mistakes(read(folder), method)]
    np.savez(folder / FILE, ids=np.array(ids), texts=np.array([HOSTILE] * len(ids)))
    page = build(folder).read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert "onerror=alert(1)&gt; שלום 🙈</blockquote>" in page


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_a_thumbnail_is_small_and_of_the_same_look(channels):
    image = np.zeros((channels, 50, 200), np.float32)
    image[:, :, 100:] = 1
    small = thumbnail(image)
    assert small.shape == (16, SIDE, 3 if channels >= 3 else 1)
    assert small.dtype == np.uint8
    assert small[:, :30].max() == 0
    assert small[:, 34:].min() == 255
    np.testing.assert_array_equal(thumbnail(np.full((1, 8, 8), 7, np.uint8)), np.full((8, 8, 1), 7))
