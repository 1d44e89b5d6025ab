"""Texts through the loop: ids reach the network as they are, constraints hold, and every method trains."""

import json

import numpy as np
import pytest
import torch

import levelhead as lh
from levelhead.spec import parse
from levelhead.train import Run, make_recipe
from levelhead.train.checkpoint import Checkpoints
from levelhead.train.trainer import Stopped, Trainer


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "moods.jsonl"
    rows = [
        {"said": f"{('quite bad', 'rather good')[n % 2]} {'and long ' * (n % 5)}{n % 9}", "mood": ("no", "yes")[n % 2]}
        for n in range(240)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return lh.data.load(path, text="said", label="mood", cal_size=30, test_size=60)


def run_of(moods, method="vanilla", **recipe) -> Run:
    chosen = {"epochs": 3, **recipe}
    return Run(
        method=method,
        sentence=str(parse(method)),
        seed=0,
        network="sentence_cnn(dims=16, maps=8)",
        recipe=make_recipe("moods", "text", **chosen),
        fingerprint=moods.fingerprint,
        device="cpu",
        precision="32",
        threads=1,
    )


def trained(moods, checkpoints=None, stop=lambda: False, **kwargs) -> Trainer:
    with torch.random.fork_rng(devices=[]):
        trainer = Trainer(run_of(moods, **kwargs), moods, checkpoints)
        trainer.train(lambda at: None, stop)
    return trainer


@pytest.mark.parametrize("method", lh.methods())
def test_every_method_trains_on_texts(moods, method):
    trainer = trained(moods, method=method, epochs=1)
    assert np.isfinite(trainer.logits("test")).all()


def test_words_are_learned_and_rows_keep_their_norm(moods):
    trainer = trained(moods, method="mixup(alpha=0.4)", epochs=12)
    assert (trainer.logits("test").argmax(1) == moods.splits["test"].labels).mean() > 0.95
    norms = trainer.objective.model.linear.weight.norm(dim=1)
    assert (norms <= 3 + 1e-5).all()


def test_a_prediction_does_not_depend_on_its_batch(moods):
    trainer = trained(moods, epochs=1)
    whole = trainer.logits("test")
    alone = trainer.objective.predict(trainer.clean("test", torch.tensor([7]))[0])
    np.testing.assert_allclose(alone.numpy()[0], whole[7], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["mixup", "pls", "mc_dropout"])
def test_stopped_it_goes_on_to_the_same_bits(moods, tmp_path, method):
    expected = trained(moods, method=method).logits("test")
    checkpoints, steps = Checkpoints(tmp_path / "checkpoint.pt"), iter(range(100))
    with pytest.raises(Stopped):
        trained(moods, checkpoints, lambda: next(steps) == 5, method=method)
    assert np.array_equal(trained(moods, checkpoints, method=method).logits("test"), expected)
