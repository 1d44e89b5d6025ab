"""Roles cut from labels: exact sizes, stratified, disjoint, and not moved by each other's sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelhead.data.splits import default_cut, shares, split_roles

LABELS = np.arange(1000) % 4
CLASSES = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("num_examples", "expected"),
    [
        (60_000, 6_000),  # a tenth
        (3_000, 300),  # where a tenth is just the least
        (2_000, 300),  # at least 300
        (1_200, 300),  # a quarter is just the least
        (1_000, 250),  # never more than a quarter
        (100, 25),
        (39, 10),  # one for each class, though a quarter is less
    ],
)
def test_default_cut_by_hand(num_examples, expected):
    assert default_cut(num_examples, num_classes=10) == expected


def test_shares_by_hand():
    counts = np.array([50, 30, 20])
    # exact shares of 7: 3.5, 2.1, 1.4; floors 3, 2, 1; the one left goes to the largest remainder
    assert shares(counts, 7, counts).tolist() == [4, 2, 1]
    # 2.5, 1.5, 1: of equal remainders the earlier class
    assert shares(counts, 5, counts).tolist() == [3, 1, 1]


def test_shares_gives_every_class_one_and_none_more_than_its_room():
    counts = np.array([1000, 2, 2])
    assert shares(counts, 10, counts).tolist() == [8, 1, 1]
    assert shares(counts, 10, np.array([7, 1, 2])).tolist() == [7, 1, 2]


def test_shares_takes_back_from_large_classes_what_small_ones_must_have():
    # floors would be 2, 0, 0, 0: three of three must come from the smallest overdraw
    assert shares(np.array([97, 1, 1, 1]), 4, np.array([97, 1, 1, 1])).tolist() == [1, 1, 1, 1]


def test_roles_are_disjoint_sorted_and_together_everything():
    roles = split_roles(LABELS, classes=CLASSES, cut={"cal": 101, "test": 203}, seed=3)
    assert {role: len(where) for role, where in roles.items()} == {"cal": 101, "test": 203, "train": 696}
    together = np.concatenate(list(roles.values()))
    assert sorted(together) == list(range(1000))
    assert all(np.array_equal(where, np.sort(where)) and where.dtype == np.int64 for where in roles.values())


def test_every_role_is_stratified():
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    roles = split_roles(labels, classes="abc", cut={"cal": 100, "test": 50}, train_size=200, seed=0)
    assert np.bincount(labels[roles["cal"]]).tolist() == [70, 20, 10]
    assert np.bincount(labels[roles["test"]]).tolist() == [35, 10, 5]
    assert np.bincount(labels[roles["train"]]).tolist() == [140, 40, 20]


def test_nothing_to_cut_leaves_all_to_train():
    assert split_roles(LABELS, classes=CLASSES, cut={}, seed=0)["train"].tolist() == list(range(1000))


def test_the_seed_decides_and_only_the_seed():
    def cal(seed):
        return split_roles(LABELS, classes=CLASSES, cut={"cal": 100}, seed=seed)["cal"].tolist()

    np.random.seed(7)
    state = np.random.get_state()[1].copy()
    assert cal(0) == cal(0)
    assert cal(0) != cal(1)
    assert (np.random.get_state()[1] == state).all()


@pytest.mark.parametrize("train_size", [4, 50, 399, 695, 696])
def test_cal_and_test_do_not_depend_on_the_part_of_train_used(train_size):
    cut = {"cal": 101, "test": 203}
    whole = split_roles(LABELS, classes=CLASSES, cut=cut, seed=5)
    part = split_roles(LABELS, classes=CLASSES, cut=cut, train_size=train_size, seed=5)
    assert np.array_equal(part["cal"], whole["cal"])
    assert np.array_equal(part["test"], whole["test"])
    assert len(part["train"]) == train_size
    assert set(part["train"]) <= set(whole["train"])


def test_cal_does_not_depend_on_the_size_of_test_nor_test_on_that_of_cal():
    small = split_roles(LABELS, classes=CLASSES, cut={"cal": 100, "test": 100}, seed=5)
    more_test = split_roles(LABELS, classes=CLASSES, cut={"cal": 100, "test": 300}, seed=5)
    more_cal = split_roles(LABELS, classes=CLASSES, cut={"cal": 300, "test": 100}, seed=5)
    assert np.array_equal(small["cal"], more_test["cal"])
    assert np.array_equal(small["test"], more_cal["test"])
    assert set(small["test"]) <= set(more_test["test"])
    assert set(small["cal"]) <= set(more_cal["cal"])


def test_a_smaller_part_of_train_is_a_part_of_a_larger_one():
    def train(size):
        return set(split_roles(LABELS, classes=CLASSES, cut={"cal": 100}, train_size=size, seed=1)["train"])

    assert train(40) < train(80) < train(800)


@given(st.data())
def test_any_labels_that_can_be_split_are_split_exactly(data):
    counts = data.draw(st.lists(st.integers(3, 40), min_size=2, max_size=8))
    num, classes = sum(counts), len(counts)
    test = data.draw(st.integers(classes, num - 2 * classes))
    cal = data.draw(st.integers(classes, num - classes - test))
    train = data.draw(st.integers(classes, num - test - cal))
    labels = np.repeat(np.arange(classes), counts)
    names = [str(index) for index in range(classes)]
    roles = split_roles(labels, classes=names, cut={"cal": cal, "test": test}, train_size=train, seed=0)
    assert [len(roles[role]) for role in ("train", "cal", "test")] == [train, cal, test]
    assert len(set(np.concatenate(list(roles.values())))) == train + cal + test
    for where in roles.values():
        assert set(labels[where]) == set(range(classes))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"cut": {"cal": 3}}, r"cal_size must be from 4 to 996 here \(one example for each of 4 .*got 3"),
        ({"cut": {"test": 997}}, r"test_size must be from 4 to 996 here \(what is there\); got 997"),
        ({"cut": {"cal": 600, "test": 397}}, r"cal \(600\) and test \(397\) leave no example of each of 4"),
        (
            {"cut": {"cal": 100}, "train_size": 901},
            r"train_size must be from 4 to 900 here \(what is left after cal \(100\) were cut\); got 901",
        ),
        ({"cut": {}, "train_size": 2}, "train_size must be from 4 to 1,000 here"),
    ],
)
def test_sizes_without_room_are_refused_with_the_sizes_that_have(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        split_roles(LABELS, classes=CLASSES, **arguments)


def test_a_class_too_small_to_split_is_named_with_how_many_it_needs():
    labels = np.repeat([0, 1], [50, 2])
    with pytest.raises(ValueError, match=r"class 'rare' has 2 examples, too few .* at least 3, one for each"):
        split_roles(labels, classes=("common", "rare"), cut={"cal": 5, "test": 5})
    assert len(split_roles(labels, classes=("common", "rare"), cut={"cal": 5})["cal"]) == 5
