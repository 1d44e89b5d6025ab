"""What every network must do, one line of a table per form; the counts are those of the papers' own code."""

import pytest
import torch

import levelhead as lh
from levelhead.classifier import find_classifier
from levelhead.network import Features, call

WORDS = ["", *(f"word{number}" for number in range(30))]

# name, classes, shape the paper reads, parameters (texts: without embedding), the smallest side of an image it reads
ROWS = [
    ("small", 10, (1, 28, 28), 77_466, 4),
    ("preact_resnet18", 10, (3, 32, 32), 11_171_274, 4),
    ("preact_resnet18", 100, (3, 32, 32), 11_217_444, 4),
    ("preact_resnet18(form=common)", 100, (3, 32, 32), 11_217_316, 4),
    ("preact_resnet18(form=common, stem=2)", 200, (3, 64, 64), 11_268_616, 4),
    ("preact_resnet18(embedding=2)", 3, (3, 32, 32), 11_171_274 - 7 * 513 + 512 * 2 + 2 + 300 + 100 * 512 + 512, 4),
    ("preact_resnet34(form=common)", 10, (3, 32, 32), 21_279_306, 4),
    ("preact_resnet34", 10, (3, 32, 32), 21_279_306 + 128, 4),  # the Facebook form has the stem's batch norm
    ("preact_resnet50(form=common)", 100, (3, 32, 32), 23_693_476, 4),
    ("preact_resnet50", 100, (3, 32, 32), 23_693_476 + 128, 4),
    ("resnet18", 10, (1, 28, 28), 11_172_810, 4),
    ("resnet34", 10, (3, 32, 32), 21_282_122, 4),
    ("resnet50", 100, (3, 32, 32), 23_705_252, 4),
    ("resnet50", 10, (3, 32, 32), 23_520_842, 4),
    ("resnet50(pool=2)", 200, (3, 64, 64), 25_138_952, 4),
    ("resnet101", 10, (3, 32, 32), 42_512_970, 4),
    ("resnet101(pool=2, stem=2)", 200, (3, 64, 64), 44_131_080, 4),
    ("resnext50", 100, (3, 32, 32), 14_788_772, 4),
    ("vgg16", 10, (3, 32, 32), 14_728_266, 32),
    ("vgg16(dropout=0.3)", 10, (3, 96, 96), 14_728_266, 32),
    ("vgg16(form=classic)", 100, (3, 32, 32), 34_015_396, 32),
    ("wrn28_10", 100, (3, 32, 32), 36_546_980, 4),
    ("densenet121", 100, (3, 32, 32), 7_048_548, 8),
    ("mobilenet_v2", 100, (3, 32, 32), 2_369_380, 4),
    ("shufflenet_v2", 100, (3, 32, 32), 1_360_896, 4),
    ("lenet", 10, (3, 32, 32), 62_006, 16),
    ("vit", 10, (3, 32, 32), 208_074, 4),
    ("mlp", 10, (64,), 42_634, 1),
    ("sentence_cnn", 6, (40,), 362_106, 1),
    ("gpcn", 20, (1000,), 247_316, 1),
    ("unet", 11, (3, 180, 240), 810_971, 4),
    ("unet(width=4)", 3, (1, 45, 61), 51_103, 4),  # counted by hand
]
every_form = pytest.mark.parametrize(("name", "num_classes", "shape", "parameters", "least"), ROWS, ids=str)


def build(name, num_classes, shape):
    words = WORDS if name.startswith(("sentence_cnn", "gpcn")) else None
    return lh.models.build(name, num_classes=num_classes, input_shape=shape, vocabulary=words)


def examples(name, count, shape, device="cpu"):
    """A batch of inputs: token ids for a text, numbers for the others."""
    if name.startswith(("sentence_cnn", "gpcn")):
        return torch.arange(count * shape[0], device=device).reshape(count, *shape) % len(WORDS)
    if device == "meta":
        return torch.zeros(count, *shape, device=device)
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(count))


def logits_shape(name, count, num_classes, size):
    """One row of logits an example, or for a scene one a pixel."""
    return (count, num_classes, *size[1:]) if name.startswith("unet") else (count, num_classes)


def smallest(shape, least):
    return (shape[0], least, least) if len(shape) == 3 else shape


def test_every_network_of_the_table_has_a_row():
    assert {name.partition("(")[0] for name, *_ in ROWS} == set(lh.models.NETWORKS)


@every_form
def test_parameters_are_the_papers(name, num_classes, shape, parameters, least):
    with torch.device("meta"):
        model = build(name, num_classes, shape)
    embedded = sum(layer.weight.numel() for layer in model.modules() if isinstance(layer, torch.nn.Embedding))
    assert lh.models.count_parameters(model) - embedded == parameters


@every_form
def test_logits_for_the_sizes_of_the_papers(name, num_classes, shape, parameters, least):
    sizes = {shape, smallest(shape, least), (shape[0], 64, 64)} if len(shape) == 3 and name != "lenet" else {shape}
    with torch.device("meta"):
        for size in sizes:
            model = build(name, num_classes, size)
            assert model.eval()(examples(name, 1, size, "meta")).shape == logits_shape(name, 1, num_classes, size)
            assert model.train()(examples(name, 2, size, "meta")).shape == logits_shape(name, 2, num_classes, size)


@every_form
def test_gradient_reaches_every_parameter(name, num_classes, shape, parameters, least):
    """DDP waits for the gradient of every parameter; and what gets none would be dead weight."""
    size = smallest(shape, least)
    torch.manual_seed(0)
    model = build(name, num_classes, size).train()
    logits = model(examples(name, 2, size))
    labels = torch.arange(2).view(-1, *[1] * (logits.ndim - 2)).expand(2, *logits.shape[2:])
    torch.nn.functional.cross_entropy(logits, labels).backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []
    assert torch.isfinite(logits).all()


@every_form
def test_the_classifier_is_found_and_its_features_are_read(name, num_classes, shape, parameters, least):
    with torch.device("meta"):
        size = smallest(shape, least)
        model = build(name, num_classes, size).eval()
        layer = find_classifier(model, num_classes)
        reader = Features(layer)
        logits = call(model, examples(name, 2, size, "meta"), (reader.hook,))
        features = reader.read(2)
    assert logits.shape == logits_shape(name, 2, num_classes, size)
    if isinstance(layer, torch.nn.Conv2d):
        assert (layer, features.shape[:2]) == (model.classifier, (2, layer.in_channels))
    else:
        assert features.shape == (2, layer.in_features)


@pytest.mark.parametrize("name", [name for name in lh.models.NETWORKS if name not in ("wrn28_10", "resnet101")])
def test_the_seed_decides_the_weights(name):
    """And in eval mode a batch gives what its examples give one by one."""
    (num_classes, shape, least) = next(
        (k, shape, least) for row, k, shape, _, least in ROWS if row.split("(")[0] == name
    )
    size = smallest(shape, least)
    models = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        models.append(build(name, num_classes, size).eval())
    inputs = examples(name, 3, size)
    with torch.no_grad():
        first, second, other = (model(inputs) for model in models)
        single = models[0](inputs[1:2])
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    torch.testing.assert_close(single, first[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["preact_resnet18", "resnet18", "densenet121", "vgg16", "wrn28_10", "mlp", "gpcn"])
def test_dropout_is_there_to_be_raised_by_mc_dropout(name):
    with torch.device("meta"):
        model = build(name, 10, (3, 32, 32) if name not in ("mlp", "gpcn") else (30,))
        given = build(f"{name}(dropout=0.3)", 10, (3, 32, 32) if name not in ("mlp", "gpcn") else (30,))
    assert {layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)} == {0.0}
    assert {layer.p for layer in given.modules() if isinstance(layer, torch.nn.Dropout)} == {0.3}


def test_dropout_of_vgg_follows_every_convolution():
    with torch.device("meta"):
        kinds = [type(layer).__name__ for layer in build("vgg16(dropout=0.3)", 10, (3, 32, 32))]
    assert kinds.count("Dropout") == kinds.count("Conv2d") == 13
    assert all(
        kinds[place + 1 : place + 4] == ["BatchNorm2d", "ReLU", "Dropout"]
        for place, k in enumerate(kinds)
        if k == "Conv2d"
    )


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [("vgg16", 28, "at least 32x32"), ("densenet121", 7, "at least 8x8"), ("lenet", 8, "16x16")],
)
def test_images_too_small_are_refused(name, size, said):
    with pytest.raises(ValueError, match=said):
        build(name, 10, (3, size, size))


# For ten classes and 3x32x32. They tell strides and poolings, which parameters do not; written down when the outputs of
# these networks were equal to those of the papers' own code with the same weights (largest difference 2e-7).
MULTIPLY_ADDS = {
    "small": 3_125_888,
    "preact_resnet18": 555_422_720,
    "preact_resnet34": 1_159_402_496,
    "preact_resnet50": 1_297_829_888,
    "resnet18": 555_422_720,
    "resnet34": 1_159_402_496,
    "resnet50": 1_297_829_888,
    "resnet101": 2_509_983_744,
    "resnext50": 750_735_360,
    "vgg16": 313_201_664,
    "wrn28_10": 5_951_117_568,
    "densenet121": 888_350_720,
    "mobilenet_v2": 64_832_064,
    "shufflenet_v2": 43_583_360,
    "lenet": 651_720,
    "vit": 15_139_968,
}


def test_the_catalogue_counts_without_computing():
    cards = lh.models.catalogue()
    assert set(cards) == set(lh.models.NETWORKS)
    assert {name: each.multiply_adds for name, each in cards.items() if each.reads == "images"} == MULTIPLY_ADDS
    assert cards["resnet50"].parameters == 23_520_842
    assert (cards["unet"].reads, cards["unet"].shape) == ("scenes", (3, 180, 240))
    # by hand: 9 products a weight of 3x3, and how many places each layer has
    places = {half: -(-180 // half) * -(-240 // half) for half in (2, 4, 8, 16, 32)}
    down = {4: 16 * 32 + 32 * 32, 8: 32 * 64 + 64 * 64, 16: 64 * 128 + 128 * 128, 32: 2 * 128 * 128}
    up = {16: 128 * 128, 8: 64 * 64, 4: 32 * 32, 2: 16 * 16}
    convolutions = sum(9 * places[half] * products for table in (down, up) for half, products in table.items())
    narrow = {32: 128 * 128, 16: 128 * 64, 8: 64 * 32, 4: 32 * 16}
    pixels = sum(places[half] * products for half, products in narrow.items()) + places[2] * 16 * 10
    assert cards["unet"].multiply_adds == 9 * places[2] * 3 * 16 + convolutions + pixels
    assert cards["gpcn"].reads == "texts"
    assert cards["gpcn"].parameters == 247_316 - 10 * 129  # ten classes
    assert cards["vgg16"].usage == "vgg16(form=dac|classic, dropout=none)"
    # LeNet by hand: 28*28*6*75 + 10*10*16*150 + 400*120 + 120*84 + 84*10
    assert cards["lenet"].multiply_adds == 352_800 + 240_000 + 48_000 + 10_080 + 840
    assert all(card.idea for card in cards.values())
    assert "vgg16" not in lh.models.catalogue(image_shape=(3, 28, 28))


def test_the_card_of_one_form_moves_no_randomness():
    state = torch.get_rng_state()
    form = lh.models.card("preact_resnet18(form=common, stem=2)", 200, (3, 64, 64))
    assert form.parameters == 11_268_616
    assert form.multiply_adds == lh.models.card("preact_resnet18", 200).multiply_adds
    theirs = lh.models.card("torchvision:resnet18", 1000, (3, 224, 224))
    assert (theirs.parameters, theirs.usage) == (11_689_512, "torchvision:resnet18")
    assert theirs.multiply_adds == 1_814_073_344  # 1.81 GFLOPS, as torchvision publishes
    assert torch.equal(state, torch.get_rng_state())


def test_multiply_adds_of_a_model_of_the_user():
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.BatchNorm1d(7), torch.nn.Linear(7, 3)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert lh.models.multiply_adds(model, (5,)) == 5 * 7 + 7 * 3
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
