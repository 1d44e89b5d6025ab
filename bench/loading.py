"""Loading against the usual pipelines of torchvision, in one run: images per second, ours over theirs.

CIFAR-10 (JPEG copy), crop and flip, batch 128. Ours: uint8 in memory, augmented in batch, one process, one thread.
Theirs: PIL images through RandomCrop(32, padding=4), RandomHorizontalFlip, ToTensor, Normalize in a DataLoader with no
and with two workers that stay alive (wanted: at least 5 times). Both begin with decoded arrays, as torchvision's own
CIFAR10 does; what decoding costs us once is printed. Beside it: our loading over a training step of the small network
(wanted: at most 0.10).

JPEG files of 500x375 that stream, two workers each: ours over ImageFolder in a DataLoader, to 224 pixels, once by
random windows of at least 8 % and flips, once scaled and cut at the centre (wanted: at least 1). The photographs are
made of CIFAR-10 images, enlarged with noise; every file is read from the page cache. What `ratio` compares is images
per second. Usage: python bench/loading.py [repetitions]
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from _common import interleaved, ratios, write

BATCH, NUMBER, PHOTOGRAPHS, SIDE = 128, 5_120, 128, 224
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)


class PilImages(Dataset[Any]):
    """What torchvision's CIFAR10 does with its array."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Callable[[Any], Any]) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def epoch(loader: DataLoader[Any]) -> None:
    for inputs, _ in loader:
        inputs.sum()


def loader(data: Dataset[Any], workers: int, batch: int = BATCH) -> DataLoader[Any]:
    return DataLoader(data, batch_size=batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


def ours(data: Any, number: int, augment: Any, batch: int = BATCH, window: float | None = None) -> Callable[[], None]:
    """An epoch of our batches."""
    from levelhead.data import Batches
    from levelhead.data.decode import Window

    split, draws, epochs = Batches(data.splits["train"]), torch.Generator().manual_seed(0), iter(range(1000))

    def job() -> None:
        parts = split.permutation(draws)[:number].split(batch)
        split.expect(parts, window and Window(window, 0, next(epochs)))
        for rows in parts:
            inputs, _ = split.take(rows, mean=MEAN, std=STD, augment=augment, generator=draws, train=True)
            inputs.sum()

    return job


def steps(number: int) -> Callable[[], None]:
    """As many training steps of the small network, on one batch that lies ready."""
    import levelhead as lh

    torch.manual_seed(0)
    objective = lh.objective("vanilla", lh.models.build("small", num_classes=10), num_classes=10)
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.01, momentum=0.9)
    inputs, labels = torch.randn(BATCH, 3, 32, 32), torch.randint(10, (BATCH,))

    def job() -> None:
        for _ in range(number):
            optimizer.zero_grad()
            objective(inputs, labels).loss.backward()
            optimizer.step()

    return job


def photographs(images: np.ndarray, folder: Path) -> None:
    """JPEG files in two class folders: CIFAR-10 images at 500x375, with the detail that noise gives."""
    rng = np.random.default_rng(0)
    for number, pixels in enumerate(images[:PHOTOGRAPHS]):
        large = np.asarray(Image.fromarray(pixels).resize((500, 375), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = np.clip(large + rng.normal(0, 6, large.shape), 0, 255).astype(np.uint8)
        path = folder / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noisy).save(path, quality=90)


def small_images(repetitions: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """CIFAR-10 from memory, and the step it feeds."""
    from levelhead.data import Augment, load

    started = time.perf_counter()
    data = load("cifar10", stream="never")
    print(f"decoded and loaded {sum(map(len, data.splits.values())):,} images in {time.perf_counter() - started:.1f} s")
    split = data.splits["train"]
    images = np.ascontiguousarray(split.inputs[:NUMBER].transpose(0, 2, 3, 1))
    usual = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    theirs = {workers: loader(PilImages(images, split.labels[:NUMBER], usual), workers) for workers in (0, 2)}
    jobs = {
        "ours": ours(data, NUMBER, Augment(crop=4, flip=True)),
        **{f"theirs {workers}": lambda each=each: epoch(each) for workers, each in theirs.items()},
        "steps": steps(NUMBER // BATCH // 10),
    }
    seconds = interleaved(jobs, repetitions)
    rate = round(NUMBER / min(seconds["ours"]))
    for workers in (0, 2):
        ratio = ratios(seconds[f"theirs {workers}"], seconds["ours"])
        name = f"CIFAR-10, crop and flip: over a DataLoader with {workers} workers"
        yield name, {"ratio": ratio, "limit": 5, "met": ratio["median"] >= 5, "images_per_second": rate}
    share = ratios(seconds["ours"], [10 * each for each in seconds["steps"]])
    yield "loading over a step of the small network", {"ratio": share, "limit": 0.1, "met": share["median"] <= 0.1}


def large_images(images: np.ndarray, repetitions: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """JPEG files that stream."""
    from levelhead.data import Augment, load

    tail = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    pipelines = {
        "random windows and flips": [
            transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip(), *tail
        ],
        "scaled and cut at the centre": [transforms.Resize(SIDE), transforms.CenterCrop(SIDE), *tail],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        photographs(images, Path(folder))
        data = load(folder, image_size=SIDE, stream="always", workers=2, cal_size=2, test_size=2)
        number = len(data.splits["train"])
        jobs = {}
        for name, pipeline in pipelines.items():
            window = 0.08 if "random" in name else None
            jobs[f"ours, {name}"] = ours(data, number, Augment(flip=bool(window), window=window), 64, window)
            theirs = loader(ImageFolder(folder, transforms.Compose(pipeline)), 2, 64)
            jobs[f"theirs, {name}"] = lambda each=theirs: epoch(each)
        seconds = interleaved(jobs, repetitions)
    for name in pipelines:
        each = [PHOTOGRAPHS / number * second for second in seconds[f"ours, {name}"]]  # as many images as theirs
        ratio = ratios(seconds[f"theirs, {name}"], each)
        row = {
            "ratio": ratio,
            "limit": 1,
            "met": ratio["median"] >= 1,
            "images_per_second": round(PHOTOGRAPHS / min(each)),
        }
        yield f"JPEG files, {name}: over ImageFolder and a DataLoader, 2 workers each", row


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    torch.set_num_threads(1)
    from levelhead.data import load

    rows = dict(small_images(repetitions))
    images = load("cifar10", train_size=PHOTOGRAPHS, stream="never").splits["train"].inputs.transpose(0, 2, 3, 1)
    rows |= dict(large_images(images, repetitions))
    for what, row in rows.items():
        print(f"{what}: {row['ratio']}, limit {row['limit']}, {row.get('images_per_second', '')}")
    write("loading", {"repetitions": repetitions, "rows": rows})


if __name__ == "__main__":
    main()
