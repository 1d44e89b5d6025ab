"""Fine-tuning: weights from a file, rates that fall towards the input, and a start with the classifier alone."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.train.runs import run_of, trained
from typer.testing import CliRunner

import levelhead as lh
from levelhead import data, models
from levelhead.cli import app
from levelhead.compare.settings import starting_weights
from levelhead.models import depths, with_pretrained, without_file, without_weights
from levelhead.train.trainer import Trainer

VIT = "timm:test_vit(img_size=8, patch_size=4)"


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", train_size=60)


def begun(source, **asked) -> Trainer:
    with torch.random.fork_rng(devices=[]):
        return Trainer(run_of(source, **asked), source)


def state(trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.objective.model.state_dict().items()}


# ---- layers


@pytest.mark.parametrize(
    ("network", "first", "last", "levels"),
    [
        ("small", "conv1.weight", "linear.weight", 5),  # stem, three stages, classifier
        ("torchvision:resnet18", "conv1.weight", "fc.weight", 6),
        ("torchvision:vit_b_16", "class_token", "heads.head.weight", 14),  # twelve blocks
        ("timm:test_vit(img_size=32)", "cls_token", "head.weight", 8),  # six blocks; timm's own grouping
    ],
)
def test_depths_by_hand(network, first, last, levels):
    with torch.random.fork_rng(devices=[]):
        found = depths(models.build(network, num_classes=10))
    assert found[first] == 0
    assert found[last] == max(found.values()) == levels - 1
    assert sorted(set(found.values())) == list(range(levels))


def test_a_network_without_stages_says_so():
    with pytest.raises(ValueError, match="found no stages in Linear"):
        depths(torch.nn.Linear(2, 2))


def test_rates_fall_by_the_depth_and_the_second_head_learns_at_the_full_rate(digits):
    trainer = trained(digits, method="pls", layer_decay=0.5, lr=0.08, schedule="constant", epochs=1)
    names = {id(parameter): name for name, parameter in trainer.objective.named_parameters()}
    rates = {names[id(p)]: group["lr"] for group in trainer.optimizer.param_groups for p in group["params"]}
    assert len(rates) == len(names)  # every parameter once
    assert rates["model.conv1.weight"] == pytest.approx(0.005)
    assert rates["model.stages.0.0.conv1.weight"] == pytest.approx(0.01)
    assert rates["model.stages.2.0.conv1.weight"] == pytest.approx(0.04)
    assert rates["model.linear.bias"] == rates["head.weight"] == pytest.approx(0.08)
    assert trainer.place.history[-1]["lr"] == pytest.approx(0.08)


def test_one_step_of_sgd_moves_each_layer_by_its_rate(digits):
    asked = {"epochs": 1, "batch": 60, "schedule": "constant", "weight_decay": 0.0, "momentum": 0.0}
    before = state(begun(digits))
    plain, decayed = (state(trained(digits, layer_decay=decay, **asked)) for decay in (None, 0.5))
    for name, part in (("conv1.weight", 1 / 16), ("stages.1.0.conv1.weight", 1 / 4), ("linear.weight", 1)):
        torch.testing.assert_close(
            decayed[name] - before[name], part * (plain[name] - before[name]), rtol=1e-3, atol=1e-7
        )


# ---- frozen start


def test_at_first_only_the_classifier_and_the_head_learn_and_norms_keep_their_statistics(digits):
    asked = {"method": "pls", "freeze_epochs": 2, "epochs": 3}
    trainer = begun(digits, **asked)
    before, head = state(trainer), trainer.objective.head.weight.clone()
    seen = []

    def look(at) -> None:
        seen.append((at.epoch, state(trainer)))

    with torch.random.fork_rng(devices=[]):
        trainer.train(look, lambda: False)
    held = [now for epoch, now in seen if epoch <= 2][-1]
    changed = {name for name, value in held.items() if not torch.equal(value, before[name])}
    assert changed == {"linear.weight", "linear.bias"}
    assert not torch.equal(trainer.objective.head.weight, head)
    assert all(not torch.equal(value, before[name]) for name, value in state(trainer).items() if "bn1" in name)


def test_what_was_frozen_by_somebody_else_stays_frozen():
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3))
    model[0].bias.requires_grad_(False)
    from levelhead.train.finetune import Frozen

    frozen = Frozen(model, 3)
    assert [frozen.hold(held) for held in (True, True, False)] == [True, False, True]
    assert not model[0].bias.requires_grad
    assert model[0].weight.requires_grad
    assert model[1].training


# ---- weights from a file


def test_the_name_takes_the_file_and_gives_it_back():
    assert with_pretrained("small", "w.pt") == "small(pretrained='w.pt')"
    assert with_pretrained("small()", "it's.pt") == 'small(pretrained="it\'s.pt")'
    assert with_pretrained("hf:some/model", "cache") == "hf:some/model(pretrained='cache')"
    assert with_pretrained("small(dropout=0.5)", None) == "small(dropout=0.5)"
    assert without_file("small(dropout=0.5, pretrained='a/b.pt')") == "small(dropout=0.5, pretrained)"
    assert without_file("timm:x(pretrained=cache, img_size=8)") == "timm:x(pretrained, img_size=8)"
    assert without_weights("timm:x(pretrained=cache, img_size=8)") == "timm:x(img_size=8)"
    assert without_weights("small(dropout=0.5, pretrained='a, b.pt')") == "small(dropout=0.5)"
    assert without_weights("small(pretrained='a')") == without_weights("small") == "small"
    with pytest.raises(ValueError, match="leave --pretrained out"):
        with_pretrained("small(pretrained='a.pt')", "b.pt")


@pytest.fixture(scope="module")
def vit_file(tmp_path_factory):
    """Weights of a tiny vision transformer for thirty classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = models.build(VIT, num_classes=30, in_channels=1, image_size=8)
    path = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    return path


def test_a_vision_transformer_starts_from_the_file_and_learns(digits, vit_file):
    network = with_pretrained(VIT, str(vit_file))
    recipe = {"optimizer": "adamw", "lr": 2e-3, "schedule": "cosine", "warmup": 1.0, "weight_decay": 0.05}
    asked = {"network": network, "layer_decay": 0.75, "freeze_epochs": 1, "epochs": 12, **recipe}
    trainer = begun(digits, **asked)
    given = safetensors.torch.load_file(vit_file)
    now = state(trainer)
    assert all(torch.equal(now[name], given[name]) for name in given if not name.startswith("head."))
    with torch.random.fork_rng(devices=[]):
        trainer.train(lambda at: None, lambda: False)
    assert trainer.accuracy("train") > 0.8


def test_the_command_line_trains_from_a_file_and_knows_it_by_its_content(digits, vit_file, tmp_path):
    common = [
        *("train", "--train-size", "60", "--epochs", "2", "--optimizer", "adamw", "--lr", "0.001"),
        *("--layer-decay", "0.75", "--freeze-epochs", "1", "--schedule", "cosine", "--model", VIT),
    ]

    def call(file, out):
        result = CliRunner().invoke(app, [*common, "--pretrained", str(file), "--out", str(out)])
        return result.exit_code, result.stderr

    # the same weights elsewhere are the same
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(vit_file.read_bytes())
    one, other = (starting_weights(with_pretrained(VIT, str(file)), digits) for file in (vit_file, moved))
    assert one == other
    status, said = call(moved, tmp_path / "out")
    assert status == 0, said
    (record,) = (tmp_path / "out").glob("runs/*/run.json")
    assert json.loads(record.read_text())["config"]["weights"] == one
    # the finished run has weights of its own
    moved.unlink()
    assert lh.load_run(record.parent).logits(digits.splits["test"].inputs).shape == (len(digits.splits["test"]), 10)
    # other weights in the same file are another comparison
    weights = safetensors.torch.load_file(vit_file)
    weights["pos_embed"] += 1
    safetensors.torch.save_file(weights, moved)
    status, said = call(moved, tmp_path / "out")
    assert status == 2
    assert "network.weights" in said


def test_pretrained_without_such_a_file_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["train", "--pretrained", "nowhere.pt", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "no such file of weights" in result.stderr


def test_a_function_of_the_users_own_starts_from_a_file(digits, tmp_path):
    network = "tests.train.test_finetune:own"
    with torch.random.fork_rng(devices=[]):
        model = own(10, digits.shape)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "own.safetensors")
    trainer = begun(digits, network=with_pretrained(network, str(tmp_path / "own.safetensors")))
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state(trainer).items())


def own(num_classes, input_shape):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(int(np.prod(input_shape)), num_classes))


def test_a_run_says_where_its_weights_come_from_by_their_digest(digits):
    run = run_of(digits, network="small(pretrained='a.pt')")
    known = [
        dataclasses.replace(run, network=f"small(pretrained='{f}')", weights=w) for f, w in (("a", "x"), ("b", "x"))
    ]
    assert known[0].hash == known[1].hash
    assert known[0].hash != dataclasses.replace(known[0], weights="y").hash
