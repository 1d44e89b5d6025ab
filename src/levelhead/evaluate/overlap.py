"""Whether two files hold the same examples: by id where both have ids, else by a hash of each row and its label."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from levelhead.evaluate.source import Source

#: Rows of a model with discrete outputs repeat by themselves; where fewer of cal's rows differ, hashes say nothing.
_DISTINCT = 0.9
#: Chance repeats that are let pass: saturated rows of different examples are equal, too.
_SHARED = 0.01


def refuse_overlap(test: Source, cal: Source) -> None:
    """ValueError where `cal` cannot teach `test` a temperature: the same file, other classes, or shared examples."""
    if test.path.resolve() == cal.path.resolve():
        raise ValueError(
            f"{cal.path} is the file to be evaluated: a temperature is fitted on other examples, or it flatters; "
            "without --cal it is cross-fitted"
        )
    if cal.num_classes != test.num_classes:
        raise ValueError(f"{cal.path} has {cal.num_classes} classes, but {test.path} has {test.num_classes}")
    if cal.role == "test":
        raise ValueError(
            f"{cal.path} has the role 'test': calibration fitted on what is reported is not a result; give predictions "
            "of the role 'cal' or 'val'"
        )
    shared, by = shared_examples(test, cal)
    if shared:
        raise ValueError(
            f"{cal.path} and {test.path} share {shared} examples by {by}; fit on examples that are not reported"
        )


def shared_examples(test: Source, cal: Source) -> tuple[int, str]:
    """How many examples of `cal` are in `test`, and by what they were recognised."""
    if cal.layout.ids and test.layout.ids:
        ids = np.unique(np.concatenate([_ids(rows.ids) for rows in cal.blocks()]))
        return _found(ids, (_ids(rows.ids) for rows in test.blocks())), "id"
    hashes = np.concatenate([row_hashes(rows.scores, rows.labels) for rows in cal.blocks()])
    distinct = np.unique(hashes)
    if len(distinct) < _DISTINCT * len(hashes):
        return 0, "scores"
    shared = _found(distinct, (row_hashes(rows.scores, rows.labels) for rows in test.blocks()))
    return (shared if shared > _SHARED * len(distinct) else 0), "scores"


def _ids(ids: np.ndarray | None) -> np.ndarray:
    assert ids is not None
    return ids.astype(str)


def _found(known: np.ndarray, blocks: Iterable[np.ndarray]) -> int:
    seen = np.zeros(len(known), dtype=bool)
    for block in blocks:
        place = np.searchsorted(known, block).clip(max=len(known) - 1)
        seen[place[known[place] == block]] = True
    return int(seen.sum())


def row_hashes(scores: Tensor, labels: Tensor) -> np.ndarray:
    """(n,) a 64-bit hash of each row in float32, with its label."""
    bits = scores.float().contiguous().view(torch.int32).numpy().astype(np.uint64)
    rng = np.random.default_rng(0)
    odd = rng.integers(0, 2**63, bits.shape[1] + 1, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    with np.errstate(over="ignore"):
        mixed = (bits * odd[:-1]).sum(1, dtype=np.uint64) + labels.numpy().astype(np.uint64) * odd[-1]
        return mixed ^ (mixed >> np.uint64(29))
