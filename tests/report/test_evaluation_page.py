"""The page of an evaluation: one file, nothing from outside, text that stays in its place, the JSON's numbers."""

import hashlib
import json
import re

import numpy as np
import pytest

from levelhead.evaluate import evaluate
from levelhead.report.evaluation_page import render, write

HOSTILE = "</script><script>alert(1)</script>"


def outputs(seed, n=400):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3)) * 1.5
    return 2 * z, (z + rng.gumbel(size=z.shape)).argmax(1)


@pytest.fixture
def found(tmp_path):
    logits, labels = outputs(0)
    np.savez(tmp_path / "p.npz", logits=logits, labels=labels, classes=np.array(["cat", HOSTILE, "naïve ✓"]))
    np.savez(tmp_path / "ood.npz", logits=outputs(1)[0] / 2)
    return evaluate([tmp_path / "p.npz"], ood=[tmp_path / "ood.npz"], gates={"max_ece": 0.01, "min_accuracy": 0.1})


def data_of(page):
    return json.loads(re.search(r'id="figure-data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_stands_alone_and_holds_names_as_text(found):
    page = render(found, "levelhead evaluate <p>")
    own = page[: page.index("<script>")]
    assert HOSTILE not in page
    assert "&lt;/script&gt;" in own
    assert "levelhead evaluate &lt;p&gt;" in own
    assert not re.findall(r'(?:src|href)="(?!#|data:)', own)
    assert own.count("NOT MET") == 1
    for sentence in found["verdict"]:
        assert sentence.split("(")[0].strip()[:60].replace("'", "&#39;") in own


def test_every_place_of_a_figure_has_its_data(found):
    page = render(found)
    places = set(re.findall(r'class="plot" id="([^"]+)"', page))
    data = data_of(page)
    assert places == set(data) == {"risk", "reliability-0", "confidence-0"}
    points = data["reliability-0"]["states"]["raw"][0]
    filled = [row for row in found["reliability"]["raw"] if row["count"] >= 10]
    assert points["y"] == pytest.approx([row["accuracy"] for row in filled], abs=1e-3)
    assert data["reliability-0"]["states"]["scaled"] is not None


def test_several_models_and_top_labels_share_a_page(tmp_path):
    logits, labels = outputs(0)
    np.savez(tmp_path / "a.npz", logits=logits, labels=labels)
    top = logits.argmax(1)
    confidence = np.exp(logits - logits.max(1, keepdims=True))
    np.savez(tmp_path / "b.npz", predicted=top, confidence=1 / confidence.sum(1), labels=labels)
    page = render(evaluate([tmp_path / "a.npz", tmp_path / "b.npz"]))
    assert set(data_of(page)) == {"risk", "reliability-0", "confidence-0", "reliability-1"}
    assert "Only the top label is known" in page
    assert "McNemar p" in page


def test_the_page_is_written_whole_or_not_at_all(found, tmp_path):
    path = write(found, tmp_path / "deep" / "p.html")
    digest = hashlib.sha256((tmp_path / "p.npz").read_bytes()).hexdigest()
    assert path.read_text(encoding="utf-8") == render(found, digests={found["file"]: digest})
    assert digest in path.read_text(encoding="utf-8")
    assert [entry.name for entry in path.parent.iterdir()] == ["p.html"]
