"""The MNISTs: the original files wherever they may lie, the real ones, and damaged ones."""

import gzip
import shutil

import numpy as np
import pytest

from levelhead.data import Augment, load
from levelhead.data.idx import read_idx

from .layouts import IDX_STEMS, idx_bytes, write_mnist


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "mnist"),
        ("mnist", "MNIST/raw"),
        ("mnist", "."),
        ("fashion-mnist", "fashion-mnist"),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("fashion-mnist", "."),
    ],
)
def test_the_files_are_found_in_every_layout(tmp_path, name, folder, packed):
    arrays = write_mnist(tmp_path / folder, packed=packed)
    data = load(name, data_dir=tmp_path)
    assert data.kind == "image"
    assert data.shape == (1, 28, 28)
    assert np.array_equal(data.splits["test"].inputs[:, 0], arrays["t10k-images-idx3-ubyte"])
    assert np.array_equal(data.splits["test"].labels, arrays["t10k-labels-idx1-ubyte"])
    for role in ("train", "cal"):
        split = data.splits[role]
        assert np.array_equal(split.inputs[:, 0], arrays["train-images-idx3-ubyte"][split.ids])
        assert np.array_equal(split.labels, arrays["train-labels-idx1-ubyte"][split.ids])
    assert "not the 60,000 and 10,000 of the original" in data.notes[0]


def test_the_environment_says_where_the_data_is(tmp_path, monkeypatch):
    write_mnist(tmp_path / "mnist")
    monkeypatch.setenv("LEVELHEAD_DATA", str(tmp_path))
    assert str(tmp_path) in load("mnist").origin


def test_the_folder_named_in_the_call_comes_before_the_environment(tmp_path, monkeypatch):
    write_mnist(tmp_path / "here" / "mnist")
    monkeypatch.setenv("LEVELHEAD_DATA", str(tmp_path / "elsewhere"))
    assert str(tmp_path / "here") in load("mnist", data_dir=tmp_path / "here").origin


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw"])
def test_mnists_files_are_not_taken_for_fashion_mnist(tmp_path, folder, monkeypatch):
    def refuse(*args, **options):
        raise LookupError("would download")

    monkeypatch.setattr("levelhead.data.named.download", refuse)
    write_mnist(tmp_path / folder)
    with pytest.raises(LookupError, match="would download"):
        load("fashion-mnist", data_dir=tmp_path / folder)


def test_default_augmentation_mirrors_garments_but_not_digits(tmp_path):
    write_mnist(tmp_path)
    assert load("fashion-mnist", data_dir=tmp_path).augment == Augment(flip=True)
    assert load("mnist", data_dir=tmp_path).augment == Augment()


MNIST_TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize(
    ("name", "first", "counts", "mean", "std"),
    [
        ("mnist", [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], MNIST_TEST_COUNTS, 0.1307, 0.3081),
        ("fashion-mnist", [9, 0, 0, 3, 0, 2, 7, 2, 5, 5], [1000] * 10, 0.2860, 0.3530),
    ],
)
def test_the_real_files(real_data, name, first, counts, mean, std):
    data = load(name, data_dir=real_data)
    assert data.split_info["sizes"] == {"train": 54_000, "cal": 6_000, "test": 10_000}
    labels = np.zeros(60_000, np.int64)
    for role in ("train", "cal"):
        labels[data.splits[role].ids] = data.splits[role].labels
    assert labels[:10].tolist() == first
    assert data.counts()["test"] == counts
    assert data.notes == ()
    # the values everybody prints, of all 60,000; ours are of the 54,000 of train
    assert data.mean[0] == pytest.approx(mean, abs=1e-3)
    assert data.std[0] == pytest.approx(std, abs=1e-3)
    assert len(set(np.concatenate([split.ids for split in data.splits.values()]))) == 70_000


def test_cal_and_test_of_the_real_files_are_the_same_whatever_part_of_train_is_used(real_data):
    whole = load("fashion-mnist", data_dir=real_data)
    part = load("fashion-mnist", data_dir=real_data, train_size=5_000)
    assert part.counts()["train"] == [500] * 10
    for role in ("cal", "test"):
        assert np.array_equal(part.splits[role].ids, whole.splits[role].ids)
        assert np.array_equal(part.splits[role].inputs, whole.splits[role].inputs)
    assert set(part.splits["train"].ids) <= set(whole.splits["train"].ids)
    assert part.fingerprint != whole.fingerprint


IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def write(folder, stem, content, packed):
    (folder / (f"{stem}.gz" if packed else stem)).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("stem", "change", "sentence"),
    [
        (IMAGES, lambda content: content[:-1], "cut short: .* 20 x 28 x 28 = 15,680 values, 15,679 are"),
        (LABELS, lambda content: content + b"\0", "too much in it: its header says 20 = 20 values, 21 are"),
        (IMAGES, lambda content: content[:7], "cut short: 7 bytes, its header alone needs 16"),
        (IMAGES, lambda content: b"", "cut short: 0 bytes"),
        (IMAGES, lambda content: idx_bytes(np.zeros(20)), "IDX file of 3 dimensions: magic number 2049"),
        (LABELS, lambda content: b"\x0d" + content[1:], "magic number .*, not 2049"),
        (LABELS, lambda content: idx_bytes(np.zeros(19)), "20 inputs but 19 labels"),
        (LABELS, lambda content: idx_bytes(np.arange(20)), "labels must be from 0 to 9, got 10 at index 10"),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(tmp_path, packed, stem, change, sentence):
    arrays = write_mnist(tmp_path / "mnist", packed=packed)
    write(tmp_path / "mnist", stem, change(idx_bytes(arrays[stem])), packed)
    with pytest.raises(ValueError, match=sentence) as caught:
        load("mnist", data_dir=tmp_path)
    assert str(tmp_path / "mnist") in str(caught.value)
    assert stem in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-20], lambda content: b"text", lambda content: content[:30] + b"\xff" * 30],
)
def test_a_damaged_gz_is_named(tmp_path, damage):
    path = tmp_path / "labels.gz"
    path.write_bytes(damage(gzip.compress(idx_bytes(np.arange(10_000) % 251))))
    with pytest.raises(ValueError, match=f"{path} is damaged or cut short"):
        read_idx(path, ndim=1)


def test_no_examples_at_all_is_an_empty_split(tmp_path):
    write_mnist(tmp_path / "mnist", test=0)
    with pytest.raises(ValueError, match="is empty; every split needs"):
        load("mnist", data_dir=tmp_path)


def test_some_files_missing_is_said_and_nothing_is_downloaded_over_them(tmp_path):
    write_mnist(tmp_path / "mnist")
    (tmp_path / "mnist" / f"{IDX_STEMS[1]}.gz").unlink()
    with pytest.raises(ValueError, match=r"MNIST in .*mnist lacks train-labels-idx1-ubyte"):
        load("mnist", data_dir=tmp_path)


def test_a_complete_folder_is_preferred_to_one_that_lacks_files(tmp_path):
    write_mnist(tmp_path / "mnist")
    (tmp_path / "mnist" / f"{IDX_STEMS[1]}.gz").unlink()
    shutil.copytree(tmp_path / "mnist", tmp_path / "MNIST" / "raw")
    write_mnist(tmp_path / "MNIST" / "raw")
    assert "MNIST/raw" in load("mnist", data_dir=tmp_path).origin
