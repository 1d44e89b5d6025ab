"""A user's arrays: layouts, types, roles, labels."""

import numpy as np
import pytest

from levelhead.data import load

from .layouts import arrays


def saved(tmp_path, **changes):
    np.savez(tmp_path / "mine.npz", **{**arrays(), **changes})
    return tmp_path / "mine.npz"


def images(shape, dtype=np.uint8):
    values = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    return values if dtype == np.uint8 else (values / 255).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.float16])
@pytest.mark.parametrize(
    ("shape", "channels_first"),
    [
        ((3, 6, 5), lambda array: array),
        ((6, 5, 3), lambda array: array.transpose(0, 3, 1, 2)),
        ((6, 5), lambda array: array[:, None]),
        ((1, 6, 5), lambda array: array),
        ((6, 5, 1), lambda array: array.transpose(0, 3, 1, 2)),
        ((4, 4, 1), lambda array: array.transpose(0, 3, 1, 2)),  # 1 is likelier than 4 to be the channels
        ((3, 5, 3), lambda array: array),  # both could be: channels first
    ],
)
def test_images_in_every_layout_become_channels_first(tmp_path, shape, channels_first, dtype):
    train, test = images((40, *shape), dtype), images((20, *shape), dtype)
    data = load(saved(tmp_path, train_x=train, test_x=test), cal_size=10)
    assert data.kind == "image"
    assert data.splits["test"].inputs.dtype == (np.uint8 if dtype == np.uint8 else np.float32)
    assert np.array_equal(data.splits["test"].inputs, channels_first(test).astype(data.splits["test"].inputs.dtype))
    assert data.splits["test"].inputs.flags.c_contiguous
    assert data.mean.shape == data.std.shape == (data.shape[0],)


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8, bool])
def test_vectors_of_any_numbers_become_float32(tmp_path, dtype):
    vectors = np.random.default_rng(0).integers(0, 2, (40, 3)).astype(dtype)
    data = load(saved(tmp_path, train_x=vectors, test_x=vectors[:20]))
    assert data.kind == "vector"
    assert data.splits["test"].inputs.dtype == np.float32
    assert np.array_equal(data.splits["test"].inputs, vectors[:20].astype(np.float32))


def test_splits_that_are_given_are_taken_and_nothing_is_cut(tmp_path):
    given = {
        "val_x": np.full((6, 5), 0.25, np.float32),
        "val_y": np.arange(6) % 2,
        "cal_x": np.full((8, 5), 0.75, np.float32),
        "cal_y": np.arange(8) % 2,
    }
    data = load(saved(tmp_path, **given))
    assert data.split_info["sizes"] == {"train": 40, "val": 6, "cal": 8, "test": 20}
    assert data.split_info["cut_from_train"] == []
    assert (data.splits["cal"].inputs == 0.75).all()
    assert (data.splits["val"].inputs == 0.25).all()
    assert [split.ids[0] for split in data.splits.values()] == [0, 40, 46, 54]


def test_without_test_it_is_cut(tmp_path):
    whole = arrays()
    np.savez(tmp_path / "mine.npz", train_x=whole["train_x"], train_y=whole["train_y"])
    data = load(tmp_path / "mine.npz")
    assert data.split_info["sizes"] == {"train": 20, "cal": 10, "test": 10}


def test_numbers_with_gaps_are_numbered_anew_and_said_so(tmp_path):
    labels = np.array([7, 3] * 20)
    data = load(saved(tmp_path, train_y=labels, test_y=labels[:20]))
    assert data.classes == ("3", "7")
    assert data.splits["test"].labels.tolist() == [1, 0] * 10
    assert "labels 3, 7 were numbered anew as 0 to 1" in data.notes


def test_numbers_are_ordered_as_numbers(tmp_path):
    data = load(saved(tmp_path, train_y=np.array([10, 9, 2, 0] * 10), test_y=np.array([10, 9] * 10)), cal_size=8)
    assert data.classes == ("0", "2", "9", "10")
    assert data.splits["test"].labels[:2].tolist() == [3, 2]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array(["yes", "no"] * 20), ("no", "yes")),
        (np.array([True, False] * 20), ("0", "1")),
        (np.array([1, 0] * 20, dtype=np.uint8), ("0", "1")),
    ],
)
def test_words_booleans_and_small_integers_are_labels_too(tmp_path, labels, classes):
    data = load(saved(tmp_path, train_y=labels, test_y=labels[:20]))
    assert data.classes == classes
    assert data.splits["test"].labels.dtype == np.int64
    assert data.splits["test"].labels[:2].tolist() == [1, 0]


def test_other_arrays_in_the_file_do_not_matter(tmp_path):
    assert load(saved(tmp_path, made_by=np.array("us"))).num_classes == 2
