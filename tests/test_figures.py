"""`levelhead figure`: every kind from the folder of a real comparison."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.data.named_sets import cub
from typer.testing import CliRunner

from levelhead.cli import app
from levelhead.figures import KINDS


def call(*arguments):
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("figures") / "out"
    methods = ("vanilla", "mixup(alpha=0.2)", "mixup(alpha=1)", "pls")
    status, _, error = call(
        *("compare", "--data", "spiral", "--epochs", 3, "--seeds", 1, "--jobs", 1, "--out", out),
        *(word for method in methods for word in ("--method", method)),
        *("--record", "epochs", "--record", "embeddings", "--record", "targets", "--probe", "gaussian_noise"),
    )
    assert status == 0, error
    return out


@pytest.fixture(scope="module")
def of_images(tmp_path_factory):
    """The one kind that is about images needs some."""
    out = tmp_path_factory.mktemp("images") / "out"
    status, _, error = call(
        *("compare", "--data", "digits", "--train-size", 60, "--epochs", 1, "--seeds", 1, "--jobs", 1, "--out", out),
        *("--model", "small", "-m", "vanilla", "-m", "lamix"),
    )
    assert status == 0, error
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_and_gives_its_data(kind, folder, of_images, tmp_path):
    folder = of_images if kind == "activation_maps" else folder
    out = tmp_path / f"{kind}.png"
    status, said, error = call("figure", kind, folder, "--out", out, "--argument", "alpha", "--json")
    assert status == 0, error
    assert out.stat().st_size < 300_000
    with Image.open(out) as image:
        assert len(set(image.convert("L").resize((100, 100)).tobytes())) > 3  # not an empty sheet
    rows = json.loads(said)
    assert rows
    assert all(rows[0].keys() == row.keys() for row in rows)


def test_other_formats_and_one_method(folder, tmp_path):
    assert call("figure", "winning", folder, "-m", "pls", "--out", tmp_path / "a.svg")[0] == 0
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert call("figure", "label_entropy", "--out", tmp_path / "b.pdf")[0] == 0
    assert (tmp_path / "b.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("survace",), "Did you mean 'surface'"),
        (("winning", "--out", "a.jpg"), "figures are .png, .svg or .pdf"),
        (("winning", "--method", "cutmix"), "unknown method of this comparison 'cutmix'"),
        (("winning", "--seed", "7"), "no run of"),
        (("sweep",), "sweep needs --argument"),
        (("sweep", "--argument", "gamma"), "no two methods differ in gamma="),
        (("sweep", "--argument", "alpha", "--measure", "foo"), "no result has the measure 'foo'; there are"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = () if "--out" in arguments else ("--out", "a.png")
    status, _, error = call("figure", arguments[0], folder, *arguments[1:], *out)
    assert (status, message in error) == (2, True), error
    assert list(tmp_path.iterdir()) == []


def test_activation_maps_show_the_same_images_and_need_a_convolutional_network(folder, of_images, tmp_path):
    status, said, _ = call("figure", "activation_maps", of_images, "--out", tmp_path / "a.png", "--json")
    rows = json.loads(said)
    assert status == 0
    assert [row["method"] for row in rows] == [rows[0]["method"]] * 6 + [rows[6]["method"]] * 6
    assert [row["label"] for row in rows[:6]] == [row["label"] for row in rows[6:]] == [0, 1, 2, 3, 4, 5]
    assert all(0 < row["area"] <= 1 for row in rows)
    status, _, error = call("figure", "activation_maps", folder, "--out", tmp_path / "b.png")
    assert (status, "draws images with one class each; spiral is vector" in error) == (2, True), error


def test_soft_targets_leave_out_what_mixes_nothing_unless_it_is_asked_for(folder, tmp_path):
    status, said, error = call("figure", "soft_targets", folder, "--out", tmp_path / "a.png", "--json")
    assert status == 0, error
    assert {row["method"] for row in json.loads(said)} == {"mixup(alpha=0.2)", "mixup(alpha=1)", "pls"}
    status, _, error = call("figure", "soft_targets", folder, "-m", "vanilla", "--out", tmp_path / "b.png")
    assert (status, "vanilla: no targets of mixed pairs" in error) == (2, True)


def test_no_folder_or_no_file(folder, tmp_path):
    assert call("figure", "winning", "--out", tmp_path / "a.png")[0] == 2
    status, _, error = call("figure", "winning", folder)
    assert (status, "--out is missing" in error) == (2, True)


def test_activation_maps_of_windows_show_the_centre(tmp_path):
    cub(tmp_path / "CUB_200_2011")
    run = ("compare", "--data", "cub-200-2011", "--data-dir", tmp_path, "--image-size", 32, "--cal-size", 3)
    less = ("--epochs", 1, "--seeds", 1, "--jobs", 1, "--model", "small", "-m", "vanilla", "--out", tmp_path / "out")
    status, _, error = call(*run, *less)
    assert status == 0, error
    kept = np.load(tmp_path / "out" / "examples.npz")["pictures"].shape[1:3]
    assert kept == (28, 28)
    found = ("figure", "activation_maps", tmp_path / "out", "--data-dir", tmp_path, "--out", tmp_path / "a.png")
    status, said, error = call(*found, "--json")
    assert status == 0, error
    assert all(0 < row["area"] <= 1 for row in json.loads(said))
