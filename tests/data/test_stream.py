"""Sets that stay on disk: the batches are those of memory bit for bit, whoever decodes, and nothing is left behind."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from levelhead.data import Augment, Batches, load, memory, stream
from levelhead.data.blobs import Blobs, Paths
from levelhead.data.decode import Form, Window, decode, decode_window, window_box
from levelhead.data.lazy import LazyImages
from levelhead.errors import WorkFailed

from .layouts import encoded_image, ten_classes, write_image_parquet, write_tree

COUNTS = {"ant": 90, "bee": 80}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """What is unpacked or counted lies here and not in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "levelhead"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of three sizes and modes, JPEG and PNG."""
    root = tmp_path_factory.mktemp("stream") / "images"
    write_tree(root, COUNTS, shape=(24, 32, 3))
    for number in range(0, 80, 3):
        path = root / "bee" / f"{number:03d}.png"
        image = Image.open(path).resize((41, 37)).convert("L" if number % 2 else "RGB")
        path.unlink()
        image.save(path.with_suffix(".jpg"))
    return root


def batches(data, role="train", size=48, train=True):
    """All batches of two epochs, announced as the trainer announces them."""
    split, draws = Batches(data.splits[role]), torch.Generator().manual_seed(3)
    for _ in range(2):
        order = split.permutation(draws)
        split.expect(order.split(size))
        for rows in order.split(size):
            yield split.take(rows, mean=data.mean, std=data.std, augment=Augment(2, True), generator=draws, train=train)


def assert_same(first, second):
    """Two data sets are one: numbers, statistics, name, and every batch."""
    assert first.fingerprint == second.fingerprint
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.std, second.std)
    assert first.split_info == second.split_info
    assert first.shape == second.shape
    for role in first.splits:
        assert np.array_equal(first.splits[role].ids, second.splits[role].ids)
    for one, other in zip(batches(first), batches(second), strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_are_those_of_memory_whoever_decodes(folder, workers):
    held, streamed = load(folder, stream="never"), load(folder, stream="always", workers=workers)
    assert isinstance(held.splits["train"].inputs, np.ndarray)
    assert isinstance(streamed.splits["cal"].inputs, LazyImages)
    assert streamed.origin.endswith("; streamed")
    assert_same(held, streamed)


def test_workers_may_fill_the_memory(folder):
    held = load(folder, stream="never", workers=2)
    assert isinstance(held.splits["train"].inputs, np.ndarray)
    assert_same(load(folder, stream="never"), held)


def write_hugging_face(root, arrow: str | None):
    """Images in shards with a split of their own for test: parquet, or one of Arrow's two formats."""
    images, labels = ten_classes(60, (3, 10, 12))
    root.mkdir()
    for role, rows in (
        ("train-00000-of-00002", slice(0, 25)),
        ("train-00001-of-00002", slice(25, 40)),
        ("test", slice(40, 60)),
    ):
        files = [encoded_image(image, "JPEG" if n % 2 else "PNG") for n, image in enumerate(images[rows])]
        path = root / f"{role}.parquet"
        write_image_parquet(path, files, (labels[rows] % 2).tolist())
        if arrow:
            table = pa.parquet.read_table(path)
            path.unlink()
            make = pa.ipc.new_file if arrow == "file" else pa.ipc.new_stream
            with pa.OSFile(str(path.with_suffix(".arrow")), "wb") as sink, make(sink, table.schema) as writer:
                writer.write_table(table, max_chunksize=7)


@pytest.mark.parametrize("arrow", [None, "file", "stream"])
def test_parquet_and_arrow_stream_too(tmp_path, cache, arrow):
    write_hugging_face(tmp_path / "set", arrow)
    held, streamed = load(tmp_path / "set", stream="never"), load(tmp_path / "set", stream="always", workers=0)
    assert_same(held, streamed)
    unpacked = sorted((cache / "unpacked").glob("*")) if cache.exists() else []
    assert len(unpacked) == (0 if arrow else 3)
    times = [path.stat().st_mtime_ns for path in unpacked]
    load(tmp_path / "set", stream="always", workers=0)
    assert [path.stat().st_mtime_ns for path in unpacked] == times


def write_tar(path, files: dict[str, bytes]):
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def tar_files(images, first: int = 0) -> dict[str, bytes]:
    files = {}
    for number, image in enumerate(images, first):
        files[f"shard/{number:04d}.jpg"] = encoded_image(image, "JPEG")
        files[f"shard/{number:04d}.cls"] = str(number % 3).encode()
        files[f"shard/{number:04d}.json"] = b"{}"
    return files


def test_tar_shards_stream(tmp_path):
    images, _ = ten_classes(60, (3, 10, 12))
    folder = tmp_path / "set"
    folder.mkdir()
    for name, rows in (("train-000000", slice(0, 30)), ("train-000001", slice(30, 45)), ("test", slice(45, 60))):
        write_tar(folder / f"{name}.tar", tar_files(images[rows], rows.start))
    held, streamed = load(folder, stream="never"), load(folder, stream="always", workers=0)
    assert_same(held, streamed)
    assert held.classes == ("0", "1", "2")
    assert held.split_info["given"] == ["train", "test"]
    for split in held.splits.values():
        assert (split.labels == split.ids % 3).all()  # number % 3 was written, and 45 is a multiple of 3
        expected = [decode("x", encoded_image(images[place], "JPEG"), Form(3, 10, 12)) for place in split.ids]
        assert np.array_equal(split.inputs, expected)


def test_tar_shards_have_a_fit_and_go_on_without_what_is_broken(tmp_path):
    files = tar_files(ten_classes(60, (3, 10, 12))[0])
    kept = [number for number in range(60) if number not in (4, 40)]
    files["shard/0004.jpg"], files["shard/0040.jpg"] = files["shard/0004.jpg"][:-200], b""
    write_tar(tmp_path / "train.tar", files)
    with pytest.raises(ValueError, match="2 of 60 images cannot be read"):
        load(tmp_path)
    asked = {"skip_broken": True, "fit": "letterbox", "image_size": 16}
    held, streamed = load(tmp_path, stream="never", **asked), load(tmp_path, stream="always", workers=0, **asked)
    assert_same(held, streamed)
    assert len(held.split_info["broken"]["train"]) == 2
    assert held.split_info["fit"] == "letterbox"
    for split in held.splits.values():
        numbers = np.array(kept)[split.ids]
        assert (split.labels == numbers % 3).all()
        expected = [decode("x", files[f"shard/{number:04d}.jpg"], Form(3, 16, 16, "letterbox")) for number in numbers]
        assert np.array_equal(split.inputs, expected)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.jpg": b"x"}, r"train\.tar: 1 images have no class, the first is a; add a\.cls"),
        ({"a.jpg": b"x", "a.png": b"x", "a.cls": b"1"}, r"train\.tar: a has several images"),
        ({"a.cls": b"1"}, r"train\.tar holds no images"),
    ],
)
def test_tar_shards_that_are_not_whole_are_refused(tmp_path, files, said):
    write_tar(tmp_path / "train.tar", files)
    with pytest.raises(ValueError, match=said):
        load(tmp_path)


def test_a_compressed_tar_is_refused(tmp_path):
    with tarfile.open(tmp_path / "train.tar", "w:gz"):
        pass
    with pytest.raises(ValueError, match=r"train\.tar cannot be read as an uncompressed tar file"):
        load(tmp_path)


def test_compressed_arrow_is_refused(tmp_path):
    write_hugging_face(tmp_path / "set", "file")
    path = tmp_path / "set" / "test.arrow"
    table = pa.ipc.open_file(path.read_bytes()).read_all()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    with pytest.raises(ValueError, match=r"test\.arrow is compressed, .*; write it uncompressed"):
        load(tmp_path / "set", stream="always")


def test_a_set_streams_by_itself_where_half_of_the_free_memory_would_not_hold_it(folder, monkeypatch):
    sides = 170 * 3 * 24 * 32
    for free, streams in ((2 * sides, False), (2 * sides - 1, True)):
        monkeypatch.setattr(memory, "free_memory", lambda free=free: free)
        assert isinstance(load(folder, workers=0).splits["train"].inputs, LazyImages) == streams


def test_free_memory_is_what_the_system_and_the_container_leave(tmp_path, monkeypatch):
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 1 << 20 < memory.free_memory() <= total
    files = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   5000 kB", "memory.max": "3000000", "memory.current": "9"}
    monkeypatch.setattr(memory, "_lines", lambda path: files.get(str(path), files.get(path.name, "")).splitlines())
    assert memory.free_memory() == 3_000_000 - 9
    files["memory.max"] = "max"
    assert memory.free_memory() == 5_000 * 1024


@pytest.mark.parametrize(
    ("source", "words", "said"),
    [
        ("spiral", {"stream": "always"}, "spiral does not lie in files of encoded images"),
        ("digits", {"workers": 2}, "workers= has no effect"),
        ("digits", {"stream": "sometimes"}, "must be one of auto, always, never, not 'sometimes'"),
        ("digits", {"workers": -1}, "workers must be a whole number, 0 or more"),
    ],
)
def test_words_without_effect_are_refused(source, words, said):
    with pytest.raises(ValueError, match=said):
        load(source, **words)


def test_what_was_not_announced_comes_all_the_same(folder):
    data = load(folder, stream="always", workers=0)
    images = stream.Stream(data.splits["train"].inputs)
    images.expect(torch.arange(80).split(20))
    whole = data.splits["train"].inputs.read(np.arange(80))
    for rows in (torch.arange(20), torch.tensor([5, 79, 5]), torch.arange(20, 40)):
        assert np.array_equal(images.take(rows).numpy(), whole[rows])


@pytest.mark.parametrize("workers", [0, 2])
def test_two_streams_may_take_turns(folder, workers):
    data = load(folder, stream="always", workers=workers)
    train, cal = (stream.Stream(data.splits[role].inputs) for role in ("train", "cal"))
    train.expect(torch.arange(80).split(20))
    cal.expect(torch.arange(20).split(5))
    for step in range(4):
        for images, role, size in ((train, "train", 20), (cal, "cal", 5)):
            rows = torch.arange(step * size, (step + 1) * size)
            assert np.array_equal(images.take(rows).numpy(), data.splits[role].inputs.read(rows.numpy()))


def test_streaming_moves_no_global_random_state(folder):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    list(batches(load(folder, stream="always", workers=1)))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_the_pass_that_looks_at_every_image_is_made_once(folder, cache, monkeypatch):
    first = load(folder, stream="always", workers=0)
    (kept,) = (cache / "seen").iterdir()
    monkeypatch.setattr(stream, "look_through", lambda splits: pytest.fail("looked again"))
    assert np.array_equal(load(folder, stream="always", workers=0).std, first.std)
    kept.write_text(json.dumps([[1, 2], [3, 4]]))
    monkeypatch.undo()
    assert np.array_equal(load(folder, stream="always", workers=0).std, first.std)


def cut_short(path):
    """An image whose header can be read, which is all that is looked at when a folder is opened."""
    photograph = encoded_image(np.random.default_rng(0).integers(0, 256, (3, 40, 40), dtype=np.uint8), "JPEG")
    path.write_bytes(photograph[:-500])


@pytest.mark.parametrize("workers", [0, 2])
def test_all_broken_images_of_all_roles_are_named_before_anything_is_trained(tmp_path, workers):
    folder = tmp_path / "set"
    write_tree(folder, {f"{role}/{name}": 20 for role in ("train", "test") for name in COUNTS})
    broken = ("train/bee/cut.jpg", "test/ant/cut.jpg", "test/bee/cut.jpg")
    for name in broken:
        cut_short(folder / name)
    with pytest.raises(ValueError, match=r"3 of 83 images cannot be read: .*--skip-broken") as caught:
        load(folder, stream="always", workers=workers)
    assert all(f"{name} (image file is truncated" in str(caught.value) for name in broken)
    skipped = load(folder, stream="always", workers=workers, skip_broken=True)
    assert skipped.split_info["broken"] == {"train": ["train/bee/cut.jpg"], "test": list(broken[1:])}
    for name in broken:
        (folder / name).unlink()
    assert skipped.fingerprint == load(folder, stream="never").fingerprint


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_breaks_after_it_was_looked_at_fails_the_work_with_its_name(tmp_path, workers):
    write_tree(tmp_path / "set", COUNTS)
    data = load(tmp_path / "set", stream="always", workers=workers)
    for path in (tmp_path / "set" / "bee").iterdir():
        path.write_bytes(path.read_bytes()[:-30] + bytes(30))
    with pytest.raises(WorkFailed, match=r"bee/\d+\.png cannot be read as an image .*; replace or remove it"):
        list(batches(data))
    write_tree(tmp_path / "whole", COUNTS)
    assert len(list(batches(load(tmp_path / "whole", stream="always", workers=workers)))) == 4


def test_a_file_that_became_shorter_or_went_away_is_named(folder, tmp_path):
    path = tmp_path / "one.png"
    path.write_bytes(encoded_image(np.zeros((3, 4, 4), np.uint8)))
    blobs = Blobs.of_files([path])
    path.write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"one\.png cannot be read as an image \(it has 4 of \d+ bytes\)"):
        blobs.content(0)
    path.unlink()
    with pytest.raises(ValueError, match=r"one\.png cannot be read as an image \(No such file"):
        blobs.content(0)


def test_a_killed_worker_fails_the_work_and_the_next_has_others(folder):
    data = load(folder, stream="always", workers=2)
    inputs = data.splits["train"].inputs
    taken = stream.Stream(inputs)
    taken.expect([torch.arange(len(inputs))] * 50)
    taken.take(torch.arange(len(inputs)))
    os.kill(stream.pool(2)._loader._iterator._workers[0].pid, signal.SIGKILL)
    with pytest.raises(WorkFailed, match="a process that decodes images died"):
        [taken.take(torch.arange(len(inputs))) for _ in range(49)]
    again = stream.Stream(inputs)
    assert np.array_equal(again.take(torch.arange(9)).numpy(), inputs.read(np.arange(9)))
    os.kill(stream.pool(2)._loader._iterator._workers[1].pid, signal.SIGKILL)  # now, while it has nothing to do
    time.sleep(0.2)
    with pytest.raises(WorkFailed, match="a process that decodes images died"):
        again.take(torch.arange(9))
    assert np.array_equal(stream.Stream(inputs).take(torch.arange(9)).numpy(), inputs.read(np.arange(9)))


STREAMING = """
import resource, sys, torch
from levelhead.data import Batches, load
from levelhead.data.stream import pool

def main():
    folder, workers, wait = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "wait"
    data = load(folder, stream="always", workers=workers, image_size=160)
    split = Batches(data.splits["train"])
    rows = torch.arange(len(split)).split(32)
    split.expect(rows)
    for some in rows:
        split.take(some, mean=data.mean, std=data.std)
    if wait:
        print(*[worker.pid for worker in pool(workers)._loader._iterator._workers], flush=True)
        sys.stdin.read()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)

if __name__ == "__main__":
    main()
"""


def run(tmp_path, *arguments):
    script = tmp_path / "streaming.py"
    script.write_text(STREAMING)
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_memory_does_not_grow_with_the_size_of_the_set(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    one = tmp_path / "one.jpg"
    Image.fromarray(noise).resize((160, 160)).save(one)
    megabytes = {}
    for number in (150, 1500):
        root = tmp_path / str(number)
        for place in range(number):
            (root / "ab"[place % 2]).mkdir(parents=True, exist_ok=True)
            os.link(one, root / "ab"[place % 2] / f"{place}.jpg")
        done = run(tmp_path, root, 0, "go")
        megabytes[number] = int(done.communicate(timeout=120)[0])
    # decoded, the larger set is 115 MB and the smaller 12: a tenth of the difference is the allocator's play
    assert megabytes[1500] - megabytes[150] < 12


def test_workers_go_when_their_parent_is_killed(folder, tmp_path):
    process = run(tmp_path, folder, 2, "wait")
    workers = [int(word) for word in process.stdout.readline().split()]
    assert len(workers) == 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, workers))


def alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_paths_are_packed_whatever_their_names():
    names = ["a", "", "ä/ö.png", os.fsdecode(b"\xff\xfe.jpg"), "a"]
    paths = Paths.of(names)
    assert [paths[index] for index in range(len(paths))] == names


def test_images_are_taken_with_the_paths_that_they_need(tmp_path):
    for name in "abcd":
        (tmp_path / name).write_bytes(name.encode() * 3)
    blobs = Blobs.of_files([tmp_path / name for name in "abcd"]).take(np.array([3, 1, 3]))
    assert [blobs.content(row) for row in range(3)] == [b"ddd", b"bbb", b"ddd"]
    assert len(blobs.paths) == 2


def test_windows_depend_on_seed_epoch_and_place_alone(folder):
    data = load(folder, stream="always", workers=0)
    inputs = data.splits["train"].inputs
    first = inputs.read(np.arange(60), Window(0.2, seed=1, epoch=0))
    again = inputs.take(np.arange(59, -1, -1)).read(np.arange(60), Window(0.2, seed=1, epoch=0))[::-1]
    assert np.array_equal(first, again)
    for other in (Window(0.2, seed=2, epoch=0), Window(0.2, seed=1, epoch=1), None):
        assert not np.array_equal(first, inputs.read(np.arange(60), other))
    order = torch.arange(60)
    for workers in (1, 2):
        split = Batches(load(folder, stream="always", workers=workers).splits["train"])
        split.expect(order.split(20), Window(0.2, seed=1, epoch=0))
        taken = [
            split.take(
                rows,
                mean=[0.0] * 3,
                std=[1.0] * 3,
                augment=Augment(window=0.2),
                generator=torch.Generator(),
                train=True,
            )
            for rows in order.split(20)
        ]
        assert np.array_equal(torch.cat([inputs for inputs, _ in taken]).mul(255).round().byte().numpy(), first)


def test_a_window_needs_the_original_images(folder):
    split = Batches(load(folder, stream="never").splits["train"])
    with pytest.raises(ValueError, match="load them with stream='always'"):
        split.take(
            torch.arange(2),
            mean=[0.0] * 3,
            std=[1.0] * 3,
            augment=Augment(window=0.2),
            generator=torch.Generator(),
            train=True,
        )


@pytest.mark.parametrize("window", [0.0, 1.5])
def test_a_window_is_a_share(window):
    with pytest.raises(ValueError, match="window is a share of an image's area"):
        Augment(window=window)


def test_windows_are_drawn_as_torchvision_draws_them():
    """Area, aspect and place have torchvision's distribution: the same means within five standard errors."""
    from torchvision.transforms import RandomResizedCrop

    size, least, number = (300, 200), 0.08, 3_000
    ours = np.array([window_box(size, Window(least, 0, 0).draws(n)) for n in range(number)], dtype=float)
    blank = torch.zeros(3, 200, 300)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = [RandomResizedCrop.get_params(blank, (least, 1.0), (3 / 4, 4 / 3)) for _ in range(number)]
    theirs = np.array([(left, top, left + wide, top + high) for top, left, high, wide in drawn], dtype=float)
    for boxes in (ours, theirs):
        assert boxes.min() >= 0
        assert (boxes[:, 2] <= 300).all()
        assert (boxes[:, 3] <= 200).all()

    def measures(boxes):
        wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        return np.stack([wide * high / 60_000, np.log(wide / high), boxes[:, 0], boxes[:, 1]])

    one, other = measures(ours), measures(theirs)
    error = np.sqrt((one.var(axis=1) + other.var(axis=1)) / number)
    assert (np.abs(one.mean(axis=1) - other.mean(axis=1)) < 5 * error).all()


def test_a_window_is_cut_and_scaled_as_pillow_does(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 30, 40), dtype=np.uint8)
    draws, form = Window(0.3, 5, 7).draws(11), Form(3, 16, 16)
    left, top, right, bottom = window_box((40, 30), draws)
    image = Image.fromarray(pixels.transpose(1, 2, 0)).crop((left, top, right, bottom))
    expected = np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(decode_window("x", encoded_image(pixels), form, draws), expected)


def test_a_large_photograph_is_decoded_small_and_looks_the_same():
    rows, columns = np.mgrid[0:800, 0:1200] / 200
    smooth = np.stack([127 + 120 * np.sin(rows + phase) * np.cos(columns) for phase in range(3)]).astype(np.uint8)
    form, draws = Form(3, 48, 48), Window(0.5, 0, 0).draws(0)
    quick = decode_window("x", encoded_image(smooth, "JPEG"), form, draws).astype(int)
    exact = decode_window("x", encoded_image(smooth), form, draws).astype(int)
    assert np.abs(quick - exact).mean() < 2
    turned = Image.Exif()
    turned[0x0112] = 6
    assert decode("x", encoded_image(smooth), Form(3, 48, 72)).shape == (3, 48, 72)
