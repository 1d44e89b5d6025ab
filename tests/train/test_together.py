"""Two processes that train one run together, as under torchrun (gloo): what one would do, and bit for bit again."""

import dataclasses
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from tests.train.runs import history, run_of
from torch import multiprocessing

import levelhead as lh
from levelhead import data
from levelhead.train.checkpoint import Checkpoints
from levelhead.train.execute import execute
from levelhead.train.processes import summed
from levelhead.train.trainer import Stopped, Trainer

#: Without batch norm, dropout and random crops two processes do in an epoch what one does.
PLAIN = {"network": "mlp(width=16)", "schedule": "constant", "lr": 0.05, "batch": 16, "epochs": 1}
#: Batch norm, dropout, a head, draws for mixing and cropping, and all that a recipe can say.
ALL = {
    "method": "pls", "network": "small(dropout=0.2)", "accumulate": 2, "ema": 0.8, "select": "nll", "clip": 2.0,
    "crop": 1, "batch": 8, "epochs": 3, "freeze_epochs": 1, "layer_decay": 0.75,
}  # fmt: skip


def digits() -> data.Dataset:
    # 61 examples: the last batch is of odd size, so the processes' parts differ
    return data.load("digits", train_size=61, val_size=100)


def together(source, **asked):
    return dataclasses.replace(run_of(source, **asked), processes=2)


def train(source, folder=None, every=None, **asked) -> Trainer:
    """Train to the end, stopped after every so many updates and begun again."""
    checkpoints = Checkpoints(folder / "checkpoint.pt") if folder else None
    while True:
        trainer = Trainer(together(source, **asked), source, checkpoints)
        steps = itertools.count(1)
        try:
            # only the first is asked to stop, and both do
            trainer.train(lambda at: None, lambda: trainer.leads and next(steps) == every)  # noqa: B023
            return trainer
        except Stopped:
            continue


def _process(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", GROUP_RANK="0",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), TORCHELASTIC_RUN_ID="test",
    )  # fmt: skip
    place, source, found = Path(folder), digits(), {}
    for name, every in (("whole", None), ("pieces", 2)):
        trainer = train(source, place / name, every, **ALL)
        found[name] = trainer.logits("test"), history(trainer)
        found[f"{name} weights"] = trainer.objective.state_dict()
        if not rank:
            state = {key: value.contiguous() for key, value in trainer.objective.model.state_dict().items()}
            safetensors.torch.save_file(state, place / f"{name}.safetensors")
    trainer = train(source, **PLAIN)
    found["plain"] = trainer.logits("test"), history(trainer)
    found["sums"] = summed(trainer.fabric, {"both": torch.tensor(1.0 + rank), f"own{rank}": torch.tensor(5.0)})
    run = dataclasses.replace(together(source, **PLAIN), precision="bf16", record=("targets", "epochs"), method="mixup")
    execute(run, source, place / "executed", lambda at: None, lambda: False)
    found["files"] = sorted(path.name for path in (place / "executed").iterdir())
    torch.save(found, place / f"{rank}.pt")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_process, args=(port, str(folder)), nprocs=2)
    return folder, [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def test_processes_that_stop_again_and_again_come_to_the_same_bits(ranks):
    for found in ranks[1]:
        assert np.array_equal(found["whole"][0], found["pieces"][0])
        assert found["whole"][1] == found["pieces"][1]
        assert len(found["whole"][1]) == 3


def test_both_processes_end_with_the_same_weights_and_the_same_predictions(ranks):
    one, other = (found["whole weights"] for found in ranks[1])
    assert all(torch.equal(one[name], other[name]) for name in one if isinstance(one[name], torch.Tensor))
    assert np.array_equal(ranks[1][0]["whole"][0], ranks[1][1]["whole"][0])
    assert ranks[1][0]["whole"][1] == ranks[1][1]["whole"][1]  # the curve is of all processes


def test_predictions_are_those_of_one_process_with_these_weights(ranks):
    source = digits()
    with torch.random.fork_rng(devices=[]):
        alone = Trainer(together(source, **ALL), source, alone=True)
    alone.objective.model.load_state_dict(safetensors.torch.load_file(ranks[0] / "whole.safetensors"))
    logits = alone.logits("test")
    assert len(logits) == len(source.splits["test"])  # no example twice, although there are three batches for two
    assert np.array_equal(logits, ranks[1][0]["whole"][0])


def test_without_batch_norm_two_processes_do_what_one_does(ranks):
    source = digits()
    with torch.random.fork_rng(devices=[]):
        alone = Trainer(run_of(source, **PLAIN), source)
        alone.train(lambda at: None, lambda: False)
    logits, curve = ranks[1][0]["plain"]
    np.testing.assert_allclose(logits, alone.logits("test"), rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(curve, history(alone), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["parts"] == pytest.approx(theirs["parts"], rel=1e-5)


def test_sums_by_hand(ranks):
    for found in ranks[1]:
        assert {name: float(value) for name, value in found["sums"].items()} == {"both": 3, "own0": 5, "own1": 5}


def test_the_files_are_written_once_and_whole(ranks):
    folder, source = ranks[0] / "executed", digits()
    for found in ranks[1]:
        assert not [name for name in found["files"] if "partial" in name or name == "checkpoint.pt"]
        assert {"cal.safetensors", "test.safetensors", "model.safetensors", "run.json"} <= set(found["files"])
    said = lh.Predictions.load(folder / "test.safetensors")
    assert np.array_equal(said.ids, source.splits["test"].ids)
    assert np.array_equal(said.labels, source.splits["test"].labels)
    targets = np.load(folder / "records" / "targets-0001.npz")
    assert targets["originals_count"] == 61  # of both processes: 60 would be one batch's rest left out
    record = json.loads((folder / "run.json").read_text())
    assert record["config"]["processes"] == 2


def test_the_number_of_processes_is_part_of_the_name():
    source = digits()
    assert together(source).hash != run_of(source).hash
    assert dataclasses.replace(together(source), processes=1).hash == run_of(source).hash


def test_a_batch_too_small_for_the_processes_is_refused():
    source = digits()
    with pytest.raises(ValueError, match="a batch of 3 leaves 2 processes fewer than two examples each"):
        Trainer(together(source, batch=3), source)


# ---- the command itself, under torchrun


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A small folder of JPEG files: two kinds of stripes with noise."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(120):
        stripes = np.tile(np.arange(16)[:, None] // 2 % 2 * 160, (1, 16))
        image = stripes if number % 2 else stripes.T
        noisy = np.clip(image[..., None] + rng.integers(0, 90, (16, 16, 3)), 0, 255).astype(np.uint8)
        place = folder / ("train" if number < 80 else "test") / ("lying" if number % 2 else "standing")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(place / f"{number:03d}.jpg")
    return folder


def torchrun(*arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"),
            *("levelhead", *arguments),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_under_torchrun_is_interrupted_and_goes_on(photos, tmp_path):
    common = ["train", "-d", str(photos), "-m", "mixup", "--epochs", "40", "--batch", "16", "--accumulate", "2",
              "--precision", "bf16", "--model", "small"]  # fmt: skip
    stopped = torchrun(*common, "--out", str(tmp_path / "stopped"))
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("stopped/runs/*/checkpoint.pt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    stopped.send_signal(signal.SIGINT)
    _, errors = stopped.communicate(timeout=100)
    assert errors.count("same command again to go on:\n  torchrun --nproc_per_node=2 -m levelhead train") == 1
    assert not list(tmp_path.glob("stopped/runs/*/run.json"))
    assert list(tmp_path.glob("stopped/runs/*/checkpoint.pt"))
    again = torchrun(*common, "--out", str(tmp_path / "stopped"))
    said, errors = again.communicate(timeout=150)
    assert again.returncode == 0, errors
    assert said.count("Model and predictions:") == 1  # by the first process
    (test,) = tmp_path.glob("stopped/runs/*/test.safetensors")
    predictions = lh.Predictions.load(test)
    expected = data.load(photos).splits["test"]
    assert np.array_equal(predictions.ids, expected.ids)
    assert np.array_equal(predictions.labels, expected.labels)
    assert (predictions.logits.argmax(1) == predictions.labels).mean() > 0.9


@pytest.mark.slow
def test_the_failure_of_one_process_ends_all_with_a_sentence(tmp_path):
    (tmp_path / "broken.py").write_text(
        "import os, torch\n"
        "class Net(torch.nn.Linear):\n"
        "    def forward(self, x):\n"
        "        if os.environ.get('RANK') == '1': raise TypeError('no such thing')\n"
        "        return super().forward(x.flatten(1))\n"
        "def net(num_classes): return Net(64, num_classes)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process = torchrun(*("train", "--model", "broken:net", "--out", str(tmp_path / "out")), PYTHONPATH=path)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "levelhead: process 1 of 2: vanilla seed 0: TypeError: no such thing" in errors
