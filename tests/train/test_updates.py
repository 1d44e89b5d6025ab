"""How an epoch is cut into updates, batches and the parts of processes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from levelhead.train.updates import Updates


def shown(cut, step, order=None):
    order = torch.arange(cut.examples) if order is None else order
    return [(rows.tolist(), share) for rows, share in cut.batches(order, step)]


def test_by_hand():
    cut = Updates(examples=10, batch=4, drop_last=False)
    assert cut.number == 3
    assert shown(cut, 0, torch.arange(10).flip(0)) == [([9, 8, 7, 6], 1.0)]
    assert shown(cut, 2) == [([8, 9], 1.0)]


def test_a_rest_of_one_is_left_out_and_with_drop_last_every_rest():
    assert Updates(9, 4).used == 8
    assert Updates(10, 4).used == 10
    assert Updates(10, 4, drop_last=True).used == 8
    assert Updates(23, 4, accumulate=3, drop_last=True).used == 12
    assert Updates(3, 4, drop_last=True).number == 0


def test_accumulated_batches_weigh_by_their_examples():
    cut = Updates(examples=10, batch=4, accumulate=3)
    assert cut.number == 1
    assert [share for _, share in cut.batches(torch.arange(10), 0)] == [0.4, 0.4, 0.2]


def test_two_processes_take_turns_within_a_batch():
    one, two = (Updates(examples=11, batch=8, rank=rank, processes=2) for rank in range(2))
    assert one.used == 8  # three would leave the second process one
    one, two = (Updates(examples=13, batch=8, rank=rank, processes=2) for rank in range(2))
    assert shown(one, 1) == [([8, 10, 12], 3 * 2 / 5)]
    assert shown(two, 1) == [([9, 11], 2 * 2 / 5)]


@given(st.integers(8, 200), st.integers(1, 20), st.integers(1, 4), st.integers(1, 4), st.booleans(), st.integers(0, 9))
def test_every_used_example_once_and_means_of_means_are_the_mean(examples, third, accumulate, processes, drop, seed):
    order = torch.randperm(examples, generator=torch.Generator().manual_seed(seed))
    values = torch.rand(examples, dtype=torch.float64)
    ranks = [Updates(examples, 2 * processes + third, accumulate, drop, rank, processes) for rank in range(processes)]
    seen = []
    for step in range(ranks[0].number):
        parts = [cut.batches(order, step) for cut in ranks]
        rows = [part for process in parts for part, _ in process]
        seen += torch.cat(rows).tolist()
        assert all(len(part) >= 2 for part in rows)
        mean = sum(values[part].mean() * share for process in parts for part, share in process) / processes
        assert float(mean) == pytest.approx(float(values[torch.cat(rows)].mean()))
    assert sorted(seen) == sorted(order[: ranks[0].used].tolist())
