"""Networks of other packages by prefix, their weights from files and caches, and no download unasked."""

import sys

import pytest
import torch
from safetensors.torch import save_file

import levelhead as lh
from levelhead.errors import WorkFailed

build = lh.models.build


@pytest.fixture
def empty_caches(tmp_path, monkeypatch):
    """Caches of the test's own, and no network: a connection that somebody tries is a failure of its own kind."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)

    def refuse(*_, **__):
        raise AssertionError("something tried to reach the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    return tmp_path


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_torchvision_for_any_channels_and_classes(channels):
    model = build("torchvision:resnet18(dropout=0.5, maxpool=false, stem=1)", num_classes=7, in_channels=channels)
    assert model(torch.zeros(2, channels, 32, 32)).shape == (2, 7)
    assert model.conv1.in_channels == channels
    assert model.conv1.stride == (1, 1)
    assert [layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)] == [0.5]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet50", 25_557_032),
        ("mobilenet_v2", 3_504_872),
        ("vit_b_16", 86_567_656),
        ("googlenet", 6_624_904),
    ],
)
def test_torchvision_for_imagenet(name, parameters):
    with torch.device("meta"):
        model = build(f"torchvision:{name}", num_classes=1000, image_size=224)
        assert lh.models.count_parameters(model) == parameters
        assert model.train()(torch.zeros(2, 3, 224, 224, device="meta")).shape == (2, 1000)


def test_vit_of_torchvision_for_small_images():
    with torch.device("meta"):
        model = build("torchvision:vit_b_16(attention_dropout=0.1)", num_classes=10)
        assert model(torch.zeros(2, 3, 32, 32, device="meta")).shape == (2, 10)
    for name, said in (
        ("resnet18x", "Did you mean 'resnet18'"),
        ("resnet18(widht=3)", "could not be built"),
        ("vgg11(maxpool=false)", "no max-pooling after its stem"),
        ("resnet18(stem=3)", "stem must be 1 or 2"),
    ):
        with pytest.raises(ValueError, match=said), torch.device("meta"):
            build(f"torchvision:{name}", num_classes=10)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("ddp", [False, True])
def test_weights_of_a_file_and_a_new_classifier(tmp_path, suffix, ddp):
    prefix = "module." if ddp else ""
    first = build("preact_resnet18(width=4)", num_classes=10)
    state = {prefix + key: value for key, value in first.state_dict().items()}
    path = str(tmp_path / f"weights.{suffix}")
    save_file(state, path) if suffix == "safetensors" else torch.save({"state_dict": state}, path)
    same = build(f"preact_resnet18(width=4, pretrained='{path}')", num_classes=10)
    other = build("preact_resnet18(width=4)", num_classes=3, pretrained=path)
    assert all(torch.equal(value, first.state_dict()[key]) for key, value in same.state_dict().items())
    assert other.linear.weight.shape == (3, 32)
    assert torch.equal(other.conv1.weight, first.conv1.weight)


def test_weights_that_do_not_fit_or_are_none(tmp_path):
    path = str(tmp_path / "weights.pt")
    torch.save(build("preact_resnet18(width=4)", num_classes=10).state_dict(), path)
    with pytest.raises(ValueError, match=r"does not fit PreActResNet: .* of another shape \(such as conv1.weight\)"):
        build("preact_resnet18(width=8)", num_classes=10, pretrained=path)
    with pytest.raises(ValueError, match=r"missing .* too many"):
        build("lenet", num_classes=10, pretrained=path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="holds no weights by name"):
        build("lenet", num_classes=10, pretrained=path)
    torch.save(build("lenet", num_classes=10), path)  # a whole module: reading it would run code
    with pytest.raises(ValueError, match="cannot be read as weights"):
        build("lenet", num_classes=10, pretrained=path)
    for damaged in ("weights.pt", "weights.safetensors"):
        (tmp_path / damaged).write_bytes(b"no weights at all")
        with pytest.raises(ValueError, match="cannot be read as weights"):
            build("lenet", num_classes=10, pretrained=str(tmp_path / damaged))


def test_torchvision_takes_its_weights_from_the_cache(empty_caches):
    with pytest.raises(ValueError, match=r"not in the cache .*resnet18-f37072fd.pth.*nothing is downloaded unasked"):
        build("torchvision:resnet18(pretrained=true)", num_classes=10)
    folder = empty_caches / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    published = build("torchvision:resnet18", num_classes=1000)
    torch.save(published.state_dict(), folder / "resnet18-f37072fd.pth")
    model = build("torchvision:resnet18", num_classes=10, pretrained="cache")
    grey = build("torchvision:resnet18(pretrained=cache)", num_classes=10, in_channels=1)
    assert torch.equal(model.layer1[0].conv1.weight, published.layer1[0].conv1.weight)
    assert torch.equal(model.conv1.weight, published.conv1.weight)
    image = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(grey.conv1(image), published.conv1(image.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="for 3 channels, but the images have 4"):
        build("torchvision:resnet18(pretrained=cache)", num_classes=10, in_channels=4)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("torchvision:resnet18", "torchvision"),
        ("timm:resnet10t", "timm"),
        ("hf:nobody/nothing", "transformers"),
        ("smp:Unet/resnet18", "segmentation_models_pytorch"),
    ],
)
def test_a_download_that_fails_says_what_to_do(empty_caches, monkeypatch, name, module):
    pytest.importorskip(module)

    def unreachable(*_, **__):
        raise OSError("no route to host")

    for place in ("socket.socket.connect", "socket.create_connection", "socket.getaddrinfo"):
        monkeypatch.setattr(place, unreachable)
    monkeypatch.setattr("time.sleep", lambda _: None)  # their retries
    with pytest.raises(WorkFailed, match=r"weights could not be downloaded: .*\n.*pretrained='FILE'"):
        build(f"{name}(pretrained=download)", num_classes=10)
    assert not [path for path in empty_caches.rglob("*") if path.suffix in (".pth", ".safetensors", ".bin")]


def test_timm_by_prefix():
    pytest.importorskip("timm")
    with torch.device("meta"):  # the mixup calibration paper's on ImageNet, which torchvision does not have
        model = build("timm:resnext101_32x4d", num_classes=1000, image_size=224)
    assert lh.models.count_parameters(model) == 44_177_704
    model = build("timm:resnet10t", num_classes=3, input_shape=(1, 32, 32))
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 3)
    with pytest.raises(ValueError, match="Did you mean 'resnet"):
        build("timm:resnet18x", num_classes=3)
    with pytest.raises(ValueError, match="could not be built"):
        build("timm:resnet10t(widht=3)", num_classes=3)


def test_timm_takes_its_weights_from_a_file_or_the_cache(empty_caches):
    timm = pytest.importorskip("timm")
    name = "test_resnet.r160_in1k"
    with pytest.raises(ValueError, match=r"not in the cache \(Hugging Face timm/test_resnet.r160_in1k"):
        build(f"timm:{name}(pretrained=cache)", num_classes=3)
    published = timm.create_model(name, num_classes=1000)
    snapshot = empty_caches / "hub" / "models--timm--test_resnet.r160_in1k" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    save_file(published.state_dict(), snapshot / "model.safetensors")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    for given in ("cache", str(snapshot / "model.safetensors")):
        model = build(f"timm:{name}", num_classes=3, pretrained=given)
        assert torch.equal(model.layer1[0].conv1.weight, published.layer1[0].conv1.weight)
        assert model.get_classifier().out_features == 3


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [
        ("timm", "timm:resnet18", "networks"),
        ("transformers", "hf:some/where", "networks"),
        ("segmentation_models_pytorch", "smp:Unet/resnet18", "segmentation"),
    ],
)
def test_a_missing_extra_is_named_with_its_command(monkeypatch, module, name, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=rf"needs the extra '{extra}': pip install 'levelhead\[{extra}\]'"):
        build(name, num_classes=3)


@pytest.fixture
def hub_folders(tmp_path):
    """A tiny BERT and a tiny vision transformer, saved as transformers saves them."""
    transformers = pytest.importorskip("transformers")
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    bert = transformers.BertConfig(vocab_size=30, num_labels=2, pad_token_id=0, **size)
    vit = transformers.ViTConfig(image_size=16, patch_size=4, num_labels=10, **size)
    saved = {
        "bert": transformers.BertForSequenceClassification(bert),
        "vit": transformers.ViTForImageClassification(vit),
    }
    for name, model in saved.items():
        model.save_pretrained(tmp_path / name)
    return tmp_path, saved


def test_texts_by_a_network_of_transformers(hub_folders):
    folder, saved = hub_folders
    words = [str(number) for number in range(30)]
    model = build(f"hf:{folder}/bert(pretrained=cache)", num_classes=2, input_shape=(6,), vocabulary=words).eval()
    ids = torch.tensor([[2, 5, 7, 0, 0, 0], [2, 9, 11, 12, 3, 4], [0, 0, 0, 0, 0, 0]])
    logits = model(ids)
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(logits[:1], saved["bert"].eval()(ids[:1, :3]).logits)  # padding is not read
    other = build(f"hf:{folder}/bert(pretrained=cache)", num_classes=5, input_shape=(6,), vocabulary=words)
    assert other(ids).shape == (3, 5)
    layer = lh.classifier.find_classifier(other, 5)
    assert layer is other.network.classifier
    assert all(module.training for module in other.modules())
    drawn = build(f"hf:{folder}/bert(hidden_dropout_prob=0.3)", num_classes=5, input_shape=(6,), vocabulary=words)
    assert drawn.network.config.hidden_dropout_prob == 0.3
    weights = "bert.encoder.layer.0.attention.self.query.weight"
    assert torch.equal(other.network.state_dict()[weights], saved["bert"].state_dict()[weights])
    assert not torch.equal(drawn.network.state_dict()[weights], saved["bert"].state_dict()[weights])


def test_images_by_a_vision_transformer(hub_folders):
    folder, saved = hub_folders
    drawn = build(f"hf:{folder}/vit", num_classes=3, input_shape=(1, 8, 8))
    assert drawn(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    model = build(f"hf:{folder}/vit", num_classes=10, pretrained="cache", image_size=16).eval()
    image = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(model(image), saved["vit"].eval()(image).logits)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)  # positions are interpolated
    with pytest.raises(ValueError, match="for 3 channels, but the images have 1"):
        build(f"hf:{folder}/vit", num_classes=10, pretrained="cache", input_shape=(1, 16, 16))
    with pytest.raises(ValueError, match="has no hiden_size"):
        build(f"hf:{folder}/vit(hiden_size=3)", num_classes=10)


def test_a_network_that_is_not_on_this_machine(empty_caches):
    pytest.importorskip("transformers")
    with pytest.raises(ValueError, match=r"not in the cache .*nothing is downloaded unasked"):
        build("hf:nobody/nothing", num_classes=2)


def test_segmentation_of_images_of_any_size():
    pytest.importorskip("segmentation_models_pytorch")
    model = build("smp:Linknet/tu-tf_mobilenetv3_small_minimal_100", num_classes=11, input_shape=(3, 45, 60))
    assert model(torch.randn(2, 3, 45, 60)).shape == (2, 11, 45, 60)
    assert model.eval()(torch.randn(1, 3, 32, 64)).shape == (1, 11, 32, 64)
    for name, said in (
        ("Unett/resnet18", "Did you mean 'Unet"),
        ("Unet/resnett18", "Did you mean 'resnet18'"),
        ("Unet/tu-nothing", "could not be built"),
    ):
        with pytest.raises(ValueError, match=said):
            build(f"smp:{name}", num_classes=2)


def test_weights_of_an_encoder_or_of_the_whole_segmenter(tmp_path, empty_caches):
    pytest.importorskip("segmentation_models_pytorch")
    first = build("smp:FPN/resnet18", num_classes=2)
    paths = [str(tmp_path / name) for name in ("encoder.pt", "whole.pt")]
    torch.save(first.network.encoder.state_dict(), paths[0])
    torch.save(first.network.state_dict(), paths[1])
    inputs = torch.randn(1, 3, 32, 32)
    encoder, whole = (build(f"smp:FPN/resnet18(pretrained='{path}')", num_classes=2).eval() for path in paths)
    wanted = first.eval().network.encoder(inputs)[-1]
    assert torch.equal(encoder.network.encoder(inputs)[-1], wanted)
    assert torch.equal(whole(inputs), first(inputs))
    with pytest.raises(ValueError, match=r"not in the cache \(Hugging Face smp-hub/resnet18.imagenet"):
        build("smp:FPN/resnet18(pretrained=true)", num_classes=2)


@pytest.mark.parametrize(
    ("name", "shape", "module"),
    [
        ("torchvision:mobilenet_v2", (3, 32, 32), "torchvision"),
        ("torchvision:googlenet", (3, 32, 32), "torchvision"),
        ("timm:test_vit", (3, 160, 160), "timm"),
        ("hf:bert", (6,), "transformers"),
        ("hf:vit", (3, 16, 16), "transformers"),
        ("smp:Linknet/tu-tf_mobilenetv3_small_minimal_100", (3, 40, 64), "segmentation_models_pytorch"),
        ("smp:Unet/resnet18", (3, 32, 32), "segmentation_models_pytorch"),
    ],
)
def test_gradient_reaches_every_parameter(name, shape, module, request):
    pytest.importorskip(module)
    if name.startswith("hf:"):
        folder, _ = request.getfixturevalue("hub_folders")
        name = name.replace("hf:", f"hf:{folder}/")
    words = [str(number) for number in range(30)] if len(shape) == 1 else None
    model = build(name, num_classes=3, input_shape=shape, vocabulary=words)
    inputs = torch.randn(2, *shape) if words is None else torch.randint(30, (2, *shape))
    assert all(module.training for module in model.modules())
    model(inputs).square().sum().backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []
