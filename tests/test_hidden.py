"""Mixing at hidden layers: where, what, and that nothing of it stays in the model."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import levelhead as lh
from levelhead.places import find_places

C, B = 3, 6
PARTNER = torch.tensor([1, 0, 3, 2, 5, 4])


class Net(nn.Module):
    """Three stages, each of which may be computed anew in the backward pass."""

    def __init__(self, anew=None):
        super().__init__()
        self.stage1, self.stage2, self.stage3 = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 5)
        self.fc = nn.Linear(5, C)
        self.anew = anew

    def forward(self, inputs):
        def trunk(hidden):
            return self.stage2(self.stage1(hidden).tanh()).tanh()

        hidden = trunk(inputs) if self.anew is None else checkpoint(trunk, inputs, use_reentrant=self.anew)
        return self.fc(self.stage3(hidden).tanh())


def net(anew=None):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net(anew).double()


def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(B, 4, dtype=torch.float64, generator=generator), torch.arange(B) % C


def make(method, model, seed=0):
    return lh.objective(method, model, num_classes=C, generator=torch.Generator().manual_seed(seed))


def test_manifold_mixup_by_hand():
    inputs, labels = batch()
    model = net()
    out = make("manifold_mixup(layers=[stage2])", model)(inputs, labels, mix=lh.Mix(PARTNER, 0.3))
    hidden = model.stage2(model.stage1(inputs).tanh())
    hidden = 0.3 * hidden + 0.7 * hidden[PARTNER]
    z = model.fc(model.stage3(hidden.tanh()).tanh())
    y = nn.functional.one_hot(labels, C).double()
    q = 0.3 * y + 0.7 * y[PARTNER]
    torch.testing.assert_close(out.loss, -(q * z.log_softmax(1)).sum(1).mean(), rtol=1e-12, atol=1e-12)


def test_at_the_input_it_is_mixup():
    inputs, labels = batch()
    mix = lh.Mix(PARTNER, 0.3)
    one = make("manifold_mixup(layers=[input])", net())(inputs, labels, mix=mix).loss
    torch.testing.assert_close(one, make("mixup", net())(inputs, labels, mix=mix).loss, rtol=0, atol=0)


def test_logitmix_over_manifold_mixup():
    inputs, labels = batch()
    model = net()
    sentence = "manifold_mixup(layers=[stage1]) | one_hot | cross_entropy(clean=1, mixed=1) | logit_match"
    out = make(sentence, model)(inputs, labels, mix=lh.Mix(PARTNER, 0.3))
    clean = model(inputs)
    hidden = model.stage1(inputs)
    hidden = (0.3 * hidden + 0.7 * hidden[PARTNER]).tanh()
    mixed = model.fc(model.stage3(model.stage2(hidden).tanh()).tanh())
    expected = (0.3 * clean + 0.7 * clean[PARTNER] - mixed).square().mean()
    assert out.parts["logit_match"] == pytest.approx(float(expected.detach()), rel=1e-9)
    torch.testing.assert_close(out.logits, clean)


def test_every_layer_has_its_turn():
    inputs, _ = batch()
    model, mixed_at = net(), set()
    objective = make("manifold_mixup", model)
    assert objective._places == ("input", "stage1", "stage2")
    for _ in range(40):
        drawn = objective.spec.mixing.draw(lh.mixing.Step(inputs.shape, places=3), objective.generator)
        mixed_at.add(objective._places[drawn.place])
    assert mixed_at == set(objective._places)


@pytest.mark.parametrize("anew", [True, False], ids=["reentrant", "not reentrant"])
def test_a_checkpointed_stage_is_mixed_again_when_computed_anew(anew):
    inputs, labels = batch()
    inputs.requires_grad_()  # the reentrant kind needs an input with a gradient
    plain, model = net(), net(anew)
    for layer in ("stage1", "stage2"):
        sentence = f"manifold_mixup(layers=[{layer}])"
        losses = []
        for each in (plain, model):
            each.zero_grad()
            out = make(sentence, each)(inputs, labels, mix=lh.Mix(PARTNER, 0.3))
            out.loss.backward()
            losses.append(out.loss.detach())
        torch.testing.assert_close(*losses)
        for mine, theirs in zip(plain.parameters(), model.parameters()):
            torch.testing.assert_close(mine.grad, theirs.grad)
        assert not any(module._forward_hooks for module in model.modules())


def test_a_checkpointed_stage_keeps_no_hook_when_nobody_goes_backward():
    inputs, labels = batch()
    model = net(False)
    objective = make("manifold_mixup(layers=[stage1])", model)
    out = objective(inputs, labels, mix=lh.Mix(PARTNER, 0.3))
    expected = net()(inputs)
    torch.testing.assert_close(model(inputs), expected)  # somebody else's pass is left alone
    del out
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("method", ["vanilla", "pls", "mixup", "logitmix_cm", "manifold_mixup(layers=[stage1])"])
def test_gradient_checkpointing_changes_no_loss(method):
    inputs, labels = batch()
    sequences = []
    for anew in (None, False):
        model = net(anew)
        objective = make(method, model)
        optimizer = torch.optim.SGD(objective.parameters(), lr=0.5)
        losses = []
        for _ in range(6):
            optimizer.zero_grad()
            out = objective(inputs, labels)
            out.loss.backward()
            optimizer.step()
            losses.append(float(out.loss.detach()))
        sequences.append(losses)
    assert sequences[0] == pytest.approx(sequences[1], rel=1e-12)


def test_layers_that_cannot_be_mixed_at():
    inputs, labels = batch()
    with pytest.raises(ValueError, match="no module of the model; it has input, stage1"):
        make("manifold_mixup(layers=[stage9])", net())
    with pytest.raises(ValueError, match="found no stages"):
        make("manifold_mixup", nn.Linear(4, C))

    class Twice(Net):
        def forward(self, inputs):
            return super().forward(inputs) + super().forward(inputs)

    with pytest.raises(ValueError, match="ran 2 times"):
        make("manifold_mixup(layers=[stage1])", Twice().double())(inputs, labels)

    class Odd(Net):
        def forward(self, inputs):
            return self.fc(self.stage3(self.stage2(self.stage1(inputs[:1])).expand(len(inputs), -1)))

    with pytest.raises(ValueError, match="6 rows"):
        make("manifold_mixup(layers=[stage1])", Odd().double())(inputs, labels)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("resnet18", ("input", "layer1", "layer2")),
        ("vit_b_16", ("input", "encoder.layers.encoder_layer_2", "encoder.layers.encoder_layer_5")),
        ("convnext_tiny", ("input", "features.1", "features.3")),
        ("shufflenet_v2_x1_0", ("input", "stage2", "stage3")),
    ],
)
def test_the_stages_of_torchvision_networks(name, places):
    import torchvision

    with torch.device("meta"):
        assert find_places(torchvision.models.get_model(name, weights=None), ()) == places


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("resnet18", ("input", "layer1", "layer2")),
        ("vit_tiny_patch16_224", ("input", "blocks.2", "blocks.5")),
        ("convnext_atto", ("input", "stages.0", "stages.1")),
    ],
)
def test_the_stages_of_timm_networks(name, places):
    timm = pytest.importorskip("timm")
    assert find_places(timm.create_model(name, pretrained=False), ()) == places


def test_neither_a_stem_nor_branches_are_stages():
    def block():
        # a row of siblings that run beside each other
        return nn.ModuleDict({f"branch{n}": nn.Linear(3, 3) for n in range(4)})

    class Stemmed(nn.Module):
        def __init__(self, blocks):
            super().__init__()
            self.stem = nn.ModuleDict({f"conv{n}": nn.Linear(3, 3) for n in range(3)})
            self.blocks = nn.ModuleDict(blocks)

    found = find_places(Stemmed({f"block{n}": block() for n in range(4)}), ())
    assert found == ("input", "blocks.block0", "blocks.block1")
    with pytest.raises(ValueError, match=r"name modules with layers="):
        find_places(Stemmed({name: block() for name in "abcd"}), ())


@pytest.mark.parametrize("name", ["small", "preact_resnet18(width=4)", "lenet", "mlp"])
def test_manifold_mixup_finds_the_stages_of_our_networks(name):
    shape = (8,) if name == "mlp" else (1, 16, 16)
    model = lh.models.build(name, num_classes=C, input_shape=shape)
    objective = lh.objective("manifold_mixup", model, num_classes=C)
    assert len(objective._places) == 3
    for _ in range(6):
        objective(torch.randn(4, *shape), torch.arange(4) % C).loss.backward()


@pytest.mark.parametrize("anew", [True, False], ids=["reentrant", "not reentrant"])
def test_a_pass_that_fails_leaves_no_hook_in_a_checkpointed_model(anew):
    class Fails(Net):
        def forward(self, inputs):
            super().forward(inputs)
            raise RuntimeError("out of memory")

    class Odd(Net):
        def forward(self, inputs):
            return super().forward(inputs)[:, :2]

    inputs, labels = batch()
    inputs.requires_grad_()
    for kind, error in ((Fails, RuntimeError), (Odd, ValueError)):
        model = kind(anew).double()
        with pytest.raises(error):
            make("manifold_mixup(layers=[stage1])", model)(inputs, labels, mix=lh.Mix(PARTNER, 0.3))
        assert not any(module._forward_hooks for module in model.modules()), kind


class Checkpointed(nn.Module):
    """Everything inside one checkpoint: dropout, and the classifier too where that is asked for."""

    def __init__(self, anew, rate=0.0, head_inside=False):
        super().__init__()
        self.stage1, self.stage2, self.drop = nn.Linear(4, 5), nn.Linear(5, 5), nn.Dropout(rate)
        self.fc, self.anew, self.head_inside = nn.Linear(5, C), anew, head_inside

    def forward(self, inputs):
        def trunk(x):
            hidden = self.drop(self.stage2(self.stage1(x).tanh()).tanh())
            return self.fc(hidden) if self.head_inside else hidden

        out = trunk(inputs) if self.anew is None else checkpoint(trunk, inputs, use_reentrant=self.anew)
        return out if self.head_inside else self.fc(out)


def checkpointed(anew, **kwargs):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Checkpointed(anew, **kwargs).double()


def gradients_of(method, anew, **kwargs):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(B, 4, dtype=torch.float64, generator=generator).requires_grad_()
    model = checkpointed(anew, **kwargs)
    objective = lh.objective(method, model, num_classes=C, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(5)
    objective(inputs, torch.arange(B) % C).loss.backward()
    hooks = [module._forward_hooks or module._forward_pre_hooks for module in model.modules()]
    assert not any(hooks), "the gradient came by, so nothing is left"
    assert model.drop.p == kwargs.get("rate", 0.0)
    return torch.cat([p.grad.flatten() for p in objective.parameters() if p.grad is not None])


@pytest.mark.parametrize("anew", [True, False], ids=["reentrant", "not reentrant"])
@pytest.mark.parametrize("method", ["mc_dropout(p=0.3)", "vwci(dropout=0.3, passes=2)"])
@pytest.mark.parametrize("kind", [{"rate": 0.7}, {"head_inside": True}], ids=["own dropout", "on features"])
def test_dropout_under_a_checkpoint_drops_the_same_again(anew, method, kind):
    torch.testing.assert_close(gradients_of(method, anew, **kind), gradients_of(method, None, **kind))


@pytest.mark.parametrize("method", ["pls(originals=false)", "lamix(originals=false)"])
def test_a_classifier_inside_a_checkpoint(method):
    inside = {"head_inside": True}
    torch.testing.assert_close(gradients_of(method, False, **inside), gradients_of(method, None, **inside))
    with pytest.raises(ValueError, match="inside a reentrant checkpoint, where no gradient reaches"):
        gradients_of(method, True, **inside)


@pytest.mark.parametrize("anew", [True, False], ids=["reentrant", "not reentrant"])
def test_two_passes_before_one_backward_are_refused_where_they_cannot_be_told_apart(anew):
    inputs = torch.randn(B, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(B) % C
    model = checkpointed(anew)
    objective = lh.objective("manifold_mixup(layers=[stage1])", model, num_classes=C)
    first = objective(inputs, labels).loss
    both = first + nn.functional.cross_entropy(model(inputs), labels)
    with pytest.raises(ValueError, match="called again before this backward"):
        both.backward()
    plain = checkpointed(None)
    objective = lh.objective("manifold_mixup(layers=[stage1])", plain, num_classes=C)
    (objective(inputs, labels).loss + objective(inputs, labels).loss).backward()  # without a checkpoint it is fine
