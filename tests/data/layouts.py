"""Small data sets in the layouts of the originals, written by the tests themselves."""

import gzip
import io
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from PIL import Image

CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IDX_STEMS = (
    *("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    *("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)


def ten_classes(num: int, shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random uint8 images and labels 0, 1, ..., 9, 0, 1, ..."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (num, *shape), dtype=np.uint8), np.arange(num) % 10


def idx_bytes(array: np.ndarray) -> bytes:
    """The array in the IDX format, from its description and not from the code under test."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">I", side) for side in array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_mnist(folder: Path, train: int = 60, test: int = 20, packed: bool = True) -> dict[str, np.ndarray]:
    """The four files of MNIST; gives the arrays by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    train_x, train_y = ten_classes(train, (28, 28), seed=1)
    test_x, test_y = ten_classes(test, (28, 28), seed=2)
    arrays = dict(zip(IDX_STEMS, (train_x, train_y, test_x, test_y)))
    for stem, array in arrays.items():
        content = idx_bytes(array)
        if packed:
            (folder / f"{stem}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / stem).write_bytes(content)
    return arrays


def cifar_batches(per_batch: int = 20) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images `(N, 3, 32, 32)` and labels of the six batches, by file name."""
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    return {name: ten_classes(per_batch, (3, 32, 32), seed) for seed, name in enumerate(names)}


def write_cifar(folder: Path, per_batch: int = 20) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """cifar-10-batches-py: pickled dictionaries of rows of 3,072 bytes; gives the arrays by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    batches = cifar_batches(per_batch)
    for name, (images, labels) in batches.items():
        content = {"data": images.reshape(len(images), -1), "labels": labels.tolist(), "batch_label": name}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(CIFAR_CLASSES)}, protocol=2))
    return batches


def encoded_image(pixels: np.ndarray, form: str = "PNG") -> bytes:
    """Pixels `(C, H, W)` or `(H, W)` as the bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels).save(file, form)
    return file.getvalue()


def write_image_parquet(
    path: Path,
    images: list[bytes],
    labels: list,
    *,
    columns: tuple[str, str] = ("image", "label"),
    names: tuple[str, ...] = (),
) -> None:
    """One file of encoded images in the layout of Hugging Face, with class names if there are any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": image, "path": None} for image in images]
    table = pa.table({columns[0]: pa.array(rows, kind), columns[1]: pa.array(labels)})
    if names:
        info = {"info": {"features": {columns[1]: {"names": list(names), "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    pyarrow.parquet.write_table(table, path)


def write_tree(folder: Path, counts: dict[str, int], shape: tuple[int, ...] = (8, 8, 3), seed: int = 0) -> None:
    """A tree of class folders of random PNG images, so many in each class."""
    rng = np.random.default_rng(seed)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = rng.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")


def arrays(train: int = 40, test: int = 20, shape: tuple[int, ...] = (5,)) -> dict[str, np.ndarray]:
    """What a sound .npz of two classes holds."""
    rng = np.random.default_rng(0)
    return {
        "train_x": rng.random((train, *shape), dtype=np.float32),
        "train_y": np.arange(train) % 2,
        "test_x": rng.random((test, *shape), dtype=np.float32),
        "test_y": np.arange(test) % 2,
    }


def scenes(num: int, size: tuple[int, int] = (24, 32), seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images `(H, W, 3)` and masks `(H, W)` of three classes that can be learnt from colour; the upper rows are 255."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(num):
        mask = np.zeros(size, np.uint8)
        mask[rng.integers(size[0] // 3, size[0] - 6) :] = 1
        left = rng.integers(2, size[1] - 8)
        mask[:, left : left + 5] = 2
        mask[:2] = 255
        image = np.stack([(mask == k) * 150 + rng.integers(0, 100, size) for k in range(3)], -1).astype(np.uint8)
        pairs.append((image, mask))
    return pairs


def write_pairs(root: Path, counts: dict[str, int], size: tuple[int, int] = (24, 32)) -> dict[str, list]:
    """`ROLE/images/NAME.png` and `ROLE/masks/NAME.png`; gives the arrays by role."""
    written = {role: scenes(number, size, seed) for seed, (role, number) in enumerate(counts.items())}
    for role, pairs in written.items():
        for number, (image, mask) in enumerate(pairs):
            for folder, pixels in (("images", image), ("masks", mask)):
                path = root / role / folder / f"{number:02d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return written


def write_voc(root: Path, train: int = 6, val: int = 4) -> None:
    """VOCdevkit/VOC2012 with palette masks; every second image is upright."""
    here = root / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (here / folder).mkdir(parents=True, exist_ok=True)
    number = 0
    for part, count in (("train", train), ("val", val)):
        names = []
        for _ in range(count):
            number += 1
            size = (20, 30) if number % 2 else (30, 20)
            mask = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size) // 30 % 21
            mask[:2], mask[-1, -1] = 15, 255
            names.append(f"2007_{number:06d}")
            image = Image.fromarray(mask)
            image.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
            image.save(here / "SegmentationClass" / f"{names[-1]}.png")
            Image.fromarray(np.repeat(mask[..., None] * 10, 3, 2)).save(here / "JPEGImages" / f"{names[-1]}.jpg")
        (here / "ImageSets" / "Segmentation" / f"{part}.txt").write_text("\n".join(names) + "\n")
