"""What is special about single networks, and the door to the user's own."""

import pytest
import torch

import levelhead as lh

build = lh.models.build


@pytest.mark.parametrize("name", ["small", "preact_resnet18(width=4)", "mlp", "small(width=4, dropout=0.5)"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 17, 23)])
def test_logits_for_images_of_any_size(name, shape):
    model = build(name, num_classes=7, input_shape=shape)
    assert model(torch.zeros(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize(("facebook", "bottleneck"), [(True, False), (False, False), (True, True), (False, True)])
def test_what_an_identity_shortcut_carries(facebook, bottleneck):
    """The mixup authors' form carries relu(bn(x)), the common one x: what a block of zero convolutions gives."""
    from levelhead.models.preact_resnet import PreActBlock

    block = PreActBlock(8, 2 if bottleneck else 8, 1, facebook, bottleneck).eval()
    torch.nn.init.zeros_((block.conv3 if bottleneck else block.conv2).weight)
    inputs = torch.randn(1, 8, 4, 4)
    torch.testing.assert_close(block(inputs), torch.relu(block.bn1(inputs)) if facebook else inputs)


@pytest.mark.parametrize("form", ["facebook", "common"])
def test_a_shortcut_that_changes_shape_starts_from_the_activation_in_both_forms(form):
    block = build(f"preact_resnet18(form={form}, width=4)", num_classes=2).eval().stages[1][0]
    torch.nn.init.zeros_(block.conv2.weight)
    inputs = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(block(inputs), block.shortcut(torch.relu(block.bn1(inputs))))


def test_the_facebook_stem_has_batch_norm_and_relu_and_the_common_one_has_not():
    facebook, common = (
        build(f"preact_resnet18(form={form}, width=4)", num_classes=2) for form in ("facebook", "common")
    )
    assert isinstance(facebook.bn1, torch.nn.BatchNorm2d)
    assert not list(common.bn1.parameters())
    seen = []
    common.stages.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    inputs = torch.randn(2, 3, 8, 8)
    common(inputs)
    assert torch.equal(seen[0], common.conv1(inputs))


def test_the_embedding_of_lamix_is_two_numbers_between_tanhs():
    model = build("preact_resnet18(embedding=2, width=4)", num_classes=3)
    points = model.embed(torch.randn(4, 3, 16, 16))
    assert points.shape == (4, 2)
    assert (points.abs() < 1).all()
    assert [tuple(layer.weight.shape) for layer in model.modules() if isinstance(layer, torch.nn.Linear)] == [
        (2, 32),
        (100, 2),
        (32, 100),
        (3, 32),
    ]


def test_resnext_groups_the_first_convolution_of_every_block():
    with torch.device("meta"):
        model = build("resnext50", num_classes=10)
    assert {block.conv1.groups for block in model.layer2} == {block.conv2.groups for block in model.layer2} == {32}


def test_weights_start_as_pytorch_draws_them():
    """As in the papers' code: U(-b, b) with b = 1/sqrt(fan in), not torchvision's normal of its ImageNet recipe."""
    for name in ("resnet18", "densenet121"):
        convolution = next(
            m for m in build(name, num_classes=10).modules() if isinstance(m, torch.nn.Conv2d) and m.in_channels > 3
        )
        bound = (convolution.in_channels * convolution.kernel_size[0] ** 2) ** -0.5
        assert 0.95 * bound < convolution.weight.abs().max() <= bound


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("smal", "Did you mean 'small'"),
        ("small(widht=3)", "Did you mean 'width'"),
        ("small(width=0)", "width must be"),
        ("small(width=1.5)", "width must be"),
        ("small(dropout=1)", "dropout must be"),
        ("small(16)", "by name"),
        ("lenet(width=3)", "takes no arguments"),
        ("small(width=3, width=4)", "given twice"),
        ("preact_resnet18(form=kuangliu)", "form must be one of facebook, common"),
        ("preact_resnet18(stem=3)", "stem must be one of 1, 2"),
        ("preact_resnet18(embedding=0)", "embedding must be a whole number"),
        ("preact_resnet18(pretrained=true)", "no weights are published"),
        ("preact_resnet18(pretrained='nowhere.pt')", "no such file"),
        ("preact_resnet18(pretrained=3)", "pretrained= takes"),
        ("sentence_cnn", "reads texts"),
        ("small(width=mlp(depth=2))", "a number, a word or a text in quotes"),
        ("timm:resnet18(", "cannot read"),
        ("nowhere:net", "cannot find"),
        ("math:nonesuch", "cannot find"),
        ("math:sqrt", "could not be built|must return"),
    ],
)
def test_what_cannot_be_built(name, said):
    with pytest.raises(ValueError, match=said):
        build(name, num_classes=10)


def test_image_networks_refuse_vectors():
    with pytest.raises(ValueError, match="use mlp"):
        build("small", num_classes=2, input_shape=(5,))


def test_auto_goes_by_data_and_device():
    assert lh.models.auto("vector", "cuda") == "mlp"
    assert lh.models.auto("image", "cpu") == "small"
    assert lh.models.auto("image", "cuda") == "preact_resnet18"
    assert lh.models.auto("text", "cuda") == "sentence_cnn"


def test_texts_are_refused_by_networks_for_images_and_vectors():
    for name in ("small", "mlp"):
        with pytest.raises(ValueError, match="use sentence_cnn"):
            build(name, num_classes=2, input_shape=(9,), vocabulary=["", "a"])


def test_a_function_of_the_users_own_gets_what_it_names(tmp_path, monkeypatch):
    (tmp_path / "mine_of_levelhead.py").write_text(
        "import torch\n"
        "def net(num_classes, vocabulary, path, pretrained, width=2):\n"
        "    assert path == 'a b/c.txt' and vocabulary == ['', 'a'] and pretrained is True\n"
        "    return torch.nn.Linear(width, num_classes)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "mine_of_levelhead:net(width=5, path='a b/c.txt', pretrained=true)"
    model = build(name, num_classes=3, input_shape=(5,), vocabulary=["", "a"])
    assert model.weight.shape == (3, 5)
