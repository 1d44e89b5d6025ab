"""Another data set in this one's shape: sizes, channels, statistics, places; and what cannot be brought there."""

import numpy as np
import pytest
import torch
from PIL import Image

import levelhead as lh
from levelhead.probes.other_data import brought_to, read_other

DIGITS = lh.data.load("digits")


def npz(path, images, labels=None):
    labels = np.arange(len(images)) % 2 if labels is None else labels
    np.savez(path, train_x=images, train_y=labels, test_x=images[:4], test_y=labels[:4])
    return path


def test_grey_becomes_three_channels_and_colour_its_luma():
    grey = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 1, 4, 4)
    np.testing.assert_array_equal(brought_to((3, 4, 4), grey, "x"), np.repeat(grey, 3, 1))
    colour = np.random.default_rng(0).integers(0, 256, (3, 3, 4, 4), dtype=np.uint8)
    luma = np.stack([np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L")) for image in colour])
    np.testing.assert_allclose(brought_to((1, 4, 4), colour, "x")[:, 0].astype(int), luma.astype(int), atol=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_are_scaled_to_cover_and_cut_at_the_centre(dtype):
    wide = np.zeros((1, 1, 8, 24), dtype=dtype)
    top = np.iinfo(dtype).max if dtype == np.uint8 else 1
    wide[..., 8:16] = top  # the middle third is what remains
    brought = brought_to((1, 4, 4), wide, "x")
    assert brought.dtype == dtype
    assert brought.shape == (1, 1, 4, 4)
    assert (brought[..., 1:-1] == top).all()
    assert brought.max() <= top


def test_resizing_agrees_with_pillow():
    image = np.random.default_rng(1).integers(0, 256, (1, 1, 28, 28), dtype=np.uint8)
    pillow = np.asarray(Image.fromarray(image[0, 0]).resize((8, 8), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(brought_to((1, 8, 8), image, "x")[0, 0].astype(int), pillow.astype(int), atol=1)


def test_statistics_are_those_of_the_training_set(tmp_path):
    images = np.full((10, 12, 12), 128, dtype=np.uint8)
    inputs = lh.probes.other_data(npz(tmp_path / "flat.npz", images), like=DIGITS)
    assert inputs.shape == (4, 1, 8, 8)  # its test split
    expected = (128 / 255 - DIGITS.mean[0]) / DIGITS.std[0]
    torch.testing.assert_close(inputs, torch.full_like(inputs, float(expected)))


def test_a_folder_of_images_in_any_arrangement(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.png", "deep/a.jpg", "deep/er/c.png"):
        Image.new("RGB", (30, 20), (200, 200, 200)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("none")
    found = read_other(str(tmp_path), DIGITS)
    assert found.shape == (3, 1, 8, 8)
    np.testing.assert_allclose(found, 200, atol=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no images"):
        read_other(str(tmp_path / "empty"), DIGITS)


def test_a_set_without_a_test_split_is_taken_whole(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,label\n" + "".join(f"{i},{-i},{i % 2}\n" for i in range(40)))
    assert read_other(str(path), lh.data.load("spiral"), label="label").shape == (40, 2)


def test_a_test_split_of_idx_files_where_named_sets_lie(real_data):
    (probe,) = lh.probes.parse("notmnist", real_data)
    assert probe.name == "notmnist"
    assert probe.prepare(DIGITS)["inputs"].shape == (10_000, 1, 8, 8)


def test_what_cannot_be_brought_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be brought"):
        read_other("spiral", DIGITS)
    with pytest.raises(ValueError, match="cannot be brought"):
        read_other("digits", lh.data.load("spiral"))
    path = tmp_path / "three.csv"
    path.write_text("a,b,c,label\n" + "".join(f"{i},{i},{i},{i % 2}\n" for i in range(40)))
    with pytest.raises(ValueError, match="vectors of the same features"):
        read_other(str(path), lh.data.load("spiral"), label="label")
    with pytest.raises(ValueError, match="images of 2 channels"):
        brought_to((3, 4, 4), np.zeros((1, 2, 4, 4), np.uint8), "x")
