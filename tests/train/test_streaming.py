"""Training from disk is training from memory: the same bits, whoever decodes, stopped and gone on with or not."""

import json

import numpy as np
import pytest
import torch
from tests.data.layouts import write_tree
from tests.train.runs import history
from typer.testing import CliRunner

from levelhead import data
from levelhead.cli import app
from levelhead.spec import parse
from levelhead.train import Run, make_recipe
from levelhead.train.checkpoint import Checkpoints
from levelhead.train.trainer import Stopped, Trainer

pytestmark = pytest.mark.usefixtures("cache")


def trainer(found, checkpoints=None, **recipe) -> Trainer:
    method = "pls"
    run = Run(
        method=method,
        sentence=str(parse(method)),
        seed=0,
        network="small(dropout=0.2)",  # whose draws come from the global generator
        recipe=make_recipe("", "image", **{"epochs": 3, "batch": 16, "crop": 2, "flip": True, **recipe}),
        fingerprint=found.fingerprint,
        device="cpu",
        precision="32",
        threads=1,
    )
    return Trainer(run, found, checkpoints)


def trained(found, checkpoints=None, after=None, **recipe) -> Trainer:
    """A run that was carried out to its end, or stopped after some steps."""
    steps = iter(range(1, 10_000))
    with torch.random.fork_rng(devices=[]):
        worker = trainer(found, checkpoints, **recipe)
        try:
            worker.train(lambda at: None, lambda: next(steps) == after)
        except Stopped:
            assert after is not None
    return worker


def assert_same(first: Trainer, second: Trainer) -> None:
    for role in ("train", "cal", "test"):
        assert np.array_equal(first.logits(role), second.logits(role))
    assert history(first) == history(second)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_training_from_disk_is_training_from_memory(folder, workers):
    held = trained(data.load(folder, stream="never"))
    assert_same(held, trained(data.load(folder, stream="always", workers=workers)))


@pytest.mark.parametrize("after", [2, 6])
@pytest.mark.parametrize(("first", "then"), [("always", "never"), ("never", "always"), ("always", "always")])
def test_what_was_begun_in_one_way_goes_on_in_the_other(folder, tmp_path, after, first, then):
    whole = trained(data.load(folder, stream="never"))
    checkpoints = Checkpoints(tmp_path / "c.pt")
    trained(data.load(folder, stream=first, workers=None if first == "never" else 1), checkpoints, after)
    gone_on = trained(data.load(folder, stream=then, workers=None if then == "never" else 2), checkpoints)
    assert_same(whole, gone_on)


def test_windows_are_the_same_whoever_cuts_them_and_across_resume(folder, tmp_path):
    windows = {"resized_crop": 0.3, "crop": 0}
    whole = trained(data.load(folder, stream="always", workers=0), **windows)
    assert not np.array_equal(whole.logits("cal"), trained(data.load(folder, stream="never"), crop=0).logits("cal"))
    checkpoints = Checkpoints(tmp_path / "c.pt")
    trained(data.load(folder, stream="always", workers=2), checkpoints, 6, **windows)
    assert_same(whole, trained(data.load(folder, stream="always", workers=1), checkpoints, **windows))


def compared(out, *words) -> list[dict]:
    arguments = ["compare", "-m", "vanilla", "-m", "mixup", "--seeds", "1", "--epochs", "2", "--model", "small"]
    result = CliRunner().invoke(app, [*arguments, *words, "--out", str(out)])
    assert result.exit_code == 0, result.output
    return [
        {k: v for k, v in entry.items() if k != "seconds"} for entry in json.loads((out / "results.json").read_text())
    ]


@pytest.mark.slow
def test_compare_streams_and_its_numbers_are_those_of_memory(folder, tmp_path):
    source = ["--data", str(folder), "--probe", "fgsm"]
    held = compared(tmp_path / "held", *source, "--stream", "never", "--jobs", "1")
    streamed = compared(tmp_path / "streamed", *source, "--stream", "always", "--workers", "1", "--jobs", "1")
    assert held == streamed
    probed = [json.loads((tmp_path / name / "probes.json").read_text()) for name in ("held", "streamed")]
    assert probed[0] == probed[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resized-crop", "0.08", "--stream", "never"], "so they stream: not --stream never"),
        (["--resized-crop", "0.08", "--data", "spiral"], "spiral does not lie in files of encoded images"),
        (["--resized-crop", "1.5"], "resized_crop: Input should be less than or equal to 1"),
        (["--stream", "maybe"], "stream must be one of auto, always, never"),
    ],
)
def test_words_that_make_no_sense(words, said):
    result = CliRunner().invoke(app, ["train", *words])
    assert result.exit_code == 2
    assert said in result.stderr


def test_images_that_cannot_be_read_are_refused_by_name_before_training(tmp_path):
    write_tree(tmp_path / "set", {"a": 30, "b": 30}, shape=(40, 40, 3))
    for name in ("a/005.png", "b/007.png"):
        path = tmp_path / "set" / name
        path.write_bytes(path.read_bytes()[:-300])  # its header is whole
    words = ["train", "--data", str(tmp_path / "set"), "--stream", "always", "--workers", "0", "--epochs", "1"]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "o")])
    assert result.exit_code == 2
    assert "2 of 60 images cannot be read: " in result.stderr
    assert all(name in result.stderr.replace("\n", "") for name in ("a/005.png", "b/007.png", "--skip-broken"))
    assert not (tmp_path / "o").exists()
