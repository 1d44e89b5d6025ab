"""CIFAR-10: pickled batches read without running anything, the archive, parquet, and the real lossy copy."""

import os
import pickle
import struct
import tarfile
from typing import ClassVar

import numpy as np
import pytest

from levelhead.data import Augment, load

from .layouts import CIFAR_CLASSES, cifar_batches, encoded_image, write_cifar, write_image_parquet


def check_is_the_batches(data, batches):
    train = np.concatenate([batches[f"data_batch_{number}"][0] for number in range(1, 6)])
    assert data.classes == CIFAR_CLASSES
    assert data.augment == Augment(crop=4, flip=True)
    assert np.array_equal(data.splits["test"].inputs, batches["test_batch"][0])
    assert np.array_equal(data.splits["test"].labels, batches["test_batch"][1])
    for role in ("train", "cal"):
        split = data.splits[role]
        assert np.array_equal(split.inputs, train[split.ids])
        assert np.array_equal(split.labels, split.ids % 10)


@pytest.mark.parametrize("folder", ["cifar10", "cifar-10-batches-py", "cifar10/cifar-10-batches-py", "."])
def test_the_original_batches_are_found_in_every_layout(tmp_path, folder):
    batches = write_cifar(tmp_path / folder)
    data = load("cifar10", data_dir=tmp_path)
    check_is_the_batches(data, batches)
    assert data.origin.startswith("CIFAR-10, the original Python batches")


@pytest.mark.parametrize("folder", ["cifar10", "."])
def test_the_original_archive_need_not_be_unpacked(tmp_path, folder):
    batches = write_cifar(tmp_path / "made" / "cifar-10-batches-py")
    (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
    with tarfile.open(tmp_path / "data" / folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "made" / "cifar-10-batches-py", "cifar-10-batches-py")
    check_is_the_batches(load("cifar10", data_dir=tmp_path / "data"), batches)


class Python2(pickle._Pickler):
    """Writes as Python 2 did: text and bytes alike as byte strings, booleans of numpy's types as 0 and 1."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, text):
        content = text if isinstance(text, bytes) else text.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)

    def save_switch(self, switch):
        self.write(pickle.BININT1 + bytes([switch]))

    dispatch[bytes] = dispatch[str] = save_text
    dispatch[bool] = save_switch


def test_pickles_of_python_2_are_read(tmp_path):
    batches = write_cifar(tmp_path)
    images, labels = batches["test_batch"]
    with (tmp_path / "test_batch").open("wb") as file:
        Python2(file, protocol=2).dump({"data": images.reshape(len(images), -1), "labels": labels.tolist()})
    content = (tmp_path / "test_batch").read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"cnumpy.core.multiarray" in content
    (tmp_path / "test_batch").write_bytes(content)
    check_is_the_batches(load("cifar10", data_dir=tmp_path), batches)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_wants_to_run_code_is_refused_and_runs_nothing(tmp_path):
    write_cifar(tmp_path / "cifar10")
    trace = tmp_path / "exploded"
    batch = tmp_path / "cifar10" / "data_batch_3"
    batch.write_bytes(pickle.dumps({"data": Bomb(trace), "labels": [0]}))
    with pytest.raises(ValueError, match=r"data_batch_3 is not a batch .* wants to call \w+\.mkdir"):
        load("cifar10", data_dir=tmp_path)
    assert not trace.exists()


ROWS = np.zeros((20, 3072), np.uint8)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "damaged or not a batch"),
        (pickle.dumps({"data": ROWS, "labels": [0] * 20}, protocol=2)[:-100], "not a batch"),
        (pickle.dumps({"data": ROWS}, protocol=2), "damaged or not a batch of CIFAR-10 .*labels"),
        (pickle.dumps([1, 2], protocol=2), "damaged or not a batch"),
        (pickle.dumps({"data": [1], "labels": [0]}, protocol=2), r"images must be .*\(N, 3072\), got list"),
        (pickle.dumps({"data": ROWS[:, :9], "labels": [0] * 20}, protocol=2), r"got uint8 \(20, 9\)"),
        (pickle.dumps({"data": ROWS, "labels": [0] * 19}, protocol=2), "20 inputs but 19 labels"),
        (pickle.dumps({"data": ROWS, "labels": [10] * 20}, protocol=2), "from 0 to 9, got 10 at index 0"),
    ],
)
def test_damaged_batches_are_named(tmp_path, content, sentence):
    write_cifar(tmp_path / "cifar10")
    (tmp_path / "cifar10" / "test_batch").write_bytes(content)
    with pytest.raises(ValueError, match=sentence) as caught:
        load("cifar10", data_dir=tmp_path)
    assert str(tmp_path / "cifar10" / "test_batch") in str(caught.value)


def test_missing_batches_are_listed(tmp_path):
    write_cifar(tmp_path / "cifar10")
    for name in ("data_batch_2", "test_batch"):
        (tmp_path / "cifar10" / name).unlink()
    with pytest.raises(ValueError, match="lacks data_batch_2, test_batch; add"):
        load("cifar10", data_dir=tmp_path)


def test_a_damaged_archive_is_named(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(b"not an archive")
    with pytest.raises(ValueError, match=r"cifar-10-python.tar.gz is damaged or cut short"):
        load("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("columns", [("image", "label"), ("img", "label")])
@pytest.mark.parametrize(
    ("folder", "train", "test"),
    [
        ("cifar10", "train.parquet", "test.parquet"),
        ("cifar10-jpeg", "train.parquet", "test.parquet"),
        ("cifar10", "plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet"),
    ],
)
def test_parquet_of_encoded_images(tmp_path, folder, train, test, columns):
    batches = cifar_batches()
    trains = [batches[f"data_batch_{number}"] for number in range(1, 6)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*trains))
    for name, (pixels, classes) in {train: (images, labels), test: batches["test_batch"]}.items():
        files = [encoded_image(image) for image in pixels]
        write_image_parquet(tmp_path / folder / name, files, classes.tolist(), columns=columns)
    data = load("cifar10", data_dir=tmp_path)
    check_is_the_batches(data, batches)
    assert data.origin.startswith("CIFAR-10, parquet")  # PNG loses nothing
    assert not any("lossy" in note for note in data.notes)


def test_a_copy_in_jpeg_is_called_one_and_the_exact_one_is_preferred(tmp_path):
    batches = cifar_batches()
    images, labels = batches["data_batch_1"]
    for name in ("train", "test"):
        files = [encoded_image(image, "JPEG") for image in images]
        write_image_parquet(tmp_path / "cifar10-jpeg" / f"{name}.parquet", files, labels.tolist())
    data = load("cifar10", data_dir=tmp_path, cal_size=10)
    assert data.origin.startswith("CIFAR-10 (JPEG copy), parquet")
    assert "CIFAR-10 (JPEG copy) is lossy" in data.notes[0]
    write_cifar(tmp_path / "cifar10")
    assert load("cifar10", data_dir=tmp_path).origin.startswith("CIFAR-10, the original")


def test_another_data_sets_parquet_is_refused(tmp_path):
    images, labels = cifar_batches()["data_batch_1"]
    for name in ("train", "test"):
        files = [encoded_image(image) for image in images]
        write_image_parquet(tmp_path / f"{name}.parquet", files, labels.tolist(), names=tuple("abcdefghij"))
    with pytest.raises(ValueError, match="is of another data set: its classes are a, b, c"):
        load("cifar10", data_dir=tmp_path)


def test_the_real_copy(real_data):
    data = load("cifar10", data_dir=real_data, train_size=2_000)
    assert data.origin.startswith("CIFAR-10 (JPEG copy)")
    assert data.split_info["sizes"] == {"train": 2_000, "cal": 5_000, "test": 10_000}
    assert data.counts()["test"] == [1_000] * 10
    # the first of the test set, known to everybody: cat, ship, ship, airplane, frog, frog, automobile, ...
    assert data.splits["test"].labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert data.shape == (3, 32, 32)
    np.testing.assert_allclose(data.mean, [0.4914, 0.4822, 0.4465], atol=0.01)
    np.testing.assert_allclose(data.std, [0.2470, 0.2435, 0.2616], atol=0.01)
