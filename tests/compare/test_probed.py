"""From predictions under probes to numbers, on folders made by hand."""

import json

import numpy as np
import pytest

import levelhead as lh
from levelhead.compare.ensembles import measure_ensembles
from levelhead.compare.leaderboard import BASELINE
from levelhead.compare.probed import measure_probes, probe_tables

OTHER = "mixup(alpha=0.4) | one_hot | cross_entropy | none"
C = 4


def say(seed, n, sharp=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, C, n)
    return labels, (sharp * np.eye(C)[labels] + rng.normal(size=(n, C))).astype(np.float32)


def write_run(folder, sentence, seed, probes):
    """A finished run's folder: same examples for every run, other logits for every seed."""
    run = folder / f"{abs(hash(sentence)) % 1000:03d}{seed}"
    for role, n in (("cal", 200), ("test", 300)):
        labels = say(n, n)[0]
        logits = 3 * (np.eye(C)[labels] + np.random.default_rng([seed + 1, n]).normal(size=(n, C)))
        ids = 1000 * n + np.arange(n)  # no example is in both
        lh.Predictions(labels=labels, logits=logits, ids=ids, role=role).save(run / f"{role}.safetensors")
    for name, outside, logits, labels in probes:
        meta = {"probe": f"{name}()", "name": name, "outside": str(outside).lower()}
        lh.Predictions(labels=labels, logits=logits, role="test", meta=meta).save(run / f"probe-{name}.safetensors")
    record = {"method": sentence.split("(")[0], "sentence": sentence, "seed": seed, "hash": run.name}
    (run / "run.json").write_text(json.dumps(record))
    return run


def test_attacked_predictions_are_measured_raw_and_with_the_temperature_of_cal(tmp_path):
    labels, logits = say(5, 300, sharp=0.5)
    run = write_run(tmp_path, BASELINE, 0, [("fgsm", False, logits, labels)])
    (entry,) = measure_probes(run)
    temperature = lh.calibrate.TemperatureScaling().fit(lh.Predictions.load(run / "cal.safetensors")).temperature
    assert entry["temperature"] == temperature != 1
    assert entry["role"] == "probe:fgsm"
    assert entry["n"] == 300
    for state, divisor in (("raw", 1), ("scaled", temperature)):
        scores = {"logits": logits / np.float32(divisor), "labels": labels}
        for measure in ("accuracy", "nll", "ece", "oe", "top5"):
            assert entry[state][measure] == pytest.approx(getattr(lh.metrics, measure)(**scores), abs=1e-12)
    assert entry["raw"]["accuracy"] == entry["scaled"]["accuracy"]
    assert entry["scaled"]["oe"] <= entry["scaled"]["ece"]


def test_inputs_of_no_class_are_told_from_the_test_split(tmp_path):
    flat = np.zeros((50, C), dtype=np.float32)
    flat[:, 0] = np.linspace(0, 2, 50)
    run = write_run(tmp_path, BASELINE, 0, [("noise", True, flat, np.zeros(50, int))])
    (entry,) = measure_probes(run)
    inside, outside = lh.Predictions.load(run / "test.safetensors").logits, flat
    expected = lh.metrics.auroc(lh.metrics.max_softmax(logits=inside), lh.metrics.max_softmax(logits=outside))
    assert entry["raw"]["auroc"] == expected
    assert expected > 0.8
    assert entry["raw"]["auroc_energy"] == lh.metrics.auroc(
        lh.metrics.energy(logits=inside), lh.metrics.energy(logits=outside)
    )
    assert "accuracy" not in entry["raw"]  # there is no right answer
    assert "ece" not in entry["raw"]


def test_rows_hold_means_over_seeds_paired_differences_and_the_ensemble(tmp_path):
    runs = []
    for sentence, shift in ((BASELINE, 0.0), (OTHER, 0.3)):
        for seed in range(3):
            labels, logits = say(20, 300)
            noisy = logits + (1 + shift) * np.random.default_rng(seed).normal(size=logits.shape)
            runs.append(write_run(tmp_path, sentence, seed, [("fgsm", False, noisy, labels)]))
    entries = [entry for run in runs for entry in measure_probes(run)]
    (table,) = probe_tables(entries, runs)
    assert (table["name"], table["outside"], table["n"]) == ("fgsm", False, 300)
    rows = {row["sentence"]: row for row in table["rows"]}
    own = {s: [e["raw"]["nll"] for e in entries if e["sentence"] == s] for s in rows}
    cell = rows[OTHER]["metrics"]["nll_raw"]
    assert cell["mean"] == pytest.approx(np.mean(own[OTHER]))
    assert cell["diff"] == pytest.approx(np.mean(own[OTHER]) - np.mean(own[BASELINE]))
    assert cell["lo"] < cell["mean"] < cell["hi"]
    assert rows[BASELINE]["metrics"]["nll_raw"]["diff"] is None
    ensemble = lh.Predictions.ensemble([run / "probe-fgsm.safetensors" for run in runs[:3]])
    expected = lh.metrics.nll(**ensemble.scores, labels=ensemble.labels)
    assert rows[BASELINE]["ensemble"]["raw"]["nll"] == pytest.approx(expected, rel=1e-9)
    assert rows[BASELINE]["ensemble"]["members"] == 3
    assert [row["metrics"]["nll_scaled"]["mean"] for row in table["rows"]] == sorted(
        row["metrics"]["nll_scaled"]["mean"] for row in table["rows"]
    )


def test_an_ensemble_is_scaled_by_a_temperature_of_its_own(tmp_path):
    runs = [write_run(tmp_path, BASELINE, seed, []) for seed in range(3)]
    (row,) = measure_ensembles([*runs, write_run(tmp_path, OTHER, 0, [])])  # one seed is no ensemble
    cal, test = (lh.Predictions.ensemble([run / f"{role}.safetensors" for run in runs]) for role in ("cal", "test"))
    scaling = lh.calibrate.TemperatureScaling().fit(cal)
    assert row["temperature"] == pytest.approx(scaling.temperature, rel=1e-9)
    assert row["raw"]["nll"] == pytest.approx(lh.metrics.nll(**test.scores, labels=test.labels), rel=1e-9)
    scaled = scaling.apply(test)
    assert row["scaled"]["nll"] == pytest.approx(lh.metrics.nll(**scaled.scores, labels=test.labels), rel=1e-9)
    assert row["scaled"]["nll"] < row["raw"]["nll"]


def test_seeds_that_were_asked_different_things_under_one_name_are_kept_apart(tmp_path):
    labels, logits = say(3, 50)
    runs = [write_run(tmp_path, BASELINE, seed, [("photos", True, logits, labels)]) for seed in range(2)]
    other = lh.Predictions(
        labels=labels, logits=logits, role="test", meta={"probe": "changed", "name": "photos", "outside": "true"}
    )
    other.save(runs[1] / "probe-photos.safetensors")
    tables = probe_tables([entry for run in runs for entry in measure_probes(run)], runs)
    assert [table["rows"][0]["n_seeds"] for table in tables] == [1, 1]
    assert all(row["ensemble"] is None for table in tables for row in table["rows"])
