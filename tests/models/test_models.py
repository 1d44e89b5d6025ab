"""Networks: parameter counts of the papers' code, shapes, and the door to the user's own."""

import sys

import pytest
import torch

import levelhead as lh

build = lh.models.build


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("preact_resnet18", (3, 32, 32), 11_171_274),
        ("lenet", (3, 32, 32), 62_006),
        ("small", (1, 28, 28), 77_466),
    ],
)
def test_parameters_for_ten_classes(name, shape, parameters):
    assert lh.models.count_parameters(build(name, num_classes=10, input_shape=shape)) == parameters


def test_preact_resnet18_for_a_hundred_classes():
    assert lh.models.count_parameters(build("preact_resnet18", num_classes=100)) == 11_217_444


@pytest.mark.parametrize("name", ["small", "preact_resnet18(width=4)", "mlp", "small(width=4, dropout=0.5)"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 17, 23)])
def test_logits_for_images_of_any_size(name, shape):
    model = build(name, num_classes=7, input_shape=shape)
    assert model(torch.zeros(2, *shape)).shape == (2, 7)


def test_lenet_sizes():
    assert build("lenet", num_classes=3, input_shape=(1, 28, 28))(torch.zeros(2, 1, 28, 28)).shape == (2, 3)
    with pytest.raises(ValueError, match="at least 16x16"):
        build("lenet", num_classes=3, input_shape=(1, 8, 8))


def test_identity_shortcuts_carry_the_activation():
    """The mixup authors' form: the shortcut is relu(bn(x)), so a block of zero convolutions gives that, not x."""
    from levelhead.models.preact_resnet import PreActBlock

    block = PreActBlock(2, 2, 1).eval()
    torch.nn.init.zeros_(block.conv2.weight)
    inputs = torch.randn(1, 2, 4, 4)
    torch.testing.assert_close(block(inputs), torch.relu(block.bn1(inputs)))


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


def test_networks_of_timm_by_prefix():
    pytest.importorskip("timm")
    model = build("timm:resnet10t", num_classes=3, input_shape=(1, 32, 32))
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 3)
    with pytest.raises(ValueError, match="Did you mean 'resnet"):
        build("timm:resnet18x", num_classes=3)


def test_a_missing_extra_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"needs the extra 'networks': pip install 'levelhead\[networks\]'"):
        build("timm:resnet18", num_classes=3)
