"""Segmentation through compare: rows that are pixels, all pixels counted, resume, the report, and what is refused."""

import csv
import io
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import levelhead as lh
from levelhead import data as room
from levelhead import metrics
from levelhead.cli import app
from levelhead.compare import pixels
from levelhead.compare.settings import Comparison
from levelhead.data import Split
from levelhead.data.records import IGNORED
from levelhead.predictions import Predictions
from levelhead.spec import parse
from levelhead.train import Recipe, Run
from levelhead.train.execute import execute, reopened
from levelhead.train.rows import MOST_OF_IMAGE, rows_of
from levelhead.train.trainer import Stopped

sys.path.insert(0, str(Path(__file__).parents[1]))
from data.layouts import write_pairs

NETWORK = "unet(width=2)"
NAMES = sorted(lh.methods())
NEVER = lambda: False  # noqa: E731


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "street"
    write_pairs(folder, {"train": 8, "cal": 4, "test": 6})
    (folder / "classes.txt").write_text("wall\nfloor\npost\n")
    return folder


@pytest.fixture(scope="module")
def data(folder):
    return room.load(folder)


def run_of(data, method="vanilla", seed=0, **recipe) -> Run:
    return Run(
        method=method,
        sentence=str(parse(method)),
        seed=seed,
        network=NETWORK,
        recipe=Recipe(**{"epochs": 2, "batch": 4, "crop": 2, "flip": True, **recipe}),
        fingerprint=data.fingerprint,
        device="cpu",
        precision="32",
        threads=1,
    )


def comparison(data, methods, **changes) -> Comparison:
    given = {
        "data": data,
        "methods": tuple(methods),
        "seeds": (0,),
        "network": NETWORK,
        "recipe": Recipe(epochs=1, batch=4),
        "devices": ("cpu",),
        "precision": "32",
        "threads": 1,
        **changes,
    }
    return Comparison(**given)


def call(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_method_trains_or_is_refused_before_anything_is_computed(data, name):
    """They all train: each of them is defined pixel by pixel, the second heads as convolutions."""
    comparison(data, [name]).check()


def test_what_is_about_one_class_an_example_is_refused(data, folder):
    for record in ("targets", "embeddings"):
        with pytest.raises(ValueError, match=f"--record {record} is about examples of one class each"):
            comparison(data, ["vanilla"], record=(record,)).check()
    status, _, errors = call("compare", "--data", str(folder), "-m", "vanilla", "--probe", "gaussian_noise")
    assert status == 2
    assert "has one for every pixel" in errors
    with pytest.raises(ValueError, match=r"must give logits \(4, 3, 24, 32\), but gave \(4, 3\)"):
        comparison(data, ["vanilla"], network="small").check()


def test_rows_are_the_same_pixels_for_every_run_and_tell_where_they_are(data):
    split = data.splits["test"]
    rows = rows_of(split)
    again = rows_of(Split(split.inputs, split.labels.copy(), split.ids))
    assert np.array_equal(rows.ids, again.ids)
    assert len(np.unique(rows.ids)) == len(rows.ids)
    size = 24 * 32
    images, places = rows.ids // size, rows.ids % size
    position = {int(number): at for at, number in enumerate(split.ids)}
    flat = split.labels.reshape(len(split), -1)
    assert all(flat[position[int(i)], p] == label for i, p, label in zip(images, places, rows.labels))
    assert (rows.labels != IGNORED).all()
    assert np.bincount([position[int(i)] for i in images]).tolist() == [MOST_OF_IMAGE] * 6
    logits = torch.arange(6 * 3 * size, dtype=torch.float32).reshape(6, 3, 24, 32)
    some = np.array([4, 1])
    picked = rows.of(logits[some], some)
    chosen = rows.places(some)
    wanted = [logits[position[int(images[r])], :, places[r] // 32, places[r] % 32] for r in chosen]
    assert torch.equal(picked, torch.stack(wanted))


def test_images_have_rows_in_proportion_to_what_counts_in_them():
    labels = np.full((3, 40, 50), IGNORED, np.uint8)
    labels[0], labels[1, :20], labels[2, :1, :7] = 1, 0, 2
    rows = rows_of(Split(np.zeros((3, 1, 40, 50), np.uint8), labels, np.array([5, 7, 9])))
    counts = np.bincount(rows.ids // 2000, minlength=10)[[5, 7, 9]]
    assert abs(counts[0] - 2 * counts[1]) <= 1
    assert 1 <= counts[2] <= 5
    empty = rows_of(
        Split(np.zeros((2, 1, 4, 5), np.uint8), np.array([labels[0, :4, :5], np.full((4, 5), 255)]), np.r_[:2])
    )
    assert len(empty.labels) == 20


def test_all_pixels_are_counted(data, tmp_path):
    run = run_of(data, epochs=3)
    execute(run, data, tmp_path, lambda at: None, NEVER)
    pixels.count_pixels(run, data, tmp_path, NEVER)
    found = json.loads((tmp_path / "pixels.json").read_text())
    with torch.random.fork_rng(devices=[]):
        trainer = reopened(run, data, tmp_path)
        logits, labels = (part.numpy() for part in trainer.asked("test", torch.arange(6)))
    scores = logits.transpose(0, 2, 3, 1).reshape(-1, 3)
    known = labels.reshape(-1)
    scores, known = scores[known != IGNORED], known[known != IGNORED]
    assert found["pixels"] == len(known)
    predicted = scores.argmax(1)
    iou = [((predicted == k) & (known == k)).sum() / ((predicted == k) | (known == k)).sum() for k in range(3)]
    assert found["iou"] == pytest.approx(iou)
    temperature = found["temperature"]
    for state, divisor in (("raw", 1), ("scaled", temperature)):
        assert found[state]["miou"] == pytest.approx(np.mean(iou))
        assert found[state]["pixel_accuracy"] == pytest.approx((predicted == known).mean())
        given = {"logits": scores / np.float32(divisor), "labels": known}
        for name, measure in (("pixel_nll", metrics.nll), ("pixel_ece", metrics.ece), ("pixel_gap", metrics.gap)):
            assert found[state][name] == pytest.approx(measure(**given), abs=1e-6)
        # six images are one batch
        assert found[state]["batch_ece"] == pytest.approx(found[state]["pixel_ece"], abs=1e-9)
    sample = Predictions.load(tmp_path / "test.safetensors")
    assert sample.meta["rows"] == "pixels"
    assert sample.num_examples == 6 * MOST_OF_IMAGE
    assert metrics.accuracy(**sample.scores, labels=sample.labels) == pytest.approx(
        (predicted == known).mean(), abs=0.05
    )
    with np.load(tmp_path / "maps.npz") as maps:
        assert np.array_equal(maps["predicted"], logits.argmax(1)[[0, 2, 3, 5]])
        assert np.array_equal(maps["ids"], data.splits["test"].ids[[0, 2, 3, 5]])
        sure = torch.from_numpy(logits[[0, 2, 3, 5]]).softmax(1).amax(1).numpy()
        assert np.abs(maps["confidence"] / 255 - sure).max() <= 0.5 / 255 + 1e-6


def test_ece_batch_by_batch_is_as_mbls_takes_it(data):
    """Without the background where there is one, and without what is ignored, each batch with its pixels as weight."""
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(2, 3, 6, 5)).astype(np.float32))
    labels = torch.from_numpy(rng.integers(0, 3, (2, 6, 5)))
    labels[0, :4] = IGNORED
    for background in (False, True):
        counts = pixels._Counts(3, background)
        sums = weight = 0
        for at in range(2):
            counts.add(logits[at : at + 1], labels[at : at + 1])
            flat, known = logits[at].flatten(1).T.numpy(), labels[at].flatten().numpy()
            kept = (known != IGNORED) & ((known != 0) | (not background))
            sums += metrics.ece(logits=flat[kept], labels=known[kept], n_bins=15) * kept.sum()
            weight += kept.sum()
        assert counts.compute()["batch_ece"] == pytest.approx(sums / weight)


def test_iou_of_a_class_that_is_nowhere_is_no_number():
    iou = pixels.intersection_over_union(np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]]))
    assert iou[:2].tolist() == [3 / 6, 4 / 7]
    assert np.isnan(iou[2])


@pytest.mark.parametrize("method", ["vanilla", "cutmix(prob=1)"])
def test_stopped_anywhere_and_started_again_it_ends_the_same(data, tmp_path, method):
    run = run_of(data, method=method)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    execute(run, data, whole, lambda at: None, NEVER)
    pixels.count_pixels(run, data, whole, NEVER)
    stops, asked = 0, itertools.count()
    while True:
        try:
            execute(run, data, parts, lambda at: None, lambda: next(asked) in (0, 2, 5, 6, 8))
            break
        except Stopped:
            stops += 1
    with pytest.raises(Stopped):
        pixels.count_pixels(run, data, parts, lambda: True)
    assert not (parts / "pixels.json").exists()
    pixels.count_pixels(run, data, parts, NEVER)
    assert stops == 5  # in two epochs of two steps, and while it is judged and asked at the end
    for name in ("cal.safetensors", "test.safetensors", "model.safetensors", "pixels.json", "maps.npz"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("segmentation") / "out"
    methods = ["-m", "vanilla", "-m", "focal(gamma=3)", "-m", "mbls"]
    command = ["compare", "--data", str(folder), *methods, "--seeds", "2", "--epochs", "2", "--model", NETWORK]
    status, printed, errors = call(*command, "--out", str(out), "--jobs", "1")
    assert status == 0, errors
    return out, printed, errors, [*command, "--out", str(out)]


def test_the_table_says_miou_and_what_n_counts(done):
    out, printed, errors, _ = done
    assert "mIoU" in printed
    assert "All pixels of test" in printed
    assert "pixels of one image are alike" in " ".join(printed.split())
    assert "images: 8 train, 4 cal, 6 test" in errors
    rows = list(csv.DictReader(io.StringIO((out / "leaderboard.csv").read_text())))
    assert {row["method"] for row in rows} == {"vanilla", "focal(gamma=3)", "mbls"}
    entries = [e for e in json.loads((out / "results.json").read_text()) if e["role"] == "test"]
    assert {e["n"] for e in entries} == {6 * MOST_OF_IMAGE}
    for row in rows:
        seeds = [e["raw"]["miou"] for e in entries if e["method"] == row["method"]]
        assert float(row["miou_raw"]) == pytest.approx(np.mean(seeds))
        assert {"pixel_ece_raw", "pixel_ece_scaled_diff", "batch_ece_raw_lo", "pixel_accuracy_raw"} <= row.keys()


def test_finished_runs_are_left_alone_and_lost_counts_are_missed(done, data):
    out, _, _, command = done
    files = [path for path in out.glob("runs/*/*") if path.name != ".lock"]
    times = {path: path.stat().st_mtime_ns for path in files}
    status, printed, errors = call(*command, "--json")
    assert status == 0, errors
    assert {path: path.stat().st_mtime_ns for path in files} == times
    summary = json.loads(printed)
    assert summary["segmentation"]["images"] == 6
    assert all(len(values) == 3 for values in summary["segmentation"]["iou"].values())
    assert not pixels.uncounted(data, files[0].parent)
    assert pixels.uncounted(data, out / "runs" / "another")


def test_the_page_shows_maps_and_no_interval_over_pixels(done):
    page = (done[0] / "report.html").read_text()
    assert len(page) < 8_000_000
    assert page.count('<img src="data:image/') == 4 * (2 + 2 * 3)
    assert 'alt="confidence of vanilla on test image' in page
    assert "there are no intervals, because pixels of one image are alike" in page
    assert "Clopper" not in page.split("plotly")[0]
    assert "IoU by class" in page
    figure = json.loads(page.split('id="figure-data">')[1].split("</script>")[0])
    diagrams = [figure[name] for name in figure if name.startswith("reliability-")]
    assert diagrams
    assert all("error_y" not in trace for diagram in diagrams for trace in diagram["states"]["raw"])
    assert "6 test" in page  # images, not pixels


def test_predictions_are_judged_as_anybody_s(done):
    file = next(iter(sorted(done[0].glob("runs/*/test.safetensors"))))
    status, printed, errors = call("evaluate", str(file), "--json")
    assert status == 0, errors
    found = json.loads(printed)
    assert found["n"] == 6 * MOST_OF_IMAGE
    assert any("rows are pixels" in note for note in found["notes"])


def test_a_finished_run_gives_maps(done, data):
    run = next(iter(sorted(done[0].glob("runs/*"))))
    images = data.splits["test"].inputs
    logits = lh.load_run(run).logits(images)
    sample = Predictions.load(run / "test.safetensors")
    position = {int(number): at for at, number in enumerate(data.splits["test"].ids)}
    at = np.array([position[int(number)] for number in sample.ids // 768])
    chosen = logits.reshape(6, 3, -1)[at, :, sample.ids % 768]
    np.testing.assert_allclose(chosen, sample.logits, atol=1e-5)
    status, _, errors = call("predict", str(run), "--data", "digits", "--out", "never.npz")
    assert status == 2
    assert "every pixel a class" in errors


def test_wrong_pairs_are_status_2(folder, tmp_path):
    write_pairs(tmp_path / "wrong", {"train": 4, "test": 2})
    (tmp_path / "wrong" / "train" / "masks" / "00.png").unlink()
    status, _, errors = call("compare", "--data", str(tmp_path / "wrong"), "-m", "vanilla")
    assert status == 2
    assert "has no mask" in errors
