"""Groups are never parted, whatever they look like; what given splits share is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelhead.data import load
from levelhead.data.splits import split_roles

from .layouts import write_tree


def dealt(labels, groups, cut, **options):
    classes = [str(index) for index in range(int(labels.max()) + 1)]
    return split_roles(labels, classes=classes, cut=cut, groups=groups, **options)


@given(st.data())
def test_no_group_ever_lies_in_two_roles(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    number, classes = data.draw(st.integers(30, 200)), data.draw(st.integers(2, 4))
    groups = rng.integers(0, data.draw(st.integers(3, 60)), number)
    pure = data.draw(st.booleans())  # a group of one class, or of several
    labels = groups % classes if pure else rng.integers(0, classes, number)
    labels[:classes] = np.arange(classes)
    cut = {"cal": data.draw(st.integers(classes, 12)), "test": data.draw(st.integers(classes, 12))}
    if data.draw(st.booleans()):
        cut["val"] = 5
    refusal, roles = "", {}
    try:
        roles = dealt(labels, groups, cut, seed=data.draw(st.integers(0, 9)))
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert "groups (" in refusal or "can be spared" in refusal
        return
    assert sorted(np.concatenate(list(roles.values()))) == list(range(number))
    owners = [set(groups[where]) for where in roles.values()]
    assert sum(map(len, owners)) == len(set().union(*owners))
    assert all(len(where) for where in roles.values())
    assert set(labels[roles["train"]]) == set(range(classes))


def test_small_groups_meet_sizes_and_shares_of_classes():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 400, 3000)
    labels = rng.choice(3, size=3000, p=[0.6, 0.3, 0.1])
    roles = dealt(labels, groups, {"cal": 300, "test": 450})
    for role, size in (("cal", 300), ("test", 450)):
        counts = np.bincount(labels[roles[role]], minlength=3)
        assert abs(counts.sum() - size) <= 0.05 * size
        assert np.abs(counts / counts.sum() - [0.6, 0.3, 0.1]).max() < 0.03


def test_every_role_gets_every_class_where_there_are_groups_enough():
    # each class has three groups of its own, each larger than what a role should get
    groups = np.repeat(np.arange(12), 20)
    labels = np.repeat(np.arange(4), 60)
    roles = dealt(labels, groups, {"cal": 24, "test": 24})
    for where in roles.values():
        assert np.bincount(labels[where]).tolist() == [20] * 4


def test_a_class_of_one_group_stays_in_train():
    groups = np.concatenate([np.repeat(np.arange(10), 10), np.repeat(99, 20)])
    labels = np.repeat([0, 1], [100, 20])
    roles = dealt(labels, groups, {"cal": 20, "test": 20})
    assert (labels[roles["test"]] == 0).all()
    assert (groups[roles["train"]] == 99).sum() == 20


def test_the_seed_decides_and_the_size_of_train_moves_nothing_else():
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 3, 600), rng.integers(0, 90, 600)
    first = dealt(labels, groups, {"cal": 60, "test": 60}, seed=3)
    small = dealt(labels, groups, {"cal": 60, "test": 60}, seed=3, train_size=100)
    other = dealt(labels, groups, {"cal": 60, "test": 60}, seed=4)
    assert np.array_equal(first["test"], small["test"])
    assert np.array_equal(first["cal"], small["cal"])
    assert len(small["train"]) == 100
    assert set(small["train"]) <= set(first["train"])
    assert not np.array_equal(first["test"], other["test"])
    longer = dealt(labels, groups, {"cal": 120, "test": 60}, seed=3)
    assert np.array_equal(first["test"], longer["test"])


def test_what_cannot_be_cut_is_refused_with_the_reason():
    labels = np.arange(60) % 2
    with pytest.raises(ValueError, match=r"all examples belong to one group \(7\).* train, cal, test need at least 3"):
        dealt(labels, np.full(60, 7), {"cal": 10, "test": 10})
    with pytest.raises(ValueError, match=r"there are only 2 groups \(0, 1\)"):
        dealt(labels, labels, {"cal": 10, "test": 10})
    own = np.arange(3).repeat(20)
    with pytest.raises(ValueError, match="no group of 3 can be spared for test: each holds the last examples of a cl"):
        dealt(own, own, {"cal": 10, "test": 10})


def posts(tmp_path, splits=None, authors=20):
    rows = [
        {"said": f"{'good' if n % 3 else 'bad'} {n}", "mood": int(n % 3 > 0), "author": f"author {n % authors}"}
        for n in range(200)
    ]
    if splits:
        rows = [row | {"part": splits(number, row)} for number, row in enumerate(rows)]
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path, rows


def authors_of(data, rows):
    return {role: {rows[place]["author"] for place in split.ids} for role, split in data.splits.items()}


def test_sizes_that_leave_nothing_are_refused_before_groups_are_dealt(tmp_path):
    with pytest.raises(
        ValueError, match=r"val \(1,000\) and .* leave nothing of 200 examples for train; make .*val_size"
    ):
        load(posts(tmp_path)[0], text="said", label="mood", group="author", val_size=1000)


def test_posts_of_one_author_stay_together(tmp_path):
    path, rows = posts(tmp_path)
    data = load(path, text="said", label="mood", group="author", cal_size=40, test_size=40)
    found = authors_of(data, rows)
    assert sum(map(len, found.values())) == 20 == len(set().union(*found.values()))
    assert data.split_info["group"] == "author"
    assert any(note.startswith("groups were kept whole: ") for note in data.notes)
    apart = load(path, text="said", label="mood", cal_size=40, test_size=40)
    assert sum(map(len, authors_of(apart, rows).values())) > 20
    assert "group" not in apart.split_info


def test_a_size_that_groups_do_not_allow_is_said(tmp_path):
    path, _ = posts(tmp_path, authors=4)
    data = load(path, text="said", label="mood", group="author", cal_size=20, test_size=20)
    assert data.split_info["sizes"] == {"train": 100, "cal": 50, "test": 50}
    assert any("cal has 50 examples where 20 were wanted: groups are not parted" in note for note in data.notes)


def test_given_splits_that_share_a_group_are_refused(tmp_path):
    path, _ = posts(tmp_path, splits=lambda number, row: "test" if number < 50 else "train")
    with pytest.raises(ValueError, match=r"posts.jsonl: 20 groups lie in both train and test \(the first: author 0\)"):
        load(path, text="said", label="mood", split="part", group="author")
    path, _ = posts(tmp_path, splits=lambda number, row: "test" if row["author"] < "author 13" else "train")
    data = load(path, text="said", label="mood", split="part", group="author")
    assert set(data.splits) == {"train", "cal", "test"}


def test_a_part_of_the_path_is_the_group_of_an_image(tmp_path):
    write_tree(tmp_path, {f"{kind}/{owner}": 6 for kind in ("cat", "dog") for owner in "uvwxyz"})
    data = load(tmp_path, group_pattern="[^/]+/([^/]+)/", cal_size=24, test_size=24)
    paths = [path.relative_to(tmp_path) for path in sorted(tmp_path.glob("*/*/*.png"))]
    owners = [{paths[place].parts[1] for place in split.ids} for split in data.splits.values()]
    assert sum(map(len, owners)) == 6 == len(set().union(*owners))
    assert data.split_info["group_pattern"] == "[^/]+/([^/]+)/"
    # all that matches, where nothing is bracketed
    assert len(load(tmp_path, group_pattern="/[uvw]/|/[xyz]/").splits["test"])


def test_a_path_counts_from_the_class_folder_on_where_splits_are_given(tmp_path):
    write_tree(tmp_path, {f"{part}/{kind}/{part}-owner": 6 for part in ("train", "test") for kind in ("cat", "dog")})
    with pytest.raises(ValueError, match="all examples belong to one group"):
        load(tmp_path, group_pattern="[^/]+/([^/]+)/")
    with pytest.raises(ValueError, match=r"1 groups lie in both train and test \(the first: owner\)"):
        load(tmp_path, group_pattern="owner")


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("(", r"group_pattern '\(' is no regular expression"),
        ("nothing", r"group_pattern 'nothing' finds nothing in 'a/000.png'; every image needs a group"),
        ("(z*)0", "finds nothing in"),
        ("png", r"all examples belong to one group \(png\)"),
    ],
)
def test_a_pattern_that_does_not_do(tmp_path, pattern, sentence):
    write_tree(tmp_path, {"a": 12, "b": 12})
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path, group_pattern=pattern)


def test_images_that_are_groups_of_their_own_are_cut_like_any(tmp_path):
    write_tree(tmp_path, {"a": 12, "b": 12})
    assert load(tmp_path, group_pattern=".*").split_info["sizes"] == {"train": 12, "cal": 6, "test": 6}


def test_options_of_groups_are_for_what_has_them(tmp_path):
    write_tree(tmp_path, {"a": 12, "b": 12})
    with pytest.raises(ValueError, match=r"group= has no effect here: it is for tables .*take group_pattern="):
        load(tmp_path, group="author")
    path, _ = posts(tmp_path)
    with pytest.raises(ValueError, match="group_pattern= has no effect here: it is for folders of images"):
        load(path, text="said", label="mood", group_pattern="x")
