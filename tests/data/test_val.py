"""A val split, cut from train only where it is asked for, and moving nobody else."""

import numpy as np
import pytest

from levelhead import data
from levelhead.data.splits import split_roles


def test_val_moves_neither_test_nor_cal_nor_what_is_used_of_train():
    labels = np.arange(1000) % 4
    plain = split_roles(labels, classes="abcd", cut={"test": 100, "cal": 100}, train_size=300, seed=1)
    cut = split_roles(labels, classes="abcd", cut={"test": 100, "cal": 100, "val": 80}, train_size=300, seed=1)
    assert all(np.array_equal(plain[role], cut[role]) for role in ("test", "cal", "train"))
    assert np.bincount(labels[cut["val"]]).tolist() == [20] * 4
    assert len(set(np.concatenate([cut[role] for role in cut]).tolist())) == 580


def test_val_is_cut_where_it_is_asked_for():
    assert "val" not in data.load("spiral").splits
    assert len(data.load("spiral", val_size=150).splits["val"]) == 150
    assert len(data.load("spiral", needs_val=True).splits["val"]) >= 200


def test_digits_keep_their_small_train(tmp_path):
    plain, cut = data.load("digits"), data.load("digits", val_size=200)
    assert len(cut.splits["train"]) == len(plain.splits["train"])
    assert len(cut.splits["test"]) == len(plain.splits["test"]) - 200
    assert set(cut.splits["test"].ids) <= set(plain.splits["test"].ids)
    assert cut.split_info["val_size"] == 200
    assert "val_size" not in plain.split_info


def test_a_source_with_val_keeps_its_own(tmp_path):
    rng = np.random.default_rng(0)
    parts = {f"{role}_x": rng.random((60, 3), dtype=np.float32) for role in ("train", "val", "test")}
    parts |= {f"{role}_y": np.arange(60) % 2 for role in ("train", "val", "test")}
    np.savez(tmp_path / "own.npz", **parts)
    assert len(data.load(tmp_path / "own.npz", needs_val=True, cal_size=10).splits["val"]) == 60
    with pytest.raises(ValueError, match=r"val_size= has no effect: own\.npz has its own val split"):
        data.load(tmp_path / "own.npz", val_size=10, cal_size=10)
