"""Windows smaller than the image and random colours through training, the command line, probes and prediction."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.data.layouts import write_voc
from tests.data.named_sets import cub, imagenet
from tests.train.test_streaming import assert_same, trained
from typer.testing import CliRunner

import levelhead as lh
from levelhead import data
from levelhead.cli import app
from levelhead.train import augmented
from levelhead.train.checkpoint import Checkpoints

pytestmark = pytest.mark.usefixtures("cache")


def call(*words) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


def run_in(out) -> tuple[dict, dict]:
    """The record of the one run of a comparison, and what it reads."""
    run = next(out.glob("runs/*/run.json"))
    return json.loads(run.read_text()), json.loads((run.parent / "inputs.json").read_text())


#: One run in this process, without starting others.
TRAIN = ("compare", "-m", "vanilla", "--seeds", "1", "--epochs", "1", "--jobs", "1")
ASKED = {"crop": 0, "crop_size": 12, "jitter": "brightness=0.3, hue=0.1, lighting=0.1, prob=0.5"}


@pytest.mark.parametrize("windows", [ASKED, {**ASKED, "resized_crop": 0.3}])
def test_the_same_bits_whoever_decodes_and_across_resume(folder, tmp_path, windows):
    whole = trained(data.load(folder, stream="always", workers=0), **windows)
    assert whole.data.shape == (3, 12, 12)
    checkpoints = Checkpoints(tmp_path / "c.pt")
    trained(data.load(folder, stream="always", workers=2), checkpoints, 6, **windows)
    assert_same(whole, trained(data.load(folder, stream="always", workers=1), checkpoints, **windows))
    if "resized_crop" not in windows:
        assert_same(whole, trained(data.load(folder, stream="never"), **windows))


def test_birds_are_trained_on_in_windows_and_asked_about_by_their_centre(tmp_path):
    cub(tmp_path / "CUB_200_2011")
    out = tmp_path / "out"
    source = ("--data", "cub-200-2011", "--data-dir", tmp_path)
    command = (*TRAIN, *source, "--image-size", "32", "--cal-size", "3", "--model", "small")
    status, said = call(*command, "--probe", "gaussian_noise", "--probe", "cub-200-2011", "--out", out)
    assert status == 0, said
    about, inputs = run_in(out)
    assert (about["config"]["recipe"]["crop_size"], about["config"]["recipe"]["flip"]) == (28, True)
    assert (inputs["shape"], inputs["whole"], inputs["fit"]) == ([3, 28, 28], [3, 32, 32], "stretch")
    run = next(out.glob("runs/*"))
    own = lh.Predictions.load(run / "test.safetensors").logits
    np.testing.assert_allclose(lh.Predictions.load(run / "probe-cub-200-2011.safetensors").logits, own, atol=1e-5)
    flat = tmp_path / "flat"  # the same images without labels
    flat.mkdir()
    lists = tmp_path / "CUB_200_2011"
    names, trained_on = (
        dict(line.split() for line in (lists / name).read_text().splitlines())
        for name in ("images.txt", "train_test_split.txt")
    )
    for place, number in enumerate(number for number, mark in trained_on.items() if mark == "0"):
        Image.open(lists / "images" / names[number]).save(flat / f"{place:02d}.png")
    for what in (source, ("--data", flat)):
        status, said = call("predict", out, *what, "--out", tmp_path / "said.npz")
        assert status == 0, said
        np.testing.assert_allclose(lh.Predictions.load(tmp_path / "said.npz").logits, own, atol=1e-5)
    assert lh.load_run(run).logits(np.zeros((2, 3, 28, 28), np.uint8)).shape == own[:2].shape
    # a paper's recipe does not know the size of the images, so the windows stay
    shown = augmented(data.load("cub-200-2011", data_dir=tmp_path, cal_size=3, image_size=32), "mbls-cub", {})
    assert shown == {"resized_crop": None, "crop_size": 28}


def test_scenes_are_trained_on_in_windows_and_asked_about_whole(tmp_path):
    write_voc(tmp_path)
    out = tmp_path / "out"
    command = (*TRAIN, "--data", "voc", "--data-dir", tmp_path, "--image-size", "40", "--cal-size", "2")
    status, said = call(*command, "--batch", "2", "--out", out)
    assert status == 0, said
    about, inputs = run_in(out)
    recipe = about["config"]["recipe"]
    assert (recipe["crop_size"], recipe["crop"], recipe["flip"]) == (32, 0, True)
    assert recipe["jitter"] == "brightness=0.3, contrast=0.3, saturation=0.12, hue=0.11, prob=0.5"
    assert (inputs["shape"], inputs["fit"]) == ([3, 40, 40], "letterbox")
    pixels = json.loads(next(out.glob("runs/*/pixels.json")).read_text())
    assert (pixels["height"], pixels["width"]) == (40, 40)


def test_photographs_of_imagenet_are_trained_on_through_random_windows(tmp_path):
    imagenet(tmp_path / "imagenet")
    source = ("--data", "imagenet", "--data-dir", tmp_path, "--image-size", "16", "--cal-size", "4")
    command = (*TRAIN, *source, "--batch", "4", "--workers", "0", "--model", "small")
    status, said = call(*command, "--out", tmp_path / "out")
    assert status == 0, said
    assert "streamed" in said
    recipe = run_in(tmp_path / "out")[0]["config"]["recipe"]
    assert (recipe["resized_crop"], recipe["flip"]) == (0.08, True)
    assert recipe["jitter"] == "brightness=0.4, contrast=0.4, saturation=0.4, lighting=0.1"
    held = data.load("imagenet", data_dir=tmp_path, image_size=16, cal_size=4, stream="never")
    assert held.augment.window is None
    assert any("so training has no random windows of the originals" in note for note in held.notes)


def test_a_recipe_for_imagenet_has_its_colours_and_leaves_the_windows_to_the_data():
    from levelhead.data.facts import FACTS
    from levelhead.train import make_recipe

    recipe = make_recipe("imagenet", "image", "logitmix-imagenet")
    assert recipe.jitter == str(FACTS["imagenet"].augment.jitter)
    assert recipe.resized_crop is None
    assert make_recipe("voc", "segmentation", "mbls-voc").jitter == str(FACTS["voc"].augment.jitter)
    assert make_recipe("trec", "text", "mbls-voc").jitter == "none"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data", "digits", "--crop-size", "9"), "crop_size=9 is larger than the images of digits"),
        (
            ("--data", "digits", "--jitter", "0.4"),
            "is for images of three colours, but those of digits have 1 channel;",
        ),
        (("--data", "digits", "--jitter", "colour=1"), "argument of jitter"),
        (("--data", "digits", "--jitter", "hue=0.9"), "hue must be a number in [0, 0.5]"),
        (("--data", "digits", "--crop-size", "-1"), "crop_size: Input should be greater than or equal to 0"),
        (("--data", "spiral", "--jitter", "0.4"), "--jitter are for images, but spiral holds vectors"),
        (("--data", "spiral", "--crop-size", "4"), "are for images, but spiral holds vectors of 2 numbers"),
    ],
)
def test_words_that_make_no_sense(words, said, tmp_path):
    status, complaint = call("train", *words, "--out", tmp_path / "o")
    assert status == 2
    assert said in complaint.replace("\n", " ")
    assert not (tmp_path / "o").exists()
