"""All pixels of the test images of a segmentation: one pass when a run is done, into a small file beside it.

Its predictions hold a sample of pixels (`train/rows.py`). Here every pixel that counts is asked once, and what is added
up is kept: the confusion of classes and so the mean intersection over union, accuracy, NLL and ECE of all pixels
together, and ECE batch by batch as Liu et al. (2022, MbLS) report it; raw, and by the temperature fitted on cal's
sample. For a few images the page's maps are kept. H, W; C classes.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from levelhead.calibrate import TemperatureScaling
from levelhead.compare.measure import N_BINS, PIXELS
from levelhead.data import Dataset
from levelhead.data.records import IGNORED
from levelhead.files import write_json, write_whole
from levelhead.metrics import BatchMean, Calibration
from levelhead.predictions import Predictions
from levelhead.train.execute import reopened
from levelhead.train.run import Run
from levelhead.train.trainer import DENSE_BATCH, Stopped

#: The maps of a few images: ``inputs (M, channels, H, W)``, ``labels``, ``predicted`` and ``confidence`` (255 is 1)
#: ``(M, H, W)``, all uint8, and the images' ``ids``.
MAPS = "maps.npz"
NUM_MAPS = 4


def uncounted(data: Dataset, folder: Path) -> bool:
    """Whether a run's pixels are still to be counted."""
    return data.kind == "segmentation" and not (folder / PIXELS).exists()


def count_pixels(run: Run, data: Dataset, folder: Path, stop: Callable[[], bool]) -> None:
    """Ask a finished run about all pixels of test, unless that was done. Raises ``Stopped`` where ``stop`` says so."""
    if not uncounted(data, folder):
        return
    scaling = TemperatureScaling().fit(Predictions.load(folder / "cal.safetensors"))
    background = data.classes[0] == "background"
    counts = {state: _Counts(data.num_classes, background) for state in ("raw", "scaled")}
    confusion = np.zeros((data.num_classes, data.num_classes), dtype=np.int64)
    shown = _shown(len(data.splits["test"]))
    maps: dict[str, list[np.ndarray]] = {"predicted": [], "confidence": []}
    trainer = reopened(run, data, folder)
    for examples in torch.arange(len(data.splits["test"])).split(DENSE_BATCH):
        if stop():
            raise Stopped
        logits, labels = trainer.asked("test", examples)
        if bool((labels != IGNORED).any()):
            counts["raw"].add(logits, labels)
            counts["scaled"].add(logits / scaling.temperature, labels)
            confusion += confused(logits, labels)
        for row, example in enumerate(examples.tolist()):
            if example in shown:
                confidence, predicted = logits[row].softmax(0).max(0)
                maps["predicted"].append(predicted.to(torch.uint8).numpy())
                maps["confidence"].append((255 * confidence).round().to(torch.uint8).numpy())
    _write_maps(folder / MAPS, data, shown, maps)
    iou = intersection_over_union(confusion)
    known = {"miou": _mean(iou), "pixel_accuracy": float(np.trace(confusion) / confusion.sum())}
    write_json(
        folder / PIXELS,
        {
            "images": len(data.splits["test"]),
            "pixels": int(confusion.sum()),
            "height": data.shape[1],
            "width": data.shape[2],
            "temperature": scaling.temperature,
            "batch": DENSE_BATCH,
            "batch_ignores_background": background,
            **{state: known | each.compute() for state, each in counts.items()},
            "iou": [None if np.isnan(value) else float(value) for value in iou],
            "confusion": confusion.tolist(),
        },
    )


class _Counts:
    """NLL and ECE of all pixels together, and ECE of each batch, averaged with its pixels as weight."""

    def __init__(self, num_classes: int, background: bool) -> None:
        self.all = Calibration(num_classes, N_BINS, parts=("nll", "top_label"), ignore_index=IGNORED)
        # MbLS leaves the background of VOC out of its measures
        self.batches = BatchMean(
            num_classes, N_BINS, parts=("top_label",), ignore_index=IGNORED, ignore_background=background
        )

    def add(self, logits: Tensor, labels: Tensor) -> None:
        self.all.update(logits=logits, labels=labels)
        self.batches.update(logits=logits, labels=labels)

    def compute(self) -> dict[str, float | None]:
        whole, batches = self.all.compute(), self.batches.compute()
        values = {
            "pixel_nll": whole["nll"],
            "pixel_gap": whole["gap"],
            "pixel_ece": whole["ece"],
            "batch_ece": batches["ece"],
        }
        return {name: value if np.isfinite(value) else None for name, value in values.items()}


def confused(logits: Tensor, labels: Tensor) -> np.ndarray:
    """``(C, C)`` counts of pixels by label and prediction, without the ignored ones."""
    classes = logits.shape[1]
    valid = labels != IGNORED
    pairs = labels[valid] * classes + logits.argmax(1)[valid]
    return torch.bincount(pairs, minlength=classes**2).reshape(classes, classes).numpy()


def intersection_over_union(confusion: np.ndarray) -> np.ndarray:
    """``(C,)`` of each class: pixels that are it and are called it, over those that are it or are called it.

    NaN for a class that no pixel has and none is called.
    """
    right = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - right
    return np.divide(right, union, out=np.full(len(right), np.nan), where=union > 0)


def _mean(iou: np.ndarray) -> float | None:
    return float(np.nanmean(iou)) if np.isfinite(iou).any() else None


def _shown(number: int) -> list[int]:
    """The images whose maps are kept: spread evenly, the same for all runs."""
    return sorted({int((place + 0.5) * number / NUM_MAPS) for place in range(min(NUM_MAPS, number))})


def _write_maps(path: Path, data: Dataset, shown: list[int], maps: dict[str, list[np.ndarray]]) -> None:
    split = data.splits["test"]
    assert isinstance(split.inputs, np.ndarray)  # images with masks do not stream
    inputs = split.inputs[shown]
    if inputs.dtype != np.uint8:
        inputs = np.rint(255 * inputs).astype(np.uint8)
    arrays: dict[str, Any] = {name: np.stack(each) for name, each in maps.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, inputs=inputs, labels=split.labels[shown], ids=split.ids[shown], **arrays)
    write_whole(path, lambda beside: beside.write_bytes(buffer.getvalue()))
