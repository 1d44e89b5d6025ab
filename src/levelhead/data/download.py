"""torchvision's download of a named set, all or nothing; the error says what to do without a network."""

from __future__ import annotations

import http.client
import os
import socket
import tarfile
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TIMEOUT = 30.0  # seconds without a byte
FAILURES = (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError, zlib.error)


class DownloadError(OSError):
    """A set is not there and could not be downloaded; says which files to put where."""


def download(torchvision_name: str, root: Path, *, title: str, files: Sequence[str], folder: Path) -> None:
    """Downloads a data set into `root` in torchvision's layout; leaves nothing behind when that fails.

    Args:
        torchvision_name: the class in `torchvision.datasets` that knows addresses and checksums.
        root: the folder of data sets; made if it is missing.
        title: the data set's name for people.
        files: the original files, for the error.
        folder: where a user would put them, for the error.

    Raises:
        DownloadError: no network, a wrong checksum, no space, no permission to write.
    """
    made = _make_folder(root, title)
    try:
        with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as unfinished, _timeout(TIMEOUT):
            _fetch(torchvision_name, unfinished)
            _remove_archives(Path(unfinished))
            _move(Path(unfinished), root)
    except FAILURES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DownloadError(
            f"{title} is not in {root} and could not be downloaded: {reason}\n"
            f"Put these files into {folder}: {', '.join(files)}\n"
            "or name the folder that holds the data set with --data-dir (data_dir=) or LEVELHEAD_DATA."
        ) from error
    finally:
        for path in made:  # innermost first
            _remove_if_empty(path)


def _fetch(torchvision_name: str, folder: str) -> None:
    import torchvision

    with warnings.catch_warnings():
        # unpacking and unpickling of the checked originals warns on new versions of tarfile and numpy
        warnings.simplefilter("ignore")
        getattr(torchvision.datasets, torchvision_name)(root=folder, train=False, download=True)


def _move(source: Path, target: Path) -> None:
    """Renames `source` to `target`, a folder as a whole unless there is one already."""
    if target.is_dir():
        for path in sorted(source.iterdir()):
            _move(path, target / path.name)
    else:
        os.replace(source, target)


def _remove_archives(folder: Path) -> None:
    for path in folder.rglob("*.gz"):
        path.unlink()


def _make_folder(root: Path, title: str) -> list[Path]:
    """Makes `root` and gives the folders that were not there before, innermost first."""
    missing = [path for path in (root, *root.parents) if not path.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{title} cannot be downloaded to {root}: {error}") from error
    return missing


def _remove_if_empty(path: Path) -> None:
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """A limit for connections that set none themselves, as torchvision's do not."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
