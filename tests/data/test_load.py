"""`load`: the embedded sets, what every data set carries, names and options."""

import doctest
import json
import subprocess
import sys

import numpy as np
import pytest

from levelhead import data as room
from levelhead.data import Augment, load, names, splits

from .layouts import arrays, write_mnist


def test_the_names():
    images = ("digits", "spiral", "fashion-mnist", "mnist", "notmnist", "svhn", "cifar10", "cifar100", "stl10")
    texts = ("trec", "trec-50", "mr", "sst5", "imdb", "20newsgroups", "20newsgroups-raw", "20news-19997")
    others = ("tiny-imagenet", "imagenet", "imagenet-a", "cub-200-2011", "camvid", "voc")
    assert set(names()) >= {*images, *texts, *others}


def test_digits_has_exactly_the_sizes_of_the_default_comparison():
    data = load("digits")
    assert data.split_info["sizes"] == {"train": 128, "cal": 500, "test": 1797 - 128 - 500}
    assert data.shape == (1, 8, 8)
    assert data.augment == Augment()
    assert data.classes == tuple("0123456789")
    for counts in data.counts().values():
        # the classes of the source differ by less than 5 %
        assert max(counts) - min(counts) <= max(2, 0.1 * max(counts))


def test_digits_levels_are_spread_over_8_bits_and_in_the_sources_order():
    from sklearn.datasets import load_digits

    levels, labels = load_digits(return_X_y=True)
    data = load("digits")
    for split in data.splits.values():
        assert split.inputs.dtype == np.uint8
        assert np.array_equal(split.labels, labels[split.ids])
        assert np.array_equal(np.rint(split.inputs[:, 0] / 255 * 16), levels[split.ids].reshape(-1, 8, 8))
    values = np.unique(data.splits["test"].inputs)
    assert values[0] == 0
    assert values[-1] == 255
    assert len(values) == 17


def test_digits_gives_test_what_is_left():
    assert load("digits", train_size=300).split_info["sizes"] == {"train": 300, "cal": 500, "test": 997}
    assert load("digits", train_size=64).split_info["sizes"] == {"train": 64, "cal": 500, "test": 1169}
    assert load("digits", cal_size=100).split_info["sizes"] == {"train": 128, "cal": 100, "test": 1569}
    assert load("digits", test_size=400).split_info["sizes"] == {"train": 128, "cal": 500, "test": 400}


def test_digits_smaller_train_is_a_part_of_a_larger_one_even_where_test_gives_way():
    small, usual, large = (set(load("digits", train_size=size).splits["train"].ids) for size in (64, 128, 300))
    assert small < usual < large


def test_spiral_is_two_noisy_arms():
    data = load("spiral")
    assert data.kind == "vector"
    assert data.split_info["sizes"] == {"train": 500, "cal": 500, "test": 1000}
    assert data.counts() == {"train": [250, 250], "cal": [250, 250], "test": [500, 500]}
    assert all(split.inputs.dtype == np.float32 and split.inputs.shape[1] == 2 for split in data.splits.values())


def test_spirals_arms_follow_their_equation_and_face_each_other():
    from levelhead.data.spiral import TURNS, arms

    points, labels = arms(300, seed=1, noise=0.0)
    radius = np.hypot(points[:, 0], points[:, 1])
    angle = np.arctan2(points[:, 1], points[:, 0])
    wanted = 2 * np.pi * TURNS * radius + np.pi * labels
    np.testing.assert_allclose(np.exp(1j * angle), np.exp(1j * wanted), atol=1e-4)
    assert np.bincount(labels).tolist() == [300, 300]
    assert np.array_equal(arms(300, seed=1)[0], arms(300, seed=1)[0])
    assert not np.array_equal(arms(300, seed=1)[0], arms(300, seed=2)[0])


def test_spiral_can_be_learned_but_not_by_certainty():
    from sklearn.neighbors import KNeighborsClassifier

    train, test = load("spiral").splits["train"], load("spiral").splits["test"]
    accuracy = KNeighborsClassifier(15).fit(train.inputs, train.labels).score(test.inputs, test.labels)
    assert 0.9 < accuracy < 0.99


@pytest.mark.parametrize("name", ["digits", "spiral"])
def test_no_example_has_two_roles(name):
    splits = load(name).splits.values()
    ids = np.concatenate([split.ids for split in splits])
    assert len(np.unique(ids)) == len(ids)
    assert sum(len(split) for split in splits) == len(ids)


@pytest.mark.parametrize("train_size", [10, 64, 127])
def test_cal_and_test_are_the_same_whatever_part_of_train_is_used(train_size):
    whole, part = load("digits"), load("digits", train_size=train_size)
    for role in ("cal", "test"):
        assert np.array_equal(part.splits[role].ids, whole.splits[role].ids)


def test_the_split_seed_decides_the_split():
    assert load("digits", split_seed=3).fingerprint == load("digits", split_seed=3).fingerprint
    assert load("digits", split_seed=3).fingerprint != load("digits", split_seed=4).fingerprint


def test_loading_moves_no_global_random_state(tmp_path):
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    load("digits")
    load("spiral")
    assert (np.random.get_state()[1] == before).all()


def test_mean_and_deviation_are_of_train_alone_and_exact():
    data = load("digits")
    train = data.splits["train"].inputs.astype(np.float64) / 255
    assert data.mean.dtype == data.std.dtype == np.float32
    np.testing.assert_allclose(data.mean, [train.mean()], rtol=1e-6)
    np.testing.assert_allclose(data.std, [train.std()], rtol=1e-6)


def saved(folder, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "mine.npz", **{**arrays(), **changes})
    return folder / "mine.npz"


def test_each_channel_has_its_own_mean_and_deviation(tmp_path):
    images = np.zeros((40, 3, 4, 4), np.uint8)
    images[:, 0] = 51  # no spread
    images[::2, 1] = 255
    images[:, 2, 0] = 255
    data = load(saved(tmp_path, train_x=images, test_x=images[:20], train_y=np.arange(40) // 2 % 2), cal_size=2)
    assert data.mean[0] == pytest.approx(0.2)
    assert data.std[0] == 1  # dividing by it leaves a constant a constant
    assert data.mean[2] == pytest.approx(0.25)
    assert data.std[2] == pytest.approx(np.sqrt(0.25 * 0.75))


def test_the_deviation_of_large_numbers_with_little_spread_does_not_cancel(tmp_path):
    vectors = np.full((40, 1), 30_000.0, np.float32)
    vectors[::2] += 0.5
    labels = np.arange(40) // 2 % 2
    data = load(saved(tmp_path, train_x=vectors, test_x=vectors[:20], train_y=labels), cal_size=4)
    train = data.splits["train"].inputs.astype(np.float64)
    assert data.std[0] == pytest.approx(train.std(), rel=1e-5)


def test_the_fingerprint_is_of_the_content_and_not_of_the_place(tmp_path):
    first = load(saved(tmp_path / "here"))
    assert first.fingerprint == load(saved(tmp_path / "there")).fingerprint
    assert len(first.fingerprint) == 64
    value = arrays()["test_x"]
    value[3, 2] = np.nextafter(value[3, 2], 2)
    label = arrays()["test_y"]
    label[3] = 1 - label[3]
    changed = [
        load(saved(tmp_path / "value", test_x=value)),
        load(saved(tmp_path / "label", test_y=label)),
        load(saved(tmp_path / "names", train_y=arrays()["train_y"] + 1, test_y=arrays()["test_y"] + 1)),
    ]
    assert len({first.fingerprint, *(data.fingerprint for data in changed)}) == 4


def test_describe_counts_every_role():
    data = load("digits")
    described = data.describe()
    assert [role for role, _, _ in described] == ["train", "cal", "test"]
    for role, total, counts in described:
        assert total == sum(counts) == len(data.splits[role])
        assert counts == np.bincount(data.splits[role].labels).tolist()


def test_imbalance_and_tiny_classes_are_noted(tmp_path):
    labels = np.repeat([0, 1], [90, 10])
    vectors = np.random.default_rng(0).random((100, 2))
    even = np.arange(20) % 2
    given = {"train_x": vectors, "train_y": labels, "test_x": vectors[:20], "test_y": even}
    notes = load(saved(tmp_path, **given, cal_x=vectors[:20], cal_y=even)).notes
    assert "train is imbalanced: class 0 has 9.0 times the examples of class 1 (90 against 10)" in notes
    assert not any("fewer than 5" in note for note in notes)
    few = np.repeat([0, 1], [17, 3])
    notes = load(saved(tmp_path, **{**given, "test_y": few}, cal_x=vectors[:20], cal_y=even)).notes
    assert any(note.startswith("test has fewer than 5 examples of 1 of 2 classes (class 1: 3)") for note in notes)
    assert not any("imbalanced" in note for note in load("digits").notes)


def test_split_info_can_be_written_as_json():
    info = load("digits", train_size=50, split_seed=2).split_info
    assert json.loads(json.dumps(info)) == info
    assert (info["split_seed"], info["train_size"], info["cal_size"]) == (2, 50, None)


def test_a_name_wins_over_a_folder_of_that_name_and_a_path_is_said_with_its_place(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(load("digits").splits["train"]) == 128
    with pytest.raises(ValueError, match="holds no class folders"):
        load("./digits")


def test_a_path_object_and_the_users_home_are_understood(tmp_path, monkeypatch):
    path = saved(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(path).fingerprint == load("~/mine.npz").fingerprint
    write_mnist(tmp_path / "data" / "mnist")
    assert load("mnist", data_dir="~/data").shape == (1, 28, 28)


def test_importing_the_room_brings_in_nothing_heavy():
    heavy = ("torch", "torchvision", "sklearn", "pyarrow", "PIL", "matplotlib", "lightning_fabric")
    code = f"import sys, levelhead.data; print([name for name in {heavy} if name in sys.modules])"
    # `levelhead` itself may import torch; the room alone is asked whether it does
    code = "import sys, types, importlib.util as u; p = types.ModuleType('levelhead'); " + (
        "p.__path__ = u.find_spec('levelhead').submodule_search_locations; sys.modules['levelhead'] = p; " + code
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_room_has_no_names_but_its_own():
    with pytest.raises(AttributeError, match="has no attribute 'Batchs'"):
        room.Batchs  # noqa: B018


@pytest.mark.parametrize("module", [room, splits], ids=["data", "splits"])
def test_the_examples_in_the_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
