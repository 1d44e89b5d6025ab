"""Two processes (gloo): gradients as one process would have them, with every method's head among them."""

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

import levelhead as lh

C, B = 4, 8
NAMES = sorted(lh.methods())
PARTNER = torch.tensor([2, 0, 1, 3])


def net(norm: bool) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        middle = [nn.BatchNorm2d(4)] if norm else []
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            *middle,
            nn.Tanh(),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Flatten(),
            nn.Linear(256, C),
        )


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(B, 1, 8, 8, generator=generator), torch.randint(C, (B,), generator=generator)


def make(name: str, norm: bool, rank: int = 0) -> lh.Objective:
    generator = torch.Generator().manual_seed(5 + rank)
    return lh.objective(name, net(norm), num_classes=C, generator=generator)


def given(objective: lh.Objective) -> lh.Mix | None:
    return lh.Mix(PARTNER, 0.3) if objective.spec.mixing.share else None


def gradients(objective: nn.Module) -> list[torch.Tensor]:
    return [p.grad.clone() for p in objective.parameters() if p.grad is not None]


def _process(rank: int, store: str, results: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    inputs, labels = (each.chunk(2)[rank] for each in batch())
    found = {}
    for name in NAMES:
        for norm in (False, True):
            torch.manual_seed(7)  # dropout inside the network; the shards get the same masks
            objective = make(name, norm)
            module = DistributedDataParallel(objective)
            mix = given(objective)
            for _ in range(3):  # a parameter without a gradient would stop the second step
                module.zero_grad()
                module(inputs, labels, mix=mix).loss.backward()
            found[name, norm] = gradients(objective)
    torch.manual_seed(3)
    for shared in (False, True):
        objective = lh.objective("mixup", net(False), num_classes=C, shared_draws=shared)
        found["lam", shared] = [objective(inputs, labels).mix.lam]
    torch.save(found, f"{results}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    multiprocessing.spawn(_process, args=(str(folder / "store"), str(folder)), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_equal_one_that_is_fed_the_shards_in_turn(ranks, name):
    inputs, labels = batch()
    sums = None
    shards = [make(name, False) for _ in range(2)]
    torch.manual_seed(7)
    for objective, x, y in zip(shards, inputs.chunk(2), labels.chunk(2)):
        for _ in range(3):
            objective.zero_grad()
            objective(x, y, mix=given(objective)).loss.backward()
        found = gradients(objective)
        sums = found if sums is None else [a + b for a, b in zip(sums, found)]
    for mine, theirs in zip(ranks[0][name, False], sums, strict=True):
        torch.testing.assert_close(mine, theirs / 2, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm", [False, True], ids=["no norm", "batch norm"])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_agree_across_ranks(ranks, name, norm):
    for one, other in zip(ranks[0][name, norm], ranks[1][name, norm], strict=True):
        assert torch.equal(one, other)
    heads = len(ranks[0][name, norm]) - len(list(net(norm).parameters()))
    assert heads == (2 if make(name, norm).head is not None else 0)


def test_lam_is_drawn_per_process_or_shared_by_choice(ranks):
    one, other = (rank["lam", False][0] for rank in ranks)
    assert not torch.equal(one, other)
    one, other = (rank["lam", True][0] for rank in ranks)
    assert torch.equal(one, other)
