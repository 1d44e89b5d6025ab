import json
import shutil

import numpy as np
import pytest

from levelhead.plots.comparison import read
from levelhead.plots.pooled import pooled, scaled
from report.conftest import write_comparison


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_everything_is_read(folder):
    found = read(folder)
    assert set(found.methods) == {"vanilla", "uls", "mixup", "pls", "lamix", "logitmix_cm", "mbls"}
    assert found.baseline == "vanilla"
    assert [r["seed"] for r in found.of("pls")] == [0, 1, 2]
    assert len(found.runs) == 21
    assert found.problems == ()
    assert found.predictions(found.of("pls")[0]).num_examples == 600


@pytest.mark.parametrize("missing", ["comparison.json", "summary.json", "results.json"])
def test_a_missing_file_is_named(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(ValueError, match=rf"not the folder of a finished comparison: {missing} missing"):
        read(copy)


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match="is not there"):
        read(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        read(tmp_path / "file")
    with pytest.raises(ValueError, match=r"comparison\.json, summary\.json, results\.json missing"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("summary.json", "{", r"summary\.json is not readable JSON"),
        ("results.json", "{}", r"results\.json must hold a list; it holds a dict"),
        ("comparison.json", "[]", r"comparison\.json must hold an object; it holds a list"),
        ("summary.json", "{}", r"summary\.json has no list of rows"),
        ("results.json", '[{"method": "a"}]', "object 0 .* must have method, role, run, seed"),
    ],
)
def test_files_that_are_something_else(copy, name, content, message):
    (copy / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read(copy)


def test_a_lost_run_is_a_problem_not_an_end(copy):
    found = read(copy)
    first, second = (found.of("mixup")[i]["run"] for i in (0, 1))
    (copy / "runs" / first / "run.json").unlink()
    (copy / "runs" / second / "run.json").write_text("[1]")
    (copy / "runs" / first / "test.safetensors").write_bytes(b"cut sh")
    found = read(copy)
    assert len(found.runs) == 19
    assert len(found.problems) == 2
    view = pooled(found, "mixup")
    assert view.raw.diagram.runs == 2
    assert "mixup, seed 0, cannot be shown" in view.problems[0]


def test_two_spellings_of_one_sentence_are_one_method(copy):
    path = copy / "results.json"
    results = json.loads(path.read_text())
    for result in results:
        if result["method"] == "mixup" and result["seed"] == 1:
            result["method"] = "mixup(alpha=0.4)"
    path.write_text(json.dumps(results))
    assert [r["seed"] for r in read(copy).of("mixup")] == [0, 1, 2]


def test_pooled_agrees_with_the_measured_accuracy_and_gap(folder):
    found = read(folder)
    view = pooled(found, "mixup")
    results = found.of("mixup")
    for state, shown in (("raw", view.raw), ("scaled", view.scaled)):
        accuracy = np.mean([r[state]["accuracy"] for r in results])
        gap = np.mean([r[state]["gap"] for r in results])
        assert shown.diagram.mean_accuracy == pytest.approx(accuracy)
        assert shown.diagram.mean_confidence - accuracy == pytest.approx(gap, abs=1e-6)
        assert shown.histogram.accuracy == pytest.approx(accuracy)
        assert shown.histogram.mean_confidence - accuracy == pytest.approx(gap, abs=1e-6)
    assert view.raw.diagram.n == 3 * 600


def test_each_run_is_scaled_by_its_own_temperature(copy):
    path = copy / "results.json"
    results = json.loads(path.read_text())
    chosen = [r for r in results if r["method"] == "mixup" and r["role"] == "test"]
    chosen[0]["temperature"], chosen[1]["temperature"], chosen[2]["temperature"] = 1e6, 1.0, None
    path.write_text(json.dumps(results))
    view = pooled(read(copy), "mixup")
    assert view.scaled.diagram.runs == 2
    # the first run, divided by a million, is at 1 / C; the second is as it was
    assert view.scaled.diagram.table()[3]["count"] >= 600


def test_probabilities_are_scaled_through_their_logarithm(tmp_path):
    logits = np.array([[2.0, 0.0, -1.0]])
    probs = np.exp(logits) / np.exp(logits).sum()
    half = scaled({"probs": probs}, 2.0)["logits"]
    np.testing.assert_allclose(half - half[0, 0], (logits - 2.0) / 2)
    assert scaled({"probs": np.array([[1.0, 0.0]])}, 2.0)["logits"][0, 1] == -np.inf
    as_logits = read(write_comparison(tmp_path / "l", methods=("vanilla",), seeds=1))
    as_probs = read(write_comparison(tmp_path / "p", methods=("vanilla",), seeds=1, kind="probs"))
    ours, theirs = pooled(as_logits, "vanilla"), pooled(as_probs, "vanilla")
    np.testing.assert_array_equal(ours.raw.histogram.right, theirs.raw.histogram.right)
    np.testing.assert_allclose(ours.scaled.diagram.confidence, theirs.scaled.diagram.confidence, rtol=1e-4)
