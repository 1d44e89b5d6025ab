"""Files larger than memory: the same answers, in constant memory, under a limit that reading them whole would break."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from safetensors.numpy import save_file

from levelhead.evaluate import evaluate
from levelhead.evaluate.fold import Dealer

from .conftest import network, softmax, table


def flat(value, name=""):
    """Every number in nested data by its path."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flat(item, f"{name}.{key}").items()}
    if isinstance(value, list):
        return {k: v for i, item in enumerate(value) for k, v in flat(item, f"{name}[{i}]").items()}
    return {name: value}


@pytest.fixture
def many():
    logits, labels = network(60_000, 5)
    return logits, labels


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".parquet", ".csv"])
def test_streaming_equals_in_memory(tmp_path, many, ending):
    from levelhead.predictions import Predictions

    logits, labels = many
    # ids in both halves of the file, so that nothing depends on where a block ends
    path = Predictions(labels=labels, logits=logits, ids=np.arange(len(labels))).save(tmp_path / f"p{ending}")
    held, streamed = evaluate([path]), evaluate([path], memory=0)
    assert (held.pop("streamed"), streamed.pop("streamed")) == (False, True)
    for found in (held, streamed):
        # the last digit of a temperature may move an example to another bin, cell or draw: these are looked at raw
        for name in ("reliability", "isotonic", "selective", "confidence", "per_class", "test"):
            found[name].pop("scaled")
        for name in ("aurc", "augrc"):
            found["intervals"]["scaled"].pop(name)
        found.pop("verdict")
    ours, theirs = flat(held), flat(streamed)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if isinstance(value, float):
            loose = (
                ".adaptive_ece" in name
                or ".aurc" in name
                or ".augrc" in name
                or name.endswith((".debiased_ece[0]", ".debiased_ece[1]"))
            )
            assert theirs[name] == pytest.approx(value, abs=1e-3 if loose else 5e-5, rel=2e-4), name
        else:
            assert theirs[name] == value, name


def test_a_streamed_cal_gives_the_temperature_of_a_held_one(tmp_path, many):
    logits, labels = many
    np.savez(tmp_path / "test.npz", logits=logits[:30_000], labels=labels[:30_000])
    np.savez(tmp_path / "cal.npz", probs=softmax(logits[30_000:]), labels=labels[30_000:])
    files = {"files": [tmp_path / "test.npz"], "cal": [tmp_path / "cal.npz"]}
    held, streamed = (evaluate(**files, memory=memory) for memory in (1 << 28, 0))
    assert held["temperature"] == pytest.approx(1.7, abs=0.05)
    assert streamed["temperature"] == pytest.approx(held["temperature"], rel=1e-6)
    assert streamed["scaled"]["nll"] == pytest.approx(held["scaled"]["nll"], abs=1e-7)


def test_folds_are_dealt_as_cross_fitting_in_memory_deals_them():
    from levelhead.calibrate.cross_fit import fold_of

    labels = np.random.default_rng(0).integers(0, 7, 1000)
    dealer = Dealer(np.bincount(labels, minlength=9), 5)
    cuts = [0, 1, 2, 300, 301, 999, 1000]
    dealt = np.concatenate([dealer.deal(labels[a:b]) for a, b in itertools.pairwise(cuts)])
    np.testing.assert_array_equal(dealt, fold_of(labels, 5))


def test_cross_fitting_is_that_of_the_library(tmp_path):
    from levelhead import metrics
    from levelhead.calibrate import cross_fitted

    logits, labels = network(500, 4)
    np.savez(tmp_path / "p.npz", logits=logits, labels=labels)
    wanted = metrics.nll(logits=cross_fitted(logits, labels), labels=labels)
    assert evaluate([tmp_path / "p.npz"])["scaled"]["nll"] == pytest.approx(wanted, abs=1e-6)


LIMITED = """
import json, resource, sys
from pathlib import Path
from levelhead.evaluate import evaluate
small, *files = map(Path, sys.argv[1:])
evaluate([small], memory=0)  # whatever is loaded or compiled once
import numpy
numpy.ones((600, 600)) @ numpy.ones((600, 600)) @ numpy.ones(600)  # the algebra library takes its buffers once
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData:")) * 1024
room = 64 << 20
resource.setrlimit(resource.RLIMIT_DATA, (used + room, used + room))
try:
    bytearray(2 * room)
    raise SystemExit("the limit does not hold")
except MemoryError:
    pass
found = evaluate(files, memory=1 << 22)
print(json.dumps([found["n"], found["raw"]["accuracy"], found["streamed"]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of private memory are Linux's")
@pytest.mark.parametrize("ending", ["stored.npz", "deflated.npz", "safetensors", "parquet", "csv"])
def test_a_file_larger_than_memory(tmp_path, ending):
    classes, n = (100, 240_000) if not ending.endswith(("parquet", "csv")) else (20, 500_000)
    logits, labels = network(20_000, classes)
    times = n // len(labels)
    logits, labels = np.tile(logits, (times, 1)), np.tile(labels, times)
    path = tmp_path / f"p.{ending.split('.')[-1]}"
    if ending == "stored.npz":
        np.savez(path, logits=logits, labels=labels)
    elif ending == "deflated.npz":
        np.savez_compressed(path, logits=logits.round(1), labels=labels)
    elif ending == "safetensors":
        save_file({"logits": logits, "labels": labels}, path)
    elif ending == "parquet":
        columns = {"label": labels} | {f"logits_{k}": logits[:, k] for k in range(classes)}
        parquet.write_table(pyarrow.table(columns), path, row_group_size=20_000)
    else:
        columns = {"label": labels} | {f"logits_{k}": logits[:, k].round(2) for k in range(classes)}
        table(path, columns)
    small = tmp_path / f"small{path.suffix}"
    few = {"label": labels[:99]} | {f"logits_{k}": logits[:99, k] for k in range(classes)}
    if path.suffix in (".csv", ".parquet"):
        table(small, few)
    elif path.suffix == ".npz":
        np.savez(small, logits=logits[:99], labels=labels[:99])
    else:
        save_file({"logits": logits[:99].copy(), "labels": labels[:99].copy()}, small)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(small), str(path)],
        capture_output=True, text=True, timeout=300, check=False, env=_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    count, accuracy, streamed = json.loads(done.stdout)
    assert (count, streamed) == (n, True)
    if ending in ("stored.npz", "safetensors", "parquet"):
        assert accuracy == pytest.approx(float((logits.argmax(1) == labels).mean()))


def _environment():
    # one arena, one pool, one thread: what allocators keep and threads' unused stacks would count against the limit
    single = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    return os.environ | single | {"OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1"}


def test_float32_sums_do_not_drift(tmp_path):
    # one bin and one confidence: a float32 sum of so many would be off in the third digit
    n = 1_500_000
    probs = np.tile(np.array([[0.7, 0.3]], np.float32), (n, 1))
    save_file({"probs": probs, "labels": (np.arange(n) % 10 >= 6).astype(np.int64)}, tmp_path / "p.safetensors")
    found = evaluate([tmp_path / "p.safetensors"], memory=0)
    assert found["raw"]["ece"] == pytest.approx(float(np.float32(0.7)) - 0.6, abs=1e-9)
    assert found["raw"]["gap"] == pytest.approx(found["raw"]["ece"], abs=1e-12)
