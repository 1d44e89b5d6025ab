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


def _process(rank: int, store: str, results: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    mine = slice(0, 333) if rank == 0 else slice(333, 1000)  # uneven, as the last batches are
    acc = accumulated(mine).all_reduce()
    torch.save(acc.state_dict(), f"{results}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    multiprocessing.spawn(_process, args=(str(tmp_path / "store"), str(tmp_path)), nprocs=2)
    whole = accumulated(slice(0, 1000)).compute()
    for rank in range(2):
        acc = metrics.Calibration(6)
        acc.load_state_dict(torch.load(tmp_path / f"{rank}.pt", weights_only=True))
        assert acc.num_examples == 1000
        assert acc.compute() == pytest.approx(whole, abs=1e-12)


def test_a_process_without_data_takes_part():
    empty = metrics.Calibration(6)
    empty.update(logits=np.zeros((0, 6)), labels=np.zeros(0, dtype=int))
    acc = accumulated(slice(0, 50))
    before = acc.compute()
    assert acc.merge(empty).compute() == before
