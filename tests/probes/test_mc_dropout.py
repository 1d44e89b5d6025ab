"""Many passes with dropout: their mean, nothing else in training mode, and no state left behind."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import levelhead as lh


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 3)).train()


INPUTS = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))


def test_it_is_the_mean_probability_of_the_passes(network):
    said = lh.probes.mc_dropout(network, INPUTS, samples=3, seed=5)
    network.eval()
    network[3].train()
    torch.manual_seed(5)
    with torch.no_grad():
        mean = torch.stack([network(INPUTS).softmax(1) for _ in range(3)]).mean(0)
    np.testing.assert_allclose(np.exp(said.logits), mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(np.exp(said.logits).sum(1), 1, rtol=1e-5)


def test_many_passes_come_near_the_expectation(network):
    few, many, other = (
        np.exp(lh.probes.mc_dropout(network, INPUTS, samples=samples, seed=seed).logits)
        for samples, seed in ((10, 0), (4000, 0), (4000, 1))
    )
    assert np.abs(many - other).max() < 0.02
    assert np.abs(few - many).max() > np.abs(many - other).max()


def test_the_model_and_the_random_state_stay_as_they_were(network):
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    first, again = (lh.probes.mc_dropout(network, INPUTS, rate=0.2) for _ in range(2))
    np.testing.assert_array_equal(first.logits, again.logits)
    assert all(module.training for module in network.modules())
    assert network[3].p == 0.5
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not np.array_equal(first.logits, lh.probes.mc_dropout(network, INPUTS, rate=0.6).logits)


def test_a_rate_of_almost_nothing_is_one_clean_pass(network):
    clean = lh.probes.predict(network, INPUTS)
    said = lh.probes.mc_dropout(network, INPUTS, np.zeros(9, int), samples=2, rate=1e-9, role="test")
    np.testing.assert_allclose(said.logits, torch.tensor(clean.logits).log_softmax(1).numpy(), atol=1e-6)
    assert said.role == "test"


@pytest.mark.parametrize(
    ("given", "said"), [({"samples": 0}, "samples"), ({"rate": 1.0}, "rate"), ({"rate": 0.0}, "rate")]
)
def test_what_is_refused(network, given, said):
    with pytest.raises(ValueError, match=said):
        lh.probes.mc_dropout(network, INPUTS, **given)


def test_a_model_without_dropout_is_refused():
    with pytest.raises(ValueError, match="no dropout layer"):
        lh.probes.mc_dropout(nn.Linear(4, 3), INPUTS)
