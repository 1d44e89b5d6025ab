"""Sets of texts known by name: TREC, MR, SST-5, IMDB and 20 Newsgroups, in their original layouts or as JSON lines.

They are looked for in the data folder; nobody serves them in a form that could be checked, so there is no download: the
error lists the files.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.download import DownloadError
from levelhead.data.places import candidates, data_root
from levelhead.data.source import Request, Source
from levelhead.data.text import only_the_body, text_source

TREC_FILES = {"train": ("train_5500.label", "train.txt"), "test": ("TREC_10.label", "test.txt")}
TREC_NAMES = {
    "ABBR": "abbreviation",
    "DESC": "description",
    "ENTY": "entity",
    "HUM": "human",
    "LOC": "location",
    "NUM": "number",
}
SST_CLASSES = ("very negative", "negative", "neutral", "positive", "very positive")
Rows = tuple[list[str], list[Any]]


def trec(request: Request) -> Source:
    """TREC questions (Li and Roth 2002): 5,452 and 500 in six classes; words keep their case, as in Kim's code."""
    return _trec(request, "trec", fine=False)


def trec_fine(request: Request) -> Source:
    """TREC in its fine classes: 50 with "coarse:fine" as their names."""
    return _trec(request, "trec-50", fine=True)


def mr(request: Request) -> Source:
    """MR, sentences of film reviews (Pang and Lee 2005): 5,331 negative and 5,331 positive, without a split."""
    files = ("rt-polarity.neg", "rt-polarity.pos")
    folder = _find(request, "MR", ("mr", "MR", "rt-polaritydata", "mr/rt-polaritydata"), [(name,) for name in files])
    # splitlines would cut at characters inside some sentences
    sides = [_lines(folder / name) for name in files]
    texts = [text for side in sides for text in side]
    labels = np.repeat([0, 1], [len(side) for side in sides])
    return text_source(
        "mr",
        ("negative", "positive"),
        {"train": (texts, labels)},
        f"MR, sentence polarity, {folder}",
        max_words=request.max_words,
    )


def sst5(request: Request) -> Source:
    """SST-5 (Socher et al. 2013), whole sentences: 8,544, 1,101 and 2,210 in five classes."""
    folder = _find(request, "SST-5", ("sst5", "SST5", "sst-5"), [("train.txt",), ("dev.txt",), ("test.txt",)])
    parts = {}
    for role, stem in (("train", "train"), ("val", "dev"), ("test", "test")):
        rows = [line.split(" ", 1) for line in _lines(folder / f"{stem}.txt")]
        bad = next((index for index, row in enumerate(rows) if row[0] not in "01234" or len(row) != 2), None)
        if bad is not None:
            raise ValueError(f"{folder / f'{stem}.txt'}: line {bad + 1} must be a label 0 to 4 and the sentence")
        parts[role] = [text for _, text in rows], np.array([int(label) for label, _ in rows])
    return text_source("sst5", SST_CLASSES, parts, f"SST-5, whole sentences, {folder}", max_words=request.max_words)


def imdb(request: Request) -> Source:
    """IMDB film reviews (Maas et al. 2011): 25,000 and 25,000, negative and positive."""
    files: list[tuple[str, ...]] = [("imdb.jsonl.xz", "imdb.jsonl", "train/pos")]
    folder = _find(request, "IMDB", ("imdb", "aclImdb", "imdb/aclImdb"), files)
    parts = _parts(folder, "imdb", lambda row: row["label"], _imdb_folders)
    return text_source("imdb", ("negative", "positive"), parts, f"IMDB, {folder}", max_words=request.max_words)


def newsgroups(request: Request) -> Source:
    """20 Newsgroups, split by date: 11,314 and 7,532 posts without header, quotes and signature."""
    return _newsgroups(request, "20newsgroups", only_the_body, "headers, quotes and signatures stripped")


def newsgroups_raw(request: Request) -> Source:
    """20 Newsgroups with all that a post holds: its header names the group more often than its text does."""
    return _newsgroups(request, "20newsgroups-raw", str, "whole posts, headers included")


def _trec(request: Request, name: str, fine: bool) -> Source:
    folder = _find(request, "TREC", ("trec", "TREC"), list(TREC_FILES.values()))
    parts: dict[str, Rows] = {}
    for role, names in TREC_FILES.items():
        path = next(folder / name for name in names if (folder / name).is_file())
        rows = [line.split(" ", 1) for line in _lines(path)]
        bad = next((index for index, row in enumerate(rows) if ":" not in row[0] or len(row) != 2), None)
        if bad is not None:
            raise ValueError(f"{path}: line {bad + 1} must start with COARSE:fine and hold a question")
        labels = [label if fine else label.split(":")[0] for label, _ in rows]
        parts[role] = [text for _, text in rows], labels
    known = sorted(set(parts["train"][1]))
    index = {label: number for number, label in enumerate(known)}
    # one fine class of test or another may be without an example in train
    encoded = {}
    lost = 0
    for role, (texts, labels) in parts.items():
        kept = [place for place, label in enumerate(labels) if label in index]
        lost += len(labels) - len(kept)
        encoded[role] = [texts[place] for place in kept], np.array([index[labels[place]] for place in kept])
    classes = known if fine else [TREC_NAMES.get(label, label) for label in known]
    notes = (f"{lost} questions of classes that train lacks are left out",) if lost else ()
    return text_source(name, classes, encoded, f"TREC, {folder}", lower=False, notes=notes, max_words=request.max_words)


def _newsgroups(request: Request, name: str, strip: Callable[[str], str], how: str) -> Source:
    files: list[tuple[str, ...]] = [("20newsgroups.jsonl.xz", "20newsgroups.jsonl", "20news-bydate-train")]
    folder = _find(request, "20 Newsgroups", ("20newsgroups", "20news-bydate", "20news_home"), files)
    found = _parts(folder, "20newsgroups", lambda row: row["name"], _newsgroup_folders)
    classes = sorted(set(found["train"][1]))
    index = {group: number for number, group in enumerate(classes)}
    parts = {
        role: ([strip(text) for text in texts], np.array([index[label] for label in labels]))
        for role, (texts, labels) in found.items()
    }
    origin = f"20 Newsgroups by date, {how}, {folder}"
    return text_source(name, classes, parts, origin, max_words=request.max_words, vocabulary=20_000, pad_before=True)


def _parts(
    folder: Path,
    stem: str,
    label: Callable[[dict[str, Any]], Any],
    from_folders: Callable[[Path], Iterator[tuple[str, Any, str]]],
) -> dict[str, Any]:
    """Texts and labels of train and test, from JSON lines (packed or not) or from the original folders."""
    path = next((folder / name for name in (f"{stem}.jsonl.xz", f"{stem}.jsonl") if (folder / name).is_file()), None)
    rows: Iterator[tuple[str, Any, str]]
    if path is None:
        rows = from_folders(folder)
    else:
        rows = ((row["split"], label(row), row["text"]) for row in read_json_lines(path, ("split", "text")))
    parts: dict[str, Rows] = {"train": ([], []), "test": ([], [])}
    for role, value, text in rows:
        if role not in parts:
            raise ValueError(f"{path}: split must be train or test, not {role!r}")
        parts[role][0].append(text)
        parts[role][1].append(value)
    if isinstance(parts["train"][1][0], int):
        return {role: (texts, np.array(labels)) for role, (texts, labels) in parts.items()}
    return parts


def _imdb_folders(folder: Path) -> Iterator[tuple[str, int, str]]:
    for role in ("train", "test"):
        for label, side in enumerate(("neg", "pos")):
            for path in sorted((folder / role / side).glob("*.txt")):
                yield role, label, path.read_text(encoding="utf-8")


def _newsgroup_folders(folder: Path) -> Iterator[tuple[str, str, str]]:
    for role in ("train", "test"):
        for path in sorted((folder / f"20news-bydate-{role}").glob("*/*")):
            yield role, path.parent.name, path.read_text(encoding="latin-1")


def read_json_lines(path: Path, needed: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The objects of a ``.jsonl``, packed as ``.xz`` or not; ``ValueError`` names the line that cannot be read."""
    try:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except json.JSONDecodeError as error:
                    raise ValueError(f"{path}: line {number} is no JSON ({error})") from None
                if not isinstance(row, dict) or any(key not in row for key in needed):
                    wanted = f" with {', '.join(needed)}" if needed else ""
                    raise ValueError(f"{path}: line {number} must be an object{wanted}")
                yield row
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged or cut short ({error}); copy it again") from error


def _lines(path: Path) -> list[str]:
    """The lines of a latin-1 text, ended by a line feed only."""
    lines = path.read_bytes().decode("latin-1").split("\n")
    return [line.strip() for line in lines if line.strip()]


def _find(request: Request, title: str, folders: Sequence[str], files: Sequence[tuple[str, ...]]) -> Path:
    """The folder that has one of each group of files, which are one file under several names."""
    root = data_root(request.data_dir)
    for folder in candidates(root, folders, ("sst5", "trec") if title in ("TREC", "SST-5") else ()):
        if all(any((folder / name).exists() for name in group) for group in files):
            return folder
    wanted = ", ".join(" or ".join(group) for group in files)
    raise DownloadError(
        f"{title} is not in {root}, and is not downloaded: put {wanted} into {root / folders[0]}, or name the folder "
        "that holds the data set with --data-dir (data_dir=) or LEVELHEAD_DATA."
    )
