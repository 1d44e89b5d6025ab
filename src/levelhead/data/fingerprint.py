"""The name of a data set's content: roles, labels, inputs and class names, not paths.

Inputs in arrays count with every byte. Encoded images count with their encoded bytes and the form they are brought to,
not with their pixels, so that a set has one name whether it lies in memory or streams, and is named without decoding.
Of a role with more than a gigabyte of them, every image counts with its size and 2,048 of them, evenly spaced, with
every byte: that takes seconds where reading all of ImageNet would take many minutes. A change that keeps the sizes of
all images and touches none of the 2,048 is not seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from levelhead.data.lazy import Encoded
from levelhead.data.records import Split

WHOLE = 1 << 30  # encoded bytes of a role up to which all of them count
SAMPLED = 2_048


@dataclass(frozen=True, eq=False)
class Origin:
    """The encoded images that the inputs of a split are made of: `rows` int64 `(N,)` of a part's."""

    encoded: Encoded
    rows: np.ndarray


def fingerprint(
    splits: Mapping[str, Split],
    classes: tuple[str, ...],
    words: tuple[str, ...] | None = None,
    origins: Mapping[str, Origin] | None = None,
) -> str:
    """SHA-256 (hex) of class names, of the vocabulary and, role by role, of inputs and labels with types and shapes."""
    digest = hashlib.sha256(repr(classes).encode())
    if words is not None:
        digest.update(repr(words).encode())
    for role in sorted(splits):
        split = splits[role]
        if origins and role in origins:
            _add_encoded(digest, role, origins[role])
        else:
            assert isinstance(split.inputs, np.ndarray)
            _add(digest, role, split.inputs)
        _add(digest, role, split.labels)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, role: str, array: np.ndarray) -> None:
    digest.update(f"{role} {array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)


def _add_encoded(digest: hashlib._Hash, role: str, origin: Origin) -> None:
    digest.update(repr(origin.encoded.form).encode())
    lengths = origin.encoded.length[origin.rows].astype(np.int64)
    _add(digest, role, lengths)
    rows = origin.rows
    if lengths.sum() > WHOLE and len(rows) > SAMPLED:
        rows = rows[np.linspace(0, len(rows) - 1, SAMPLED).round().astype(np.int64)]
    for row in rows:
        digest.update(origin.encoded.content(int(row)))
