"""Sets of texts known by name: TREC, MR, SST-5, IMDB and 20 Newsgroups, in their original layouts or as JSON lines.

They are looked for in the data folder. IMDB and 20 Newsgroups by date are downloaded where nothing is found; the others
nobody serves in a form that could be checked, so the error lists their files.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.facts import FACTS
from levelhead.data.named import locate, size_note
from levelhead.data.source import Request, Source
from levelhead.data.text import only_the_body, text_source, without_header

TREC_FILES = {"train": "train_5500.label", "test": "TREC_10.label"}
TREC_NAMES = dict(zip(("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"), FACTS["trec"].names))
Rows = tuple[list[str], list[Any]]
Encoded = tuple[list[str], np.ndarray]


def trec(request: Request) -> Source:
    """TREC questions (Li and Roth 2002): 5,452 and 500 in six classes; words keep their case, as in Kim's code."""
    return _trec(request, "trec", fine=False)


def trec_fine(request: Request) -> Source:
    """TREC in its fine classes: 50 with "coarse:fine" as their names."""
    return _trec(request, "trec-50", fine=True)


def mr(request: Request) -> Source:
    """MR, sentences of film reviews (Pang and Lee 2005): 5,331 negative and 5,331 positive, without a split."""
    folder = locate("mr", request.data_dir).folder
    # splitlines would cut at characters inside some sentences
    sides = [_lines(folder / f"rt-polarity.{side}") for side in ("neg", "pos")]
    texts = [text for side in sides for text in side]
    labels = np.repeat([0, 1], [len(side) for side in sides])
    return _source("mr", {"train": (texts, labels)}, str(folder), request)


def sst5(request: Request) -> Source:
    """SST-5 (Socher et al. 2013), whole sentences: 8,544, 1,101 and 2,210 in five classes."""
    folder = locate("sst5", request.data_dir).folder
    parts = {}
    for role, stem in (("train", "train"), ("val", "dev"), ("test", "test")):
        rows = [line.split(" ", 1) for line in _lines(folder / f"{stem}.txt")]
        bad = next((index for index, row in enumerate(rows) if row[0] not in "01234" or len(row) != 2), None)
        if bad is not None:
            raise ValueError(f"{folder / f'{stem}.txt'}: line {bad + 1} must be a label 0 to 4 and the sentence")
        parts[role] = [text for _, text in rows], np.array([int(label) for label, _ in rows])
    return _source("sst5", parts, str(folder), request)


def imdb(request: Request) -> Source:
    """IMDB film reviews (Maas et al. 2011): 25,000 and 25,000, negative and positive."""
    folder = locate("imdb", request.data_dir).folder
    parts = _parts(folder, "imdb", lambda row: row["label"], _imdb_folders)
    return _source("imdb", parts, str(folder), request)


def newsgroups(request: Request) -> Source:
    """20 Newsgroups, split by date: 11,314 and 7,532 posts without header, quotes and signature."""
    return _newsgroups(request, "20newsgroups", only_the_body, "headers, quotes and signatures stripped")


def newsgroups_raw(request: Request) -> Source:
    """20 Newsgroups with all that a post holds: its header names the group more often than its text does."""
    return _newsgroups(request, "20newsgroups-raw", str, "whole posts, headers included")


def newsgroups_all(request: Request) -> Source:
    """20 Newsgroups, all 19,997 posts without headers: 15,098, 900 for val and 3,999, as MbLS splits them.

    The released code shuffles the posts, in the order of their names, with NumPy's legacy generator and seed 1; test is
    the last fifth, val what stands before it. A post to several groups stands in each of them, so some texts are in
    train and in test: the published numbers have that too.
    """
    folder = locate("20news-19997", request.data_dir).folder
    groups = FACTS["20news-19997"].names
    paths = [
        (label, path)
        for label, group in enumerate(groups)
        for path in sorted((folder / group).iterdir())
        if path.name.isdigit()
    ]
    number = len(paths)
    order = np.random.RandomState(1).permutation(number)  # the same order as its shuffle of arange
    test = number - number // 5
    val = test - 900 * number // 19_997
    texts = [without_header(path.read_text(encoding="latin-1")) for _, path in paths]
    labels = np.array([label for label, _ in paths])
    parts = {
        role: ([texts[place] for place in places], labels[places])
        for role, places in (("train", order[:val]), ("val", order[val:test]), ("test", order[test:]))
    }
    return _source("20news-19997", parts, f"headers stripped, {folder}", request, vocabulary=20_000, pad_before=True)


def _source(name: str, parts: dict[str, Encoded], how: str, request: Request, **others: Any) -> Source:
    facts = FACTS[name]
    classes = others.pop("classes", None) or facts.names
    notes = (*others.pop("notes", ()), *size_note(facts, {role: len(texts) for role, (texts, _) in parts.items()}))
    origin = f"{facts.title}, {how}"
    return text_source(name, classes, parts, origin, max_words=request.max_words, notes=notes, **others)


def _trec(request: Request, name: str, fine: bool) -> Source:
    found = locate(name, request.data_dir)
    parts: dict[str, Rows] = {}
    for role, file in TREC_FILES.items():
        path = found.file(file)
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
    return _source(name, encoded, str(found.folder), request, classes=classes, lower=False, notes=notes)


def _newsgroups(request: Request, name: str, strip: Callable[[str], str], how: str) -> Source:
    folder = locate(name, request.data_dir).folder
    found = _parts(folder, "20newsgroups", lambda row: row["name"], _newsgroup_folders)
    classes = sorted(set(found["train"][1]))
    index = {group: number for number, group in enumerate(classes)}
    parts = {
        role: ([strip(text) for text in texts], np.array([index[label] for label in labels]))
        for role, (texts, labels) in found.items()
    }
    how = f"{how}, {folder}"
    return _source(name, parts, how, request, classes=classes, vocabulary=20_000, pad_before=True)


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
