"""What every set with a name must do, in every layout: one contract over the table of makers."""

import gc
import socket
import tarfile
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torchvision
from sklearn.datasets import _twenty_newsgroups

from levelhead.data import NAMED, DownloadError, load, names, read_source
from levelhead.data.facts import FACTS
from levelhead.data.named import locate, state
from levelhead.data.text import words_of

from .named_sets import MAKERS, Maker
from .servers import Mirror, md5

# pairs of image and mask have tests of their own
WITH_FILES = [name for name in names() if FACTS[name].folders and FACTS[name].kind != "segmentation"]
DOWNLOADED = [name for name in names() if FACTS[name].remote]
# sets that are made from the same files need not all be tried to fail
ALONE = list({FACTS[name].remote: name for name in reversed(DOWNLOADED)}.values())


def everything_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def read_all(name: str, data_dir: Path) -> None:
    for part in read_source(name, data_dir=data_dir).parts.values():
        part.read(np.arange(len(part.labels)))


@pytest.fixture
def nothing_to_fetch(monkeypatch):
    """No download can begin: a test that would start one gets an error that is not ours."""

    def refuse(*args, **options):
        raise LookupError("would download")

    monkeypatch.setattr("levelhead.data.named.download", refuse)


def test_the_table_has_every_name_and_every_layout_is_made_here():
    assert set(NAMED) <= set(FACTS)
    made: dict[str, int] = {}
    for maker in MAKERS:
        made[maker.name] = made.get(maker.name, 0) + 1
    # JSON lines are made in test_text, images with masks in test_segmentation
    others = {"20newsgroups": 1, "20newsgroups-raw": 1, "camvid": 2, "voc": 1}
    assert {name: made.get(name, 0) + others.get(name, 0) for name in WITH_FILES} == {
        name: len(FACTS[name].layouts) for name in WITH_FILES
    }


@pytest.mark.parametrize("name", names())
def test_facts_are_complete(name):
    facts = FACTS[name]
    assert facts.num_classes >= 2
    for words in (facts.title, facts.licence, facts.citation, facts.homepage):
        assert words
    assert set(facts.sizes) <= {"train", "val", "cal", "test"}
    assert bool(facts.folders) == bool(facts.layouts) == bool(facts.files)
    for remote in facts.remote:
        kind, _, digest = remote.checksum.partition(":")
        assert len(digest) == {"md5": 32, "sha256": 64}[kind]
        assert remote.size > 0
        assert all(url.startswith("http") for url in remote.urls)


@pytest.mark.parametrize("maker", MAKERS, ids=str)
def test_it_is_read_as_it_was_written(maker: Maker, tmp_path, nothing_to_fetch):
    folder = tmp_path / FACTS[maker.name].folders[0]
    truths = maker.write(folder)
    before = everything_below(tmp_path)
    source = read_source(maker.name, data_dir=tmp_path)
    facts = FACTS[maker.name]
    assert (source.name, source.kind, source.augment) == (maker.name, facts.kind, facts.augment)
    assert str(folder) in source.origin
    assert len(source.classes) <= facts.num_classes
    assert any("of the original" in note for note in source.notes) == bool(facts.sizes)
    assert list(source.parts) == list(truths)
    for role, truth in truths.items():
        part = source.parts[role]
        assert part.labels.dtype == np.int64
        assert part.labels.tolist() == truth.labels
        inputs = part.read(np.arange(len(part.labels)))
        if source.kind == "text":
            said = [[source.words[word] for word in row if word] for row in inputs]
            assert said == [words_of(text, lower=not maker.name.startswith("trec")) for text in truth.inputs]
            continue
        assert inputs.dtype == np.uint8
        assert inputs.shape == truth.inputs.shape
        assert np.abs(inputs.astype(int) - truth.inputs.astype(int)).max() <= truth.tolerance
        some = np.array([3, 0, 2])
        assert np.array_equal(part.read(some), inputs[some])
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize("maker", MAKERS, ids=str)
def test_it_is_found_in_every_folder_of_the_table(maker: Maker, tmp_path, nothing_to_fetch):
    place = tmp_path / "made"
    maker.write(place)
    for folder in FACTS[maker.name].folders:
        target = tmp_path / "data" / folder
        target.parent.mkdir(parents=True, exist_ok=True)
        place = place.rename(target)
        assert locate(maker.name, str(tmp_path / "data")).folder == target
        assert state(maker.name, str(tmp_path / "data")) == f"in {folder}"
        place = place.rename(tmp_path / "between")
    # the data folder itself, unless another set keeps files of these names in a folder called so
    place = place.rename(tmp_path / "mine")
    assert locate(maker.name, str(tmp_path / "mine")).folder == tmp_path / "mine"


@pytest.mark.parametrize("maker", [maker for maker in MAKERS if maker.victim], ids=str)
def test_a_damaged_file_is_named(maker: Maker, tmp_path, nothing_to_fetch):
    folder = tmp_path / FACTS[maker.name].folders[0]
    maker.write(folder)
    victim = folder / maker.victim
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2 + 1])
    with pytest.raises(ValueError, match=victim.name.replace(".", r"\.")) as caught:
        read_all(maker.name, tmp_path)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    "maker",
    [maker for maker in MAKERS if maker.layout not in ("archive", "json") and not maker.name.startswith("imagenet-a")],
    ids=str,
)
def test_a_missing_file_is_named_and_nothing_is_downloaded_over_the_others(maker: Maker, tmp_path, nothing_to_fetch):
    folder = tmp_path / FACTS[maker.name].folders[0]
    maker.write(folder)
    wanted = locate(maker.name, str(tmp_path)).layout.files[-1]
    for number, path in enumerate([path for spelling in wanted.split("|") for path in folder.glob(spelling)]):
        path.rename(tmp_path / f"taken-away-{number}")
    with pytest.raises(ValueError, match="lacks") as caught:
        load(maker.name, data_dir=tmp_path)
    assert str(folder) in str(caught.value)
    assert state(maker.name, str(tmp_path)) == "incomplete"


@pytest.mark.parametrize("name", WITH_FILES)
def test_a_set_that_is_not_there_says_which_files_of_which_size_go_where(name, tmp_path, monkeypatch):
    facts = FACTS[name]
    dead = tuple(replace(remote, urls=("http://127.0.0.1:9/absent",)) for remote in facts.remote)
    monkeypatch.setitem(FACTS, name, replace(facts, remote=dead))
    before = everything_below(tmp_path)
    with pytest.raises(DownloadError) as caught:
        load(name, data_dir=tmp_path / "data")
    message = str(caught.value)
    for file, _ in facts.files:
        assert file in message
    for words in (facts.title, str(tmp_path / "data" / facts.folders[0]), "B)", "--data-dir", "LEVELHEAD_DATA", "http"):
        assert words in message
    assert "refused" in message if dead else "not downloaded" in message
    assert everything_below(tmp_path) == before
    assert state(name, str(tmp_path)).startswith("not found (")
    forget_sockets(caught)


def forget_sockets(caught) -> None:
    """torchvision leaves the sockets of failed requests to the garbage collector, which warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        caught.value.__traceback__ = None
        caught.value.__cause__ = None
        gc.collect()


@pytest.mark.parametrize("name", ["imagenet-a", "imagenet-a-tiny"])
def test_a_test_set_alone_is_not_trained_on(name, tmp_path):
    next(maker for maker in MAKERS if maker.name == name).write(tmp_path / "imagenet-a")
    with pytest.raises(ValueError, match=f"--probe natural_adversarial:{name}"):
        load(name, data_dir=tmp_path)


# --- downloads


def packed(maker: Maker, folder: Path) -> dict[str, bytes]:
    """What a server would have of a set: its original files, by name."""
    remotes = FACTS[maker.name].remote
    made = folder / "made"
    maker.write(made)
    if not remotes[0].file.endswith((".tar.gz", ".tgz", ".tar", ".zip")):
        return {remote.file: (made / remote.file).read_bytes() for remote in remotes}
    path = folder / remotes[0].file
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(made.rglob("*")):
                archive.write(file, Path(maker.prefix) / file.relative_to(made))
    else:
        with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
            for file in sorted(made.iterdir()):
                archive.add(file, str(Path(maker.prefix) / file.name))
    return {path.name: path.read_bytes()}


@pytest.fixture(scope="module")
def contents(tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """The files of every set that can be downloaded, each in its first layout."""
    first = {maker.name: maker for maker in reversed(MAKERS)}
    return {name: packed(first[name], tmp_path_factory.mktemp("packed")) for name in DOWNLOADED}


def serve(name: str, contents, mirror: Mirror, monkeypatch) -> None:
    """Let a server on this machine have the files of a set, and nobody else."""
    facts = FACTS[name]
    mirror.files = dict(contents[name])
    remote = tuple(
        replace(each, urls=(mirror.address + each.file,), checksum=f"md5:{md5(mirror.files[each.file])}", size=10_000)
        for each in facts.remote
    )
    monkeypatch.setitem(FACTS, name, replace(facts, remote=remote))


@pytest.mark.parametrize("name", DOWNLOADED)
def test_it_is_downloaded_once_and_read(name, contents, mirror, monkeypatch, tmp_path):
    serve(name, contents, mirror, monkeypatch)
    root = tmp_path / "new" / "data"
    first = read_source(name, data_dir=root)
    asked = len(mirror.asked)
    assert asked >= len(FACTS[name].remote)
    assert not [path for path in root.rglob("*") if path.suffix in (".gz", ".tgz", ".zip", ".tar")]
    assert not list(root.glob(".download-*"))
    second = read_source(name, data_dir=root)
    assert len(mirror.asked) == asked
    for role, part in first.parts.items():
        assert np.array_equal(part.labels, second.parts[role].labels)


def fail(kind: str, mirror: Mirror, monkeypatch) -> tuple[type[BaseException], str]:
    """Makes every download fail in one way; gives the error that is due, and a word of it."""
    name = list(mirror.files)[-1]
    if kind == "cut short":
        mirror.cut[name] = len(mirror.files[name]) // 2
        return DownloadError, "cut short|IncompleteRead|retrieval"
    if kind == "another file":
        mirror.files[name] = mirror.files[name][:-1] + b"?"
        return DownloadError, f"{name} came with md5 .*, not"
    if kind == "absent":
        mirror.files.clear()
        return DownloadError, "404"
    if kind == "no space":
        usage = type("Usage", (), {"free": 5_000})
        monkeypatch.setattr("levelhead.data.download.shutil.disk_usage", lambda path: usage)
        return DownloadError, "no space left: about .* are needed for a while, 5.0 kB are free"
    error = OSError(28, "No space left on device") if kind == "disk full" else KeyboardInterrupt()

    def stop(*args, **options):
        raise error

    monkeypatch.setattr("levelhead.data.download.os.replace", stop)
    return (DownloadError, "No space left on device") if kind == "disk full" else (KeyboardInterrupt, "^$")


@pytest.mark.parametrize("kind", ["cut short", "another file", "absent", "no space", "disk full", "interrupted"])
@pytest.mark.parametrize("name", ALONE)
def test_a_failed_download_says_why_and_leaves_nothing(name, kind, contents, mirror, monkeypatch, tmp_path):
    serve(name, contents, mirror, monkeypatch)
    error, words = fail(kind, mirror, monkeypatch)
    timeout = socket.getdefaulttimeout()
    root = tmp_path / "home" / "data"
    root.parent.mkdir()
    with pytest.raises(error, match=words) as caught:
        load(name, data_dir=root)
    if error is DownloadError:
        for file, _ in FACTS[name].files:
            assert file in str(caught.value)
    assert everything_below(tmp_path) == ["home"]
    assert socket.getdefaulttimeout() == timeout
    if kind in ("cut short", "absent"):
        forget_sockets(caught)


def test_a_place_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="cannot be downloaded to"):
        load("mnist", data_dir=tmp_path / "file" / "data")


def test_addresses_and_checksums_are_those_of_torchvision_and_scikit_learn():
    known = torchvision.datasets
    for name, there in (("mnist", known.MNIST), ("fashion-mnist", known.FashionMNIST)):
        remotes = FACTS[name].remote
        assert [(each.file, each.checksum.removeprefix("md5:")) for each in remotes] == there.resources
        assert [url for each in remotes for url in each.urls] == [
            mirror + each.file for each in remotes for mirror in there.mirrors
        ]
    for name, there in (("cifar10", known.CIFAR10), ("cifar100", known.CIFAR100), ("stl10", known.STL10)):
        (remote,) = FACTS[name].remote
        assert (remote.urls, remote.file, remote.checksum) == ((there.url,), there.filename, f"md5:{there.tgz_md5}")
    for remote, role in zip(FACTS["svhn"].remote, ("train", "test")):
        assert [*remote.urls, remote.file, remote.checksum.removeprefix("md5:")] == known.SVHN.split_list[role]
    archive = _twenty_newsgroups.ARCHIVE
    (remote,) = FACTS["20newsgroups"].remote
    assert (remote.urls, remote.file, remote.checksum) == (
        (archive.url,),
        archive.filename,
        f"sha256:{archive.checksum}",
    )


def test_torchvision_finds_what_was_downloaded(contents, mirror, monkeypatch, tmp_path):
    facts = FACTS["mnist"]
    mirror.files = dict(contents["mnist"])
    remote = tuple(
        replace(
            each,
            urls=(mirror.address + "gone", mirror.address + each.file),
            checksum=f"md5:{md5(mirror.files[each.file])}",
        )
        for each in facts.remote
    )
    monkeypatch.setitem(FACTS, "mnist", replace(facts, remote=remote))
    monkeypatch.delenv("LEVELHEAD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load("mnist")  # the first mirror has nothing, the second all
    assert len(torchvision.datasets.MNIST(tmp_path / "levelhead", train=True)) == 60


@pytest.mark.parametrize(
    ("name", "sizes", "first"),
    [
        ("tiny-imagenet-32-small", {"train": 16_000, "test": 4_000}, "n01443537 goldfish"),
        ("notmnist", {"train": 10_000}, "A"),
        ("imdb", {"train": 25_000, "test": 25_000}, "negative"),
        ("20newsgroups-raw", {"train": 11_314, "test": 7_532}, "alt.atheism"),
        ("trec-50", {"train": 5_452, "test": 500}, "ABBR:abb"),
    ],
)
def test_real_copies_have_their_known_counts(name, sizes, first, real_data, monkeypatch):
    # words are not counted here, and cutting 50,000 reviews into them takes half a minute
    monkeypatch.setattr("levelhead.data.text.words_of", lambda text, lower: text.split(maxsplit=1)[:1])
    source = read_source(name, data_dir=real_data)
    assert {role: len(part.labels) for role, part in source.parts.items()} == sizes
    assert source.classes[0] == first
    assert len(source.classes) == FACTS[name].num_classes
    # the letters that are there are a sample
    assert any("of the original" in note for note in source.notes) == (name == "notmnist")
    if name.startswith("tiny"):
        assert np.bincount(source.parts["train"].labels).tolist() == [80] * 200
        assert source.parts["test"].read(np.array([0, 3_999])).shape == (2, 3, 32, 32)


SETS_OF_PHOTOGRAPHS = [maker for maker in MAKERS if maker.name in ("tiny-imagenet", "imagenet", "cub-200-2011")]


@pytest.mark.parametrize("maker", SETS_OF_PHOTOGRAPHS, ids=str)
def test_sets_of_photographs_take_a_fit_and_go_on_without_what_is_broken(maker: Maker, tmp_path, nothing_to_fetch):
    folder = tmp_path / FACTS[maker.name].folders[0]
    truths = maker.write(folder)
    usual = read_source(maker.name, data_dir=tmp_path)
    fits = {"tiny-imagenet": "cover", "imagenet": "central", "cub-200-2011": "stretch"}
    assert usual.facts.get("fit", "cover") == fits[maker.name]
    assert read_source(maker.name, data_dir=tmp_path, fit="letterbox", image_size=50).facts["fit"] == "letterbox"
    victims = [usual.parts[role].encoded.where(0) for role in ("train", "test")]
    for path in map(Path, victims):
        path.write_bytes(path.read_bytes()[:-60])
    number = sum(len(truth.labels) for truth in truths.values())
    with pytest.raises(ValueError, match=f"2 of {number} images cannot be read: .*--skip-broken") as caught:
        read_all(maker.name, tmp_path)
    assert all(victim in str(caught.value) for victim in victims)
    left = read_source(maker.name, data_dir=tmp_path, skip_broken=True)
    assert left.facts["broken"] == {
        role: [Path(victim).relative_to(folder).as_posix()] for role, victim in zip(("train", "test"), victims)
    }
    for role, part in left.parts.items():
        assert part.labels.tolist() == list(truths[role].labels[1:])
        assert len(part.read(np.arange(len(part.labels)))) == len(truths[role].labels) - 1


def test_the_two_letters_that_are_broken_in_the_original_are_left_out_and_others_are_not(tmp_path, nothing_to_fetch):
    folder = tmp_path / "notMNIST_small"
    next(maker for maker in MAKERS if (maker.name, maker.layout) == ("notmnist", "folders")).write(folder)
    data = load("notmnist", data_dir=tmp_path)
    assert any(
        "F/Q3Jvc3NvdmVyIEJvbGRPYmxpcXVlLnR0Zg==.png, broken in the original too, is left out" in n for n in data.notes
    )
    assert sum(len(split) for split in data.splits.values()) == 60
    assert load("notmnist", data_dir=tmp_path, stream="always", workers=0).fingerprint == data.fingerprint
    (folder / "B" / "more.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"B/more\.png cannot be read .*--skip-broken"):
        load("notmnist", data_dir=tmp_path)
    assert load("notmnist", data_dir=tmp_path, skip_broken=True).fingerprint == data.fingerprint
