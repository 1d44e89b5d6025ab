"""Every named set with files, small, in each layout that is read: one table of makers for the contract tests.

A maker writes into a folder and gives the truth: of each part the labels and what the inputs must be.
"""

import json
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io

from levelhead.data.facts import CIFAR100, NEWSGROUPS
from levelhead.data.notmnist import KNOWN_BROKEN
from levelhead.data.synsets import wnids

from .layouts import (
    CIFAR_CLASSES,
    IDX_STEMS,
    cifar_batches,
    encoded_image,
    idx_bytes,
    ten_classes,
    write_cifar,
    write_image_parquet,
    write_mnist,
)


@dataclass
class Truth:
    """One part: labels, and pixels `(N, C, H, W)` or texts; pixels of JPEG files differ by at most `tolerance`."""

    labels: list[int]
    inputs: np.ndarray | list[str]
    tolerance: int = 0


Truths = dict[str, Truth]


@dataclass(frozen=True)
class Maker:
    """A set in one layout; a file whose damage must be noticed, and what lies above the files in the archive."""

    name: str
    layout: str
    write: Callable[[Path], Truths]
    victim: str = ""
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.layout}"


IDS = wnids("tiny")[:3]
BIRDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross")


def idx(folder: Path) -> Truths:
    arrays = write_mnist(folder)
    return {
        role: Truth(arrays[f"{stem}-labels-idx1-ubyte"].tolist(), arrays[f"{stem}-images-idx3-ubyte"][:, None])
        for role, stem in (("train", "train"), ("test", "t10k"))
    }


def idx_one_part(folder: Path) -> Truths:
    images, labels = ten_classes(40, (28, 28))
    folder.mkdir(parents=True)
    for stem, array in zip(IDX_STEMS[2:], (images, labels)):
        (folder / stem).write_bytes(idx_bytes(array))
    return {"train": Truth(labels.tolist(), images[:, None])}


def letters(folder: Path) -> Truths:
    """A folder a letter, with the image without bytes that the original has too."""
    images, labels = ten_classes(60, (28, 28))
    order = np.argsort(labels, kind="stable")
    for number, row in enumerate(order):
        path = folder / "ABCDEFGHIJ"[labels[row]] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded_image(images[row]))
    (folder / KNOWN_BROKEN[1]).write_bytes(b"")
    return {"train": Truth(labels[order].tolist(), images[order][:, None])}


def svhn(folder: Path) -> Truths:
    folder.mkdir(parents=True)
    truths = {}
    for seed, (role, number) in enumerate((("train", 60), ("test", 20))):
        images, labels = ten_classes(number, (3, 32, 32), seed)
        stored = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        scipy.io.savemat(folder / f"{role}_32x32.mat", {"X": images.transpose(2, 3, 1, 0), "y": stored})
        truths[role] = Truth(labels.tolist(), images)
    return truths


def of_batches(batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> Truths:
    trains = [batches[f"data_batch_{number}"] for number in range(1, 6)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*trains))
    return {
        "train": Truth(labels.tolist(), images),
        "test": Truth(batches["test_batch"][1].tolist(), batches["test_batch"][0]),
    }


def cifar10(folder: Path) -> Truths:
    return of_batches(write_cifar(folder))


def cifar10_archive(folder: Path) -> Truths:
    batches = write_cifar(folder / "unpacked")
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(folder / "unpacked", "cifar-10-batches-py")
    for path in (folder / "unpacked").iterdir():
        path.unlink()
    (folder / "unpacked").rmdir()
    return of_batches(batches)


def cifar10_binary(folder: Path) -> Truths:
    batches = cifar_batches()
    folder.mkdir(parents=True)
    for name, (images, labels) in batches.items():
        rows = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(len(images), -1)], axis=1)
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    return of_batches(batches)


def parquet(
    truths: Truths, folder: Path, names: tuple[str, ...], columns: tuple[str, str] = ("image", "label")
) -> Truths:
    for role, truth in truths.items():
        images = [encoded_image(image) for image in truth.inputs]
        write_image_parquet(folder / f"{role}.parquet", images, truth.labels, columns=columns, names=names)
    return truths


def cifar10_parquet(folder: Path) -> Truths:
    return parquet(of_batches(cifar_batches()), folder, CIFAR_CLASSES)


def hundred() -> Truths:
    rng = np.random.default_rng(0)
    numbers = {"train": 200, "test": 100}
    return {
        role: Truth((np.arange(number) % 100).tolist(), rng.integers(0, 256, (number, 3, 32, 32), dtype=np.uint8))
        for role, number in numbers.items()
    }


def cifar100(folder: Path) -> Truths:
    folder.mkdir(parents=True)
    truths = hundred()
    for role, truth in truths.items():
        coarse = [label // 5 for label in truth.labels]
        rows = truth.inputs.reshape(len(truth.labels), -1)
        content = {"data": rows, "fine_labels": truth.labels, "coarse_labels": coarse, "filenames": ["x.png"]}
        (folder / role).write_bytes(pickle.dumps(content, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": list(CIFAR100)}, protocol=2))
    return truths


def cifar100_archive(folder: Path) -> Truths:
    truths = cifar100(folder / "unpacked")
    with tarfile.open(folder / "cifar-100-python.tar.gz", "w:gz") as archive:
        archive.add(folder / "unpacked", "cifar-100-python")
    for path in (folder / "unpacked").iterdir():
        path.unlink()
    (folder / "unpacked").rmdir()
    return truths


def cifar100_binary(folder: Path) -> Truths:
    folder.mkdir(parents=True)
    truths = hundred()
    for role, truth in truths.items():
        labels = np.array([[label // 5, label] for label in truth.labels], dtype=np.uint8)
        rows = np.concatenate([labels, truth.inputs.reshape(len(labels), -1)], axis=1)
        (folder / f"{role}.bin").write_bytes(rows.tobytes())
    return truths


def cifar100_parquet(folder: Path) -> Truths:
    return parquet(hundred(), folder, CIFAR100, ("img", "fine_label"))


def stl10(folder: Path) -> Truths:
    folder.mkdir(parents=True)
    truths = {}
    for seed, role in enumerate(("train", "test")):
        images, labels = ten_classes(40, (3, 96, 96), seed)
        (folder / f"{role}_X.bin").write_bytes(images.transpose(0, 1, 3, 2).tobytes())
        (folder / f"{role}_y.bin").write_bytes((labels + 1).astype(np.uint8).tobytes())
        truths[role] = Truth(labels.tolist(), images)
    return truths


def photograph(path: Path, colour: tuple[int, int, int], size: tuple[int, int]) -> None:
    """A JPEG file of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, *size))
    path.write_bytes(encoded_image(np.ascontiguousarray(pixels), "JPEG"))


def photographs(paths: list[Path], labels: list[int], size: tuple[int, int], shown: int) -> Truth:
    """Files of one colour each, and what must be read of them at a side of `shown`."""
    rng = np.random.default_rng(len(paths))
    colours = rng.integers(0, 256, (len(paths), 3))
    for path, colour in zip(paths, colours):
        photograph(path, tuple(int(value) for value in colour), size)
    pixels = np.broadcast_to(colours.astype(np.uint8)[:, :, None, None], (len(paths), 3, shown, shown))
    return Truth(labels, pixels, tolerance=8)


def class_folders(folder: Path, per_class: int, size: tuple[int, int], shown: int, inner: str = "") -> Truth:
    paths = [folder / wnid / inner / f"{wnid}_{number}.JPEG" for wnid in IDS for number in range(per_class)]
    return photographs(paths, np.repeat(np.arange(len(IDS)), per_class).tolist(), size, shown)


def tiny(folder: Path, side: int = 64) -> Truths:
    train = class_folders(folder / "train", 8, (64, 64), side, "images")
    names = [f"val_{number}.JPEG" for number in range(12)]
    labels = [2, 0, 1] * 4
    test = photographs([folder / "val" / "images" / name for name in names], labels, (64, 64), side)
    lines = [f"{name}\t{IDS[label]}\t0\t0\t63\t63\n" for name, label in zip(names, labels)]
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    (folder / "wnids.txt").write_text("\n".join(reversed(IDS)) + "\n")  # the original's order is not sorted
    return {"train": train, "test": test}


def tiny_at_32(folder: Path) -> Truths:
    return tiny(folder, 32)


def tiny_parquet(folder: Path) -> Truths:
    rng = np.random.default_rng(0)
    truths = {
        role: Truth((np.arange(400) % 200).tolist(), rng.integers(0, 256, (400, 3, 32, 32), dtype=np.uint8))
        for role in ("train", "test")
    }
    return parquet(truths, folder, ())


def imagenet(folder: Path) -> Truths:
    return {
        "train": class_folders(folder / "train", 4, (30, 40), 224),
        "test": class_folders(folder / "val", 2, (40, 30), 224),
    }


def imagenet_devkit(folder: Path) -> Truths:
    """Validation images in one folder; the devkit numbers the classes backwards, and has an inner node."""
    train = class_folders(folder / "train", 4, (30, 40), 224)
    labels = [1, 0, 2, 2]
    paths = [folder / "val" / f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 5)]
    test = photographs(paths, labels, (40, 30), 224)
    devkit = folder / "ILSVRC2012_devkit_t12" / "data"
    devkit.mkdir(parents=True)
    numbers = {wnid: 3 - place for place, wnid in enumerate(IDS)}
    (devkit / "ILSVRC2012_validation_ground_truth.txt").write_text(
        "".join(f"{numbers[IDS[label]]}\n" for label in labels)
    )
    kind = [(name, object) for name in ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")]
    rows = [(number, wnid, "a word", "what it means", 0) for wnid, number in numbers.items()]
    synsets = np.array([*rows, (4, "n00000004", "entity", "what it means", 3)], dtype=kind)
    scipy.io.savemat(devkit / "meta.mat", {"synsets": synsets[:, None]})
    return {"train": train, "test": test}


def imagenet_a(folder: Path) -> Truths:
    return {"test": class_folders(folder, 3, (30, 40), 224)}


def imagenet_a_tiny(folder: Path) -> Truths:
    truth = class_folders(folder, 3, (30, 40), 64)
    other = next(wnid for wnid in wnids("a") if wnid not in wnids("tiny"))
    photograph(folder / other / "left_out.jpg", (1, 2, 3), (30, 40))
    return {"test": truth}


def cub(folder: Path) -> Truths:
    trained = [1, 1, 0, 1, 0, 1]
    images = [
        (label, f"{BIRDS[label]}/bird_{number}.jpg", trained[number]) for label in range(3) for number in range(6)
    ]
    folder.mkdir(parents=True)
    lists = {
        "images.txt": [path for _, path, _ in images],
        "image_class_labels.txt": [label + 1 for label, _, _ in images],
        "train_test_split.txt": [mark for _, _, mark in images],
        "classes.txt": BIRDS,
    }
    for name, values in lists.items():
        (folder / name).write_text("".join(f"{number} {value}\n" for number, value in enumerate(values, start=1)))
    truths = {}
    for role, mark in (("train", 1), ("test", 0)):
        chosen = [(label, folder / "images" / path) for label, path, trained in images if trained == mark]
        truths[role] = photographs([path for _, path in chosen], [label for label, _ in chosen], (30, 40), 256)
    return truths


def lines_of(folder: Path, files: dict[str, list[str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / name).write_bytes("\n".join(lines).encode("latin-1"))


def trec(folder: Path, fine: bool = False) -> Truths:
    kinds = ("ABBR:exp", "DESC:def", "ENTY:animal", "HUM:ind", "LOC:city", "NUM:date")
    texts = [f"{('What', 'Who', 'When')[number % 3]} is it {number} ?" for number in range(60)]
    labels = (np.arange(60) % 6).tolist()
    lines = [f"{kinds[label]} {text}" for label, text in zip(labels, texts)]
    lines_of(folder, {"train_5500.label": lines, "TREC_10.label": lines[:12]})
    return {"train": Truth(labels, texts), "test": Truth(labels[:12], texts[:12])}


def mr(folder: Path) -> Truths:
    sides = {side: [f"a {side} film {number}" for number in range(20)] for side in ("neg", "pos")}
    lines_of(folder, {f"rt-polarity.{side}": texts for side, texts in sides.items()})
    return {"train": Truth([0] * 20 + [1] * 20, sides["neg"] + sides["pos"])}


def sst5(folder: Path) -> Truths:
    truths = {}
    for role, stem, number in (("train", "train", 50), ("val", "dev", 10), ("test", "test", 15)):
        texts = [f"text number {place}" for place in range(number)]
        labels = (np.arange(number) % 5).tolist()
        lines_of(folder, {f"{stem}.txt": [f"{label} {text}" for label, text in zip(labels, texts)]})
        truths[role] = Truth(labels, texts)
    return truths


def imdb(folder: Path) -> Truths:
    truths = {}
    for role in ("train", "test"):
        texts = [f"a review {role} {number}" for number in range(20)]
        for number, text in enumerate(texts):
            place = folder / role / ("neg", "pos")[number // 10]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}_1.txt").write_text(text)
        truths[role] = Truth([0] * 10 + [1] * 10, texts)
    return truths


def imdb_lines(folder: Path) -> Truths:
    folder.mkdir(parents=True)
    truths = {
        role: Truth([0, 1] * 10, [f"a review {role} {number}" for number in range(20)]) for role in ("train", "test")
    }
    rows = [
        {"split": role, "label": label, "text": text}
        for role, truth in truths.items()
        for label, text in zip(truth.labels, truth.inputs)
    ]
    (folder / "imdb.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return truths


HEAD = "From: somebody\nSubject: about it\n\n"


def news_by_date(folder: Path, head: str = "") -> Truths:
    truths = {}
    for role in ("train", "test"):
        posts = [(group, f"{place}{number}") for place, group in enumerate(NEWSGROUPS) for number in range(3)]
        for group, name in posts:
            path = folder / f"20news-bydate-{role}" / group / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{HEAD}the body of {name}", encoding="latin-1")
        truths[role] = Truth(
            [NEWSGROUPS.index(group) for group, _ in posts], [f"{head}the body of {name}" for _, name in posts]
        )
    return truths


def news_raw(folder: Path) -> Truths:
    return news_by_date(folder, HEAD)


def news_all(folder: Path) -> Truths:
    """Ten posts a group, shuffled and cut as the released code of the paper does it."""
    posts = [(label, f"{label}{number}") for label in range(20) for number in range(10)]
    for label, name in posts:
        path = folder / NEWSGROUPS[label] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEAD}the body of {name}\n> a quote", encoding="latin-1")
    order = np.arange(200)
    np.random.RandomState(1).shuffle(order)
    cuts = {"train": order[:151], "val": order[151:160], "test": order[160:]}
    return {
        role: Truth(
            [posts[place][0] for place in places], [f"the body of {posts[place][1]} a quote" for place in places]
        )
        for role, places in cuts.items()
    }


MAKERS = (
    Maker("mnist", "IDX", idx, f"{IDX_STEMS[0]}.gz"),
    Maker("fashion-mnist", "IDX", idx, f"{IDX_STEMS[3]}.gz"),
    Maker("notmnist", "IDX", idx, f"{IDX_STEMS[2]}.gz"),
    Maker("notmnist", "one part", idx_one_part, IDX_STEMS[2]),
    Maker("notmnist", "folders", letters, "C/015.png"),
    Maker("svhn", "mat", svhn, "test_32x32.mat"),
    Maker("cifar10", "python", cifar10, "data_batch_2", "cifar-10-batches-py"),
    Maker("cifar10", "archive", cifar10_archive, "cifar-10-python.tar.gz"),
    Maker("cifar10", "binary", cifar10_binary, "test_batch.bin"),
    Maker("cifar10", "parquet", cifar10_parquet, "train.parquet"),
    Maker("cifar100", "python", cifar100, "test", "cifar-100-python"),
    Maker("cifar100", "archive", cifar100_archive, "cifar-100-python.tar.gz"),
    Maker("cifar100", "binary", cifar100_binary, "train.bin"),
    Maker("cifar100", "parquet", cifar100_parquet, "test.parquet"),
    Maker("stl10", "binary", stl10, "train_X.bin", "stl10_binary"),
    Maker("tiny-imagenet", "folders", tiny, f"train/{IDS[1]}/images/{IDS[1]}_3.JPEG", "tiny-imagenet-200"),
    Maker("tiny-imagenet-32", "folders", tiny_at_32, "val/images/val_2.JPEG", "tiny-imagenet-200"),
    Maker("tiny-imagenet-32", "parquet", tiny_parquet, "train.parquet"),
    Maker("tiny-imagenet-32-small", "parquet", tiny_parquet, "test.parquet"),
    Maker("imagenet", "folders", imagenet, f"val/{IDS[0]}/{IDS[0]}_1.JPEG"),
    Maker("imagenet", "devkit", imagenet_devkit, "ILSVRC2012_devkit_t12/data/meta.mat"),
    Maker("imagenet-a", "folders", imagenet_a, f"{IDS[2]}/{IDS[2]}_0.JPEG", "imagenet-a"),
    Maker("imagenet-a-tiny", "folders", imagenet_a_tiny, f"{IDS[2]}/{IDS[2]}_0.JPEG", "imagenet-a"),
    Maker("cub-200-2011", "lists", cub, f"images/{BIRDS[0]}/bird_0.jpg", "CUB_200_2011"),
    Maker("trec", "lines", trec),
    Maker("trec-50", "lines", trec),
    Maker("mr", "lines", mr),
    Maker("sst5", "lines", sst5),
    Maker("imdb", "folders", imdb, prefix="aclImdb"),
    Maker("imdb", "json", imdb_lines),
    Maker("20newsgroups", "folders", news_by_date),
    Maker("20newsgroups-raw", "folders", news_raw),
    Maker("20news-19997", "folders", news_all),
)
