"""Training as the papers trained: each word of the recipe by hand-worked numbers, and bit for bit across resume."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.train.runs import history, resumed, run_of, trained
from typer.testing import CliRunner

from levelhead import data, models
from levelhead.cli import app
from levelhead.train import Recipe, judging, make_recipe
from levelhead.train.average import Average, tensors
from levelhead.train.execute import execute
from levelhead.train.judging import better, top_accuracy
from levelhead.train.run import stream
from levelhead.train.schedule import parse_schedule, rate
from levelhead.train.trainer import Trainer

#: Everything at once, so that one resume shows it for all.
ALL = {
    "accumulate": 2, "drop_last": True, "ema": 0.8, "select": "nll", "warmup": 1.0, "lr_per": 16, "clip": 2.0,
    "schedule": "cosine", "lr": 0.05, "batch": 8, "epochs": 4, "layer_decay": 0.75, "freeze_epochs": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", train_size=60, val_size=100)


# ---- the run's name


def test_a_recipe_that_says_nothing_new_keeps_its_name(digits):
    assert "ema" not in Recipe().model_dump()
    assert Recipe(ema=None, accumulate=1, select="last") == Recipe()
    # the name that this run had before any of these words were there
    run = dataclasses.replace(run_of(digits, epochs=20, batch=128, lr=0.1), fingerprint="f", sentence="vanilla")
    assert run.hash == "ac5f10ddb8cedf9d"


@pytest.mark.parametrize("name", ["drop_last", "accumulate", "warmup", "lr_per", "stop_at_accuracy", "select", "ema"])
def test_every_word_is_part_of_the_name(digits, name):
    change = {name: {"drop_last": True, "select": "nll"}.get(name, ALL.get(name, 0.5))}
    assert run_of(digits, schedule="cosine", **change).hash != run_of(digits, schedule="cosine").hash


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"warmup": 2}, r"one_cycle\(warmup=0.2\) has a warm-up of its own"),
        ({"warmup": 20, "schedule": "cosine"}, "warmup=20 leaves nothing of the 20 epochs"),
        ({"freeze_epochs": 25}, "freeze_epochs=25 leaves nothing"),
        ({"stop_top": 5}, "no effect without stop_at_accuracy"),
        ({"stop_on": "test", "stop_at_accuracy": 0.9}, "stop_on"),
        ({"select": "test"}, "select"),
        ({"ema": 1.0}, "ema"),
        ({"layer_decay": 1.0}, "layer_decay"),
        ({"accumulate": 0}, "accumulate"),
        ({"stop_at_accuracy": 1.5}, "stop_at_accuracy"),
    ],
)
def test_words_that_make_no_sense_are_refused(given, said):
    with pytest.raises(ValueError, match=said):
        make_recipe("", "image", **given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"drop_last": True, "batch": 64}, "no update is left in an epoch of 60 examples: an update has 64"),
        (
            {"stop_at_accuracy": 0.9, "stop_top": 10},
            "stop_top=10 is reached by any network: digits has only 10 classes",
        ),
        ({"ema": 0.99}, "averages over about 100 updates, but the run has only 12"),
    ],
)
def test_what_the_data_leave_no_room_for_is_refused(digits, given, said):
    with pytest.raises(ValueError, match=said):
        trained(digits, **given)


def test_without_val_nothing_is_selected_and_one_is_told_how():
    with pytest.raises(ValueError, match="say val_size= to cut one"):
        trained(data.load("digits", train_size=60), select="nll")


# ---- the rate


def test_warm_up_from_the_unscaled_rate_as_goyal():
    recipe = Recipe(epochs=90, lr=0.1, batch=256, accumulate=32, lr_per=256, warmup=5, schedule="steps(at=[30, 60])")
    points = {0: 0.1, 2.5: 1.65, 5: 3.2, 29.9: 3.2, 30: 0.32, 60: 0.032}  # 8192 / 256 = 32
    for epochs, expected in points.items():
        assert rate(recipe, parse_schedule(recipe.schedule, 90), epochs / 90) == pytest.approx(expected)


def test_warm_up_multiplies_the_schedule_and_begins_above_zero():
    recipe = Recipe(epochs=10, lr=1.0, warmup=2, schedule="cosine")
    cosine = parse_schedule("cosine", 10)
    assert rate(recipe, cosine, 0.0) == pytest.approx(0.04)
    assert rate(recipe, cosine, 0.1) == pytest.approx(0.52 * cosine.factor(0.1, 10))
    assert rate(recipe, cosine, 0.2) == cosine.factor(0.2, 10)


def test_a_smaller_batch_gets_a_smaller_rate(digits):
    trainer = trained(digits, schedule="constant", lr=0.1, lr_per=64, epochs=1)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.025)


# ---- accumulation


@pytest.mark.parametrize("clip", [None, 0.5])
def test_accumulated_batches_equal_the_large_one(digits, clip):
    asked = {"network": "mlp(width=16)", "schedule": "constant", "clip": clip, "lr": 0.05}
    large, small = trained(digits, batch=32, **asked), trained(digits, batch=8, accumulate=4, **asked)
    assert large.steps_per_epoch == small.steps_per_epoch == 2
    np.testing.assert_allclose(large.logits("test"), small.logits("test"), rtol=1e-4, atol=1e-5)
    for one, other in zip(large.place.history, small.place.history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)


def test_a_method_of_two_updates_a_batch_makes_them_of_all_that_is_accumulated(digits):
    method = "alternate(midpoint, mode=batch) | one_hot"
    trainer = trained(digits, method=method, batch=8, accumulate=2, epochs=1)
    assert trainer.objective.count == 2 * 8  # 60 examples are 8 batches, each seen twice


def test_drop_last_sees_whole_updates_only(digits):
    assert trained(digits, drop_last=True, epochs=1).steps_per_epoch == 3  # 60 = 3 * 16 + 12
    assert trained(digits, epochs=1).steps_per_epoch == 4


# ---- averaged weights


def test_the_average_by_hand_with_the_statistics_and_whole_numbers_are_copied():
    model = torch.nn.BatchNorm1d(1)
    average = Average(model, 0.75)
    for weight, mean in ((4.0, 1.0), (8.0, 2.0), (0.0, 3.0)):
        with torch.no_grad():
            model.weight.fill_(weight)
            model.running_mean.fill_(mean)
            model.num_batches_tracked.fill_(5)
        average.update_parameters(model)
    # 4, then 3/4 * 4 + 8/4 = 5, then 3/4 * 5
    assert average.module.weight.item() == pytest.approx(3.75)
    # 1, then 5/4, then 3/4 * 5/4 + 3/4
    assert average.module.running_mean.item() == pytest.approx(1.6875)
    assert average.module.num_batches_tracked.item() == 5
    with average.inside(model):
        assert model.weight.item() == pytest.approx(3.75)
    assert model.weight.item() == 0.0


def test_before_the_first_update_the_weights_are_the_networks_own():
    model = torch.nn.Linear(1, 1)
    average = Average(model, 0.9)
    with torch.no_grad():
        model.weight.fill_(7.0)
    with average.inside(model):
        assert model.weight.item() == 7.0


def test_averaged_weights_are_those_of_a_bare_loop_and_are_saved(digits, tmp_path):
    execute(run_of(digits, ema=0.7, epochs=1, schedule="constant", lr=0.05), digits, tmp_path, lambda _: None, bool)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(0, "weights"))
        model = models.build("small", num_classes=10, input_shape=digits.shape)
    order = torch.Generator().manual_seed(stream(0, "data"))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    batches = data.Batches(digits.splits["train"])
    expected = None
    for rows in batches.permutation(order).split(16):
        inputs, labels = batches.take(rows, mean=digits.mean, std=digits.std, generator=order, train=True)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        now = {name: value.clone() for name, value in model.state_dict().items() if value.is_floating_point()}
        expected = now if expected is None else {name: 0.7 * expected[name] + 0.3 * now[name] for name in now}
    saved = safetensors.torch.load_file(tmp_path / "model.safetensors")
    for name, value in expected.items():
        torch.testing.assert_close(saved[name], value, rtol=1e-4, atol=1e-5)


# ---- which epoch, and how long


def test_the_better_epoch_and_the_first_of_equal_ones():
    best = {"value": 0.5}
    assert better({"val_nll": 0.4}, best, "nll")
    assert not better({"val_nll": 0.5}, best, "nll")
    assert better({"val_accuracy": 0.6}, best, "accuracy")
    assert not better({"val_accuracy": 0.5}, best, "accuracy")
    assert better({"val_nll": 9.0}, None, "nll")


@pytest.mark.parametrize(("select", "ema"), [("nll", None), ("accuracy", None), ("nll", 0.6)])
def test_the_weights_of_the_best_epoch_on_val_are_kept(digits, tmp_path, select, ema):
    # a rate so high that the last epoch is not the best
    asked = {"epochs": 6, "lr": 0.4, "schedule": "constant", "ema": ema}
    execute(run_of(digits, select=select, **asked), digits, tmp_path, lambda _: None, bool)
    record = json.loads((tmp_path / "run.json").read_text())
    values = [entry[f"val_{select}"] for entry in record["history"]]
    best = int(np.argmin(values) if select == "nll" else np.argmax(values))
    assert record["selected"] == {"epoch": best + 1, "by": select, "on": "val", "value": values[best]}
    assert best + 1 < 6
    # what was saved says on val what was measured after that epoch
    with torch.random.fork_rng(devices=[]):
        fresh = Trainer(run_of(digits, **asked), digits)
    fresh.objective.model.load_state_dict(safetensors.torch.load_file(tmp_path / "model.safetensors"))
    measured = judging.measured(fresh.logits("val"), digits.splits["val"].labels, "val")
    assert measured[f"val_{select}"] == pytest.approx(values[best], rel=1e-9)


def test_without_selection_val_changes_no_number(digits):
    plain, selected = trained(digits, epochs=2), trained(digits, epochs=2, select="nll")
    losses = [[entry["loss"] for entry in trainer.place.history] for trainer in (plain, selected)]
    assert losses[0] == losses[1]


def test_top_accuracy_by_hand():
    logits = np.array([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [5.0, 5.0, 5.0]])
    labels = np.array([1, 2, 0, 2])
    assert [top_accuracy(logits, labels, top) for top in (1, 2, 3)] == [0.25, 0.5, 1.0]


def test_it_ends_after_the_epoch_that_reaches_the_wanted_accuracy(digits, tmp_path):
    run = run_of(digits, epochs=40, stop_at_accuracy=0.9, schedule="constant", lr=0.05)
    execute(run, digits, tmp_path, lambda _: None, bool)
    record = json.loads((tmp_path / "run.json").read_text())
    reached = [entry["train_accuracy"] for entry in record["history"]]
    assert len(reached) < 40
    assert reached[-1] >= 0.9
    assert max(reached[:-1]) < 0.9
    assert record["train_accuracy"] == reached[-1]
    assert record["stopped"] == {
        "epoch": len(reached), "reached": True, "by": "train_accuracy", "value": reached[-1], "wanted": 0.9
    }  # fmt: skip
    assert record["steps"] == 4 * len(reached)
    assert "cal_nll" in record["history"][-1]


def test_top_five_on_val_is_reached_earlier(digits):
    asked = {"epochs": 40, "stop_at_accuracy": 0.8, "stop_on": "val", "schedule": "constant", "lr": 0.05}
    one, five = trained(digits, **asked), trained(digits, stop_top=5, **asked)
    assert len(five.place.history) < len(one.place.history)
    assert five.place.history[-1]["val_top5_accuracy"] >= 0.8


def test_a_comparison_says_when_its_runs_ended_and_goes_on_to_those_that_are_missing(tmp_path):
    words = [
        "compare",
        "--data",
        "digits",
        "--model",
        "mlp(width=32)",
        "--epochs",
        "30",
        "--batch",
        "32",
        "--jobs",
        "1",
    ]
    words += ["--seeds", "1", "-m", "vanilla", "--stop-at-accuracy", "0.6", "--stop-top", "2", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, words).exit_code == 0
    first = next(tmp_path.glob("runs/*/run.json"))
    record = json.loads(first.read_text())
    assert record["stopped"]["by"] == "train_top2_accuracy"
    values = [entry["train_top2_accuracy"] for entry in record["history"]]
    assert (max(values[:-1], default=0) < 0.6, values[-1] >= 0.6, len(values) < 30) == (True, True, True)
    page = (tmp_path / "report.html").read_text()
    said = f"at most 30 epochs until 60 % top-2 accuracy on train (reached by 1 of 1 run after {len(values)} epochs)"
    assert said in page
    before = first.stat().st_mtime_ns
    result = CliRunner().invoke(app, words)  # nothing is missing
    assert (result.exit_code, first.stat().st_mtime_ns) == (0, before)
    result = CliRunner().invoke(app, [*words[:-6], "--stop-at-accuracy", "60", "--out", str(tmp_path / "other")])
    assert result.exit_code == 2
    assert "stop_at_accuracy: Input should be less than or equal to 1, not 60.0" in result.stderr


def test_what_is_never_reached_is_said(digits, tmp_path):
    execute(run_of(digits, epochs=2, stop_at_accuracy=1.0), digits, tmp_path, lambda _: None, bool)
    stopped = json.loads((tmp_path / "run.json").read_text())["stopped"]
    assert (stopped["epoch"], stopped["reached"], stopped["wanted"]) == (2, False, 1.0)
    assert stopped["value"] < 1


# ---- resume


@pytest.mark.parametrize(("method", "every"), [("pls", 1), ("mixup", 2)])
def test_stopped_again_and_again_it_comes_to_the_same_bits(digits, tmp_path, method, every):
    asked = {"method": method, "network": "small(dropout=0.2)", **ALL}
    whole, pieces = trained(digits, **asked), resumed(digits, tmp_path, every, **asked)
    assert np.array_equal(whole.logits("test"), pieces.logits("test"))
    assert history(whole) == history(pieces)
    assert whole.place.best["epoch"] == pieces.place.best["epoch"]
    assert all(map(torch.equal, tensors(whole.objective.model), tensors(pieces.objective.model)))


def test_a_run_that_had_ended_early_does_not_go_on(digits, tmp_path):
    asked = {"epochs": 40, "stop_at_accuracy": 0.9, "schedule": "constant", "lr": 0.05}
    whole, pieces = trained(digits, **asked), resumed(digits, tmp_path, 7, **asked)
    assert history(whole) == history(pieces)
    assert np.array_equal(whole.logits("test"), pieces.logits("test"))
