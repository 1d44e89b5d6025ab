"""`compare --probe` as a user meets it: what it writes, that it never trains twice, what it refuses."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import levelhead as lh
from levelhead.cli import app
from levelhead.compare.probing import wanted
from levelhead.train import Run, make_recipe

QUICK = ["--epochs", "2", "--train-size", "60", "-m", "vanilla", "-m", "mixup"]


def compare(*arguments):
    """A comparison carried out by one worker; what it printed."""
    result = CliRunner(env={"COLUMNS": "110"}).invoke(app, ["compare", *arguments, "--jobs", "1"])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A comparison without probes, then the same with some: folder, what was there before, what was printed."""
    folder = tmp_path_factory.mktemp("probing") / "out"
    compare(*QUICK, "--seeds", "2", "--out", str(folder))
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("runs/*/[!.]*")}
    results = (folder / "results.json").read_bytes()
    probes = ["fgsm", "fgsm(eps=0)", "gaussian_noise", "leave_hull(distance=3)"]
    printed = compare(*QUICK, "--seeds", "2", "--out", str(folder), *(word for p in probes for word in ("--probe", p)))
    return folder, before, results, printed


def test_a_probe_asked_for_later_trains_nothing_and_changes_no_result(done):
    folder, before, results, _ = done
    for path, (time, content) in before.items():
        assert path.stat().st_mtime_ns == time, path
        assert path.read_bytes() == content
    assert (folder / "results.json").read_bytes() == results
    assert {entry["role"] for entry in json.loads(results)} == {"cal", "test"}


def test_predictions_lie_beside_test_and_are_measured(done):
    folder = done[0]
    entries = json.loads((folder / "probes.json").read_text())
    names = {"fgsm", "fgsm(eps=0)", "gaussian_noise", "leave_hull(distance=3)"}
    assert {entry["role"] for entry in entries} == {f"probe:{name}" for name in names}
    assert len(entries) == 4 * 4
    for entry in entries:
        run = folder / "runs" / entry["run"]
        if entry["name"] == "fgsm":
            said = lh.Predictions.load(run / "probe-fgsm.safetensors")
            test = lh.Predictions.load(run / "test.safetensors")
            np.testing.assert_array_equal(said.ids, test.ids)
            np.testing.assert_array_equal(said.labels, test.labels)
            for measure in ("accuracy", "top5", "ece", "oe"):
                value = getattr(lh.metrics, measure)(**said.scores, labels=said.labels)
                assert entry["raw"][measure] == pytest.approx(value, abs=1e-12)
            assert entry["raw"]["accuracy"] < lh.metrics.accuracy(**test.scores, labels=test.labels)


def test_no_attack_gives_the_test_predictions_again(done):
    # so the weights, the statistics and the way of predicting are those of the run
    for run in (done[0] / "runs").iterdir():
        said, test = (lh.Predictions.load(run / f"{name}.safetensors") for name in ("probe-fgsm-eps-0", "test"))
        np.testing.assert_allclose(said.logits, test.logits, atol=1e-4)


def test_noise_is_the_same_for_all_runs_and_has_no_labels(done):
    files = [lh.Predictions.load(path) for path in done[0].glob("runs/*/probe-gaussian_noise.safetensors")]
    assert len(files) == 4
    assert all(said.meta["labels"] == "none" for said in files)
    assert not np.array_equal(files[0].logits, files[1].logits)  # other models
    lh.Predictions.ensemble([said for said in files if said.meta["sentence"] == files[0].meta["sentence"]])


def test_tables_are_printed_and_on_the_page(done):
    folder, _, _, printed = done
    assert printed.index("vs") < printed.index("Ensembles of the seeds") < printed.index("Probe fgsm")
    summary = json.loads((folder / "summary.json").read_text())
    page = (folder / "report.html").read_text()
    for text in ("Probe fgsm", "Probe gaussian_noise", "Ensembles of the seeds", "AUROC raw"):
        assert text in page
    for table in summary["probes"]:
        for row in table["rows"]:
            assert row["n_seeds"] == 2
            assert row["ensemble"]["members"] == 2
    (fgsm,) = (table for table in summary["probes"] if table["name"] == "fgsm")
    for row in fgsm["rows"]:
        assert f"{100 * row['metrics']['accuracy_raw']['mean']:.1f} ±" in printed
        assert f"{100 * row['ensemble']['raw']['accuracy']:.1f}" in printed


def test_asking_again_asks_nothing_and_new_seeds_are_asked(done):
    folder = done[0]
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/probe-*")}
    compare(*QUICK, "--seeds", "2", "--out", str(folder), "--probe", "fgsm", "--probe", "gaussian_noise")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/probe-*")} == before
    compare("--epochs", "2", "--train-size", "60", "-m", "uls", "--seeds", "1", "--out", str(folder), "--probe", "fgsm")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    summary = json.loads((folder / "summary.json").read_text())
    (fgsm,) = (table for table in summary["probes"] if table["name"] == "fgsm")
    assert {row["method"]: row["n_seeds"] for row in fgsm["rows"]} == {"vanilla": 2, "mixup": 2, "uls": 1}
    # what is not asked again stays in the tables
    assert {"leave_hull(distance=3)", "gaussian_noise"} <= {table["name"] for table in summary["probes"]}


def test_other_data_that_changed_are_asked_anew(tmp_path):
    def write(seed):
        images = np.random.default_rng(seed).integers(0, 256, (20, 10, 10), dtype=np.uint8)
        np.savez(tmp_path / "odd.npz", train_x=images, train_y=np.arange(20) % 2)

    arguments = ["--epochs", "1", "--train-size", "40", "-m", "vanilla", "--seeds", "1", "--out", str(tmp_path / "out")]
    for seed in (0, 1):
        write(seed)
        compare(*arguments, "--probe", str(tmp_path / "odd.npz"))
    tables = json.loads((tmp_path / "out" / "summary.json").read_text())["probes"]
    assert len(tables) == 2  # two sets that happened to have one name: never mixed
    assert all(table["name"].startswith("odd.npz ") and table["n"] == 20 for table in tables)


def test_dropout_is_sampled_where_there_is_some(tmp_path):
    arguments = ["--epochs", "2", "--train-size", "60", "-m", "vanilla", "-m", "mc_dropout(p=0.5)", "--seeds", "1"]
    compare(*arguments, "--out", str(tmp_path / "out"), "--probe", "mc_dropout(samples=3)")
    (table,) = json.loads((tmp_path / "out" / "summary.json").read_text())["probes"]
    assert [row["method"] for row in table["rows"]] == ["mc_dropout(p=0.5)"]  # vanilla was trained without


def test_which_runs_mc_dropout_concerns():
    data = lh.data.load("digits")
    given = {"data_dir": None, "label": None}
    for network, sentence, concerned in (
        ("small", "vanilla", False),
        ("small", "mc_dropout(p=0.5)", True),
        ("small(dropout=0.2)", "vanilla", True),
    ):
        (asked,) = wanted(["mc_dropout"], data, network=network, **given)
        run = Run(sentence, sentence, 0, network, make_recipe("digits", "image"), data.fingerprint, "cpu", "32", 1)
        assert asked.concerns(run) == concerned


def test_vectors_are_probed_too(tmp_path):
    arguments = ["--data", "spiral", "--epochs", "2", "-m", "vanilla", "--seeds", "1", "--out", str(tmp_path / "out")]
    compare(*arguments, "--probe", "uniform_noise", "--probe", "leave_hull")
    tables = json.loads((tmp_path / "out" / "summary.json").read_text())["probes"]
    assert [table["at"] for table in tables[:9]] == list(lh.probes.DISTANCES)
    assert tables[9]["name"] == "uniform_noise"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--probe", "fgms"], "Did you mean 'fgsm'"),
        (["--probe", "fgsm(eps=8)"], "eps must be"),
        (["--probe", "nowhere.npz"], "is not there"),
        (["--probe", "spiral"], "cannot be brought"),
        (["--probe", "fgsm", "--data", "spiral"], "holds vectors"),
        (["--probe", "natural_adversarial:spiral"], "two or more"),
        (["--probe", "mc_dropout"], "trained with dropout"),
    ],
)
def test_wrong_probes_end_with_two_and_write_nothing(arguments, said, tmp_path):
    result = CliRunner().invoke(app, ["compare", *arguments, "--seeds", "1", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()
