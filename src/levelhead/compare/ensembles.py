"""Each method's ensemble of its seeds: the runs are there anyway, so what averaging them buys costs no training.

The mean probability of the seeds' predictions, raw, and scaled by a temperature that is fitted on the ensemble of their
predictions on cal: an ensemble is calibrated as a whole, because the mean of calibrated members is under-confident.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.calibrate import TemperatureScaling
from levelhead.compare.measure import measures
from levelhead.files import read_json
from levelhead.predictions import Predictions
from levelhead.train.run import FINISHED


def groups(runs: Iterable[Path]) -> Iterator[tuple[dict[str, Any], list[Path]]]:
    """The record of one run and the folders of all, by rising seed, for every method with two seeds or more."""
    found: dict[str, list[tuple[int, Path, dict[str, Any]]]] = defaultdict(list)
    for run in runs:
        about = read_json(run / FINISHED)
        found[about["sentence"]].append((about["seed"], run, about))
    for members in found.values():
        if len(members) > 1:
            ordered = sorted(members, key=lambda member: member[0])
            yield ordered[0][2], [run for _, run, _ in ordered]


def together(runs: Sequence[Path], file: str) -> Predictions:
    """The ensemble of one file of each run, its probabilities as logits, which is as good: softmax brings them back."""
    mean = Predictions.ensemble([run / file for run in runs])
    assert mean.probs is not None
    with np.errstate(divide="ignore"):  # a probability of zero is a class ruled out
        logits = np.log(mean.probs)
    return Predictions(
        labels=mean.labels, logits=logits, ids=mean.ids, role=mean.role, classes=mean.classes, meta=mean.meta
    )


def measure_ensembles(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """One row a method with two seeds or more, lowest scaled NLL on test first."""
    rows = []
    for about, members in groups(runs):
        scaling = TemperatureScaling().fit(together(members, "cal.safetensors"))
        test = together(members, "test.safetensors")
        assert test.logits is not None
        rows.append(
            {
                "method": about["method"],
                "sentence": about["sentence"],
                "members": len(members),
                "n": test.num_examples,
                "temperature": scaling.temperature,
                "raw": measures(test.logits, test.labels),
                "scaled": measures(scaling.apply(test.logits), test.labels),
            }
        )
    return sorted(rows, key=lambda row: (row["scaled"]["nll"] is None, row["scaled"]["nll"]))
