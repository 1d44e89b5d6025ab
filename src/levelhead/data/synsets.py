"""The classes of ImageNet by their WordNet ids (wnids): what ImageNet, its small forms and ImageNet-A have in common.

A class is called "n01443537 goldfish": the id, under which every one of these sets keeps its images, and torchvision's
word for it. `imagenet_classes.txt` lists the ids, in the order of the labels, and which of them Tiny-ImageNet and
ImageNet-A have.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

_WNID = re.compile(r"n\d{8}(?=\s|$)")


@functools.cache
def _table() -> dict[str, frozenset[str]]:
    lines = Path(__file__).with_name("imagenet_classes.txt").read_text(encoding="utf-8").splitlines()
    return {wnid: frozenset(sets) for wnid, *sets in (line.split() for line in lines)}


def wnids(of: str | None = None) -> tuple[str, ...]:
    """The ids of ImageNet-1k, sorted; with ``of`` ("tiny" or "a") those that Tiny-ImageNet or ImageNet-A has.

    >>> len(wnids()), len(wnids("tiny")), len(wnids("a")), len(set(wnids("tiny")) & set(wnids("a")))
    (1000, 200, 200, 74)
    """
    return tuple(wnid for wnid, sets in _table().items() if of is None or of in sets)


def class_names(of: Iterable[str]) -> tuple[str, ...]:
    """Names of classes from their ids; an id that ImageNet-1k has not stays as it is."""
    from torchvision.models import ResNet50_Weights

    words = dict(zip(_table(), ResNet50_Weights.IMAGENET1K_V1.meta["categories"]))
    return tuple(f"{wnid} {words[wnid]}" if wnid in words else wnid for wnid in of)


def identity(name: str) -> str:
    """What two names of one class have in common: the id that a name starts with, else the name itself.

    >>> identity("n01443537 goldfish"), identity("goldfish")
    ('n01443537', 'goldfish')
    """
    found = _WNID.match(name)
    return found.group() if found else name
