"""Every named method against its paper's equation, written out anew in float64; the pairing is given with ``mix=``."""

import pytest
import torch
from torch import nn

import levelhead as lh

B, C, LAM = 6, 4, 0.7
PARTNER = torch.tensor([2, 0, 1, 5, 3, 4])


class Net(nn.Module):
    """A network with a trunk and a linear classifier, so that references can reach the features."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(2 * 6 * 6, 5), nn.Tanh())
        self.fc = nn.Linear(5, C)

    def forward(self, inputs):
        return self.fc(self.trunk(inputs))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = Net().double()
    inputs = torch.randn(B, 2, 6, 6, dtype=torch.float64, generator=generator)
    labels = torch.randint(C, (B,), generator=generator)
    return net, inputs, labels


def ce(q, z):
    return -(q * torch.log_softmax(z, 1)).sum(1).mean()


def loss_of(method, batch, **kwargs):
    net, inputs, labels = batch
    objective = lh.objective(method, net, num_classes=C, generator=torch.Generator().manual_seed(3))
    return objective(inputs, labels, **kwargs), objective


def one_hot(labels):
    return nn.functional.one_hot(labels, C).double()


def mixed(inputs, labels, lam=LAM):
    y = one_hot(labels)
    return lam * inputs + (1 - lam) * inputs[PARTNER], lam * y + (1 - lam) * y[PARTNER]


MIX = lh.Mix(PARTNER, LAM)


def check(out, expected):
    torch.testing.assert_close(out.loss, expected, rtol=1e-12, atol=1e-12)
    assert sum(out.parts.values()) == pytest.approx(float(expected.detach()), abs=1e-12)


def test_vanilla_is_cross_entropy(batch):
    net, x, y = batch
    check(loss_of("vanilla", batch)[0], ce(one_hot(y), net(x)))


def test_uls_spreads_over_all_classes(batch):
    net, x, y = batch
    check(loss_of("uls(smoothing=0.2)", batch)[0], ce(0.8 * one_hot(y) + 0.2 / C, net(x)))


def test_erl_rewards_entropy(batch):
    net, x, y = batch
    p = net(x).softmax(1)
    entropy = -(p * p.log()).sum(1).mean()
    check(loss_of("erl(weight=0.3)", batch)[0], ce(one_hot(y), net(x)) - 0.3 * entropy)


def test_focal_weighs_by_one_minus_p(batch):
    net, x, y = batch
    p = net(x).softmax(1)[range(B), y]
    check(loss_of("focal(gamma=3)", batch)[0], (-((1 - p) ** 3) * p.log()).mean())


def test_mbls_penalises_distances_beyond_the_margin(batch):
    net, x, y = batch
    z = 9 * net(x)
    distances = z.max(1, keepdim=True).values - z
    assert (distances > 2).any()
    torch.testing.assert_close(lh.losses.margin(z, 2.0), (distances - 2).clamp(min=0).mean(1))
    z = net(x)
    penalty = (z.max(1, keepdim=True).values - z - 0.1).clamp(min=0).mean()
    check(loss_of("mbls(m=0.1, weight=0.5)", batch)[0], ce(one_hot(y), z) + 0.5 * penalty)


def test_mixup_eq_1(batch):
    net, x, y = batch
    xm, ym = mixed(x, y)
    check(loss_of("mixup", batch, mix=MIX)[0], ce(ym, net(xm)))
    both = LAM * ce(one_hot(y), net(xm)) + (1 - LAM) * ce(one_hot(y)[PARTNER], net(xm))
    check(loss_of("mixup", batch, mix=MIX)[0], both)


@pytest.mark.parametrize(("lam", "own"), [(0.7, True), (0.5, True), (0.3, False)])
def test_mixup_features_takes_the_nearer_label_figure_6(batch, lam, own):
    net, x, y = batch
    xm, _ = mixed(x, y, lam)
    target = one_hot(y) if own else one_hot(y)[PARTNER]
    check(loss_of("mixup_features", batch, mix=lh.Mix(PARTNER, lam))[0], ce(target, net(xm)))


def test_mixup_uls_smooths_the_mixed_label(batch):
    net, x, y = batch
    xm, ym = mixed(x, y)
    check(loss_of("mixup_uls(smoothing=0.2)", batch, mix=MIX)[0], ce(0.8 * ym + 0.2 / C, net(xm)))


def test_cutmix_pastes_and_corrects_lam(batch):
    net, x, y = batch
    out, _ = loss_of("cutmix", batch, mix=MIX)
    lam = float(out.mix.lam[0])
    # the same draws: row and column come from the generator after nothing else
    generator = torch.Generator().manual_seed(3)
    row, column = (int(torch.randint(6, (), generator=generator)) for _ in range(2))
    (top, left, bottom, right), kept = lh.mixing.cutmix_box(6, 6, LAM, (row, column))
    assert lam == pytest.approx(kept, abs=1e-15)
    assert kept == pytest.approx(1 - (bottom - top) * (right - left) / 36, abs=1e-15)
    xm = x.clone()
    xm[:, :, top:bottom, left:right] = x[PARTNER][:, :, top:bottom, left:right]
    ym = kept * one_hot(y) + (1 - kept) * one_hot(y)[PARTNER]
    check(out, ce(ym, net(xm)))


def learned(net, objective, inputs):
    """u' = softmax(sigmoid(W_t S + b_t)), PLS eq. 9-12."""
    return torch.sigmoid(objective.head(net.trunk(inputs))).softmax(1)


def test_pls_eq_6_to_14_on_midpoints_and_originals(batch):
    net, x, y = batch
    out, objective = loss_of("pls", batch, mix=MIX)
    xm, q = mixed(x, y, 0.5)  # lam stays one half whatever is given
    check(out, ce(0.5 * q + 0.5 * learned(net, objective, xm), net(xm)))
    out, objective = loss_of("pls", batch)  # the first step sees the originals
    check(out, ce(0.5 * one_hot(y) + 0.5 * learned(net, objective, x), net(x)))


@pytest.mark.parametrize("weight", [0.1, 0.9])
def test_pls_weight_multiplies_the_learned_part(batch, weight):
    net, x, y = batch
    out, objective = loss_of(f"pls(weight={weight})", batch, mix=MIX)
    xm, q = mixed(x, y, 0.5)
    check(out, ce((1 - weight) * q + weight * learned(net, objective, xm), net(xm)))


def test_pls_ablations_tables_3_and_4(batch):
    net, x, y = batch
    xm, q = mixed(x, y, 0.5)
    check(loss_of("pls(learned=none)", batch, mix=MIX)[0], ce(q, net(xm)))
    check(loss_of("pls(learned=uniform, weight=0.2)", batch, mix=MIX)[0], ce(0.8 * q + 0.2 / C, net(xm)))
    out, objective = loss_of("pls(learned=coefficient)", batch, mix=MIX)
    a = torch.sigmoid(objective.head(net.trunk(xm)))
    assert a.shape == (B, 1)
    check(out, ce((1 - a) * q + a / C, net(xm)))
    out, _ = loss_of("pls(originals=false)", batch)
    assert torch.equal(out.mix.lam, torch.full((B,), 0.5, dtype=torch.float64))


def test_lamix_eq_4_to_11(batch):
    net, x, y = batch
    out, objective = loss_of("lamix(beta=0.6)", batch, mix=MIX)
    xm, _ = mixed(x, y, 0.5)
    _, local = mixed(x, y, LAM)  # the labels' own lam takes the given one
    check(out, ce(0.6 * local + 0.4 * learned(net, objective, xm), net(xm)))
    check(loss_of("lamix(beta=1)", batch, mix=MIX)[0], ce(local, net(xm)))
    out, objective = loss_of("lamix(local=average)", batch, mix=MIX)
    check(out, ce(0.5 * mixed(x, y, 0.5)[1] + 0.5 * learned(net, objective, xm), net(xm)))


@pytest.mark.parametrize(
    ("method", "cls", "mix", "sim"),
    [("cls_mix", 1, 1, 0), ("logitmix_c", 1, 0, 1), ("logitmix_m", 0, 1, 1), ("logitmix_cm", 1, 1, 1)],
)
def test_logitmix_eq_3_and_table_1(batch, method, cls, mix, sim):
    net, x, y = batch
    xm, ym = mixed(x, y)
    z, zm = net(x), net(xm)
    match = ((LAM * z + (1 - LAM) * z[PARTNER] - zm) ** 2).mean()
    check(loss_of(method, batch, mix=MIX)[0], cls * ce(one_hot(y), z) + mix * ce(ym, zm) + sim * match)


def test_logitmix_cc_weighs_the_match_a_tenth_and_uses_the_area(batch):
    net, x, y = batch
    out, _ = loss_of("logitmix_cc", batch, mix=MIX)
    lam = float(out.mix.lam[0])
    z = net(x)
    assert set(out.parts) == {"cross_entropy_clean", "cross_entropy_mixed", "logit_match"}
    assert out.parts["cross_entropy_clean"] == pytest.approx(float(ce(one_hot(y), z).detach()), abs=1e-12)
    generator = torch.Generator().manual_seed(3)
    row, column = (int(torch.randint(6, (), generator=generator)) for _ in range(2))
    (top, left, bottom, right), _ = lh.mixing.cutmix_box(6, 6, LAM, (row, column))
    xm = x.clone()
    xm[:, :, top:bottom, left:right] = x[PARTNER][:, :, top:bottom, left:right]
    match = ((lam * z + (1 - lam) * z[PARTNER] - net(xm)) ** 2).mean()
    assert out.parts["logit_match"] == pytest.approx(float(0.1 * match.detach()), abs=1e-12)


def test_logit_match_gradients_are_the_closed_forms():
    """dL/dz' = -2 r / (B K);  dL/dz_i = 2 (lam r_i + (1 - lam) r_(pi^-1 i)) / (B K)."""
    z, zm = (torch.randn(B, C, dtype=torch.float64, requires_grad=True) for _ in range(2))
    lh.losses.logit_match(z, zm, partner=PARTNER, lam=LAM).mean().backward()
    r = (LAM * z + (1 - LAM) * z[PARTNER] - zm).detach()
    inverse = torch.argsort(PARTNER)
    torch.testing.assert_close(zm.grad, -2 * r / (B * C))
    torch.testing.assert_close(z.grad, 2 * (LAM * r + (1 - LAM) * r[inverse]) / (B * C))


def test_learned_target_gradients_are_the_closed_forms():
    """dL/dz = p - q';  dL/da_k = w u'_k (c_k - sum u' c), times a (1 - a) before the sigmoid; c = -log p."""
    rule = lh.targets.LearnedSmooth()
    z, v = (torch.randn(1, C, dtype=torch.float64, requires_grad=True) for _ in range(2))
    q = torch.tensor([[0.5, 0.5, 0, 0]], dtype=torch.float64)
    target = rule(q, v)
    lh.losses.cross_entropy(z, target).sum().backward()
    a, p = torch.sigmoid(v.detach()), z.detach().softmax(1)
    u, c = a.softmax(1), -p.log()
    torch.testing.assert_close(z.grad, p - target.detach())
    torch.testing.assert_close(v.grad, 0.5 * u * (c - (u * c).sum()) * a * (1 - a))


def test_detached_the_head_gets_no_gradient(batch):
    out, objective = loss_of("pls(detach=true)", batch, mix=MIX)
    out.loss.backward()
    assert objective.head.weight.grad is None or not objective.head.weight.grad.any()


def test_the_learned_distribution_is_bounded_section_3_1():
    """For ten classes the entries of u' lie in [1/(1+9e), e/(e+9)] = [.0393, .2320]."""
    rule = lh.targets.LearnedSmooth(weight=1.0)
    extreme = torch.full((2, 10), -50.0)
    extreme[0, 0], extreme[1] = 50.0, 50.0
    extreme[1, 0] = -50.0
    target = rule(torch.zeros(2, 10), extreme)
    assert target.max() == pytest.approx(0.2320, abs=5e-5)
    assert target.min() == pytest.approx(0.0393, abs=5e-5)
