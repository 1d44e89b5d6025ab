"""From a finished run's folder to one small record: every number that a claim or a table of the papers asks for.

``measures`` is flat, name to number: ``ece_raw`` and ``ece_scaled`` on test, ``cal_ece_raw`` on cal (choices are made
there), ``winning_50`` a quantile of the winning scores, ``share_95`` the share above .95, and ``auroc_raw@notmnist``
under a probe. ``series`` are numbers an epoch, where they were recorded, and the curve of leaving the hull.
N examples, C classes.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from levelhead import metrics
from levelhead.calibrate import TemperatureScaling
from levelhead.compare.measure import measure_run, measures
from levelhead.compare.probed import measure_probes
from levelhead.compare.probing import FILES
from levelhead.files import read_json
from levelhead.plots import embedding
from levelhead.predictions import Predictions
from levelhead.train.run import FINISHED

if TYPE_CHECKING:
    from levelhead.data import Dataset

_DIGITS = 6
_CHOICE = ("accuracy", "nll", "ece")
_KEPT_OF_PROBES = ("confidence", "entropy", "auroc", "fpr95", "accuracy", "top5", "ece", "oe", "nll")
#: What is followed over epochs.
_FOLLOWED = ("accuracy", "nll", "ece", "oe", "gap")
_FINE_BINS = 25
#: Test images whose activation maps are measured.
_LOOKED_AT = 2_000
#: What `compare` puts behind the name of other data that it knows by a path only.
_DIGITS_OF_CONTENT = re.compile(r" [0-9a-f]{8}$")


def measured(run: Path, data: "Dataset | None" = None, *, hull: str = "leave_hull") -> dict[str, Any]:
    """Method, sentence, seed, hash, seconds, measures and series of one finished run.

    What the network must be asked again (activation maps, the plane) needs the ``data`` that it was trained on.
    """
    about = read_json(run / FINISHED)
    entries = {entry["role"]: entry for entry in measure_run(run)}
    cal, test = (Predictions.load(run / f"{role}.safetensors") for role in ("cal", "test"))
    assert test.logits is not None
    found: dict[str, float | None] = {}
    for state in ("raw", "scaled"):
        found |= {f"{name}_{state}": value for name, value in entries["test"][state].items()}
    found |= {f"cal_{name}_raw": entries["cal"]["raw"][name] for name in _CHOICE}
    found["temperature"] = entries["test"]["temperature"]
    found["temperature_ece"] = TemperatureScaling(criterion="ece").fit(cal).temperature
    found["train_accuracy"] = about["train_accuracy"]
    found["loss_last"] = about["history"][-1]["loss"]
    found |= winning(test.logits) | beyond_margin(test.logits) | split_gaps(test.logits, test.labels)
    series = {"loss": [epoch["loss"] for epoch in about["history"]], **_recorded(run)}
    found |= _targets(run)
    embedded, about_embedded = _embedded(run)
    series |= embedded
    found |= about_embedded
    if data is not None:
        found |= asked_again(run, data)
    curve = []
    for entry, file in zip(measure_probes(run), sorted(run.glob(FILES)), strict=True):  # both go by file name
        if entry["curve"] == hull:
            curve.append(entry)
            continue
        name = _DIGITS_OF_CONTENT.sub("", entry["name"])
        for state in ("raw", "scaled"):
            kept = {key: entry[state][key] for key in _KEPT_OF_PROBES if key in entry[state]}
            found |= {f"{key}_{state}@{name}": value for key, value in kept.items()}
        said = Predictions.load(file)
        assert said.logits is not None
        found |= {f"{key}@{name}": value for key, value in winning(said.logits).items()}
    if curve:
        series |= _hull(curve)
        found |= hull_measures(series)
    return {
        "method": about["method"],
        "sentence": about["sentence"],
        "seed": about["seed"],
        "hash": about["hash"],
        "n": entries["test"]["n"],
        "passes": about["passes"],
        "seconds": about["seconds"],
        "measures": {name: None if value is None else _short(value) for name, value in found.items()},
        "series": {name: [_short(value) for value in values] for name, values in series.items()},
    }


def winning(logits: np.ndarray) -> dict[str, float]:
    """Mean and quartiles of the winning scores, and the shares above .7 and .95."""
    scores = metrics.max_softmax(logits=logits)
    found = {f"winning_{q}": float(np.quantile(scores, q / 100)) for q in (25, 50, 75)}
    return found | {f"share_{at}": float((scores > at / 100).mean()) for at in (70, 95)} | {"confidence": scores.mean()}


def beyond_margin(logits: np.ndarray) -> dict[str, float]:
    """The share of logits that lie more than 6 and 10 below the largest of their row, which MbLS pulls up."""
    below = logits.max(1, keepdims=True) - logits
    return {f"beyond_{m}": float((below > m).mean()) for m in (6, 10)}


def split_gaps(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Calibration error of the confident and of the doubtful half, in MbLS' 25 bins: above .72 and up to .68.

    The bin that holds .7 belongs to neither; NaN (kept as null) where there is no example.
    """
    scores = metrics.max_softmax(logits=logits)
    correct = logits.argmax(1) == labels
    bins = np.clip(np.ceil(scores * _FINE_BINS).astype(int) - 1, 0, _FINE_BINS - 1)
    counts = np.bincount(bins, minlength=_FINE_BINS)
    error = np.abs(np.bincount(bins, correct - scores, minlength=_FINE_BINS))
    straddling = math.floor(0.7 * _FINE_BINS)
    halves = {"ece25_above": slice(straddling + 1, None), "ece25_below": slice(0, straddling)}
    return {
        name: float(error[part].sum() / n) if (n := counts[part].sum()) else math.nan for name, part in halves.items()
    }


def hull_measures(series: dict[str, list[float]]) -> dict[str, float]:
    """The largest rise of confidence after its minimum, and the area under accuracy over the logarithm of distance."""
    at = np.log(series["hull_at"])
    found = {}
    for state in ("raw", "scaled"):
        confidence = np.array(series[f"hull_confidence_{state}"])
        lowest = int(confidence.argmin())
        found[f"hull_rise_{state}"] = float(confidence[lowest:].max() - confidence[lowest])
        found[f"hull_drop_{state}"] = float(confidence[0] - confidence[lowest])
    accuracy = np.array(series["hull_accuracy"])
    found["hull_area"] = float(((accuracy[1:] + accuracy[:-1]) / 2 * np.diff(at)).sum() / (at[-1] - at[0]))
    return found


def _hull(curve: list[dict[str, Any]]) -> dict[str, list[float]]:
    points = sorted(curve, key=lambda entry: entry["at"])
    found = {"hull_at": [entry["at"] for entry in points], "hull_accuracy": [p["raw"]["accuracy"] for p in points]}
    for state in ("raw", "scaled"):
        found[f"hull_confidence_{state}"] = [entry[state]["confidence"] for entry in points]
    return found


def _recorded(run: Path) -> dict[str, list[float]]:
    """Measures on test after every epoch, where predictions were recorded; for curves, nothing is selected by them."""
    found: dict[str, list[float]] = {}
    for file in sorted((run / "records").glob("test-*.safetensors")):
        said = Predictions.load(file)
        assert said.logits is not None
        values = measures(said.logits, said.labels)
        for name in _FOLLOWED:
            value = values[name]
            found.setdefault(name, []).append(math.nan if value is None else value)
    return found


def _targets(run: Path) -> dict[str, float]:
    """Learned and training targets of the first and the last epoch, where they were recorded."""
    files = sorted((run / "records").glob("targets-*.npz"))
    if not files:
        return {}
    found = {}
    with np.load(files[-1]) as last:
        if last["pairs_count"]:
            found["true_class_target"] = float(last["pairs"][:2].mean())
            found["second_target"] = float(last["largest"][1])
        if "originals" in last and last["originals_count"]:
            found["own_target"] = float(last["originals"][0])
    for word, file in (("first", files[0]), ("last", files[-1])):
        with np.load(file) as epoch:
            if "fixed_learned" in epoch and epoch["fixed_learned"].shape[1] > 1:
                found[f"learned_{word}"] = float(_of_true_classes(epoch).mean())
    return found


def _embedded(run: Path) -> tuple[dict[str, list[float]], dict[str, float]]:
    """How far the classes have parted and how well training data are known, after every epoch, and what follows."""
    spreads, fits = [], []
    for file in sorted((run / "records").glob("embeddings-*.npz")):
        with np.load(file) as epoch:
            if "train_accuracy" not in epoch:  # recorded by an older version
                return {}, {}
            spreads.append(embedding.spread(epoch["features"].astype(np.float64), epoch["labels"]))
            fits.append(float(epoch["train_accuracy"]))
    if not spreads:
        return {}, {}
    return {"spread": spreads, "train_accuracy": fits}, after_fitting(spreads, fits)


def after_fitting(spreads: Sequence[float], fits: Sequence[float]) -> dict[str, float]:
    """The part of the epochs from the first one with every training example right, and there the spread's slope.

    The slope is that of the least-squares line, an epoch; NaN (kept as null) where fewer than three epochs are left.
    """
    first = next((epoch for epoch, fit in enumerate(fits) if fit == 1), len(fits))
    left = np.asarray(spreads[first:], dtype=np.float64)
    slope = float(np.polyfit(np.arange(len(left)), left, 1)[0]) if len(left) > 2 else math.nan
    return {"fitted_part": len(left) / len(fits), "spread_slope": slope}


def asked_again(run: Path, data: "Dataset") -> dict[str, float]:
    """The area that class activation maps look at, or the width of the band in the plane; nothing for other data."""
    from levelhead.figures import images_of
    from levelhead.plots import activation_maps, surface
    from levelhead.trained import load_run

    test, train = data.splits["test"], data.splits["train"]
    if data.kind == "image":
        rows = np.unique(np.linspace(0, len(test) - 1, min(_LOOKED_AT, len(test))).astype(int))
        trained = load_run(run)
        images = trained.shown(images_of(test, rows))
        try:
            maps = activation_maps.activation_maps("", trained.activation, images, test.labels[rows])
        except ValueError:  # no convolutional network
            return {}
        return {"activation_area": float(maps.area.mean())}
    if data.kind == "vector" and data.shape == (2,):
        plane = surface.surface("", load_run(run).logits, np.asarray(train.inputs), train.labels)
        return {"band_width": plane.width, "band_share": plane.unsure}
    return {}


def _of_true_classes(epoch: Any) -> np.ndarray:
    """What the head says of both classes of the fixed batch's pairs of different labels."""
    labels, partner = epoch["fixed_labels"], epoch["fixed_labels"][epoch["fixed_partner"]]
    rows = np.flatnonzero(labels != partner)
    return np.stack([epoch["fixed_learned"][rows, labels[rows]], epoch["fixed_learned"][rows, partner[rows]]])


def _short(value: float) -> float | None:
    return round(float(value), _DIGITS) if math.isfinite(value) else None
