"""What --record keeps: the numbers by hand, the same run with and without, and resume."""

import dataclasses

import numpy as np
import pytest
import torch

import levelhead as lh
from levelhead import data
from levelhead.spec import parse
from levelhead.train import Run, check_records, make_recipe
from levelhead.train.execute import execute, is_finished
from levelhead.train.record import add_targets, means
from levelhead.train.trainer import Stopped
from levelhead.types import Mix, Output


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", train_size=60)


def run_of(digits, method, record):
    return Run(
        method=method,
        sentence=str(parse(method)),
        seed=0,
        network="small",
        recipe=make_recipe("digits", "image", epochs=3, batch=16),
        fingerprint=digits.fingerprint,
        device="cpu",
        precision="32",
        threads=1,
        record=record,
    )


def carry_out(run, digits, folder, stop=lambda: False):
    execute(run, digits, folder, lambda at: None, stop)


def output(targets, partner):
    empty = torch.tensor(0.0)
    return Output(empty, targets, targets, Mix(partner, torch.full((len(targets),), 0.5)), {})


def test_means_by_hand():
    targets = torch.tensor([[0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1]])
    sums = {}
    # the third is paired with its own class and is no pair with different labels
    add_targets(sums, output(targets, torch.tensor([1, 0, 2])), torch.tensor([0, 1, 0]), mixed=True)
    found = means(sums)
    assert found["pairs"].tolist() == pytest.approx([0.35, 0.35, 0.2, 0.1])  # own, partner's, others in order
    assert found["pairs_count"] == 2
    assert found["largest"].tolist() == pytest.approx([0.4, 0.3, 0.2, 0.1])
    add_targets(sums, output(targets, torch.arange(3)), torch.tensor([0, 1, 0]), mixed=False)
    found = means(sums)
    assert found["originals"].tolist() == pytest.approx([(0.4 + 0.3 + 0.7) / 3, (0.3 + 0.4 + 0.1) / 3, 0.5 / 3, 0.1])
    assert found["pairs_count"] == 2


def test_an_epoch_without_pairs_is_nan_and_not_zero():
    sums = {}
    add_targets(sums, output(torch.eye(3), torch.arange(3)), torch.arange(3), mixed=False)
    assert np.isnan(means(sums)["pairs"]).all()


@pytest.mark.parametrize("method", ["vanilla", "pls", "logitmix_cm", "mixup", "lamix_puzzle"])
def test_recording_changes_no_number(digits, tmp_path, method):
    for folder, record in (("plain", ()), ("kept", ("targets", "epochs", "embeddings"))):
        carry_out(run_of(digits, method, record), digits, tmp_path / folder)
    for role in ("cal", "test"):
        plain, kept = (lh.Predictions.load(tmp_path / f / f"{role}.safetensors") for f in ("plain", "kept"))
        assert np.array_equal(plain.logits, kept.logits)
    assert not (tmp_path / "plain" / "records").exists()
    names = sorted(path.name for path in (tmp_path / "kept" / "records").iterdir())
    kinds = ("cal-{}.safetensors", "embeddings-{}.npz", "targets-{}.npz", "test-{}.safetensors")
    assert names == sorted(kind.format(f"{epoch:04d}") for kind in kinds for epoch in (1, 2, 3))


def test_what_is_recorded(digits, tmp_path):
    carry_out(run_of(digits, "pls", ("targets", "epochs", "embeddings")), digits, tmp_path)
    records = tmp_path / "records"
    last = lh.Predictions.load(records / "test-0003.safetensors")
    assert np.array_equal(last.logits, lh.Predictions.load(tmp_path / "test.safetensors").logits)
    targets = np.load(records / "targets-0003.npz")
    # 4 steps an epoch: in the third, steps 8 to 11, two see midpoints
    assert 10 < targets["pairs_count"] <= 32
    assert targets["pairs"][:2] == pytest.approx([0.25 + 0.5 * 0.1] * 2, abs=0.06)  # between 1/4 and 1/4 + bound / 2
    assert targets["originals"][0] > 0.5
    assert targets["fixed_targets"].shape == targets["fixed_learned"].shape == (60, 10)
    assert targets["fixed_learned"].sum(1) == pytest.approx(np.ones(60), abs=1e-6)
    q = np.eye(10)[targets["fixed_labels"]]
    expected = 0.25 * (q + q[targets["fixed_partner"]]) + 0.5 * targets["fixed_learned"]
    assert targets["fixed_targets"] == pytest.approx(expected, abs=1e-6)
    embeddings = np.load(records / "embeddings-0003.npz")
    assert embeddings["features"].shape == (len(embeddings["labels"]), 64)


def test_a_stopped_run_records_the_same(digits, tmp_path):
    run = run_of(digits, "pls", ("targets",))
    carry_out(run, digits, tmp_path / "whole")
    steps = iter(range(1, 1000))
    with pytest.raises(Stopped):
        carry_out(run, digits, tmp_path / "stopped", lambda: next(steps) == 6)
    carry_out(run, digits, tmp_path / "stopped")
    for epoch in (1, 2, 3):
        one, two = (np.load(tmp_path / f / "records" / f"targets-{epoch:04d}.npz") for f in ("whole", "stopped"))
        assert all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)


def test_a_finished_run_is_done_again_for_what_it_did_not_record(digits, tmp_path):
    plain = run_of(digits, "vanilla", ())
    carry_out(plain, digits, tmp_path)
    kept = dataclasses.replace(plain, record=("epochs",))
    assert kept.hash == plain.hash
    assert is_finished(tmp_path, ())
    assert not is_finished(tmp_path, ("epochs",))
    carry_out(kept, digits, tmp_path)
    assert is_finished(tmp_path, ("epochs",))
    assert is_finished(tmp_path, ())


def test_an_interrupted_run_that_did_not_record_starts_anew(digits, tmp_path):
    plain = run_of(digits, "vanilla", ())
    steps = iter(range(1, 1000))
    with pytest.raises(Stopped):
        carry_out(plain, digits, tmp_path, lambda: next(steps) == 6)
    carry_out(dataclasses.replace(plain, record=("epochs",)), digits, tmp_path)
    assert (tmp_path / "records" / "cal-0001.safetensors").exists()


def test_words_that_cannot_be_recorded():
    assert check_records(("embeddings", "targets", "targets")) == ("targets", "embeddings")
    with pytest.raises(ValueError, match="--record must be one of targets, epochs, embeddings, not 'all'"):
        check_records(("all",))


def test_targets_of_more_than_two_are_refused_before_training(digits, tmp_path):
    with pytest.raises(ValueError, match=r"--record targets is about pairs, and mixup\(alpha=0.4, k=3\)"):
        carry_out(run_of(digits, "mixup(k=3)", ("targets",)), digits, tmp_path)
    carry_out(run_of(digits, "mixup(k=3)", ("epochs",)), digits, tmp_path)
