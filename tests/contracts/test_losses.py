"""What every loss and penalty keeps: a new member is tested by its line in the table."""

import pytest
import torch
from torch import nn

import levelhead as lh
from levelhead.losses import LOSSES, PENALTIES
from levelhead.testing import LossContract, PenaltyContract

C = 5
#: Further settings of members, beside every member's defaults.
MORE = [
    LOSSES["focal"](gamma=1),
    LOSSES["focal_sd"](low=2, high=1, threshold=0.5),
    PENALTIES["negative_entropy"](over="mean"),
    PENALTIES["margin"](m=0, growth="multiply", by=2, every=10),
    PENALTIES["logit_match"](norm="sum"),
    PENALTIES["logit_match"](norm="euclid"),
]

for member in [cls() for cls in LOSSES.values()] + [cls() for cls in PENALTIES.values()] + MORE:
    base = LossContract if member.word in LOSSES else PenaltyContract
    globals()[f"Test {member}"] = type(f"Test {member}", (base,), {"member": member, "__test__": True})


def logits(scale=1.0, dtype=torch.float64):
    return scale * torch.randn(3, C, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", LOSSES)
class TestEveryLossFunction:
    def test_labels_equal_one_hot(self, name):
        labels = torch.tensor([0, 4, 2])
        function = getattr(lh.losses, name)
        hard, soft = function(logits(), labels), function(logits(), nn.functional.one_hot(labels, C).double())
        assert torch.equal(hard, soft)

    @pytest.mark.parametrize("labels", [[0, 1, 5], [0, 1, -1], [0, 1, 255]])
    def test_labels_out_of_range(self, name, labels):
        with pytest.raises(ValueError, match=r"labels must be in 0\.\.4"):
            getattr(lh.losses, name)(logits(), torch.tensor(labels))

    def test_shapes_that_do_not_fit(self, name):
        with pytest.raises(ValueError, match="must have shape"):
            getattr(lh.losses, name)(logits(), torch.tensor([0, 1]))
        with pytest.raises(ValueError, match="must have the logits' shape"):
            getattr(lh.losses, name)(logits(), torch.zeros(3, C + 1))


def test_bce_where_a_probability_is_one():
    z = torch.tensor([[1e4, 0.0, 0.0]], requires_grad=True)
    value = lh.losses.bce(z, torch.tensor([0]))
    value.sum().backward()
    assert value.item() == 0
    assert torch.isfinite(z.grad).all()


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


def test_focal_sd_by_hand():
    # p = (.1, .9) for class 0: gamma 5; for class 1: gamma 3
    z = torch.tensor([[0.1, 0.9]], dtype=torch.float64).log()
    assert lh.losses.focal_sd(z, torch.tensor([0])).item() == pytest.approx(0.9**5 * 2.302585093, rel=1e-9)
    assert lh.losses.focal_sd(z, torch.tensor([1])).item() == pytest.approx(0.1**3 * 0.1053605157, rel=1e-9)


def test_focal_sd_passes_no_gradient_through_the_choice():
    z = torch.tensor([[0.3, -0.2, 0.9]], dtype=torch.float64, requires_grad=True)
    lh.losses.focal_sd(z, torch.tensor([0]), threshold=0.0).sum().backward()
    sample_dependent = z.grad.clone()
    z.grad = None
    lh.losses.focal(z, torch.tensor([0]), 3.0).sum().backward()
    torch.testing.assert_close(sample_dependent, z.grad)


def test_bce_by_hand():
    # p = (1/4, 3/4), q = (1, 0): -(log 1/4 + log(1 - 3/4)) / 2 = log 4
    z = torch.tensor([[1.0, 3.0]], dtype=torch.float64).log()
    assert lh.losses.bce(z, torch.tensor([0])).item() == pytest.approx(1.3862943611, abs=1e-9)


def test_bce_is_torchs_on_the_softmax():
    targets = logits().softmax(1)
    theirs = nn.functional.binary_cross_entropy(logits(2.0).softmax(1), targets, reduction="none").mean(1)
    torch.testing.assert_close(lh.losses.bce(logits(2.0), targets), theirs)


def test_bce_stays_exact_where_one_minus_p_has_no_digits():
    z = torch.tensor([[40.0, 0.0]], dtype=torch.float64)
    # log(1 - p_0) = -40 - log(1 + e^-40)
    assert lh.losses.bce(z, torch.tensor([1])).item() == pytest.approx(40.0, abs=1e-12)


def test_vwci_of_one_pass_is_cross_entropy():
    labels = torch.tensor([0, 1, 2])
    torch.testing.assert_close(lh.losses.vwci(logits(), labels), lh.losses.cross_entropy(logits(), labels))


def test_vwci_by_hand():
    # passes (.9, .1) and (.1, .9): mean (.5, .5); coefficient sqrt(.45) + sqrt(.05) for both
    z = [torch.tensor([[0.9, 0.1]], dtype=torch.float64).log(), torch.tensor([[0.1, 0.9]], dtype=torch.float64).log()]
    a = 1 - (0.45**0.5 + 0.05**0.5)
    to_target = (0.1053605157 + 2.302585093) / 2
    # the uniform target's cross-entropy is the same in both passes: the mean of the two surprises
    assert lh.losses.vwci(z, torch.tensor([0])).item() == pytest.approx((1 - a) * to_target + a * to_target, rel=1e-8)
    three = [each.repeat(1, 1) for each in z] + [z[0]]
    probs = torch.stack(three).exp()[:, 0]
    strength = 1 - (probs.mean(0) * probs).sqrt().sum(1).mean()
    surprise = torch.stack(three)[:, 0].neg().mean(0)
    expected = (1 - strength) * surprise[0] + strength * surprise.mean()
    assert lh.losses.vwci(three, torch.tensor([0])).item() == pytest.approx(float(expected), rel=1e-9)


def test_vwci_wants_passes_of_one_shape():
    with pytest.raises(ValueError, match="passes of one shape"):
        lh.losses.vwci([logits(), logits()[:2]], torch.tensor([0, 1, 2]))


def test_margin_weight_grows_by_the_epoch():
    margin = PENALTIES["margin"]
    assert [margin(weight=0.1).weight_at(epoch) for epoch in (0, 50)] == [0.1, 0.1]
    adding = margin(weight=0.1, growth="add", by=0.05, every=10, cap=0.2)
    assert [adding.weight_at(epoch) for epoch in (0, 9, 10, 20, 90)] == pytest.approx([0.1, 0.1, 0.15, 0.2, 0.2])
    doubling = margin(weight=0.1, growth="multiply", by=2, cap=1)
    assert [doubling.weight_at(epoch) for epoch in (0, 1, 3, 9)] == pytest.approx([0.1, 0.2, 0.8, 1.0])


@pytest.mark.parametrize(("norm", "value"), [("mean", 12.5), ("sum", 25.0), ("euclid", 5.0)])
def test_logit_match_norms_by_hand(norm, value):
    clean, mixed = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
    got = lh.losses.logit_match(clean, mixed, partner=torch.tensor([0]), lam=0.5, norm=norm)
    assert got.item() == pytest.approx(value)


def test_logit_match_of_equal_logits_has_a_gradient():
    z = torch.zeros(1, 2, requires_grad=True)
    lh.losses.logit_match(z, torch.zeros(1, 2), partner=torch.tensor([0]), lam=0.5, norm="euclid").sum().backward()
    assert torch.equal(z.grad, torch.zeros(1, 2))


@pytest.mark.parametrize("detach", ["none", "target", "mixed"])
def test_logit_match_detach(detach):
    match = PENALTIES["logit_match"](detach=detach)
    mixture, mixed = logits().requires_grad_(), logits(2.0).requires_grad_()
    match(mixture, mixed).sum().backward()
    assert (mixture.grad is None) == (detach == "target")
    assert (mixed.grad is None) == (detach == "mixed")


def test_a_growing_weight_ends_at_its_cap_where_powers_overflow():
    margin = PENALTIES["margin"]
    assert margin(growth="multiply", by=10).weight_at(400) == 100
