"""The command line as a user meets it: what it prints, where, and with which exit status."""

import base64
import csv
import io
import json
import os
import re
import resource
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from levelhead.cli import app
from levelhead.compare.examples import thumbnail
from levelhead.data import load
from levelhead.plots.comparison import read
from levelhead.plots.mistakes import mistakes

QUICK = ["--epochs", "2", "--seeds", "1", "--train-size", "60"]


def call(*arguments: str) -> tuple[int, str, str]:
    """The command in this process: exit status, standard output, standard error."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def shell(*arguments: str, cwd=None, limit: int | None = None, **environment: str) -> subprocess.CompletedProcess:
    """The command in a process of its own, which may be kept from writing files larger than ``limit`` bytes."""

    def keep_small() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "levelhead", *arguments],
        capture_output=True, text=True, timeout=300, cwd=cwd, preexec_fn=keep_small, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A small finished comparison: folder and what was printed."""
    folder = tmp_path_factory.mktemp("cli") / "out"
    result = shell("compare", *QUICK, "--seeds", "2", "-m", "vanilla", "-m", "mixup", "-m", "pls", "--out", str(folder))
    assert result.returncode == 0, result.stderr
    return folder, result


def test_compare_writes_the_files_of_the_contract(done):
    folder, result = done
    entries = json.loads((folder / "results.json").read_text())
    assert len(entries) == 3 * 2 * 2
    for entry in entries:
        assert {"method", "sentence", "seed", "role", "raw", "scaled", "temperature", "seconds", "passes"} <= set(entry)
        assert entry["role"] in ("cal", "test")
        assert {"accuracy", "nll", "brier", "gap", "ece", "oe", "mce", "adaptive_ece", "classwise_ece"} == set(
            entry["raw"]
        )
    rows = list(csv.DictReader(io.StringIO((folder / "leaderboard.csv").read_text())))
    assert {row["method"] for row in rows} == {"vanilla", "mixup", "pls"}
    assert float(rows[0]["nll_scaled_lo"]) <= float(rows[0]["nll_scaled"]) <= float(rows[0]["nll_scaled_hi"])
    page = (folder / "report.html").read_text()
    assert "mixup" in page
    assert "report.html" in result.stdout
    assert "10 classes" in result.stderr


def test_accuracy_in_the_table_is_accuracy_of_the_predictions(done):
    folder, _ = done
    import levelhead as lh

    for entry in json.loads((folder / "results.json").read_text()):
        predictions = lh.Predictions.load(folder / "runs" / entry["run"] / f"{entry['role']}.safetensors")
        accuracy = (predictions.logits.argmax(1) == predictions.labels).mean()
        assert entry["raw"]["accuracy"] == pytest.approx(accuracy, abs=1e-12)
        assert entry["scaled"]["accuracy"] == pytest.approx(accuracy, abs=1e-12)
        assert entry["n"] == len(predictions.labels)


def test_cal_and_test_and_train_share_no_example(done):
    folder, _ = done
    import levelhead as lh

    run = next((folder / "runs").iterdir())
    cal, test = (set(lh.Predictions.load(run / f"{role}.safetensors").ids.tolist()) for role in ("cal", "test"))
    assert not cal & test


def test_again_redoes_nothing_and_more_seeds_extend(done):
    folder, _ = done
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*")}
    results = (folder / "results.json").read_bytes()
    same = ["compare", *QUICK, "--seeds", "2", "-m", "vanilla", "-m", "mixup", "-m", "pls", "--out", str(folder)]
    assert shell(*same).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*")} == before
    assert (folder / "results.json").read_bytes() == results
    wider = shell("compare", *QUICK, "-m", "uls", "--out", str(folder), "--json")
    assert wider.returncode == 0, wider.stderr
    assert {row["method"] for row in json.loads(wider.stdout)["rows"]} == {"vanilla", "mixup", "pls", "uls"}
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_jobs_change_no_number(done, tmp_path):
    folder, _ = done
    other = tmp_path / "one-job"
    arguments = ["-m", "vanilla", "-m", "mixup", "-m", "pls", "--seeds", "2", "--jobs", "1", "--out", str(other)]
    assert shell("compare", *QUICK, *arguments).returncode == 0
    for path in other.glob("runs/*/*.safetensors"):
        assert path.read_bytes() == (folder / path.relative_to(other)).read_bytes()


def test_train_uses_and_extends_the_same_folder(done):
    folder, _ = done
    result = shell(
        "train", "-m", "mixup", "--seed", "1", "--epochs", "2", "--train-size", "60", "--out", str(folder), "--json"
    )
    assert result.returncode == 0, result.stderr
    assert {entry["role"] for entry in json.loads(result.stdout)} == {"cal", "test"}


def test_a_run_whose_loss_becomes_nan_fails_alone(tmp_path):
    # a margin penalty of this weight overflows float32; vanilla at the same settings does not
    wild = "identity | one_hot | cross_entropy | margin(m=0, weight=1e38)"
    result = shell("compare", *QUICK, "-m", wild, "-m", "vanilla", "--out", str(tmp_path / "out"))
    assert result.returncode == 1
    assert "1 of the runs failed" in result.stderr
    assert "in step" in result.stderr
    assert "Traceback" not in result.stderr
    assert {entry["method"] for entry in json.loads((tmp_path / "out" / "results.json").read_text())} == {"vanilla"}


def test_a_full_disk_is_said_and_leaves_no_half_file(tmp_path):
    result = shell("compare", *QUICK, "-m", "vanilla", "--out", str(tmp_path / "out"), limit=200_000)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "File too large" in result.stderr
    assert not list(tmp_path.rglob("*partial*"))
    assert not list(tmp_path.rglob("run.json"))
    # with room again it goes on
    assert shell("compare", *QUICK, "-m", "vanilla", "--out", str(tmp_path / "out")).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--method", "mixupp"], "Did you mean 'mixup'"),
        (["--method", "mixup(alpha=-1)"], "alpha must be"),
        (["--method", "mixup(alpha=0.4"], "cannot read"),
        (["--method", "identity | one_hot | cross_entropy | logit_match"], "nothing is mixed"),
        (["--method", "margin"], "no method but a word of the penalty slot"),
        (["--data", "digitss"], "digits"),
        (["--model", "smal"], "Did you mean 'small'"),
        (["--model", "small(width=0)"], "width must be"),
        (["--model", "nowhere:net"], "cannot find the network"),
        (["--model", "lenet"], "at least 16x16"),
        (["--epochs", "0"], "epochs"),
        (["--lr", "nan"], "lr"),
        (["--schedule", "cosin"], "Did you mean 'cosine'"),
        (["--precision", "8"], "--precision must be one of"),
        (["--devices", "tpu"], "is not here"),
        (["--jobs", "many"], "--jobs must be"),
        (["--train-size", "100000"], "train"),
        (["--seeds", "0"], "seeds"),
        (["--nonsense"], "nonsense"),
        (["--data", "spiral", "--crop", "2"], "for images"),
        (["--data", "spiral", "--text", "said"], "it names a column"),
        (["--optimizer", "sdg"], "must be one of sgd"),
        (["--data", "spiral", "--method", "cutmix"], "cutmix pastes boxes into images"),
        (["--data", "spiral", "--model", "small"], "reads images"),
    ],
)
def test_wrong_words_end_with_two_and_write_nothing(arguments, said, tmp_path):
    status, _, errors = call("compare", *arguments, "--out", str(tmp_path / "out"))
    assert status == 2
    assert said in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()


def test_texts_of_a_table_are_compared(tmp_path):
    path = tmp_path / "moods.csv"
    # every seventh label is wrong, so that something is mistaken
    rows = [f"{('bad', 'good')[n % 2]} {n},{('no', 'yes')[(n + (n % 7 == 0)) % 2]}" for n in range(200)]
    path.write_text("\n".join(["said,mood", *rows]))
    status, printed, errors = call(
        *(
            "compare",
            "--data",
            str(path),
            "--text",
            "said",
            "--label",
            "mood",
            "--model",
            "sentence_cnn(dims=8, maps=4)",
        ),
        *("--method", "vanilla", "--method", "manifold_mixup", "--seeds", "1", "--epochs", "4", "--jobs", "1"),
        *("--out", str(tmp_path / "out")),
    )
    assert status == 0, errors
    assert "manifold_mixup" in printed
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert re.search(r"<blockquote dir=.auto.>(bad|good) \d+</blockquote>", page)


def test_a_folder_of_another_comparison_is_refused(done):
    folder, _ = done
    status, _, errors = call("compare", "--epochs", "3", "--train-size", "60", "--out", str(folder))
    assert status == 2
    assert "recipe.epochs (2 there, 3 here)" in errors


def test_a_network_of_the_users_own_is_found_where_the_command_is_typed(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "def net(num_classes, input_shape):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))\n"
    )
    result = shell("compare", *QUICK, "-m", "vanilla", "--model", "mine:net", "--out", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_methods_prints_every_name_and_one_card():
    status, output, _ = call("methods", "--json")
    assert status == 0
    assert json.loads(output)["logitmix_cm"]["passes"] == 2
    status, output, _ = call("methods", "pls")
    assert status == 0
    assert "learned_smooth" in output
    assert call("methods", "plss")[0] == 2


def test_models_lists_what_can_be_built_and_what_it_costs():
    status, printed, _ = call("models")
    assert status == 0
    assert "preact_resnet18(" in printed
    assert "11,171,274 parameters" in printed
    status, printed, _ = call("models", "torchvision:squeezenet1_1", "--json")
    assert status == 0
    assert json.loads(printed)[0]["parameters"] == 1_235_496 - 990 * 513  # torchvision's count, for 10 classes
    status, _, errors = call("models", "resnt18")
    assert status == 2
    assert "Did you mean" in errors


def test_tables_for_people_name_what_they_show(tmp_path):
    status, output, _ = call("methods")
    assert status == 0
    assert "alternate(midpoint) | learned_smooth" in output
    assert output.count("| none") >= 10
    np.savez(tmp_path / "p.npz", probs=np.array([[0.9, 0.1], [0.6, 0.4]]), labels=np.array([0, 1]))
    status, output, _ = call("evaluate", str(tmp_path / "p.npz"))
    assert status == 0
    assert "Accuracy 50.0 % [1.3, 98.7] (n = 2), mean confidence 75.0 %" in output
    status, output, _ = call("doctor")
    assert status == 0
    assert "fashion-mnist" in output


def test_evaluate_refuses_what_it_cannot_read(tmp_path):
    (tmp_path / "p.pkl").write_bytes(b"")
    (tmp_path / "half.npz").write_bytes(b"PK")
    for name in ("missing.npz", "p.pkl", "half.npz"):
        status, _, errors = call("evaluate", str(tmp_path / name))
        assert status == 2
        assert name in errors
        assert "Traceback" not in errors


def test_evaluate_reads_anybodys_predictions(real_data):
    file = real_data / "network-outputs" / "cifar10-lenet-5-cifar-10.npz"
    status, output, _ = call("evaluate", str(file), "--json")
    assert status == 0
    assert json.loads(output)["raw"]["ece"] == pytest.approx(0.1079, abs=5e-5)
    assert call("evaluate", str(file), "--cal", str(file))[0] == 2


def test_evaluate_with_a_temperature_from_other_examples(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 2000)
    logits = 4 * (np.eye(3)[labels] + rng.normal(0, 0.7, (2000, 3)))
    np.savez(tmp_path / "cal.npz", logits=logits[:1000], labels=labels[:1000], ids=np.arange(1000))
    np.savez(tmp_path / "test.npz", logits=logits[1000:], labels=labels[1000:], ids=np.arange(1000, 2000))
    status, output, _ = call("evaluate", str(tmp_path / "test.npz"), "--cal", str(tmp_path / "cal.npz"), "--json")
    entry = json.loads(output)
    assert status == 0
    assert entry["scaled"]["nll"] < entry["raw"]["nll"]
    np.savez(tmp_path / "leak.npz", logits=logits[:1001], labels=labels[:1001], ids=np.arange(1001))
    status, _, errors = call("evaluate", str(tmp_path / "test.npz"), "--cal", str(tmp_path / "leak.npz"))
    assert status == 2
    assert "share 1 examples" in errors


def test_report_rebuilds_the_page_and_refuses_other_folders(done, tmp_path):
    folder, _ = done
    (folder / "report.html").unlink()
    assert call("report", str(folder))[0] == 0
    assert (folder / "report.html").exists()
    assert call("report", str(tmp_path))[0] == 2
    status, output, _ = call("report", str(folder), "--table", "latex")
    assert (status, output.startswith("\\begin{table}")) == (0, True)
    assert call("report", str(folder), "--table", "excel")[0] == 2


def test_the_page_shows_the_very_examples_that_were_mistaken(done):
    folder, _ = done
    split = load("digits").splits["test"]
    rows = {int(number): row for row, number in enumerate(split.ids)}
    found = mistakes(read(folder), "vanilla")
    page = (folder / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="Test example (\d+)"', page)
    pictures = {int(number): source for source, number in sources}
    assert found
    for each in found:
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[each.id]))))
        np.testing.assert_array_equal(picture, thumbnail(split.inputs[rows[each.id]])[:, :, 0])
        assert split.labels[rows[each.id]] == each.label


def test_doctor_names_versions_and_missing_extras():
    status, output, _ = call("doctor", "--json")
    found = json.loads(output)
    assert status == 0
    assert found["packages"]["torch"]
    assert all(value == "installed" or "pip install" in value for value in found["extras"].values())


def test_help_does_not_import_torch():
    code = (
        "import sys; sys.argv = ['levelhead', '--help']\n"
        "from levelhead.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_core_is_light():
    code = (
        "import sys, levelhead; levelhead.objective; levelhead.losses; levelhead.metrics\n"
        "heavy = {'lightning_fabric', 'sklearn', 'matplotlib', 'plotly', 'torchvision', 'pydantic', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
