"""From the predictions of a run to its entries in ``results.json``: raw, and after temperature scaling.

On test the temperature is the one fitted on cal. On cal itself every example is scaled by a temperature that never saw
it (five folds), so that methods can be chosen there.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from levelhead import metrics
from levelhead.calibrate import TemperatureScaling, cross_fitted
from levelhead.files import read_json
from levelhead.predictions import Predictions
from levelhead.train.run import FINISHED

#: The measures of a leaderboard, in its order.
MEASURES = ("nll", "brier", "accuracy", "gap", "ece", "oe", "mce", "adaptive_ece", "classwise_ece")
#: What all pixels of a segmentation add to them, from the file of this name beside a run's predictions.
PIXELS = "pixels.json"
OF_PIXELS = ("miou", "pixel_accuracy", "pixel_nll", "pixel_gap", "pixel_ece", "batch_ece")
N_BINS = 15
FOLDS = 5


def measure_run(folder: Path) -> list[dict[str, Any]]:
    """The entries of one finished run, one a role."""
    about = read_json(folder / FINISHED)
    cal, test = (Predictions.load(folder / f"{role}.safetensors") for role in ("cal", "test"))
    assert cal.logits is not None
    assert test.logits is not None
    scaling = TemperatureScaling().fit(cal)
    # not refused, as a calibrator would with `apply(test)`: the training is done, and it is the data that are so
    shared = int(scaling.overlap(test).sum())
    raw = {"cal": cal.logits, "test": test.logits}
    scaled = {"cal": cross_fitted(cal.logits, cal.labels, folds=FOLDS), "test": scaling.apply(test.logits)}
    pixels = read_json(folder / PIXELS) if (folder / PIXELS).exists() else None
    whole = {state: {name: pixels[state][name] for name in OF_PIXELS} if pixels else {} for state in ("raw", "scaled")}
    entries = [
        {
            "method": about["method"],
            "sentence": about["sentence"],
            "seed": about["seed"],
            "role": predictions.role,
            "n": len(predictions.labels),
            "raw": measures(raw[predictions.role], predictions.labels),
            "scaled": measures(scaled[predictions.role], predictions.labels),
            "temperature": scaling.temperature,
            "shared_with_cal": shared if predictions is test else 0,
            "seconds": about["seconds"],
            "passes": about["passes"],
            "train_accuracy": about["train_accuracy"],
            "run": about["hash"],
        }
        for predictions in (cal, test)
    ]
    for state, values in whole.items():
        entries[1][state] |= values
    return entries


def of_pixels(runs: Sequence[Path]) -> dict[str, Any]:
    """What the runs of a segmentation counted over all pixels of test, by method: IoU of each class, mean over seeds.

    Empty where no run is of a segmentation.
    """
    counted = [(read_json(run / FINISHED), read_json(run / PIXELS)) for run in runs if (run / PIXELS).exists()]
    if not counted:
        return {}
    about = {name: counted[0][1][name] for name in ("images", "pixels", "height", "width", "batch")}
    about["batch_ignores_background"] = counted[0][1]["batch_ignores_background"]
    by_sentence: dict[str, list[list[float | None]]] = {}
    for card, found in counted:
        by_sentence.setdefault(card["sentence"], []).append(found["iou"])
    return about | {"iou": {sentence: [_mean(each) for each in zip(*all_)] for sentence, all_ in by_sentence.items()}}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def shared_with_cal(entries: Sequence[dict[str, Any]]) -> list[str]:
    """A warning where test examples are among those that temperatures were fitted on; none where no model sees it."""
    most = max(entries, key=lambda entry: entry["shared_with_cal"], default={"shared_with_cal": 0})
    if most["shared_with_cal"] == 0:
        return []
    return [
        f"{most['shared_with_cal']} of {most['n']:,} test examples are also in cal, by what models say of them: the "
        "data hold examples twice, and temperatures saw these, which flatters what is measured after scaling."
    ]


def measures(logits: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """All measures of one set of logits; what is undefined or infinite is ``None``."""
    computed = metrics.Calibration(num_classes=logits.shape[1], n_bins=N_BINS, exact=True)
    computed.update(logits=logits, labels=labels)
    values = computed.compute()
    return {name: values[name] if math.isfinite(values[name]) else None for name in MEASURES}
