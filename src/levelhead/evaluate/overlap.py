"""Whether a file to fit on holds examples of the file to be reported: by id, and by what the rows hold.

Rows are recognised as a calibrator recognises those it was fitted on, block by block and in constant memory:
`levelhead.calibrate._rows` says what counts as equal, how often that errs, and what escapes it.
"""

import numpy as np

from levelhead.calibrate import _rows
from levelhead.evaluate.source import Source


def refuse_overlap(test: Source, cal: Source) -> None:
    """ValueError where `cal` cannot teach `test` a temperature: the same file, other classes, or shared examples.

    A few equal rows, which data that hold an example twice can have, are let pass with a note.
    """
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
    if cal.layout.ids and test.layout.ids and (count := _equal_ids(test, cal)):
        raise ValueError(
            f"{cal.path} and {test.path} share {count} examples by id; fit on examples that are not reported. Where "
            "ids only number the rows of each file, leave them out of one of the two"
        )
    count, rows, kept = _equal_rows(test, cal)
    if _rows.too_many(count, rows, kept):
        raise ValueError(
            f"{cal.path} and {test.path} share {count} examples by scores; fit on examples that are not reported"
        )
    if count:
        test.notes.append(
            f"{count} of {rows} rows are also in {cal.path}: so few are let pass, since data can hold an example twice."
        )


def _equal_ids(test: Source, cal: Source) -> int:
    known = np.unique(np.concatenate([_ids(rows.ids) for rows in cal.blocks()]))
    return sum(int(np.isin(_ids(rows.ids), known).sum()) for rows in test.blocks())


def _ids(ids: np.ndarray | None) -> np.ndarray:
    assert ids is not None
    return ids.astype(str)


def _equal_rows(test: Source, cal: Source) -> tuple[int, int, np.ndarray]:
    """How many rows of `test` are in `cal`, out of how many, and what was kept of `cal`."""
    rows = _rows.Kept()
    for block in cal.blocks():
        rows.add(_rows.hashes(block.scores))
    kept = rows.sorted()
    search, counts = _rows.Search(kept), np.zeros(4, np.int64)
    for block in test.blocks():
        counts += np.bincount(search.look(block.scores), minlength=4)
    return int(counts[search.least() :].sum()), int(counts.sum()), kept
