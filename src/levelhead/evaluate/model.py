"""One file's model: its scores, what was counted of them, and its temperature."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.evaluate import scaling as scalings
from levelhead.evaluate.groups import Grouping, Groups
from levelhead.evaluate.groups import described as by_group
from levelhead.evaluate.mistakes import Mistakes
from levelhead.evaluate.overlap import refuse_overlap
from levelhead.evaluate.scaling import Scaling
from levelhead.evaluate.sets import prediction_sets
from levelhead.evaluate.source import Source
from levelhead.evaluate.tally import Examples, Mean, Tally, examples
from levelhead.evaluate.top_label import TopLabel, answers


@dataclass(eq=False)
class Model:
    """What is known of one file. `scaling` and `scaled` are None where only the top label is known."""

    source: Source
    raw: Tally | TopLabel
    mistakes: Mistakes
    cal: Path | None = None
    scaling: Scaling | None = None
    scaled: Tally | None = None
    gain: dict[str, Mean] | None = None  # scaled less raw, example by example
    cal_counts: np.ndarray | None = None  # (C,) labels of each class in `cal`
    sets: dict[str, Any] | None = None  # prediction sets, fitted on `cal`
    groups: Sequence[dict[str, Any]] = ()

    @property
    def n(self) -> int:
        """Examples."""
        return self.raw.calibration.num_examples


def measured(
    source: Source, cal: Source | None, n_bins: int, level: float, groupings: Sequence[Grouping] = ()
) -> Model:
    """Count a file, find its temperature on `cal` or by cross-fitting, and count it again after scaling.

    ValueError, with the file, for scores that no measure takes, and for a `cal` of other classes or with examples of
    the file.
    """
    mistakes = Mistakes(source.classes)
    raw_groups, scaled_groups = (Groups(groupings, n_bins) for _ in range(2))
    if source.layout.kind == "top_label":
        if cal is not None:
            raise ValueError(
                f"{source.path} holds only the predicted class and its confidence: a temperature needs the scores of "
                "all classes, so --cal has no effect; leave it out"
            )
        top, start = TopLabel(n_bins), 0
        for block in answers(source):
            top.add(block.confidence, block.correct)
            mistakes.add_answers(block, start)
            raw_groups.add(block.confidence, block.correct, block.ids)
            start += len(block.confidence)
        raw_groups.end()
        return Model(source, top, mistakes, groups=by_group(groupings, raw_groups, None))
    if cal is not None:
        if cal.layout.kind == "top_label":
            raise ValueError(f"{cal.path} holds only top labels: a temperature is fitted on the scores of all classes")
        refuse_overlap(source, cal)
    raw = counted(source, n_bins)
    cal_counts, sets = None, None
    if cal is None:
        scaling = scalings.fit(source, raw.counts["labels"], level, cross=True)
    else:
        cal_counts = label_counts(cal)
        scaling = scalings.fit(cal, cal_counts, level, cross=False)
        if not (source.voted or cal.voted):  # sets hold one label, not a share of the votes
            sets = prediction_sets(source, cal)
    scaled = Tally("logits", source.num_classes, n_bins, exact=source.held is not None, voted=source.voted)
    gain = {name: Mean() for name in ("nll", "brier")}
    for logits, rows in scaling.apply(source):
        after = scaled.add(logits, rows)
        before = examples(source.kind, rows.scores, rows)
        with np.errstate(invalid="ignore"):  # infinite before and after: such rows are counted apart
            gain["nll"].add(after.nll - before.nll)
        gain["brier"].add(after.brier - before.brier)
        mistakes.add(before, after, rows)
        raw_groups.add(before.confidence, before.correct, rows.ids, before.nll)
        scaled_groups.add(after.confidence, after.correct, rows.ids, after.nll)
    raw_groups.end()
    groups = by_group(groupings, raw_groups, scaled_groups)
    path = None if cal is None else cal.path
    return Model(source, raw, mistakes, path, scaling, scaled, gain, cal_counts, sets, groups)


def counted(source: Source, n_bins: int) -> Tally:
    """All rows of a file of scores, counted."""
    tally = Tally(source.kind, source.num_classes, n_bins, exact=source.fits, voted=source.voted)
    for rows in source.blocks():
        try:
            tally.add(rows.scores, rows)
        except ValueError as error:
            raise source.refuse(error) from None
    return tally


def label_counts(source: Source) -> np.ndarray:
    """(C,) how many examples of each class a file has; ValueError for scores that no measure takes."""
    counts = np.zeros(source.num_classes, np.int64)
    for rows in source.blocks():
        try:
            examples(source.kind, rows.scores, rows)
        except ValueError as error:
            raise source.refuse(error) from None
        counts += np.bincount(rows.labels.numpy(), minlength=source.num_classes)
    return counts


def one_by_one(model: Model) -> Iterator[dict[str, np.ndarray]]:
    """What each example shows, a block at a time: label, id, and what differences are taken of, raw and scaled."""
    if model.scaling is None:
        for block in answers(model.source):
            found = {"label": block.truth, "correct": block.correct, "gap_raw": block.confidence - block.correct}
            yield found if block.ids is None else found | {"id": block.ids}
        return
    for logits, rows in model.scaling.apply(model.source):
        before = examples(model.source.kind, rows.scores, rows)
        after = examples("logits", logits, rows)
        found = {"label": rows.labels.numpy(), "correct": before.correct}
        for state, seen in (("raw", before), ("scaled", after)):
            found |= _terms(state, seen)
        yield found if rows.ids is None else found | {"id": rows.ids}


def _terms(state: str, seen: Examples) -> dict[str, np.ndarray]:
    return {
        f"nll_{state}": seen.nll,
        f"brier_{state}": seen.brier,
        f"gap_{state}": seen.confidence - seen.correct,
    }
