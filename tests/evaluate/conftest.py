"""Predictions of a made-up overconfident network, in every format that a person may bring."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from levelhead.predictions import Predictions


def network(n=2000, classes=5, sharpness=1.7, seed=0):
    """Labels drawn from softmax(z), and logits that are `sharpness` times z: its temperature is `sharpness`."""
    rng = np.random.default_rng(seed)
    z = 1.5 * rng.normal(size=(n, classes))
    labels = (z + rng.gumbel(size=z.shape)).argmax(1)
    return (sharpness * z).astype(np.float32), labels


def softmax(logits):
    weights = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


@pytest.fixture
def outputs():
    return network()


@pytest.fixture
def save(tmp_path):
    """Write predictions in the format of a name; returns the path."""

    def write(name, logits, labels, **more):
        return Predictions(labels=labels, logits=logits, **more).save(tmp_path / name)

    return write


def call(*words, cwd=None):
    """The command line in a process of its own: status, output, errors."""
    done = subprocess.run(
        [sys.executable, "-m", "levelhead", "evaluate", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def entry_of(*words):
    status, output, errors = call(*words, "--json")
    assert status == 0, errors
    return json.loads(output)


def table(path: Path, columns: dict):
    """A .csv or .parquet with these columns."""
    import pyarrow
    from pyarrow import csv, parquet

    arrow = pyarrow.table(columns)
    if path.suffix == ".csv":
        csv.write_csv(arrow, path)
    else:
        parquet.write_table(arrow, path)
    return path
