"""FGSM by hand on a linear model, in pixel space under any normalisation, and that the model is left as it was."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import levelhead as lh

MEAN, STD = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.5])


def channels(values, images):
    return values.to(images.dtype).view(1, -1, 1, 1)


@pytest.fixture
def pixels():
    return torch.rand(7, 3, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(24, 5)
    )
    net[1].running_mean.normal_()
    return net.train()


LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 1])


def linear(weight):
    model = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
    model.weight.data = weight.clone()
    return model


def test_by_hand_on_a_linear_model():
    # logits (x1 - x2, x2, 3 x3); the loss of class 0 falls with x1 and rises with x2 and x3
    model = linear(torch.tensor([[1.0, -1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0]]))
    x = torch.tensor([[0.5, 0.5, 0.98]])
    torch.testing.assert_close(
        lh.probes.fgsm(model, x, torch.tensor([0]), eps=0.1, mean=0.0, std=1.0), torch.tensor([[0.4, 0.6, 1.0]])
    )
    # of class 1: up with x1 and x3, down with x2
    torch.testing.assert_close(
        lh.probes.fgsm(model, x, torch.tensor([1]), eps=0.1, mean=0.0, std=1.0), torch.tensor([[0.6, 0.4, 1.0]])
    )


def test_eps_is_in_pixels_under_any_normalisation(network, pixels):
    class OnPixels(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, images):
            return self.network((images - channels(MEAN, images)) / channels(STD, images))

    on_pixels = lh.probes.fgsm(OnPixels(), pixels, LABELS, eps=0.03, mean=0.0, std=1.0)
    normalised = (pixels - channels(MEAN, pixels)) / channels(STD, pixels)
    moved = lh.probes.fgsm(network, normalised, LABELS, eps=0.03, mean=MEAN, std=STD.tolist())
    back = moved * channels(STD, pixels) + channels(MEAN, pixels)
    torch.testing.assert_close(back, on_pixels, atol=1e-6, rtol=0)
    assert (back - pixels).abs().max() == pytest.approx(0.03, abs=1e-6)
    assert back.min() > -1e-6
    assert back.max() < 1 + 1e-6


def test_the_sign_is_that_of_cross_entropy(network, pixels):
    leaf = pixels.clone().requires_grad_()
    network.eval()
    nn.functional.cross_entropy(network(leaf), LABELS).backward()
    expected = (pixels + leaf.grad.sign() / 64).clamp(0, 1)
    network.zero_grad()
    moved = lh.probes.fgsm(network, pixels, LABELS, eps=1 / 64, mean=0.0, std=1.0)
    torch.testing.assert_close(moved, expected, atol=1e-7, rtol=0)


def test_a_saturated_model_does_not_pass_for_a_robust_one():
    model = linear(torch.tensor([[1e4, -1e4], [0.0, 0.0]]))
    x = torch.tensor([[0.9, 0.1]])
    leaf = x.clone().requires_grad_()
    nn.functional.cross_entropy(model(leaf), torch.tensor([0])).backward()
    assert not leaf.grad.any()  # what cross-entropy would go by
    torch.testing.assert_close(lh.probes.fgsm(model, x, [0], eps=0.5, mean=0.0, std=1.0), torch.tensor([[0.4, 0.6]]))


def test_every_batch_size_gives_the_same(network, pixels):
    def attack(x, y):
        return lh.probes.fgsm(network, x, y, mean=MEAN, std=STD)

    whole = attack(pixels, LABELS)
    for sizes in ([1] * 7, [3, 4], [2, 2, 3]):
        parts = [attack(x, y) for x, y in zip(pixels.split(sizes), LABELS.split(sizes))]
        torch.testing.assert_close(torch.cat(parts), whole, atol=1e-6, rtol=0)
    assert attack(pixels[:0], LABELS[:0]).shape == (0, 3, 4, 4)


@pytest.mark.parametrize("outside", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_the_model_and_the_inputs_stay_as_they_were(network, pixels, outside):
    network[0].eval()
    network[5].weight.requires_grad_(False)
    network[5].bias.grad = torch.ones(5)
    before, given = copy.deepcopy(network.state_dict()), pixels.clone()
    modes = [module.training for module in network.modules()]
    state = torch.get_rng_state()
    with outside():
        moved = lh.probes.fgsm(network, pixels, LABELS, mean=MEAN, std=STD)
    assert [module.training for module in network.modules()] == modes
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert {name for name, each in network.named_parameters() if each.grad is not None} == {"5.bias"}
    assert torch.equal(network[5].bias.grad, torch.ones(5))
    assert torch.equal(pixels, given)
    assert not pixels.requires_grad
    assert not moved.requires_grad
    assert torch.equal(torch.get_rng_state(), state)


def test_no_step_moves_nothing(pixels, network):
    torch.testing.assert_close(lh.probes.fgsm(network, pixels, LABELS, eps=0, mean=0.0, std=1.0), pixels)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(network, pixels, dtype):
    moved = lh.probes.fgsm(network.to(dtype), pixels.to(dtype), LABELS.numpy().astype(np.int32), mean=MEAN, std=STD)
    assert moved.dtype == dtype


def test_accuracy_falls_and_top_5_follows_from_predictions(network, pixels):
    before = lh.probes.predict(network, pixels)
    labels = before.logits.argmax(1)  # right every time, until it is attacked
    after = lh.probes.predict(network, lh.probes.fgsm(network, pixels, labels, eps=0.5, mean=0.0, std=1.0), labels)
    assert lh.metrics.accuracy(**after.scores, labels=after.labels) < 1
    assert lh.metrics.top5(**after.scores, labels=after.labels) == 1
    assert 0 <= lh.metrics.oe(**after.scores, labels=labels) <= lh.metrics.ece(**after.scores, labels=labels)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"eps": 8}, "8/255"),
        ({"eps": float("nan")}, "8/255"),
        ({"eps": -0.1}, "8/255"),
        ({"labels": torch.ones(7)}, r"\(7,\) integers, got torch.float32"),
        ({"labels": LABELS[:3]}, r"\(7,\) integers"),
        ({"labels": LABELS + 1}, r"\[0, 5\), got 5 at index 4"),
        ({"mean": [0.5, 0.5]}, "each of the 3 channels"),
        ({"std": [1.0, 0.0, 1.0]}, "above zero"),
        ({"mean": float("nan")}, "finite"),
        ({"inputs": torch.ones(7, 3, 4, 4, dtype=torch.uint8)}, "floating point"),
        ({"inputs": torch.full((7, 3, 4, 4), float("nan"))}, "gradient of 7 of 7 inputs is not finite"),
        ({"model": nn.Flatten(2)}, r"logits \(7, C\)"),
    ],
)
def test_what_is_refused(network, pixels, change, said):
    given = {"model": network, "inputs": pixels, "labels": LABELS, "mean": 0.0, "std": 1.0} | change
    model, inputs, labels = (given.pop(name) for name in ("model", "inputs", "labels"))
    with pytest.raises(ValueError, match=said):
        lh.probes.fgsm(model, inputs, labels, **given)
    assert network.training


def test_a_model_without_gradient_is_refused(pixels):
    class Rounds(nn.Module):
        def forward(self, images):
            return images.flatten(1).detach()[:, :5].requires_grad_()

    with pytest.raises(ValueError, match="do not depend on its inputs"):
        lh.probes.fgsm(Rounds(), pixels, LABELS, mean=0.0, std=1.0)
