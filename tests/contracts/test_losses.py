"""What every loss and penalty keeps: a new member is tested by its line in the table."""

import pytest
import torch
from torch import nn

import levelhead as lh
from levelhead.losses import LOSSES, PENALTIES, Consistency, Loss
from levelhead.types import Mix

C = 5
PARTNER = torch.tensor([1, 2, 0])
PER_VIEW = {name: cls() for name, cls in PENALTIES.items() if not issubclass(cls, Consistency)}


TARGETS = torch.tensor([[0.5, 0.5, 0, 0, 0], [0, 0, 1, 0, 0], [0.2] * 5], dtype=torch.float64)
PAIRING = Mix(PARTNER, torch.full((3,), 0.3, dtype=torch.float64))


def of_logits(member):
    """A member as a function of logits alone, for the properties that all share."""
    if isinstance(member, Consistency):
        return lambda z: member(z, z.flip(1), PAIRING)
    return (lambda z: member(z, TARGETS.to(z.dtype))) if isinstance(member, Loss) else member


CALLS = [pytest.param(of_logits(cls()), id=name) for name, cls in {**LOSSES, **PENALTIES}.items()]


def logits(scale=1.0, dtype=torch.float64):
    return scale * torch.randn(3, C, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("call", CALLS)
class TestEveryLossAndPenalty:
    def test_one_number_an_example_never_a_mean(self, call):
        whole = call(logits())
        assert whole.shape == (3,)
        assert whole.std() > 0 or torch.equal(whole, torch.zeros_like(whole))

    def test_inputs_unchanged(self, call):
        z = logits()
        before = z.clone()
        call(z)
        assert torch.equal(z, before)

    def test_gradient_is_right(self, call):
        assert torch.autograd.gradcheck(call, (logits(3.0).requires_grad_(),))

    def test_finite_at_ten_thousand(self, call):
        z = (1e4 * logits(dtype=torch.float32).sign()).requires_grad_()
        value = call(z)
        value.sum().backward()
        assert torch.isfinite(value).all()
        assert torch.isfinite(z.grad).all()

    def test_half_precision_is_widened(self, call):
        value = call(logits(dtype=torch.bfloat16))
        assert value.dtype == torch.float32


@pytest.mark.parametrize("name", LOSSES)
class TestEveryLoss:
    def test_labels_equal_one_hot(self, name):
        labels = torch.tensor([0, 4, 2])
        function = getattr(lh.losses, name)
        hard, soft = function(logits(), labels), function(logits(), nn.functional.one_hot(labels, C).double())
        assert torch.equal(hard, soft)

    def test_linear_in_the_target(self, name):
        function, z = getattr(lh.losses, name), logits()
        a, b = (nn.functional.one_hot(torch.tensor(labels), C).double() for labels in ([0, 1, 2], [3, 3, 3]))
        torch.testing.assert_close(function(z, 0.3 * a + 0.7 * b), 0.3 * function(z, a) + 0.7 * function(z, b))

    def test_dense_equals_pixel_by_pixel(self, name):
        function = getattr(lh.losses, name)
        z = torch.randn(2, C, 3, 4, generator=torch.Generator().manual_seed(1))
        labels = torch.randint(C, (2, 3, 4), generator=torch.Generator().manual_seed(2))
        dense = function(z, labels)
        flat = function(z.permute(0, 2, 3, 1).reshape(-1, C), labels.reshape(-1))
        torch.testing.assert_close(dense, flat.view(2, 3, 4))

    def test_a_class_ruled_out_that_nobody_asks_for(self, name):
        z = logits()
        z[:, 4] = -torch.inf
        z.requires_grad_()
        value = getattr(lh.losses, name)(z, torch.tensor([0, 1, 2]))
        value.sum().backward()
        assert torch.isfinite(value).all()
        assert torch.isfinite(z.grad).all()

    @pytest.mark.parametrize("labels", [[0, 1, 5], [0, 1, -1], [0, 1, 255]])
    def test_labels_out_of_range(self, name, labels):
        with pytest.raises(ValueError, match=r"labels must be in 0\.\.4"):
            getattr(lh.losses, name)(logits(), torch.tensor(labels))

    def test_shapes_that_do_not_fit(self, name):
        with pytest.raises(ValueError, match="must have shape"):
            getattr(lh.losses, name)(logits(), torch.tensor([0, 1]))
        with pytest.raises(ValueError, match="must have the logits' shape"):
            getattr(lh.losses, name)(logits(), torch.zeros(3, C + 1))


@pytest.mark.parametrize("name", PER_VIEW)
def test_penalties_are_dense_too(name):
    z = torch.randn(2, C, 3, 4, generator=torch.Generator().manual_seed(1))
    flat = PER_VIEW[name](z.permute(0, 2, 3, 1).reshape(-1, C))
    torch.testing.assert_close(PER_VIEW[name](z), flat.view(2, 3, 4))


def test_focal_zero_is_cross_entropy():
    labels = torch.tensor([0, 1, 2])
    torch.testing.assert_close(lh.losses.focal(logits(), labels, 0), lh.losses.cross_entropy(logits(), labels))


def test_focal_by_hand():
    # p = (3/4, 1/4): -(1/4)^2 log(3/4)
    z = torch.tensor([[3.0, 1.0]]).log()
    assert lh.losses.focal(z, torch.tensor([0]), 2.0).item() == pytest.approx(0.0625 * 0.2876820724, abs=1e-7)


def test_focal_gamma_between_zero_and_one_is_refused():
    with pytest.raises(ValueError, match="0 or at least 1"):
        lh.losses.focal(logits(), torch.tensor([0, 1, 2]), 0.5)


def test_margin_by_hand():
    # distances 0, 4, 12 beyond m = 3: 0, 1, 9
    assert lh.losses.margin(torch.tensor([[12.0, 8.0, 0.0]]), 3.0).item() == pytest.approx(10 / 3)


def test_negative_entropy_by_hand_and_per_class():
    z = torch.zeros(1, 4)
    assert lh.losses.negative_entropy(z).item() == pytest.approx(-1.3862944, abs=1e-6)
    assert lh.losses.negative_entropy(z, over="mean").item() == pytest.approx(-0.3465736, abs=1e-6)
    with pytest.raises(ValueError, match="over must be"):
        lh.losses.negative_entropy(z, over="max")


@pytest.mark.parametrize("scale", [0.0, 0.1, 1.0, 10.0, 100.0])
def test_mbls_proposition_1(scale):
    """KL(u || s) <= mean_k(max l - l_k) <= KL(u || s) + log K: margin zero is label smoothing up to a constant."""
    z = logits(scale)
    kl = torch.logsumexp(z, 1) - z.mean(1) - torch.tensor(C).log()
    penalty = lh.losses.margin(z, 0.0)
    assert (kl <= penalty + 1e-9).all()
    assert (penalty <= kl + torch.tensor(C).log() + 1e-9).all()
