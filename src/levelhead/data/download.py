"""Downloads of named sets, all or nothing: fetched beside, checked, unpacked, then renamed into place.

torchvision's downloader and unpacker are underneath; what is fetched, from where and with which checksum stands in
`facts.py`. The errors say what to do without a network.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import socket
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from levelhead.data.facts import Facts, Remote

TIMEOUT = 30.0  # seconds without a byte
FAILURES = (
    *(OSError, RuntimeError, EOFError, ValueError),
    *(http.client.HTTPException, tarfile.TarError, zipfile.BadZipFile, zlib.error),
)


class DownloadError(OSError):
    """A set is not there and could not be downloaded; says which files to put where."""


def download(facts: Facts, root: Path) -> None:
    """Downloads the files of a data set into `root`; leaves nothing behind when that fails or is interrupted.

    Raises:
        DownloadError: no network, a wrong checksum, no space, no permission to write.
    """
    made = _make_folder(root, facts.title)
    try:
        _need_space(root, 2 * sum(remote.size for remote in facts.remote))  # packed, and what comes out
        with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as unfinished, _timeout(TIMEOUT):
            for remote in facts.remote:
                _fetch(remote, Path(unfinished))
            _move(Path(unfinished), root)
    except FAILURES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DownloadError(
            f"{facts.title} is not in {root} and could not be downloaded: {reason}\n{instructions(facts, root)}"
        ) from error
    finally:
        for path in made:  # innermost first
            _remove_if_empty(path)


def instructions(facts: Facts, root: Path) -> str:
    """Which files to put where, with their sizes, for those who have to fetch them by hand."""
    files = ", ".join(f"{name} ({megabytes(size)})" for name, size in facts.files)
    addresses = ", ".join(remote.urls[0] for remote in facts.remote)
    packed = any(name.endswith((".tar", ".tgz", ".tar.gz", ".zip")) for name, _ in facts.files)
    return (
        f"Put these files{', unpacked,' if packed else ''} into {root / facts.folders[0]}: {files}"
        f"{' from ' if addresses else ''}{addresses}\n"
        "or name the folder that holds the data set with --data-dir (data_dir=) or LEVELHEAD_DATA."
    )


def megabytes(size: int) -> str:
    """A size in bytes as people read it.

    >>> megabytes(28_881), megabytes(170_498_071), megabytes(147_897_477_120)
    ('29 kB', '170 MB', '148 GB')
    """
    unit, name = next(
        pair for pair in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes")) if size >= pair[0] or pair[0] == 1
    )
    value = size / unit
    return f"{value:.1f} {name}" if value < 10 and unit > 1 else f"{value:.0f} {name}"


def _fetch(remote: Remote, unfinished: Path) -> None:
    from torchvision.datasets.utils import download_url, extract_archive

    folder = unfinished / remote.into
    for place, url in enumerate(remote.urls):
        try:
            download_url(url, folder, remote.file)
            break
        except FAILURES:
            (folder / remote.file).unlink(missing_ok=True)
            if place == len(remote.urls) - 1:
                raise
    path = folder / remote.file
    _check(path, remote.checksum)
    if remote.unpack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tarfile's advice on archives of unknown origin; this one was checked
            extract_archive(str(path), str(folder))
        path.unlink()


def _check(path: Path, checksum: str) -> None:
    kind, _, wanted = checksum.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if found != wanted:
        raise RuntimeError(
            f"{path.name} came with {kind} {found}, not {wanted} ({path.stat().st_size:,} bytes): it was cut short or "
            "is another file"
        )


def _need_space(root: Path, size: int) -> None:
    free = shutil.disk_usage(root).free
    if free < size:
        raise OSError(
            errno.ENOSPC, f"no space left: about {megabytes(size)} are needed for a while, {megabytes(free)} are free"
        )


def _move(source: Path, target: Path) -> None:
    """Renames `source` to `target`, a folder as a whole unless there is one already."""
    if target.is_dir():
        for path in sorted(source.iterdir()):
            _move(path, target / path.name)
    else:
        os.replace(source, target)


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
