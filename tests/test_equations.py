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
    assert objective.head.weight.grad is None
    assert not objective.head.weight.requires_grad, "or a distributed run would wait for its gradient"


def test_the_learned_distribution_is_bounded_section_3_1():
    """For ten classes the entries of u' lie in [1/(1+9e), e/(e+9)] = [.0393, .2320]."""
    rule = lh.targets.LearnedSmooth(weight=1.0)
    extreme = torch.full((2, 10), -50.0)
    extreme[0, 0], extreme[1] = 50.0, 50.0
    extreme[1, 0] = -50.0
    target = rule(torch.zeros(2, 10), extreme)
    assert target.max() == pytest.approx(0.2320, abs=5e-5)
    assert target.min() == pytest.approx(0.0393, abs=5e-5)


# ---- switches of the papers' ambiguities, and what the papers leave open


def test_flsd_takes_gamma_from_the_probability(batch):
    net, x, y = batch
    p = net(x).softmax(1)[range(B), y]
    gamma = torch.where(p < 0.25, 5.0, 3.0)
    assert gamma.unique().numel() == 2, "both branches"
    check(loss_of("flsd(threshold=0.25)", batch)[0], (-((1 - p) ** gamma) * p.log()).mean())


def test_erl_over_the_mean_is_the_paper_divided_by_the_classes(batch):
    net, x, y = batch
    p = net(x).softmax(1)
    entropy = -(p * p.log()).mean()
    check(loss_of("erl(weight=0.3, over=mean)", batch)[0], ce(one_hot(y), net(x)) - 0.3 * entropy)


def test_uls_over_the_others(batch):
    net, x, y = batch
    q = 0.8 * one_hot(y) + 0.2 / (C - 1) * (1 - one_hot(y))
    check(loss_of("uls(smoothing=0.2, over=others)", batch)[0], ce(q, net(x)))


def test_manifold_mixup_with_the_authors_loss(batch):
    net, x, y = batch
    out, _ = loss_of("manifold_mixup(layers=[trunk.1], loss=bce)", batch, mix=MIX)
    hidden = net.trunk[1](x.flatten(1))
    z = net.fc(torch.tanh(LAM * hidden + (1 - LAM) * hidden[PARTNER]))
    _, ym = mixed(x, y)
    check(out, nn.functional.binary_cross_entropy(z.softmax(1), ym))


def test_pls_weight_on_the_label_is_the_mirrored_curve(batch):
    assert lh.parse("pls(weight=0.3, weight_on=label)") == lh.parse("pls(weight=0.7)")


def test_pls_coefficient_halved(batch):
    net, x, y = batch
    xm, q = mixed(x, y, 0.5)
    out, objective = loss_of("pls(learned=coefficient, halved=true)", batch, mix=MIX)
    a = torch.sigmoid(objective.head(net.trunk(xm)))
    check(out, ce(0.5 * q + 0.5 * ((1 - a) * q + a / C), net(xm)))


def test_pls_head_without_bias(batch):
    _, objective = loss_of("pls(bias=false)", batch)
    assert objective.head.bias is None


def test_pls_of_three(batch):
    net, x, y = batch
    other = torch.tensor([5, 4, 3, 2, 1, 0])
    given = lh.Mix(torch.stack([PARTNER, other], 1), torch.full((B, 3), 1 / 3, dtype=torch.float64))
    out, objective = loss_of("pls(k=3)", batch, mix=given)
    xm = (x + x[PARTNER] + x[other]) / 3
    q = (one_hot(y) + one_hot(y)[PARTNER] + one_hot(y)[other]) / 3
    check(out, ce(0.5 * q + 0.5 * learned(net, objective, xm), net(xm)))


def test_mixup_of_three_with_weights(batch):
    net, x, y = batch
    other = torch.tensor([5, 4, 3, 2, 1, 0])
    w = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    given = lh.Mix(torch.stack([PARTNER, other], 1), w.expand(B, 3))
    xm = w[0] * x + w[1] * x[PARTNER] + w[2] * x[other]
    q = w[0] * one_hot(y) + w[1] * one_hot(y)[PARTNER] + w[2] * one_hot(y)[other]
    check(loss_of("mixup(k=3)", batch, mix=given)[0], ce(q, net(xm)))
    z = net(x)
    match = (w[0] * z + w[1] * z[PARTNER] + w[2] * z[other] - net(xm)).square().mean()
    sentence = "mixup(k=3) | one_hot | cross_entropy(clean=1, mixed=1) | logit_match"
    check(loss_of(sentence, batch, mix=given)[0], ce(one_hot(y), z) + ce(q, net(xm)) + match)


def test_lamix_labels_of_three_have_weights_of_their_own(batch):
    out, _ = loss_of("midpoint(k=3) | one_hot(lam=uniform)", batch)
    assert torch.equal(out.mix.lam, torch.full((B, 3), 1 / 3, dtype=torch.float64))
    _, _, y = batch
    labels = torch.cat([one_hot(y)[:, None], one_hot(y)[out.mix.partner]], 1)  # (B, 3, C)
    assert not torch.allclose(out.targets, labels.mean(1)), "not the inputs' weights"
    torch.testing.assert_close(out.targets.sum(1), torch.ones(B, dtype=torch.float64))


def test_lamix_lam_per_sample(batch):
    _, _, y = batch
    for per, distinct in (("batch", False), ("sample", True)):
        out, _ = loss_of(f"midpoint | one_hot(lam=uniform, per={per})", batch)
        own = out.targets.gather(1, y[:, None])[:, 0]
        differ = y != y[out.mix.partner]
        assert (own[differ].unique().numel() > 1) == distinct


@pytest.mark.parametrize("norm", ["sum", "euclid"])
def test_logitmix_norms(batch, norm):
    net, x, y = batch
    xm, ym = mixed(x, y)
    z, zm = net(x), net(xm)
    squares = (LAM * z + (1 - LAM) * z[PARTNER] - zm).square().sum(1)
    match = squares.mean() if norm == "sum" else squares.sqrt().mean()
    out, _ = loss_of(f"logitmix_cm(norm={norm})", batch, mix=MIX)
    check(out, ce(one_hot(y), z) + ce(ym, zm) + match)


@pytest.mark.parametrize("detach", ["target", "mixed"])
def test_logitmix_detach(batch, detach):
    net, x, y = batch
    xm, ym = mixed(x, y)
    z, zm = net(x), net(xm)
    t = LAM * z + (1 - LAM) * z[PARTNER]
    match = ((t.detach() - zm) if detach == "target" else (t - zm.detach())).square().mean()
    expected = torch.autograd.grad(ce(one_hot(y), z) + ce(ym, zm) + match, list(net.parameters()))
    out, _ = loss_of(f"logitmix_cm(detach={detach})", batch, mix=MIX)
    got = torch.autograd.grad(out.loss, list(net.parameters()))
    for one, other in zip(got, expected):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_logitmix_batch_norm_joint_or_separate():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(72, momentum=1.0), nn.Linear(72, C)).double()
    x = torch.randn(B, 2, 6, 6, dtype=torch.float64)
    y = torch.arange(B) % C
    xm, _ = mixed(x, y)
    for how, seen in (("joint", torch.cat([x, xm])), ("separate", xm)):
        lh.objective(f"logitmix_cm(batch_norm={how})", model, num_classes=C)(x, y, mix=MIX)
        torch.testing.assert_close(model[1].running_mean, seen.flatten(1).mean(0))


def test_alternation_modes(batch):
    _, x, y = batch
    for mode, updates in (("step", 1), ("batch", 2), ("coin", 1)):
        _, objective = loss_of(f"pls(alternation={mode})", batch)
        assert objective.spec.updates == updates
        assert objective.spec.passes == updates
        turns = [float(objective(x, y).mix.lam[0]) < 1 for _ in range(40)]
        if mode == "coin":
            assert 8 <= sum(turns) <= 32  # 40 fair coins: outside with probability below 1e-4
        else:
            assert turns == [True, False] * 20


def saliency_of(net, x, y):
    leaf = x.clone().requires_grad_()
    ce(one_hot(y), net(leaf)).backward()
    return leaf.grad.float().square().mean(1).sqrt()


def test_puzzlemix_and_lamix_puzzle_with_their_losses(batch):
    _net, x, y = batch
    x8 = nn.functional.pad(x, (1, 1, 1, 1))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        wide = nn.Sequential(nn.Flatten(), nn.Linear(2 * 64, C)).double()
    case = wide, x8, y
    out, objective = loss_of("puzzlemix", case, mix=MIX)
    # the same cut again, from the saliency written out here
    drawn = objective.spec.mixing.draw(lh.mixing.Step(x8.shape, given=MIX), torch.Generator().manual_seed(3))
    drawn = objective.spec.mixing.settle(x8, drawn, saliency_of(wide, x8, y))
    xm, rho = objective.spec.mixing.blend(x8, drawn), drawn.mix.lam[:, None]
    torch.testing.assert_close(out.mix.lam, drawn.mix.lam)
    q = rho * one_hot(y) + (1 - rho) * one_hot(y)[PARTNER]
    z = wide(xm)
    check(out, nn.functional.binary_cross_entropy(z.softmax(1), q))
    check(loss_of("puzzlemix(loss=cross_entropy)", case, mix=MIX)[0], ce(q, z))
    # LaMix: inputs at lam 1/2, labels at their own lam
    out, objective = loss_of("lamix_puzzle(loss=cross_entropy)", case, mix=MIX)
    drawn = objective.spec.mixing.core.draw(lh.mixing.Step(x8.shape, given=MIX), torch.Generator().manual_seed(3))
    _, local = mixed(x8, y, LAM)
    torch.testing.assert_close(out.targets, local)
    # LogitMix over PuzzleMix: the match takes each image's own share
    sentence = "puzzlemix | one_hot | cross_entropy(clean=1, mixed=1) | logit_match"
    out, objective = loss_of(sentence, case, mix=MIX)
    clean = wide(x8)
    match = (rho * clean + (1 - rho) * clean[PARTNER] - z).square().mean()
    check(out, ce(one_hot(y), clean) + ce(q, z) + match)


def test_puzzlemix_keeps_the_clean_gradient_where_that_is_asked_for(batch):
    _net, x, y = batch
    x8 = nn.functional.pad(x, (1, 1, 1, 1))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        wide = nn.Sequential(nn.Flatten(), nn.Linear(2 * 64, C)).double()
    case = wide, x8, y
    plain, _ = loss_of("puzzlemix", case, mix=MIX)
    kept, objective = loss_of("puzzlemix(clean=1)", case, mix=MIX)
    assert objective.spec.passes == 2
    clean = ce(one_hot(y), wide(x8))
    torch.testing.assert_close(kept.loss, plain.loss + 2 / C * clean)
    expected = torch.autograd.grad(plain.loss + 2 / C * clean, list(wide.parameters()))
    got = torch.autograd.grad(kept.loss, list(wide.parameters()))
    for one, other in zip(got, expected):
        torch.testing.assert_close(one, other)


def test_the_saliency_of_a_network_in_eval_mode_leaves_its_statistics_alone(batch):
    _net, x, y = batch
    x8 = nn.functional.pad(x, (1, 1, 1, 1))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        layers = nn.BatchNorm2d(2, momentum=1.0), nn.Flatten(), nn.Linear(2 * 64, C)
    case = nn.Sequential(*layers).double(), x8, y
    for clean, passes in ((0, 1), (1, 2)):
        case[0][0].reset_running_stats()
        out, _ = loss_of(f"puzzlemix(clean={clean})", case, mix=MIX)
        assert int(case[0][0].num_batches_tracked) == passes
        assert case[0].training
        assert torch.isfinite(out.loss)


def test_more_than_one_pass_counts_in_penalties_and_matching(batch):
    net = batch[0]
    seen = []
    handle = net.register_forward_hook(lambda *args: seen.append(args[2].detach()))
    sentence = "mixup | one_hot | vwci(passes=2, clean=1) | logit_match + negative_entropy @ predict(dropout=0.5)"
    out, _ = loss_of(sentence, batch, mix=MIX)
    handle.remove()
    clean, mixed_ = seen[0].view(2, 2, B, C).unbind(1)  # (pass, view, B, C)
    match = [(LAM * z + (1 - LAM) * z[PARTNER] - zm).square().mean() for z, zm in zip(clean, mixed_)]
    assert out.parts["logit_match"] == pytest.approx(float(torch.stack(match).mean()), rel=1e-9)
    assert not torch.isclose(match[0], match[1])
    p = clean.softmax(2)
    assert out.parts["negative_entropy_clean"] == pytest.approx(float(0.1 * (p * p.log()).sum(2).mean()), rel=1e-9)


def test_nearest_rounds_the_share_of_each_puzzle(batch):
    _net, x, y = batch
    x8 = nn.functional.pad(x, (1, 1, 1, 1))
    wide = nn.Sequential(nn.Flatten(), nn.Linear(2 * 64, C)).double()
    out, _ = loss_of("puzzlemix | nearest", (wide, x8, y), mix=MIX)
    own = (out.mix.lam >= 0.5).double()[:, None]
    torch.testing.assert_close(out.targets, own * one_hot(y) + (1 - own) * one_hot(y)[PARTNER])


def test_a_sentence_nobody_published(batch):
    _net, _x, y = batch
    sentence = (
        "cutmix(alpha=1) | smooth(0.05) | focal(gamma=2) | margin(m=6, weight=0.1) + negative_entropy(weight=0.05)"
    )
    out, _ = loss_of(sentence, batch, mix=MIX)
    lam = float(out.mix.lam[0])
    q = 0.95 * (lam * one_hot(y) + (1 - lam) * one_hot(y)[PARTNER]) + 0.05 / C
    p = out.logits.softmax(1)
    main = -(q * (1 - p) ** 2 * p.log()).sum(1).mean()
    reach = (out.logits.amax(1, keepdim=True) - out.logits - 6).clamp(min=0).mean()
    check(out, main + 0.1 * reach + 0.05 * (p * p.log()).sum(1).mean())
