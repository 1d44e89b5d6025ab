"""Killed at any moment and started again, a comparison ends where an uninterrupted one ends, byte for byte."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 20
ARGUMENTS = ["--method", "logitmix_cm", "--method", "pls", "--seeds", "1", "--epochs", "400", "--train-size", "100"]


def start(out: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "levelhead", "compare", *ARGUMENTS, "--out", str(out), *more]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        # a test run in the background of a script ignores Ctrl-C, and what it starts would, too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def numbers(out: Path) -> list[dict]:
    entries = json.loads((out / "results.json").read_text())
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in entries]


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("runs/*/*.safetensors"))}


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_byte(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(whole, "--jobs", "2"))
    rng = random.Random(0)
    survived = 0
    for kill in range(KILLS):
        process = start(killed, "--jobs", str(1 + kill % 2))
        try:
            process.wait(timeout=rng.uniform(0.5, 8.0))
            survived += 1
        except subprocess.TimeoutExpired:
            if kill % 3:  # everything at once, as a machine that loses power
                os.killpg(process.pid, signal.SIGKILL)
            else:  # the parent alone: its workers must go by themselves, and never write beside the next ones
                process.kill()
        process.wait()
        process.stderr.close()
        assert not list(killed.glob("runs/*/run.json")) or (killed / "comparison.json").exists()
    finish(start(killed))
    assert files(killed) == files(whole)
    assert len(files(whole)) == 6  # two runs: cal, test, model
    assert numbers(killed) == numbers(whole)
    assert not list(killed.rglob("checkpoint.pt"))
    # a finished run is left alone, so the test means something only if most kills met one unfinished
    assert survived < KILLS / 2


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path):
    process = start(tmp_path / "out", "--epochs", "20000")  # it must not be done before it is stopped
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("checkpoint.pt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the parent and to the workers
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "same command again" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.rglob("checkpoint.pt"))
    assert not list(tmp_path.rglob("*partial*"))
    assert not list(tmp_path.rglob(".work"))
