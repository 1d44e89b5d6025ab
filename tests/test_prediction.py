"""MC-dropout and stochastic passes: dropout where it should be, nowhere else, and nothing left behind."""

import pytest
import torch
from torch import nn

import levelhead as lh

C, B = 3, 6


def net(rate=None):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        middle = [] if rate is None else [nn.Dropout(rate)]
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 40), nn.Tanh(), *middle, nn.Linear(40, C)).double()


def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(B, 1, 4, 4, dtype=torch.float64, generator=generator), torch.arange(B) % C


def make(method, model, seed=0):
    return lh.objective(method, model, num_classes=C, generator=torch.Generator().manual_seed(seed))


def test_a_plain_method_predicts_the_models_own_logits():
    model = net()
    inputs, _ = batch()
    for method in ("vanilla", "logitmix_cm", "pls", "mixup @ predict(dropout=0.5)"):
        assert torch.equal(make(method, model).predict(inputs), model(inputs)), method


def test_mc_dropout_is_the_mean_of_softmax_outputs():
    inputs, _ = batch()
    model = net()
    predicted = make("mc_dropout(p=0.5, samples=4000)", model).predict(inputs).softmax(1)
    # the mean over masks of the features, by an independent simulation; the spread of a mean over 4000 is below .008
    generator = torch.Generator().manual_seed(9)
    features = model[:-1](inputs)
    masks = (torch.rand(4000, *features.shape, generator=generator) >= 0.5).double() * 2
    expected = model[-1](features * masks).softmax(2).mean(0)
    torch.testing.assert_close(predicted, expected, atol=0.03, rtol=0)
    assert (predicted - model(inputs).softmax(1)).abs().max() > 0.003, "dropout is on"


def test_predictions_are_normalised_and_repeatable():
    inputs, _ = batch()
    objective = make("mc_dropout", net())
    state = torch.get_rng_state()
    one, two = objective.predict(inputs), objective.predict(inputs)
    assert torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(one.exp().sum(1), torch.ones(B, dtype=torch.float64))
    assert not torch.equal(make("mc_dropout", net(), seed=1).predict(inputs), one)


@pytest.mark.parametrize("model_rate", [None, 0.1])
@pytest.mark.parametrize("method", ["mc_dropout", "vwci", "mixup @ predict(dropout=0.5, samples=3)"])
def test_the_model_is_left_as_it_was(method, model_rate):
    model = net(model_rate)
    inputs, labels = batch()
    objective = make(method, model)
    objective(inputs, labels).loss.backward()
    objective.predict(inputs)
    assert all(module.training for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert [each.p for each in model.modules() if isinstance(each, nn.Dropout)] == ([] if model_rate is None else [0.1])
    model.eval()
    expected = model(inputs)
    objective.predict(inputs)
    assert not any(module.training for module in model.modules())
    assert torch.equal(model(inputs), expected)


def test_the_models_own_dropout_layers_take_the_rate():
    model, rates = net(0.1), []
    model[3].register_forward_hook(lambda module, *_: rates.append((module.p, module.training)))
    inputs, labels = batch()
    objective = make("mc_dropout(p=0.7, samples=2)", model)
    objective(inputs, labels)
    objective.predict(inputs)
    assert rates == [(0.7, True)] * 3


def test_training_drops_and_eval_does_not():
    inputs, labels = batch()
    objective = make("mc_dropout(p=0.5)", net())
    first, second = objective(inputs, labels).loss, objective(inputs, labels).loss
    assert float(first.detach()) != float(second.detach())
    objective.eval()
    assert torch.equal(objective(inputs, labels).logits, net()(inputs))


def test_dropout_keeps_the_mean():
    inputs, labels = batch()
    model, seen = net(), []
    objective = make("vanilla @ predict(dropout=0.4)", model)
    model[-1].register_forward_hook(lambda _, args, __: seen.append(args[0].detach()))
    for _ in range(2000):
        objective(inputs, labels)
    mean = torch.stack(seen).mean(0)
    features = model[:-1](inputs).detach()
    # every entry is x / .6 with probability .6: standard error |x| sqrt(.4 / .6 / 2000) = .018 |x|
    assert ((mean - features).abs() <= 5 * 0.0183 * features.abs() + 1e-9).all()
    assert (torch.stack(seen) == 0).double().mean() == pytest.approx(0.4, abs=0.01)


def test_vwci_passes_are_one_batch_of_repeats():
    rows = []
    model = net()
    model.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    inputs, labels = batch()
    objective = make("vwci(passes=3)", model)
    assert objective.spec.passes == 3
    out = objective(inputs, labels)
    assert rows == [3 * B]
    assert out.logits.shape == (B, C)
    objective.eval()(inputs, labels)
    assert rows == [3 * B, B]


def test_vwci_by_its_passes():
    model, seen = net(), []
    inputs, labels = batch()
    model.register_forward_hook(lambda *args: seen.append(args[2].detach()))
    out = make("vwci(passes=3)", model)(inputs, labels)
    expected = lh.losses.vwci(seen[0].chunk(3), labels).mean()
    torch.testing.assert_close(out.loss.detach(), expected)


def test_vwci_needs_something_stochastic():
    with pytest.raises(ValueError, match=r"@ predict\(dropout=0\.5\)"):
        make("identity | one_hot | vwci", net())
    make("identity | one_hot | vwci", net(0.2))
    import torchvision

    model = torchvision.models.convnext_tiny(weights=None, num_classes=C)  # stochastic depth
    make("identity | one_hot | vwci", model)


def test_vwci_composes_with_mixing_and_matching():
    sentence = "mixup | smooth | vwci(passes=2, clean=1) | logit_match + margin @ predict(dropout=0.3)"
    inputs, labels = batch()
    objective = make(sentence, net())
    assert objective.spec.passes == 4
    out = objective(inputs, labels)
    out.loss.backward()
    assert sum(out.parts.values()) == pytest.approx(float(out.loss.detach()))
    assert set(out.parts) == {"vwci_clean", "vwci_mixed", "logit_match", "margin_clean", "margin_mixed"}
