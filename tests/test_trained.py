"""A finished run, used again: `lh.load_run` and `levelhead predict`."""

import json
import tarfile

import numpy as np
import pytest
from PIL import Image
from tests.data.layouts import encoded_image, write_image_parquet
from tests.train.runs import run_of
from typer.testing import CliRunner

import levelhead as lh
from levelhead.cli import app
from levelhead.train.execute import execute
from levelhead.trained import find_run, load_run, predict_source

QUICK = ("--epochs", "2", "--train-size", "100")


def call(*arguments):
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "out"
    methods = ("-m", "vanilla", "-m", "mc_dropout")
    status, _, error = call("compare", *QUICK, *methods, "--seeds", 2, "--jobs", 1, "--out", folder)
    assert status == 0, error
    return folder


def saved(run, role="test"):
    return lh.Predictions.load(run / f"{role}.safetensors")


def test_inputs_may_be_read_only(comparison, recwarn):
    run = load_run(find_run(comparison, "vanilla", 0))
    images = np.random.default_rng(0).random((2, *run.shape), dtype=np.float32)
    images.setflags(write=False)  # such as a memory map
    assert run.logits(images).shape == (2, len(run.classes))
    assert not [each for each in recwarn if "not writable" in str(each.message)]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_loaded_run_says_what_it_said(comparison, seed):
    run = find_run(comparison, "vanilla", seed)
    data = lh.data.load("digits", train_size=100)
    trained = lh.load_run(run)
    assert trained.classes == data.classes
    np.testing.assert_array_equal(trained.logits(data.splits["test"].inputs), saved(run).logits)
    assert not trained.model.training


def test_the_method_predicts_its_own_way(comparison):
    run = find_run(comparison, "mc_dropout", 0)
    said = load_run(run).logits(lh.data.load("digits", train_size=100).splits["test"].inputs)
    np.testing.assert_allclose(np.exp(said).sum(1), 1, atol=1e-5)  # the logarithm of a mean probability
    np.testing.assert_allclose(said, saved(run).logits, atol=0.5)  # ten other masks


def test_predict_writes_a_file_that_evaluates(comparison, tmp_path):
    run = find_run(comparison, "vanilla", 1)
    status, said, _ = call("predict", run, "--data", "digits", "--part", "all", "--out", tmp_path / "all.npz")
    assert status == 0
    assert "vanilla seed 1: n = 1,797" in said
    found, test = lh.Predictions.load(tmp_path / "all.npz"), saved(run)
    rows = np.searchsorted(found.ids, test.ids)
    np.testing.assert_array_equal(found.ids[rows], test.ids)
    np.testing.assert_array_equal(found.labels[rows], test.labels)
    np.testing.assert_allclose(found.logits[rows], test.logits, atol=1e-5)
    assert found.classes == test.classes
    assert call("evaluate", tmp_path / "all.npz")[0] == 0
    status, said, _ = call(
        "predict", comparison, "-m", "vanilla", "--seed", 1, "-d", "digits", "--out", tmp_path / "b.csv", "--json"
    )
    assert status == 0
    assert json.loads(said)["n"] == 1797


def test_texts_are_read_with_the_vocabulary_of_training(tmp_path):
    texts = [f"{word} thing number {i}" for i in range(60) for word in ("good", "bad")]
    labels = ["yes", "no"] * 60
    table = tmp_path / "texts.csv"
    table.write_text("text,label\n" + "\n".join(f"{a},{b}" for a, b in zip(texts, labels)))
    status, _, error = call(
        *("train", "--data", table, "--text", "text", "--label", "label", "--epochs", 3, "--cal-size", 20),
        *("--test-size", 20, "--model", "sentence_cnn", "--out", tmp_path / "out"),
    )
    assert status == 0, error
    run = find_run(tmp_path / "out")
    # the same words in other frequencies, hence with other ids, and one that was never seen
    other = tmp_path / "other.csv"
    other.write_text("text,label\nbad bad bad unheard thing,no\ngood good thing,yes\n")
    trained = load_run(run)
    found = predict_source(trained, str(other), label="label", text="text")
    words = trained.inputs["words"]
    by_hand = np.zeros((2, *trained.shape), dtype=np.int32)
    for row, text in zip(by_hand, ("bad bad bad unheard thing", "good good thing")):
        ids = [words.index(word) if word in words else 1 for word in text.split()][: len(row)]
        row[: len(ids)] = ids
    np.testing.assert_array_equal(found.logits, trained.logits(by_hand))
    assert [trained.classes[label] for label in found.labels] == ["no", "yes"]


def test_images_without_labels(comparison, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("b.png", "a.png", "c.jpg"):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    trained = load_run(find_run(comparison, "vanilla", 0))
    found = predict_source(trained, str(tmp_path))
    assert found.ids.tolist() == ["a.png", "b.png", "c.jpg"]
    assert found.meta["labels"] == "none"
    status, said, _ = call("predict", trained.folder, "-d", tmp_path, "--out", tmp_path / "said.csv")
    assert status == 0
    assert "accuracy" not in said


@pytest.fixture(scope="module")
def of_files(tmp_path_factory):
    """Wide and high images in parquet, tar shards, and a folder and a table of files: all of them the same."""
    root = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    rows: dict[str, list] = {"train": [], "test": []}
    for number in range(60):
        pixels = rng.integers(0, 256, (3, 10, 14) if number % 3 else (3, 14, 10), dtype=np.uint8)
        rows["train" if number < 40 else "test"].append((number, encoded_image(pixels), "ab"[number % 2]))
    lines = ["file,kind,part,object"]
    for name in ("parquet", "tar"):
        (root / name).mkdir()
    for role, each in rows.items():
        write_image_parquet(root / "parquet" / f"{role}.parquet", [row[1] for row in each], [row[2] for row in each])
        with tarfile.open(root / "tar" / f"{role}.tar", "w") as archive:
            for number, content, kind in each:
                path = root / "folder" / role / kind / f"{number:02d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.with_suffix(".cls").write_text(kind)
                archive.add(path, f"{number:02d}.png")
                archive.add(path.with_suffix(".cls"), f"{number:02d}.cls")
                path.with_suffix(".cls").unlink()
                lines.append(f"{path.relative_to(root)},{kind},{role},{number // 2}")
    (root / "table.csv").write_text("\n".join(lines))
    return root


@pytest.mark.parametrize("stream", ["never", "always"])
def test_images_of_files_are_brought_to_size_as_in_training(of_files, tmp_path, stream, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = {"fit": "letterbox", "image_size": 12, "cal_size": 10, "stream": stream, "workers": 0}
    data = lh.data.load(of_files / "parquet", **(asked if stream == "always" else asked | {"workers": None}))
    run = run_of(data, epochs=1, batch=10, class_weights="balanced", accumulate=2)
    execute(run, data, tmp_path, lambda _: None, lambda: False)
    trained, test = load_run(tmp_path), saved(tmp_path)
    for name, columns in (
        ("parquet", {}),
        ("tar", {}),
        ("folder", {}),
        ("table.csv", {"image": "file", "label": "kind", "split": "part", "group": "object"}),
    ):
        found = predict_source(trained, str(of_files / name), **columns)
        rows = np.argsort(found.labels, kind="stable") if name != "folder" else np.arange(len(found.labels))
        theirs = np.argsort(test.labels, kind="stable")
        np.testing.assert_array_equal(found.labels[rows], test.labels[theirs])
        np.testing.assert_allclose(found.logits[rows], test.logits[theirs], atol=1e-6, err_msg=name)
        if name != "folder":
            np.testing.assert_array_equal(found.ids, test.ids)


def test_broken_images_are_left_out_where_that_is_asked(comparison, tmp_path):
    for number in range(4):
        path = tmp_path / "images" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded_image(np.zeros((3, 8, 8), np.uint8)) if number else b"")
    run = find_run(comparison, "vanilla", 0)
    asked = ("predict", run, "--data", tmp_path / "images", "--out", tmp_path / "out.npz")
    status, _, error = call(*asked)
    assert (status, "--skip-broken" in error) == (2, True), error
    assert call(*asked, "--skip-broken")[0] == 0
    assert lh.Predictions.load(tmp_path / "out.npz").labels.tolist() == [0, 1, 1]


def test_what_cannot_be_predicted_is_refused(comparison, tmp_path):
    run = find_run(comparison, "vanilla", 0)
    for arguments, message in (
        ((comparison, "-d", "digits"), "holds 4 runs; say which"),
        ((comparison, "-d", "digits", "-m", "pls"), "none is the one asked for"),
        ((run, "-d", "digits", "-m", "vanilla"), "is one run"),
        ((tmp_path, "-d", "digits"), "neither the folder of a finished run"),
        ((run, "-d", "digits", "--part", "val"), "--part val: digits has train, or say all"),
        ((run, "-d", "spiral"), "classes that were not trained on: first arm"),
        ((run, "-d", "nowhere"), "nowhere"),
        ((run, "-d", "digits", "--out", tmp_path / "x.pkl"), "pickle"),
    ):
        out = () if "--out" in arguments else ("--out", tmp_path / "out.npz")
        status, _, error = call("predict", *arguments, *out)
        assert (status, message in error) == (2, True), error
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="reads inputs of shape"):
        load_run(run).logits(np.zeros((3, 1, 9, 9), np.uint8))
    old = tmp_path / "old"
    old.mkdir()
    (old / "run.json").write_text("{}")
    with pytest.raises(ValueError, match="made by an older version"):
        load_run(old)
