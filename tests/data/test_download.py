"""Downloads from a server on this machine: whole, cut short, wrong, absent, without a place to put them."""

import gc
import gzip
import hashlib
import socket
import tarfile
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torchvision

from levelhead.data import DownloadError, load

from .layouts import IDX_STEMS, idx_bytes, ten_classes, write_cifar


class Mirror(HTTPServer):
    """Serves `files` by name; a name in `cut` ends after so many bytes though more were promised."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, int] = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Answer(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        name = self.path.strip("/")
        if self.command == "GET":
            self.server.asked.append(name)
        if name not in self.server.files:
            self.send_error(404)
            return
        content = self.server.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[: self.server.cut.get(name)])

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    server = Mirror()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def mnist(mirror, monkeypatch) -> Mirror:
    """A mirror of a small MNIST, with torchvision told its address and checksums."""
    images, labels = ten_classes(60, (28, 28))
    arrays = (images, labels, images[:20], labels[:20])
    mirror.files = {f"{stem}.gz": gzip.compress(idx_bytes(array)) for stem, array in zip(IDX_STEMS, arrays)}
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [mirror.address])
    resources = [(name, md5(content)) for name, content in mirror.files.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    return mirror


@pytest.fixture
def cifar(mirror, monkeypatch, tmp_path) -> Mirror:
    """A mirror of a small CIFAR-10, likewise."""
    made = tmp_path / "made" / "cifar-10-batches-py"
    write_cifar(made)
    archive = tmp_path / "made" / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(made, made.name)
    mirror.files = {archive.name: archive.read_bytes()}
    known = torchvision.datasets.CIFAR10
    sums = {path.name: md5(path.read_bytes()) for path in made.iterdir()}
    monkeypatch.setattr(known, "url", mirror.address + archive.name)
    monkeypatch.setattr(known, "tgz_md5", md5(archive.read_bytes()))
    monkeypatch.setattr(known, "train_list", [[name, sums[name]] for name, _ in known.train_list])
    monkeypatch.setattr(known, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(known, "meta", {**known.meta, "md5": sums["batches.meta"]})
    return mirror


def everything_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_mnist_is_downloaded_once_into_the_folder_in_torchvisions_layout(mnist, tmp_path):
    root = tmp_path / "new" / "data"
    data = load("mnist", data_dir=root)
    assert data.split_info["sizes"] == {"train": 45, "cal": 15, "test": 20}
    assert everything_below(root) == ["MNIST", "MNIST/raw", *sorted(f"MNIST/raw/{stem}" for stem in IDX_STEMS)]
    asked = len(mnist.asked)
    assert load("mnist", data_dir=root).fingerprint == data.fingerprint
    assert len(mnist.asked) == asked
    assert len(torchvision.datasets.MNIST(root, train=True)) == 60


def test_cifar_is_downloaded_and_read(cifar, tmp_path):
    root = tmp_path / "data"
    data = load("cifar10", data_dir=root)
    assert data.split_info["sizes"] == {"train": 75, "cal": 25, "test": 20}
    assert not list(root.rglob("*.gz"))
    asked = len(cifar.asked)
    assert load("cifar10", data_dir=root).fingerprint == data.fingerprint
    assert len(cifar.asked) == asked


def test_without_a_folder_downloads_go_into_the_users_cache(mnist, tmp_path, monkeypatch):
    monkeypatch.delenv("LEVELHEAD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load("mnist")
    assert (tmp_path / "levelhead" / "MNIST" / "raw").is_dir()


def check_failed_cleanly(name, root, *words):
    timeout = socket.getdefaulttimeout()
    before = everything_below(root.parent)
    with pytest.raises(DownloadError) as caught:
        load(name, data_dir=root)
    message = str(caught.value)
    for word in (str(root), "--data-dir", "LEVELHEAD_DATA", "Put these files into", *words):
        assert word in message
    assert isinstance(caught.value, OSError)
    assert everything_below(root.parent) == before
    assert socket.getdefaulttimeout() == timeout
    with warnings.catch_warnings():
        # torchvision leaves the sockets of failed requests to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        del caught
        gc.collect()


@pytest.mark.parametrize("there", [True, False])
def test_a_download_cut_short_leaves_nothing_behind(mnist, tmp_path, there):
    mnist.cut[f"{IDX_STEMS[2]}.gz"] = 100
    root = tmp_path / "home" / "data"
    (root if there else root.parent).mkdir(parents=True)
    check_failed_cleanly("mnist", root, f"{IDX_STEMS[0]}.gz", str(root / "mnist"))


def test_an_archive_cut_short_leaves_nothing_behind(cifar, tmp_path):
    cifar.cut["cifar-10-python.tar.gz"] = 1000
    (tmp_path / "home").mkdir()
    check_failed_cleanly("cifar10", tmp_path / "home" / "data", "cifar-10-python.tar.gz")


def test_a_wrong_checksum_is_refused(mnist, tmp_path):
    name = f"{IDX_STEMS[0]}.gz"
    mnist.files[name] = mnist.files[name][:-1] + b"?"
    (tmp_path / "home").mkdir()
    check_failed_cleanly("mnist", tmp_path / "home" / "data", "could not be downloaded")


def test_a_server_without_the_file(mnist, tmp_path):
    mnist.files.clear()
    (tmp_path / "home").mkdir()
    check_failed_cleanly("mnist", tmp_path / "home" / "data", "404")


def test_no_server_at_all(mnist, tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"http://127.0.0.1:{port}/"])
    (tmp_path / "home").mkdir()
    check_failed_cleanly("mnist", tmp_path / "home" / "data", "refused")


def test_a_disk_without_space(mnist, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("levelhead.data.download.os.replace", full)
    (tmp_path / "home").mkdir()
    check_failed_cleanly("mnist", tmp_path / "home" / "data", "No space left on device")


def test_a_place_that_cannot_be_made(mnist, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"MNIST cannot be downloaded to .*file/data"):
        load("mnist", data_dir=tmp_path / "file" / "data")


def test_the_download_is_the_data(mnist, tmp_path):
    images, labels = ten_classes(60, (28, 28))
    data = load("mnist", data_dir=tmp_path)
    train = data.splits["train"]
    assert np.array_equal(train.inputs[:, 0], images[train.ids])
    assert np.array_equal(train.labels, labels[train.ids])
