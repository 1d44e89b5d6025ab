"""The training loop against a bare PyTorch loop, and two runs side by side against one after the other.

Loop: images per second of the trainer over those of a plain loop on the same tensors, network, optimiser and batch
order (wanted: at least 0.95). Side by side: seconds of two one-thread runs at once over the sum of the two alone
(wanted: at most 0.65). Fashion-MNIST-shaped random images, the small network. Usage: python bench/throughput.py
"""

import multiprocessing as mp
import time

import numpy as np
import torch

from _common import interleaved, ratios, write

SIZE, EPOCHS, BATCH = 6400, 1, 128


def random_data():
    from levelhead.data import Augment, Dataset, Split

    rng = np.random.default_rng(0)

    def split(n: int) -> Split:
        images = rng.integers(0, 256, (n, 1, 28, 28), dtype=np.uint8)
        return Split(images, rng.integers(0, 10, n), np.arange(n))

    return Dataset(
        name="random", kind="image", classes=tuple("0123456789"),
        splits={"train": split(SIZE), "cal": split(16), "test": split(16)},
        mean=np.array([0.5], np.float32), std=np.array([0.29], np.float32),
        augment=Augment(), origin="", notes=(), fingerprint="random", split_info={},
    )  # fmt: skip


def ours(data) -> None:
    from levelhead.train import Run, make_recipe
    from levelhead.train.trainer import Trainer

    recipe = make_recipe("", "image", epochs=EPOCHS, batch=BATCH)
    run = Run("vanilla", "identity | one_hot", 0, "small", recipe, "random", "cpu", "32", 1)
    Trainer(run, data).train(lambda _: None, lambda: False)


def bare(data) -> None:
    import levelhead as lh

    torch.manual_seed(0)
    model = lh.models.build("small", num_classes=10, in_channels=1)
    images = (torch.from_numpy(data.splits["train"].inputs).float() / 255 - 0.5) / 0.29
    labels = torch.from_numpy(data.splits["train"].labels)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for _ in range(EPOCHS):
        for rows in torch.randperm(SIZE).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()


def in_process(ready, go, done) -> None:
    torch.set_num_threads(1)
    data = random_data()
    ours(data)  # warm
    ready.put(None)
    while go.get():
        started = time.perf_counter()
        ours(data)
        ours(data)
        done.put(time.perf_counter() - started)


def side_by_side(repetitions: int) -> dict[str, float]:
    """Two workers at once over one after the other, each with one thread."""
    context = mp.get_context("spawn")
    ready, done = context.Queue(), context.Queue()
    gos = [context.Queue() for _ in range(2)]
    workers = [context.Process(target=in_process, args=(ready, go, done), daemon=True) for go in gos]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.get()
    together, alone = [], []
    for _ in range(repetitions):
        started = time.perf_counter()
        for go in gos:
            go.put(True)
        for _ in gos:
            done.get()
        together.append(time.perf_counter() - started)
        started = time.perf_counter()
        for go in gos:
            go.put(True)
            done.get()
        alone.append(time.perf_counter() - started)
    for go in gos:
        go.put(False)
    return ratios(together, alone)


def main() -> None:
    torch.set_num_threads(1)
    data = random_data()
    seconds = interleaved({"ours": lambda: ours(data), "bare": lambda: bare(data)}, 7)
    loop = ratios(seconds["bare"], seconds["ours"])
    both = side_by_side(7)
    print(f"trainer over bare loop, images per second: {loop}")
    print(f"two at once over one after the other, seconds: {both}")
    rows = {
        "trainer_over_bare_loop": {"ratio": loop, "limit": 0.95, "met": loop["hi"] >= 0.95},
        "two_at_once_over_in_turn": {"ratio": both, "limit": 0.65, "met": both["lo"] <= 0.65},
    }
    write(
        "throughput", {"repetitions": 7, "images_per_second": round(SIZE * EPOCHS / min(seconds["ours"])), "rows": rows}
    )


if __name__ == "__main__":
    main()
