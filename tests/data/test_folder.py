"""Folders of images and of parquet: layouts, sizes, modes, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from levelhead.data import Augment, load

from .layouts import encoded_image, ten_classes, write_image_parquet, write_tree


def test_one_tree_is_split_into_three_roles(tmp_path):
    write_tree(tmp_path, {"cat": 30, "ant": 50, "bee": 20})
    data = load(tmp_path)
    assert data.classes == ("ant", "bee", "cat")
    assert data.split_info["sizes"] == {"train": 50, "cal": 25, "test": 25}
    assert data.split_info["given"] == ["train"]
    assert data.split_info["cut_from_train"] == ["cal", "test"]
    # 12.5, 5 and 7.5 of 25: of the equal remainders the earlier class is rounded up
    assert data.counts() == {"train": [24, 10, 16], "cal": [13, 5, 7], "test": [13, 5, 7]}
    assert data.augment == Augment()
    assert "one tree of class folders" in data.origin


def test_ids_are_places_in_the_sorted_files_and_the_pixels_theirs(tmp_path):
    write_tree(tmp_path, {"ant": 12, "bee": 8})
    data = load(str(tmp_path))
    paths = sorted(tmp_path.glob("*/*.png"))
    for split in data.splits.values():
        for image, label, place in zip(split.inputs, split.labels, split.ids):
            assert np.array_equal(image.transpose(1, 2, 0), np.asarray(Image.open(paths[place])))
            assert data.classes[label] == paths[place].parent.name


@pytest.mark.parametrize("roles", [("train",), ("train", "test"), ("train", "val", "cal", "test")])
def test_given_splits_keep_their_roles_and_missing_ones_are_cut(tmp_path, roles):
    for seed, role in enumerate(roles):
        write_tree(tmp_path / role, {"a": 20, "b": 20}, seed=seed)
    data = load(tmp_path)
    assert data.split_info["given"] == [role for role in ("train", "val", "cal", "test") if role in roles]
    assert set(data.splits) == {*roles, "cal", "test"}
    for role in roles[1:]:
        assert len(data.splits[role]) == 40
    ids = np.concatenate([split.ids for split in data.splits.values()])
    assert sorted(ids) == list(range(40 * len(roles)))


def test_images_in_folders_of_their_own_belong_to_the_class(tmp_path):
    write_tree(tmp_path, {"a/one": 5, "a/two": 5, "b": 10})
    data = load(tmp_path)
    assert data.classes == ("a", "b")
    assert sum(len(split) for split in data.splits.values()) == 20


def test_other_files_are_left_out_with_a_note_and_hidden_ones_silently(tmp_path):
    write_tree(tmp_path, {"a": 10, "b": 10})
    (tmp_path / "a" / "list.txt").write_text("no image")
    (tmp_path / "readme.md").write_text("no image")
    (tmp_path / "a" / ".DS_Store").write_text("hidden")
    (tmp_path / ".git").mkdir()
    data = load(tmp_path)
    assert sum(len(split) for split in data.splits.values()) == 20
    assert any(note.startswith("2 files that are no images") and "readme.md" in note for note in data.notes)


def test_mixed_sizes_and_modes_end_alike(tmp_path):
    write_tree(tmp_path, {"a": 10, "b": 10}, shape=(12, 16, 3))
    Image.new("L", (40, 7), 100).save(tmp_path / "a" / "grey.png")
    Image.new("RGBA", (16, 12), (0, 0, 0, 0)).save(tmp_path / "a" / "clear.png")
    Image.new("P", (9, 9)).save(tmp_path / "b" / "palette.gif")
    Image.fromarray(np.full((5, 5), 40_000, np.uint16)).save(tmp_path / "b" / "deep.png")
    data = load(tmp_path)
    assert data.shape == (3, 12, 16)
    assert data.splits["train"].inputs.dtype == np.uint8
    assert "brought to 12x16" in data.origin


def test_grey_images_have_one_channel(tmp_path):
    write_tree(tmp_path, {"a": 10, "b": 10}, shape=(6, 6))
    assert load(tmp_path).shape == (1, 6, 6)


def test_the_size_can_be_asked_for(tmp_path):
    write_tree(tmp_path, {"a": 10, "b": 10}, shape=(100, 80, 3))
    assert load(tmp_path).shape == (3, 64, 51)
    assert load(tmp_path, image_size=100).shape == (3, 100, 100)
    assert load(tmp_path, image_size=(20, 16)).shape == (3, 20, 16)


def test_a_part_of_train_leaves_cal_and_test_alone(tmp_path):
    write_tree(tmp_path, {"a": 50, "b": 50})
    whole, part = load(tmp_path), load(tmp_path, train_size=10)
    assert part.counts()["train"] == [5, 5]
    for role in ("cal", "test"):
        assert np.array_equal(part.splits[role].inputs, whole.splits[role].inputs)


def write_parquet_splits(folder, sizes, **options):
    images, labels = ten_classes(max(sizes.values()), (3, 8, 8))
    for name, size in sizes.items():
        files = [encoded_image(image) for image in images[:size]]
        write_image_parquet(folder / name, files, (labels[:size] % 2).tolist(), **options)
    return images


def test_a_folder_of_parquet_with_names_and_shards(tmp_path):
    sizes = {
        "data/train-00000-of-00002.parquet": 20,
        "data/train-00001-of-00002.parquet": 12,
        "data/validation-00000-of-00001.parquet": 8,
        "data/test-00000-of-00001.parquet": 10,
    }
    images = write_parquet_splits(tmp_path, sizes, columns=("img", "fine_label"), names=("owl", "yak"))
    data = load(tmp_path)
    assert data.classes == ("owl", "yak")
    assert data.split_info["sizes"] == {"train": 24, "val": 8, "cal": 8, "test": 10}
    assert np.array_equal(data.splits["test"].inputs, images[:10])
    rows = np.concatenate([images[:20], images[:12]])
    assert np.array_equal(data.splits["train"].inputs, rows[data.splits["train"].ids])


def test_words_as_labels_in_parquet(tmp_path):
    files = [encoded_image(image) for image in ten_classes(20, (3, 8, 8))[0]]
    write_image_parquet(tmp_path / "train.parquet", files, ["yak", "owl"] * 10, columns=("image", "kind"))
    assert load(tmp_path, label="kind").classes == ("owl", "yak")


def test_the_real_reduced_tiny_imagenet_is_such_a_folder(real_data):
    folder = real_data / "tiny-imagenet-32-small"
    if not folder.is_dir():
        pytest.skip("tiny-imagenet-32-small is not in LEVELHEAD_DATA")
    data = load(folder, train_size=2_000)
    assert data.num_classes == 200
    assert data.shape == (3, 32, 32)
    assert data.counts()["test"] == [20] * 200
    assert data.counts()["train"] == [10] * 200
