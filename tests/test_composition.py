"""The contract of an objective: what a training loop of anybody's may rely on."""

import copy
import shutil

import pytest
import torch
from torch import nn

import levelhead as lh
from levelhead.classifier import find_classifier

NAMES = sorted(lh.methods())
C = 4


def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, C)
        )


def batch(size=6):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size, 1, 8, 8, generator=generator), torch.randint(C, (size,), generator=generator)


def make(method, model=None, seed=0):
    return lh.objective(method, model or net(), num_classes=C, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_any_batch_size_trains_and_parts_sum_to_the_loss(name, size):
    objective = make(name)
    inputs, labels = batch(size)
    before = inputs.clone(), labels.clone()
    for _ in range(3):
        out = objective(inputs, labels)
        out.loss.backward()
        assert torch.isfinite(out.loss)
        assert sum(out.parts.values()) == pytest.approx(float(out.loss.detach()), abs=1e-5)
        assert out.logits.shape == out.targets.shape == (size, C)
        torch.testing.assert_close(out.targets.sum(1), torch.ones(size))
        assert out.mix.partner.shape == out.mix.lam.shape == (size,)
    assert torch.equal(inputs, before[0])
    assert torch.equal(labels, before[1])
    assert all(p.grad is not None for p in objective.parameters()), "an unused parameter breaks DDP"


@pytest.mark.parametrize("name", NAMES)
def test_passes_on_the_card_are_the_passes_counted(name):
    model = net()
    rows, calls = [], []

    def count(_, args):
        rows.append(len(args[0]))
        calls.append(1)

    model.register_forward_pre_hook(count)
    objective = make(name, model)
    inputs, labels = batch()
    steps = 400
    for _ in range(steps):
        objective(inputs, labels)
    share = objective.spec.mixing.share
    # one forward call a step, whatever the views; a saliency, in the steps that mix, is one more
    assert len(calls) == steps * (1 + share * objective.spec.mixing.core.needs_saliency)
    # cutmix with prob 1/2 is binomial: four standard deviations
    slack = 4 * (share * (1 - share) / steps) ** 0.5 if "cutmix" in str(objective.spec) else 0
    assert sum(rows) / (steps * len(inputs)) == pytest.approx(lh.methods()[name].passes, abs=slack + 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_users_model_stays_what_it_was(name):
    model = net()
    inputs, labels = batch()
    model.eval()
    with torch.no_grad():
        outputs = model(inputs)
    model.train()
    keys = list(model.state_dict())
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()]
    running = model[1].running_mean.clone()
    objective = make(name, model)
    objective.eval()
    objective(inputs, labels)
    assert list(model.state_dict()) == keys
    assert [
        (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()
    ] == hooks
    assert torch.equal(model[1].running_mean, running)
    del objective
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(inputs), outputs)


@pytest.mark.parametrize("name", NAMES)
def test_eval_sees_the_clean_view_draws_and_counts_nothing(name):
    objective = make(name).eval()
    inputs, labels = batch()
    state = objective.generator.get_state()
    first, second = objective(inputs, labels), objective(inputs, labels)
    assert torch.equal(first.loss, second.loss)
    assert torch.equal(objective.generator.get_state(), state)
    assert objective.count == 0
    assert torch.equal(first.logits, objective.model(inputs))


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_resumes_bit_exactly(name):
    inputs, labels = batch()
    whole = make(name)
    for _ in range(3):
        whole(inputs, labels)
    state = copy.deepcopy(whole.state_dict())
    expected = [whole(inputs, labels).loss.detach() for _ in range(3)]
    resumed = make(name, seed=99)
    resumed.load_state_dict(state)
    assert [resumed(inputs, labels).loss.detach() for _ in range(3)] == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_global_random_state_is_read_and_not_moved(name):
    torch.manual_seed(5)
    models = net(), net()
    state = torch.get_rng_state()
    inputs, labels = batch()
    losses = []
    for model in models:
        objective = lh.objective(name, model, num_classes=C)
        losses.append([float(objective.eval().train()(inputs, labels).loss.detach()) for _ in range(4)])
    assert torch.equal(torch.get_rng_state(), state)
    assert losses[0] == losses[1], "the private generator follows torch.initial_seed()"


def test_the_rank_changes_the_private_generator(monkeypatch):
    first = lh.objective("mixup", net(), num_classes=C).generator.initial_seed()
    monkeypatch.setenv("RANK", "1")
    assert lh.objective("mixup", net(), num_classes=C).generator.initial_seed() != first


@pytest.mark.parametrize("name", [name for name in NAMES if lh.parse(name).mixing.share > 0])
def test_a_given_mix_forces_a_mixed_step_and_does_not_count(name):
    objective = make(name)
    inputs, labels = batch()
    partner = torch.tensor([1, 0, 3, 2, 5, 4])
    out = objective(inputs, labels, mix=lh.Mix(partner, 0.25))
    assert torch.equal(out.mix.partner, partner)
    assert objective.count == 0
    lam = set(out.mix.lam.tolist())
    if "midpoint" in str(objective.spec):
        assert lam == {0.5}
    elif "cutmix" not in str(objective.spec) and "puzzlemix" not in str(objective.spec):
        assert lam == {0.25}
    vector = objective(inputs, labels, mix=lh.Mix(partner, torch.full((6,), 0.25)))
    assert vector.loss.shape == ()


def test_alternate_begins_with_the_originals_and_keeps_its_turn():
    objective = make("pls")
    inputs, labels = batch()
    turns = [float(objective(inputs, labels).mix.lam[0]) for _ in range(5)]
    assert turns == [1, 0.5, 1, 0.5, 1]


@pytest.mark.parametrize(
    "method", ["pls(learned=none)", "pls(learned=uniform)", "pls(weight=0)", "lamix(beta=1)", "mixup"]
)
def test_where_nothing_is_learned_there_is_no_head(method):
    assert make(method).head is None


def test_the_head_is_a_parameter_of_the_objective_only():
    model = net()
    objective = make("lamix", model)
    names = [name for name, _ in objective.named_parameters()]
    assert [name for name in names if not name.startswith("model.")] == ["head.weight", "head.bias"]
    assert objective.head.out_features == C
    assert len(names) == len(list(model.parameters())) + 2


def test_batch_norm_sees_originals_and_mixtures_together():
    model = net()
    inputs, labels = batch()
    objective = make("logitmix_cm", model)
    partner = torch.tensor([1, 0, 3, 2, 5, 4])
    objective(inputs, labels, mix=lh.Mix(partner, 0.25))
    both = torch.cat([inputs, 0.25 * inputs + 0.75 * inputs[partner]])
    expected = 0.1 * model[0](both).mean((0, 2, 3))
    torch.testing.assert_close(model[1].running_mean, expected)


def test_soft_labels_are_taken():
    inputs, labels = batch()
    soft = nn.functional.one_hot(labels, C).float()
    hard_out, soft_out = (make("mixup")(inputs, given) for given in (labels, soft))
    assert torch.equal(hard_out.loss, soft_out.loss)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, y: (x.long(), y), "inputs are integers, but Sequential has no nn.Embedding"),
        (lambda x, y: (x[:0], y[:0]), "the batch is empty"),
        (lambda x, y: (x, y[:3]), r"labels must have shape \(6,\)"),
        (lambda x, y: (x, y + C), "labels must be in 0..3"),
        (lambda x, y: (x, y - 9), "labels must be in 0..3"),
        (lambda x, y: (x, torch.zeros(6, 3)), "label distributions must have shape"),
    ],
)
def test_batches_that_do_not_fit(change, said):
    with pytest.raises(ValueError, match=said):
        make("mixup")(*change(*batch()))


@pytest.mark.parametrize(
    ("mix", "said"),
    [
        (lh.Mix(torch.zeros(5, dtype=torch.long), 0.5), "mix.partner must be integers"),
        (lh.Mix(torch.zeros(6), 0.5), "mix.partner must be integers"),
        (lh.Mix(torch.full((6,), 6), 0.5), "into the batch"),
        (lh.Mix(torch.zeros(6, dtype=torch.long), 1.5), r"mix.lam must be in \[0, 1\]"),
        (lh.Mix(torch.zeros(6, dtype=torch.long), torch.zeros(5)), "mix.lam must be a float or"),
    ],
)
def test_pairings_that_do_not_fit(mix, said):
    with pytest.raises(ValueError, match=said):
        make("mixup")(*batch(), mix=mix)


def test_a_pairing_for_a_method_that_mixes_nothing():
    with pytest.raises(ValueError, match="mixes nothing"):
        make("vanilla")(*batch(), mix=lh.Mix(torch.arange(6), 0.5))


def test_models_whose_output_is_no_logits():
    with pytest.raises(ValueError, match=r"must give logits \(6, 4\)"):
        make("vanilla", nn.Sequential(nn.Flatten(), nn.Linear(64, 5)))(*batch())
    with pytest.raises(ValueError, match="num_classes"):
        lh.objective("vanilla", net(), num_classes=1)
    with pytest.raises(ValueError, match=r"torch\.nn\.Module"):
        lh.objective("vanilla", lambda x: x, num_classes=3)


def test_a_classifier_that_cannot_be_found_names_the_cure():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2 * C), nn.GLU())
    with pytest.raises(ValueError, match=r"classifier='\.\.\.'"):
        make("pls", model)
    make("mixup", model)(*batch())  # who learns no head needs no classifier
    with pytest.raises(ValueError, match="is no module of the model"):
        lh.objective("pls", net(), num_classes=C, classifier="fc")
    with pytest.raises(ValueError, match=r"must be an nn\.Linear"):
        lh.objective("pls", net(), num_classes=C, classifier="1")
    with pytest.raises(ValueError, match="has 2 outputs, but num_classes=4"):
        lh.objective("pls", nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), num_classes=C, classifier="1")


def test_a_classifier_used_twice_is_refused():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(64, C)

        def forward(self, x):
            return self.fc(x.flatten(1)) + self.fc(x.flatten(1))

    with pytest.raises(ValueError, match="once in a forward pass"):
        make("pls", Twice())(*batch())


def check_the_head_learns(method, model):
    layer = find_classifier(model, C)
    # some networks start it at zero, where all classes are alike and the learned target has no gradient
    nn.init.normal_(layer.weight)
    objective = lh.objective(method, model, num_classes=C)
    out = objective(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]), mix=lh.Mix(torch.tensor([1, 0]), 0.5))
    out.loss.backward()
    assert objective.head.weight.grad.any()


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "vgg11_bn",
        "mobilenet_v2",
        "densenet121",
        "vit_b_16",
        "convnext_tiny",
        "swin_t",
        "shufflenet_v2_x0_5",
        "squeezenet1_1",
        "googlenet",
    ],
)
def test_the_classifier_of_torchvision_networks_is_found(name):
    import torchvision

    size = {"image_size": 32} if name == "vit_b_16" else {}
    # an auxiliary head would need larger images; initialising by scipy's truncated normal takes half a minute
    size |= {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, num_classes=C, **size)
    check_the_head_learns("pls", model)


@pytest.mark.parametrize(
    "name", ["resnet10t", "vit_tiny_patch16_224", "efficientnet_b0", "convnext_atto", "xcit_nano_12_p16_224"]
)
def test_the_classifier_of_timm_networks_is_found(name):
    timm = pytest.importorskip("timm")
    size = {"img_size": 32} if "vit" in name or "mixer" in name else {}
    model = timm.create_model(name, pretrained=False, num_classes=C, **size)
    check_the_head_learns("lamix", model)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_stays_close_to_full_precision(name):
    inputs, labels = batch()
    plain = make(name)(inputs, labels).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = make(name)(inputs, labels)
    half.loss.backward()
    assert half.loss.dtype == torch.float32
    assert float(half.loss.detach()) == pytest.approx(
        float(plain.detach()), rel=0.03
    )  # bfloat16 has 8 bits: 2^-8 a product


@pytest.mark.parametrize(
    "name",
    [
        "vanilla",
        "mixup",
        "pls",
        "lamix",
        "logitmix_cm",
        "logitmix_cc",
        "mbls",
        "flsd",
        "vwci",
        "mc_dropout",
        "manifold_mixup(layers=[input, 2])",
        "puzzlemix",
        "midpoint(k=3) | smooth",
    ],
)
def test_compiled_gives_the_same_losses_and_does_not_compile_every_step(name):
    import torch._dynamo.testing

    torch._dynamo.reset()
    inputs, labels = batch()
    plain, objective = make(name), make(name)
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(objective, backend=counter)
    frames = []
    for step in range(24):
        expected, got = plain(inputs, labels), compiled(inputs, labels)
        expected.loss.backward()
        got.loss.backward()
        assert float(got.loss.detach()) == pytest.approx(float(expected.loss.detach()), rel=1e-5), step
        frames.append(counter.frame_count)
    # both kinds of step, and then the shapes once more as symbols: a handful, not one a step
    assert frames[-1] <= 6, f"compiled anew in later steps: {frames}"
    assert frames[15] == frames[-1]
    for mine, theirs in zip(plain.parameters(), objective.parameters()):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler")
def test_inductor_gives_the_same_losses():
    torch._dynamo.reset()
    inputs, labels = batch()
    plain, compiled = make("logitmix_cm"), torch.compile(make("logitmix_cm"))
    for _ in range(4):
        expected, got = plain(inputs, labels), compiled(inputs, labels)
        got.loss.backward()
        assert float(got.loss.detach()) == pytest.approx(float(expected.loss.detach()), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_gives_the_same_losses_in_the_same_format(name):
    inputs, labels = torch.randn(6, 3, 8, 8), batch()[1]
    seen = []
    losses = []
    for memory in (torch.contiguous_format, torch.channels_last):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, C))
        model = model.to(memory_format=memory)
        objective = make(name, model)
        model[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        torch.manual_seed(1)  # for dropout
        losses.append([float(objective(inputs.to(memory_format=memory), labels).loss.detach()) for _ in range(6)])
    # another order of the same sums
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in seen[len(seen) // 2 :])


def test_str_of_the_spec_is_the_full_sentence():
    objective = make("uls")
    assert str(objective.spec) == "identity | smooth(smoothing=0.1) | cross_entropy | none"
    assert "smooth" in repr(objective)


def test_the_weight_of_a_penalty_grows_by_the_epoch_and_through_a_checkpoint():
    inputs, labels = batch()
    objective = make("mbls(m=0, growth=add, by=0.2)")
    first = objective(inputs, labels).parts["margin"]
    objective.set_epoch(3)
    assert objective(inputs, labels).parts["margin"] == pytest.approx(7 * first, rel=1e-5)  # (0.1 + 3 * 0.2) / 0.1
    resumed = make("mbls(m=0, growth=add, by=0.2)")
    resumed.load_state_dict(objective.state_dict())
    assert resumed(inputs, labels).parts["margin"] == pytest.approx(7 * first, rel=1e-5)


def test_integer_inputs_that_nobody_mixes_are_the_models_business():
    class Bytes(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(64, C)

        def forward(self, images):
            return self.fc(images.float().flatten(1) / 255)

    images, labels = torch.randint(256, (6, 1, 8, 8), dtype=torch.uint8), batch()[1]
    for method in ("vanilla", "uls", "mc_dropout"):
        assert torch.isfinite(make(method, Bytes())(images, labels).loss)
    with pytest.raises(ValueError, match="floating point"):
        make("pls", Bytes())(images, labels)


def test_labels_in_bytes_are_not_taken_for_ignored_ones():
    model = nn.Linear(3, 200)
    inputs, labels = torch.randn(2, 3), torch.tensor([156, 1])  # in eight bits -100 is 156
    losses = [lh.objective("vanilla", model, num_classes=200)(inputs, y).loss for y in (labels, labels.byte())]
    assert torch.equal(*losses)


def test_the_mixture_of_half_precision_logits_keeps_its_digits():
    inputs, labels = batch()
    partner = torch.tensor([1, 0, 3, 2, 5, 4])
    model, seen = net(), []
    model.register_forward_hook(lambda *args: seen.append(args[2].detach()))
    objective = make("logitmix_cm", model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = objective(inputs, labels, mix=lh.Mix(partner, 0.37))
    clean, mixed = seen[0].chunk(2)
    expected = lh.losses.logit_match(clean, mixed, partner=partner, lam=0.37).mean()
    assert out.parts["logit_match"] == pytest.approx(float(expected), rel=1e-5)


def test_a_classifier_without_a_shape_or_called_by_keyword():
    with pytest.raises(ValueError, match="call the model once"):
        make("pls", nn.Sequential(nn.Flatten(), nn.LazyLinear(C)))

    class Keyword(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(64, C)

        def forward(self, inputs):
            return self.fc(input=inputs.flatten(1))

    with pytest.raises(ValueError, match="but saw nothing"):
        make("pls", Keyword())(*batch())


def test_label_distributions_must_be_distributions():
    inputs, _ = batch()
    for bad in (torch.full((6, C), -3.0), torch.full((6, C), 0.3), torch.full((6, C), float("nan"))):
        with pytest.raises(ValueError, match="distributions over the classes"):
            make("vanilla")(inputs, bad)
    assert torch.isfinite(make("vanilla")(inputs, torch.full((6, C), 1 / C)).loss)


def test_a_layer_that_only_looks_like_the_classifier_is_refused():
    class Two(nn.Module):
        """The logits come from ``first``; ``second`` has as many outputs and is used for something else."""

        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(64, C), nn.Linear(64, C)

        def forward(self, inputs):
            flat = inputs.flatten(1)
            return self.first(flat) + 0.1 * self.second(flat).tanh()

    with pytest.raises(ValueError, match="does not give the model's logits"):
        make("pls", Two())(*batch())
    named = lh.objective("pls", Two(), num_classes=C, classifier="first")
    assert torch.isfinite(named(*batch()).loss)
