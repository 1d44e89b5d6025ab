"""`levelhead calibrate`: files in, files out, and nothing half done."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from levelhead import Predictions
from levelhead.calibrate import TemperatureScaling
from levelhead.calibrate.by_file import CALIBRATORS, calibrate_files, named
from levelhead.cli import app


def predictions(path, seed, role, n=400, sharp=2.0):
    """Over-confident by construction: labels from softmax(z), logits sharp * z."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3)) * 1.5
    probs = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    labels = np.array([rng.choice(3, p=p) for p in probs])
    return Predictions(labels=labels, logits=sharp * z, ids=np.arange(n) + 10_000 * seed, role=role).save(path)


@pytest.fixture
def cal(tmp_path):
    return predictions(tmp_path / "cal.safetensors", 1, "cal")


@pytest.fixture
def test(tmp_path):
    return predictions(tmp_path / "test.npz", 2, "test")


def call(*arguments):
    result = CliRunner().invoke(app, ["calibrate", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_what_is_written_is_what_the_library_gives(cal, test, tmp_path):
    status, said, _ = call(test, "--cal", cal, "--out", tmp_path / "out.npz", "--save", tmp_path / "t.safetensors")
    assert status == 0
    scaling = TemperatureScaling().fit(Predictions.load(cal))
    assert f"T = {scaling.temperature:.4f}" in said
    wanted = scaling.apply(Predictions.load(test))
    found = Predictions.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(found.logits, wanted.logits)
    np.testing.assert_array_equal(found.ids, wanted.ids)
    assert found.role == "test"
    status, said, _ = call(test, "--fitted", tmp_path / "t.safetensors", "--out", tmp_path / "again.npz", "--json")
    assert status == 0
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "out.npz").read_bytes()
    entry = json.loads(said)["files"][0]
    assert entry["after"]["nll"] < entry["before"]["nll"]
    assert entry["after"]["accuracy"] == entry["before"]["accuracy"]


@pytest.mark.parametrize("word", CALIBRATORS)
def test_every_calibrator_makes_these_likelier(word, cal, test, tmp_path):
    found = calibrate_files([test], cal=cal, calibrator=word, out=tmp_path / "out.parquet")
    assert found["calibrator"] == word
    assert found["files"][0]["after"]["nll"] < found["files"][0]["before"]["nll"]
    assert Predictions.load(tmp_path / "out.parquet").num_examples == 400


def test_without_labels_nothing_is_right_or_wrong_and_nothing_can_be_learned(cal, tmp_path):
    logits = np.random.default_rng(5).normal(size=(20, 3))
    said = Predictions(labels=np.zeros(20, int), logits=logits, meta={"labels": "none"}).save(tmp_path / "said.npz")
    found = calibrate_files([said], cal=cal, out=tmp_path / "out.npz")["files"][0]
    assert list(found["before"]) == list(found["after"]) == ["confidence"]
    assert found["after"]["confidence"] < found["before"]["confidence"]
    assert not Predictions.load(tmp_path / "out.npz").has_labels
    with pytest.raises(ValueError, match=r"said\.npz: these predictions have no labels.*nothing to fit to"):
        calibrate_files([], cal=said, save=tmp_path / "t.safetensors")


def test_arguments_of_a_calibrator():
    assert named("temperature(criterion=ece)").settings() == {"criterion": "ece"}
    assert named("matrix(ridge=0.5)").settings() == {"ridge": 0.5}
    with pytest.raises(ValueError, match="unknown argument of temperature"):
        named("temperature(slope=1)")
    with pytest.raises(ValueError, match="beta takes no arguments"):
        named("beta(3)")
    with pytest.raises(ValueError, match="Did you mean 'temperature'"):
        named("temprature")


def test_several_files_go_into_a_folder(cal, test, tmp_path):
    other = predictions(tmp_path / "other.csv", 3, "unknown")
    status, _, _ = call(test, other, "--cal", cal, "--out", tmp_path / "made")
    assert status == 0
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["other.csv", "test.npz"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{test}", "--out", "o.npz"), "exactly one of --cal FILE"),
        (("{test}", "--cal", "{cal}"), "--out is missing"),
        (("--cal", "{cal}"), "nothing to do"),
        (("--cal", "{cal}", "--out", "o.npz", "--save", "t.safetensors"), "--out has no effect"),
        (("{test}", "--cal", "{test}", "--out", "o.npz"), "have the role 'test'"),
        (("{test}", "--cal", "{cal}", "--out", "{test}"), "in the place of a file that is read"),
        (("{test}", "--cal", "{cal}", "--out", "{cal}"), "in the place of a file that is read"),
        (("{test}", "{cal}", "--cal", "{cal}", "--out", "o.npz"), "must be a folder"),
        (("{test}", "--cal", "{cal}", "--out", "o.pkl"), "pkl"),
        (("{test}", "--fitted", "{cal}", "--out", "o.npz"), "holds no calibrator"),
        (("{copy}", "--cal", "{cal}", "--out", "o.npz"), "of 400 rows are among those"),
        (("{test}", "--cal", "{cal}", "--out", "o.npz", "--save", "t.npz"), "calibrators are .safetensors files"),
        (("nowhere.npz", "--cal", "{cal}", "--out", "o.npz"), "nowhere.npz"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_written(arguments, message, cal, test, tmp_path, monkeypatch):
    from dataclasses import replace

    monkeypatch.chdir(tmp_path)
    copy = replace(Predictions.load(cal), role="unknown").save(tmp_path / "copy.npz")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    status, said, error = call(*(each.format(cal=cal, test=test, copy=copy) for each in arguments))
    assert status == 2
    assert message in error
    assert said == ""
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
