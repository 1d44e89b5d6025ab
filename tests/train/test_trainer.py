"""The loop: pairing, resume, schedules, and what it refuses."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.train.runs import history, made

from levelhead import data
from levelhead.errors import WorkFailed
from levelhead.spec import parse
from levelhead.train import Recipe, Run, make_recipe
from levelhead.train.checkpoint import Checkpoints
from levelhead.train.execute import execute
from levelhead.train.optimizers import OPTIMIZERS
from levelhead.train.papers import PAPERS
from levelhead.train.schedule import parse_schedule
from levelhead.train.trainer import Stopped, Trainer


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", train_size=60)


def run_of(digits, method="vanilla", seed=0, network="small", **recipe) -> Run:
    chosen = {"epochs": 3, "batch": 16, **recipe}
    return Run(
        method=method,
        sentence=str(parse(method)),
        seed=seed,
        network=network,
        recipe=make_recipe("digits", "image", **chosen),
        fingerprint=digits.fingerprint,
        device="cpu",
        precision="32",
        threads=1,
    )


def trained(digits, **kwargs) -> Trainer:
    with torch.random.fork_rng(devices=[]):
        trainer = Trainer(run_of(digits, **kwargs), digits)
        trainer.train(lambda at: None, lambda: False)
    return trainer


def test_methods_start_from_the_same_weights_and_see_the_same_order(digits):
    seen = {}
    for method in ("vanilla", "pls", "logitmix_cm"):
        with torch.random.fork_rng(devices=[]):
            trainer = Trainer(run_of(digits, method=method), digits)
            weights = {name: value.clone() for name, value in trainer.objective.model.state_dict().items()}
            trainer.train(lambda at: None, lambda: False)
        seen[method] = weights, trainer.order.get_state()
    for method in ("pls", "logitmix_cm"):
        assert all(torch.equal(seen[method][0][name], value) for name, value in seen["vanilla"][0].items())
        assert torch.equal(seen[method][1], seen["vanilla"][1])


def test_seeds_differ_and_repeat(digits):
    first, again, other = (trained(digits, seed=seed).logits("test") for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("method", ["vanilla", "pls", "logitmix_cc", "cutmix"])
@pytest.mark.parametrize("after", [1, 5, 8])
def test_stopped_after_any_step_it_goes_on_to_the_same_bits(digits, tmp_path, method, after):
    network = "small(dropout=0.2)"  # whose draws come from the global generator
    with torch.random.fork_rng(devices=[]):
        whole = Trainer(run_of(digits, method=method, network=network), digits)
        whole.train(lambda at: None, lambda: False)
    with torch.random.fork_rng(devices=[]):
        first = Trainer(run_of(digits, method=method, network=network), digits, Checkpoints(tmp_path / "c.pt"))
        with pytest.raises(Stopped):
            first.train(lambda at: None, lambda: made(first) == after)
    with torch.random.fork_rng(devices=[]):
        second = Trainer(run_of(digits, method=method, network=network), digits, Checkpoints(tmp_path / "c.pt"))
        assert made(second) == after
        second.train(lambda at: None, lambda: False)
    assert np.array_equal(whole.logits("test"), second.logits("test"))
    assert history(whole) == history(second)


@pytest.mark.parametrize("asked", [{"stop_at_accuracy": 0.3}, {"select": "nll"}, {"ema": 0.8}])
def test_stopped_while_it_is_judged_it_judges_again(digits, tmp_path, asked):
    """Predicting takes minutes where networks are large, so it hears a stop, too; no step is made twice."""
    if "select" in asked:
        digits = data.load("digits", train_size=60, val_size=200)
    whole = trained(digits, epochs=2, **asked)
    asked_at, begun = [], []

    def stop():
        asked_at.append(made(trainer))
        # in the first batch that is predicted after a step, and again when it goes on from there
        return asked_at.count(asked_at[-1]) in (2, 3)

    while True:
        with torch.random.fork_rng(devices=[]):
            trainer = Trainer(run_of(digits, epochs=2, **asked), digits, Checkpoints(tmp_path / "c.pt"))
            begun.append(made(trainer))
            try:
                trainer.train(lambda at: None, stop)
                break
            except Stopped:
                continue
    assert len(begun) > len(set(begun)), "it was stopped again where it had gone on"
    assert begun == sorted(begun), "a step that was made is kept"
    assert history(trainer) == history(whole)
    assert np.array_equal(trainer.logits("test"), whole.logits("test"))


def test_a_checkpoint_of_another_run_is_refused(digits, tmp_path):
    with torch.random.fork_rng(devices=[]):
        trainer = Trainer(run_of(digits), digits, Checkpoints(tmp_path / "c.pt"))
        trainer.train(lambda at: None, lambda: False)
        with pytest.raises(ValueError, match="another run"):
            Trainer(run_of(digits, seed=1), digits, Checkpoints(tmp_path / "c.pt"))


def test_a_damaged_checkpoint_is_named(digits, tmp_path):
    (tmp_path / "c.pt").write_bytes(b"half a file")
    with torch.random.fork_rng(devices=[]), pytest.raises(ValueError, match=r"c\.pt cannot be read.*remove it"):
        Trainer(run_of(digits), digits, Checkpoints(tmp_path / "c.pt"))


def test_a_checkpoint_of_another_version_is_begun_anew(digits, tmp_path):
    checkpoints = Checkpoints(tmp_path / "c.pt")
    with torch.random.fork_rng(devices=[]):
        Trainer(run_of(digits), digits, checkpoints).train(lambda at: None, lambda: False)
        assert made(Trainer(run_of(digits), digits, checkpoints)) == 12
        state = torch.load(tmp_path / "c.pt", weights_only=True)
        del state["format"], state["ranks"]  # as they were before there were processes that train together
        for other in (state, torch.zeros(3)):
            torch.save(other, tmp_path / "c.pt")
            with pytest.warns(UserWarning, match=r"c\.pt is a checkpoint of another version"):
                assert made(Trainer(run_of(digits), digits, checkpoints)) == 0


def test_the_global_random_state_does_not_move(digits, tmp_path):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    execute(run_of(digits), digits, tmp_path, lambda at: None, lambda: False)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_a_finished_run_is_left_alone(digits, tmp_path):
    execute(run_of(digits), digits, tmp_path, lambda at: None, lambda: False)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("[!.]*")}
    execute(run_of(digits), digits, tmp_path, lambda at: pytest.fail("trained again"), lambda: False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("[!.]*")} == times
    assert {path.name for path in times} >= {"run.json", "cal.safetensors", "test.safetensors", "model.safetensors"}


def test_a_loss_that_becomes_nan_says_which_step(digits):
    with pytest.raises(WorkFailed, match=r"the loss became (nan|inf) in step \d+ \(epoch \d+\)"):
        trained(digits, lr=100.0, epochs=30, network="lenet" if digits.shape[1] >= 16 else "mlp(depth=8)")


def test_a_last_batch_of_one_is_left_out(digits):
    with torch.random.fork_rng(devices=[]):
        # 60 = 59 + 1
        assert Trainer(run_of(digits, batch=59), digits).steps_per_epoch == 1
        assert Trainer(run_of(digits, batch=58), digits).steps_per_epoch == 2
        assert Trainer(run_of(digits, batch=200), digits).steps_per_epoch == 1


def test_the_head_is_trained_and_stays_out_of_the_saved_model(digits, tmp_path):
    import safetensors.torch

    execute(run_of(digits, method="pls"), digits, tmp_path, lambda at: None, lambda: False)
    assert not [name for name in safetensors.torch.load_file(tmp_path / "model.safetensors") if "head" in name]
    with torch.random.fork_rng(devices=[]):
        trainer = Trainer(run_of(digits, method="pls"), digits)
        before = trainer.objective.head.weight.detach().clone()
        trainer.train(lambda at: None, lambda: False)
    assert not torch.equal(before, trainer.objective.head.weight)


def test_plain_training_equals_a_bare_loop(digits):
    """The trainer adds nothing to SGD on cross-entropy: the same logits as twenty lines of PyTorch."""
    trainer = trained(digits, schedule="constant", lr=0.05)
    run = run_of(digits)
    from levelhead import models
    from levelhead.train.run import stream

    split = digits.splits["train"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(0, "weights"))
        model = models.build("small", num_classes=10, input_shape=digits.shape)
    order = torch.Generator().manual_seed(stream(0, "data"))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    batches = data.Batches(split)
    for _ in range(3):
        for rows in batches.permutation(order).split(16):
            inputs, labels = batches.take(rows, mean=digits.mean, std=digits.std, generator=order, train=True)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    model.eval()
    test = data.Batches(digits.splits["test"])
    with torch.no_grad():
        ours = torch.from_numpy(trainer.logits("test"))
        theirs = model(test.take(torch.arange(len(test)), mean=digits.mean, std=digits.std)[0])
    assert run.network == "small"
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("constant", {0.0: 1, 0.99: 1}),
        ("cosine", {0.0: 1, 0.5: 0.5}),
        ("linear(warmup=0.2)", {0.0: 0.04, 0.1: 0.52, 0.2: 1, 0.6: 0.5}),
        ("one_cycle(warmup=0.2)", {0.0: 0.04, 0.2: 1, 0.6: 0.5}),
        ("steps(at=[0.5, 0.75], by=0.1)", {0.0: 1, 0.49: 1, 0.5: 0.1, 0.75: 0.01}),
        ("steps(at=[100, 150], by=0.2)", {0.0: 1, 99.99 / 200: 1, 100 / 200: 0.2, 150 / 200: 0.04}),
    ],
)
def test_schedules_by_hand(text, points):
    schedule = parse_schedule(text, epochs=200)
    for done, factor in points.items():
        assert schedule.factor(done, 200) == pytest.approx(factor, abs=1e-9)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch": 1}, "batch"),
        ({"lr": -1.0}, "lr"),
        ({"momentum": 1.0}, "momentum"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"schedule": "steps(at=[150])"}, "never reached in 20 epochs"),
        ({"schedule": "steps(at=[5, 3])"}, "rising list"),
        ({"schedule": "cosine(x=1)"}, "cosine takes no arguments"),
        ({"crop": -1}, "crop"),
        ({"optimizer": "adm"}, "must be one of sgd, adam, adamw, adadelta"),
        ({"optimizer": "adam", "momentum": 0.9}, "momentum belong to sgd and have no effect with adam"),
    ],
)
def test_recipes_out_of_range(given, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        make_recipe("", "image", **{"epochs": 20, **given})


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers_recipes_are_recipes_and_parts_can_be_replaced(name):
    recipe = make_recipe("", "image", name)
    assert recipe.model_dump().items() >= Recipe(**PAPERS[name].arguments).model_dump().items()
    assert make_recipe("", "image", name, epochs=600, batch=7).batch == 7
    assert make_recipe("", "vector", name).crop == 0
    assert make_recipe("", "image", name, optimizer="adam").momentum == 0


def test_a_recipe_nobody_wrote():
    with pytest.raises(ValueError, match=r"unknown recipe 'plss'\. Did you mean 'pls'"):
        make_recipe("", "image", "plss")


def test_two_ways_of_writing_a_schedule_are_one_recipe():
    assert Recipe(schedule="one-cycle") == Recipe(schedule="one_cycle(warmup=0.2)")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_is_torchs(digits, optimizer):
    trainer = trained(digits, optimizer=optimizer, lr=0.01, weight_decay=0.001, epochs=1)
    group = trainer.optimizer.param_groups[0]
    assert type(trainer.optimizer.optimizer).__name__.lower() == optimizer
    assert group["weight_decay"] == 0.001
    assert trainer.recipe.momentum == (0.9 if optimizer == "sgd" else 0)
    assert np.isfinite(trainer.logits("test")).all()


def test_precision_and_clip_train(digits):
    trainer = trained(digits, clip=1.0)
    assert np.isfinite(trainer.logits("test")).all()
    for precision in ("bf16", "64"):
        with torch.random.fork_rng(devices=[]):
            other = Trainer(dataclasses.replace(run_of(digits, method="pls"), precision=precision), digits)
            other.train(lambda at: None, lambda: False)
        assert other.logits("test").dtype == np.float32
        assert np.isfinite(other.logits("test")).all()
