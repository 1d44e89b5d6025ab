"""State that travels: to a file and back, and over processes."""

import numpy as np
import pytest
import torch
from torch import distributed, multiprocessing

from levelhead import metrics

from .synthetic import overconfident


def accumulated(rows: slice) -> metrics.Calibration:
    logits, labels = overconfident(1000, 6)
    acc = metrics.Calibration(6)
    acc.update(logits=logits[rows], labels=labels[rows])
    return acc


def test_a_state_dict_is_plain_and_brings_everything_back(tmp_path):
    acc = accumulated(slice(0, 600))
    torch.save(acc.state_dict(), tmp_path / "state.pt")
    again = metrics.Calibration(6)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.compute() == acc.compute()
    assert again.num_examples == 600
    rest = accumulated(slice(600, 1000))
    again.merge(rest)
    whole = accumulated(slice(0, 1000)).compute()
    assert again.compute() == pytest.approx(whole, abs=1e-12)
    assert acc.num_examples == 600  # loaded states share no memory


def test_a_state_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="of another accumulator"):
        metrics.Calibration(5).load_state_dict(accumulated(slice(0, 10)).state_dict())


def test_without_processes_all_reduce_does_nothing():
    acc = accumulated(slice(0, 100))
    assert acc.all_reduce().num_examples == 100


VOTES = torch.rand(1000, 6, generator=torch.Generator().manual_seed(5)).softmax(1).double()


def everything(rows: slice) -> dict[str, metrics.Calibration | metrics.Detection | metrics.BatchMean]:
    """One accumulator of each kind; the one of `votes` sees nothing in the first rows."""
    logits, labels = overconfident(1000, 6)
    made = {
        "plain": metrics.Calibration(6),
        "exact": metrics.Calibration(6, exact=True),
        "votes": metrics.Calibration(6, parts=["nll", "top_label"]),
        "detection": metrics.Detection("energy"),
        "detection exact": metrics.Detection("max_softmax", exact=True),
        "batches": metrics.BatchMean(6),
    }
    for name in ("plain", "exact", "batches"):
        made[name].update(logits=logits[rows], labels=labels[rows])
    late = slice(max(rows.start, 400), rows.stop)
    made["votes"].update(logits=logits[late], labels=VOTES[late])
    for name in ("detection", "detection exact"):
        made[name].update(logits=logits[rows], inside=labels[rows] > 2)
    return made


def _process(rank: int, store: str, results: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    mine = slice(0, 333) if rank == 0 else slice(333, 1000)  # uneven, as the last batches are
    values = {name: acc.all_reduce().compute() for name, acc in everything(mine).items()}
    torch.save(values, f"{results}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    multiprocessing.spawn(_process, args=(str(tmp_path / "store"), str(tmp_path)), nprocs=2)
    whole = everything(slice(0, 1000))
    first, second = everything(slice(0, 333)), everything(slice(333, 1000))
    want = {name: acc.compute() for name, acc in whole.items()}
    want["batches"] = first["batches"].merge(second["batches"]).compute()  # whose batches are part of the measure
    for rank in range(2):
        values = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert values.keys() == want.keys()
        for name, computed in values.items():
            assert computed == pytest.approx(want[name], abs=1e-12), name


def test_a_process_without_data_takes_part():
    empty = metrics.Calibration(6)
    empty.update(logits=np.zeros((0, 6)), labels=np.zeros(0, dtype=int))
    acc = accumulated(slice(0, 50))
    before = acc.compute()
    assert acc.merge(empty).compute() == before
