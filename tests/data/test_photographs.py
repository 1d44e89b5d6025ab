"""A folder of photograph-like images of mixed sizes and modes, three of them broken: who is told what."""

import numpy as np
import pytest

from levelhead.data import broken as broken_images
from levelhead.data import load

from .layouts import encoded_image, ten_classes, write_image_parquet, write_tree
from .photographs import BROKEN, write_photographs


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    write_photographs(folder, 180)
    return folder


def test_every_broken_image_is_named_in_one_refusal(photographs):
    with pytest.raises(ValueError, match="3 of 180 images cannot be read: ") as caught:
        load(photographs)
    sentence = str(caught.value)
    assert all(str(photographs / name) in sentence for name in BROKEN)
    assert "broken-cut.jpg (image file is truncated" in sentence
    assert "broken-empty.jpg (it has no bytes)" in sentence
    assert "broken-text.png (it is of no format of images)" in sentence
    assert "--skip-broken" in sentence


def test_a_cut_off_image_is_found_with_the_pixels_and_still_all_are_named(tmp_path):
    write_tree(tmp_path, {"a": 30, "b": 30}, shape=(20, 20, 3))
    broken = [tmp_path / "a" / f"{number:03d}.png" for number in (3, 9)]
    for path in broken:
        path.write_bytes(path.read_bytes()[:200])  # the header is whole
    with pytest.raises(ValueError, match="2 of 60 images cannot be read") as caught:
        load(tmp_path)
    assert all(str(path) in str(caught.value) for path in broken)


def test_of_many_broken_images_ten_are_named(tmp_path):
    write_tree(tmp_path, {"a": 30, "b": 30})
    for number in range(14):
        (tmp_path / "b" / f"{number:03d}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"14 of 60 images cannot be read: .*009.png.*; and 4 more; replace") as caught:
        load(tmp_path)
    assert str(caught.value).count(".png") == broken_images.NAMED


def test_skipping_goes_on_without_them_and_says_so(photographs):
    data = load(photographs, skip_broken=True)
    assert sum(len(split) for split in data.splits.values()) == 177
    said = [note for note in data.notes if "left out" in note]
    assert said == [f"3 images that cannot be read were left out: {'; '.join(BROKEN)}"]
    assert data.split_info["broken"] == {"train": list(BROKEN)}
    assert data.shape == (3, 48, 64)


def test_what_is_left_is_the_folder_without_them(photographs, tmp_path):
    whole = tmp_path / "photographs"
    write_photographs(whole, 180)
    for name in BROKEN:
        (whole / name).unlink()
    clean, skipped = load(whole), load(photographs, skip_broken=True)
    assert clean.fingerprint == skipped.fingerprint
    assert "broken" not in clean.split_info
    assert not any("left out" in note for note in load(whole, skip_broken=True).notes)
    (whole / "beach" / "more.png").write_bytes(encoded_image(np.zeros((48, 64, 3), np.uint8).transpose(2, 0, 1)))
    assert load(whole).fingerprint != clean.fingerprint


def test_skipping_counts_role_by_role(tmp_path):
    write_tree(tmp_path, {"train/a": 20, "train/b": 20, "test/a": 9, "test/b": 9})
    for name in ("train/a/001.png", "test/b/002.png", "test/b/003.png"):
        (tmp_path / name).write_bytes(b"")
    data = load(tmp_path, skip_broken=True)
    assert data.split_info["broken"] == {"train": ["train/a/001.png"], "test": ["test/b/002.png", "test/b/003.png"]}
    assert any("left out (1 of train, 2 of test): train/a/001.png; test/b/002" in note for note in data.notes)
    assert data.counts()["test"] == [9, 7]


def test_a_class_of_broken_images_alone_is_refused_all_the_same(tmp_path):
    write_tree(tmp_path, {"a": 20, "b": 3, "c": 20})
    for path in (tmp_path / "b").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="no training example of class b"):
        load(tmp_path, skip_broken=True)
    for path in tmp_path.glob("[ac]/*"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="none of the 43 images of train can be read"):
        load(tmp_path, skip_broken=True)


def test_broken_images_inside_parquet(tmp_path):
    files = [encoded_image(image) for image in ten_classes(40, (3, 8, 8))[0]]
    files[4], files[5] = b"junk", None
    write_image_parquet(tmp_path / "train.parquet", files, [0, 1] * 20)
    with pytest.raises(
        ValueError, match=r"2 of 40 images cannot be read: .*image 4 \(it is of no.*image 5 \(it has no"
    ):
        load(tmp_path)
    data = load(tmp_path, skip_broken=True)
    assert sum(len(split) for split in data.splits.values()) == 38
    assert data.split_info["broken"] == {"train": ["train.parquet, image 4", "train.parquet, image 5"]}


def test_skipping_is_for_images(tmp_path):
    with pytest.raises(ValueError, match="skip_broken= has no effect here: it is for folders of images"):
        load("digits", skip_broken=True)


@pytest.mark.parametrize("fit", ["cover", "letterbox", "stretch"])
def test_how_images_are_brought_to_size(tmp_path, fit):
    write_tree(tmp_path, {"a": 20, "b": 20}, shape=(8, 8, 3))
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = 200
    (tmp_path / "a" / "wide.png").write_bytes(encoded_image(wide.transpose(2, 0, 1)))
    data = load(tmp_path, fit=fit)
    place = 20  # of the files in order, the last of class a
    split = next(split for split in data.splits.values() if place in split.ids)
    image = split.inputs[split.ids == place][0, 0].astype(int)
    if fit == "cover":
        assert (image == 200).all()
        assert "fit" not in data.split_info
    elif fit == "stretch":
        assert image[:, 0].max() < 20 < 150 < image[:, 3].min()
    else:
        assert (image[[0, 1, 6, 7]] == 0).all()  # bars of black above and below
        assert image[3, 3] > 150
        assert image[3, 0] < 20
    assert data.split_info.get("fit", "cover") == fit


def test_a_fit_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="fit must be one of cover, central, letterbox, stretch; got 'crop'"):
        load(tmp_path, fit="crop")
    with pytest.raises(ValueError, match="fit= has no effect here"):
        load("digits", fit="cover")


def test_workers_that_fill_the_memory_name_all_broken_images_too(tmp_path):
    write_tree(tmp_path, {"a": 20, "b": 20})
    for name in ("a/003.png", "b/007.png"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"2 of 40 images cannot be read: .*--skip-broken"):
        load(tmp_path, stream="never", workers=1)


def test_a_role_of_parquet_that_holds_nothing_else_is_refused(tmp_path):
    files = [encoded_image(image) for image in ten_classes(40, (3, 8, 8))[0]]
    write_image_parquet(tmp_path / "train.parquet", files, [0, 1] * 20)
    write_image_parquet(tmp_path / "test.parquet", [b"junk"] * 6, [0, 1] * 3)
    with pytest.raises(ValueError, match="none of the 6 images of test can be read"):
        load(tmp_path, skip_broken=True)
