"""Texts as token ids: how they are cut into words, which words there are, and the sets known by name.

Words are collected from the texts of all parts, without their labels, as in Kim (2014), so that pretrained vectors of
words that occur in test only can be used. Id 0 is padding and id 1 a word that the vocabulary does not hold. Every text
is padded to the length of the longest, so that no prediction depends on what else is in its batch.
Shapes: N texts, L words of a text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from levelhead.data.source import Part, Source

PADDING, UNKNOWN = "", "<unknown>"
MAX_WORDS = 400

_KIM = (
    (re.compile(r"[^A-Za-z0-9(),!?'`]+"), " "),
    (re.compile(r"('s|'ve|n't|'re|'d|'ll)"), r" \1"),
    (re.compile(r"([,!()?])"), r" \1 "),
)


def words_of(text: str, lower: bool = True) -> list[str]:
    """The words of a text, by the rules of Kim's code (2014): letters, digits and a few signs, contractions apart.

    >>> words_of("It's NOT a film (really)!")
    ['it', "'s", 'not', 'a', 'film', '(', 'really', ')', '!']
    """
    for pattern, replacement in _KIM:
        text = pattern.sub(replacement, text)
    return (text.lower() if lower else text).split()


def text_source(
    name: str,
    classes: Sequence[str],
    parts: Mapping[str, tuple[Sequence[str], np.ndarray]],
    origin: str,
    *,
    lower: bool = True,
    max_words: int | None = None,
    vocabulary: int | None = None,
    pad_before: bool = False,
    notes: tuple[str, ...] = (),
) -> Source:
    """A source of kind "text" from texts and int64 labels, part by part.

    Args:
        name: the name to show.
        classes: class names, in the order of the labels.
        parts: texts and labels `(N,)` of each part.
        origin: one sentence for `Dataset.origin`.
        lower: whether words are taken in lower case.
        max_words: longer texts are cut to their first words; by default 400.
        vocabulary: how many words are kept, the most frequent first; None for all.
        pad_before: whether padding stands before the text, not behind it.
        notes: sentences for `Dataset.notes`.
    """
    limit = MAX_WORDS if max_words is None else max_words
    cut = {role: [words_of(text, lower)[:limit] for text in texts] for role, (texts, _) in parts.items()}
    counts = Counter(word for texts in cut.values() for text in texts for word in text)
    if not counts:
        raise ValueError(f"{name}: the texts hold no words; is it the right column?")
    # by frequency, then by the alphabet, so that the order does not depend on the files' order
    kept = sorted(counts, key=lambda word: (-counts[word], word))[:vocabulary]
    words = (PADDING, UNKNOWN, *kept)
    ids = {word: index for index, word in enumerate(words)}
    length = max(len(text) for texts in cut.values() for text in texts)
    encoded = {role: _encode(texts, ids, length, pad_before) for role, texts in cut.items()}
    empty = sum(not text for texts in cut.values() for text in texts)
    if empty:
        notes = (*notes, f"{empty:,} texts hold no words and look all alike to a network")
    cut_short = sum(len(text) == limit for texts in cut.values() for text in texts)
    if cut_short:
        notes = (*notes, f"{cut_short:,} texts have {limit:,} words or more and count with their first {limit:,}")
    return Source(
        name=name,
        kind="text",
        classes=tuple(classes),
        parts={role: Part.of_array(encoded[role], labels) for role, (_, labels) in parts.items()},
        origin=origin,
        notes=notes,
        words=words,
    )


def _encode(texts: Sequence[Sequence[str]], ids: Mapping[str, int], length: int, before: bool) -> np.ndarray:
    """int32 `(N, L)`."""
    encoded = np.zeros((len(texts), length), dtype=np.int32)
    for row, text in zip(encoded, texts):
        found = [ids.get(word, 1) for word in text]
        row[length - len(found) if before else 0 : length if before else len(found)] = found
    return encoded


_HEADER = re.compile(r"\A.*?\n\n", re.DOTALL)
_QUOTE = re.compile(r"(writes in|writes:|wrote:|says:|said:|^In article|^Quoted from|^\||^>)")


def without_header(post: str) -> str:
    """A post without all before its first blank line."""
    return _HEADER.sub("", post, count=1)


def without_quotes(post: str) -> str:
    """A post without lines that quote another, or say that they do."""
    return "\n".join(line for line in post.split("\n") if not _QUOTE.search(line))


def without_footer(post: str) -> str:
    """A post without its last block, where that is set apart by a blank or a dashed line, as a signature is."""
    lines = post.strip().split("\n")
    for place in range(len(lines) - 1, -1, -1):
        if not lines[place].strip().strip("-"):
            return "\n".join(lines[:place]) if place > 0 else post
    return post


def only_the_body(post: str) -> str:
    """A post without header, quotes and footer, which tell the group without its subject: as scikit-learn strips."""
    return without_footer(without_quotes(without_header(post)))
