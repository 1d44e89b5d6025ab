"""Word vectors from a file, as the matrix of an embedding layer.

Two forms are read: GloVe's text (a word and its numbers on every line, separated by single spaces; a word may itself
hold spaces) and ``.npz`` with ``words (N,)`` and ``vectors (N, D)``. Only the words asked for are kept, so a text file
of gigabytes costs time and no memory. Shapes: N words of the file, V words of the vocabulary, D numbers of a word.
"""

import zipfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Unknown = Literal["uniform", "zero"]


def embedding_matrix(
    words: Sequence[str], path: str | Path, *, unknown: Unknown = "uniform", generator: torch.Generator | None = None
) -> Tensor:
    """The matrix ``(V, D)``, float32, of a vocabulary; row 0 belongs to the padding and is zero.

    A word that the file does not have in its own case is looked for in lower case. One that it does not have at all is
    drawn from U(-0.25, 0.25) (Kim 2014) or is zero (MbLS). Draws come from ``generator``, by default the global one as
    for any initial weight. Raises ``ValueError`` where the file cannot be read or has not one of the words.
    """
    found, dims = read_vectors(path, {form for word in words[1:] for form in (word, word.lower())})
    matrix = torch.zeros(len(words), dims)
    if unknown == "uniform":
        matrix[1:].uniform_(-0.25, 0.25, generator=generator)
    known = 0
    for row, word in enumerate(words[1:], start=1):
        vector = found.get(word, found.get(word.lower()))
        if vector is not None:
            matrix[row] = torch.from_numpy(vector)
            known += 1
    if not known:
        raise ValueError(
            f"{path} has a vector for none of the {len(words) - 1} words of the data; is it the right file?"
        )
    return matrix


def read_vectors(path: str | Path, wanted: Collection[str]) -> tuple[dict[str, np.ndarray], int]:
    """The vectors ``(D,)``, float32, of those of the wanted words that the file has, and D.

    Raises ``ValueError`` for a file that is not there, is in neither form, or holds something else than finite numbers.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(
            f"there is no file of word vectors {str(path)!r}; give GloVe's text (unzipped, such as glove.6B.300d.txt) "
            "or an .npz with words and vectors"
        )
    found, dims = (_npz if path.suffix == ".npz" else _text)(path, set(wanted))
    for word, vector in found.items():
        if not np.isfinite(vector).all():
            raise ValueError(f"{path}: the vector of {word!r} holds a number that is not finite")
    return found, dims


def _text(path: Path, wanted: set[str]) -> tuple[dict[str, np.ndarray], int]:
    """A line is split only where its first word begins a wanted one: a second for 100,000 lines of 300 numbers."""
    first = {word.partition(" ")[0] for word in wanted}
    found: dict[str, np.ndarray] = {}
    dims, number, line = 0, 0, ""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if dims and line[: line.find(" ")] not in first:
                continue
            parts = _split(line)
            if number == 1 and len(parts) == 2 and all(part.isdigit() for part in parts):
                continue  # the header that word2vec's and fastText's text form have: how many words, how many numbers
            dims = dims or len(parts) - 1
            word = " ".join(parts[:-dims])
            if not word or dims < 2:
                raise _line(path, number, line, dims)
            if word in wanted and word not in found:
                try:
                    found[word] = np.array(parts[-dims:], np.float32)
                except ValueError:
                    raise _line(path, number, line, dims) from None
    if not dims:
        raise ValueError(f"{path} holds no word vectors")
    if len(_split(line)) <= dims:  # a file that was cut off ends in half a line
        raise _line(path, number, line, dims)
    return found, dims


def _split(line: str) -> list[str]:
    return line.rstrip("\r\n ").split(" ")


def _line(path: Path, number: int, line: str, dims: int) -> ValueError:
    return ValueError(
        f"{path}, line {number}: expected a word and {dims if dims > 1 else 'its'} numbers, separated by spaces, "
        f"not {line[:60]!r}"
    )


def _npz(path: Path, wanted: set[str]) -> tuple[dict[str, np.ndarray], int]:
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            words, vectors = file["words"], file["vectors"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise ValueError(f"{path} cannot be read as word vectors, an .npz with words and vectors: {error}") from None
    if words.ndim != 1 or vectors.ndim != 2 or len(words) != len(vectors) or vectors.dtype.kind != "f":
        raise ValueError(
            f"{path} must hold words (N,) and vectors (N, D) of floating point, "
            f"not {words.shape} and {vectors.shape} of {vectors.dtype}"
        )
    rows: dict[str, int] = {}
    for row, word in enumerate(map(str, words)):
        if word in wanted:
            rows.setdefault(word, row)
    return {word: vectors[row].astype(np.float32) for word, row in rows.items()}, vectors.shape[1]
