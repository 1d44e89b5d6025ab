"""Class activation maps by hand: where a network of two maps looks, and what cannot be asked."""

import numpy as np
import pytest
import torch
from torch import nn

import levelhead as lh
from levelhead.activation import class_activation
from levelhead.plots import activation_maps


class TwoMaps(nn.Module):
    """Maps x and -x, pooled over all places; class 0 is the mean of the first, class 1 of the second."""

    def __init__(self, pool=True):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.linear = nn.Linear(2, 2, bias=False)
        self.pool = nn.AdaptiveAvgPool2d(1) if pool else None
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
            self.linear.weight.copy_(torch.eye(2))

    def forward(self, inputs):
        maps = self.conv(inputs)
        return self.linear(self.pool(maps).flatten(1) if self.pool else maps.mean((2, 3)))


IMAGE = torch.tensor([[[[0.0, 1.0], [2.0, 4.0]]]])


@pytest.mark.parametrize("pool", [True, False])
def test_the_map_is_the_classifiers_weights_times_the_last_maps(pool):
    model = TwoMaps(pool).train()
    maps, classes = class_activation(model, IMAGE)
    assert classes.tolist() == [0], "x is positive, so the first class wins"
    np.testing.assert_allclose(maps[0], [[0, 0.25], [0.5, 1]])
    other, _ = class_activation(model, IMAGE, torch.tensor([1]))
    np.testing.assert_allclose(other[0], [[1, 0.75], [0.5, 0]])
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.conv._forward_hooks


def test_the_area_above_half_of_the_maximum(ax):
    assert activation_maps.area(
        np.array([[[0, 0.25], [0.5, 1]], [[1, 1], [1, 1]], [[0.9, 0.44], [0.46, 0]]])
    ).tolist() == [
        0.25,
        1.0,
        0.5,
    ]
    found = activation_maps.activation_maps(
        "m", lambda images: (np.array([[[0, 0.25], [0.5, 1]]]), np.array([1])), IMAGE.numpy(), np.array([0])
    )
    assert found.table() == [{"method": "m", "image": 0, "label": 0, "predicted": 1, "area": 0.25}]
    activation_maps.draw_image(ax, found, 0, classes=("bird", "frog"))
    assert len(ax.images) == 2
    assert ax.get_xlabel() == "frog (wrong), 25%"
    with pytest.raises(ValueError, match=r"images \(N, C, H, W\) with labels"):
        activation_maps.activation_maps("m", None, IMAGE.numpy(), np.array([0, 1]))


def test_a_map_that_is_the_same_everywhere_is_one_everywhere():
    maps, _ = class_activation(TwoMaps(), torch.ones(1, 1, 2, 2))
    assert maps.unique().tolist() == [1]


@pytest.mark.parametrize("name", ["small", "small(embedding=2)", "preact_resnet18(width=4)", "lenet", "vgg16"])
def test_convolutional_networks_are_asked_without_a_trace(name):
    torch.manual_seed(0)
    model = lh.models.build(name, num_classes=3, input_shape=(3, 32, 32)).requires_grad_(False)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    inputs = torch.rand(2, 3, 32, 32)
    maps, classes = class_activation(model, inputs)
    assert maps.shape == (2, 32, 32)
    assert 0 <= maps.min() <= maps.max() <= 1
    assert torch.equal(classes, model.eval()(inputs).argmax(1))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "why"), [("mlp", "none of its layers gives maps"), ("vit", "cuts images into tokens")]
)
def test_other_networks_are_refused(name, why):
    model = lh.models.build(name, num_classes=3, input_shape=(3, 32, 32))
    with pytest.raises(ValueError, match=why):
        class_activation(model, torch.rand(2, 3, 32, 32))
    with pytest.raises(ValueError, match="one row of logits an image"):
        class_activation(nn.Conv2d(3, 2, 3), torch.rand(2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"of images \(B, C, H, W\)"):
        class_activation(model, torch.rand(2, 8))
