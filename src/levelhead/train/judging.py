"""What is measured after an epoch, and what is decided by it: which weights are kept, and whether it is enough.

Nothing here reads test, and what is measured on cal is for the picture alone. N examples, C classes.
"""

from typing import Any

import numpy as np
from torch import nn

from levelhead import metrics
from levelhead.data import Dataset
from levelhead.data.jitter import parse_jitter
from levelhead.train.average import tensors
from levelhead.train.recipe import Recipe
from levelhead.train.updates import Updates

#: At how many epochs at most the calibration split is looked at for the training curve; nothing reads it back.
CURVE_POINTS = 20


def on_curve(epoch: int, epochs: int) -> bool:
    """Whether cal is looked at after this epoch, counted from one."""
    return epoch == epochs or epoch * CURVE_POINTS // epochs > (epoch - 1) * CURVE_POINTS // epochs


def measured(logits: np.ndarray, labels: np.ndarray, role: str) -> dict[str, float]:
    """NLL and accuracy of logits ``(N, C)``, as entries of a run's history."""
    nll, accuracy = (measure(logits=logits, labels=labels) for measure in (metrics.nll, metrics.accuracy))
    return {f"{role}_nll": float(nll), f"{role}_accuracy": float(accuracy)}


def top_accuracy(logits: np.ndarray, labels: np.ndarray, top: int) -> float:
    """The part of ``labels (N,)`` that is among the ``top`` largest of ``logits (N, C)``; of equal ones the first.

    >>> top_accuracy(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), np.array([1, 2]), top=2)
    0.5
    """
    if top == 1:
        return float(metrics.accuracy(logits=logits, labels=labels))
    order = np.argsort(-logits, axis=1, kind="stable")[:, :top]
    return float((order == labels[:, None]).any(1).mean())


def better(entry: dict[str, Any], best: dict[str, Any] | None, select: str) -> bool:
    """Whether an epoch is better on val than the best before it; of equal ones the first is kept."""
    value = entry[f"val_{select}"]
    return best is None or (value < best["value"] if select == "nll" else value > best["value"])


def judged_by(recipe: Recipe) -> str:
    """What the accuracy that may end a run is called in its history."""
    return f"{recipe.stop_on}_{f'top{recipe.stop_top}_' if recipe.stop_top > 1 else ''}accuracy"


def stopped(recipe: Recipe, history: list[dict[str, Any]]) -> dict[str, Any]:
    """For the record of a finished run: after which epoch a wanted accuracy ended it, if it was reached; nothing where
    none was wanted."""
    if recipe.stop_at_accuracy is None:
        return {}
    last = history[-1]
    value = last[judged_by(recipe)]
    return {
        "stopped": {
            "epoch": last["epoch"],
            "reached": value >= recipe.stop_at_accuracy,
            "by": judged_by(recipe),
            "value": value,
            "wanted": recipe.stop_at_accuracy,
        }
    }


def kept(entry: dict[str, Any], model: nn.Module, select: str) -> dict[str, Any]:
    """An epoch as the best one, with a copy of the weights that are in the model now."""
    weights = [tensor.detach().cpu().clone() for tensor in tensors(model)]
    return {"epoch": entry["epoch"], "value": entry[f"val_{select}"], "weights": weights}


def check_fits(recipe: Recipe, data: Dataset, processes: int = 1) -> None:
    """Refuse, before training, a recipe that the data or the processes leave no room for."""
    if recipe.needs_val and "val" not in data.splits:
        raise ValueError(
            f"select and stop_on are decided on val, and {data.name} has no such split here; say val_size= to cut one "
            "from train"
        )
    if recipe.stop_at_accuracy is not None and recipe.stop_top >= data.num_classes:
        raise ValueError(
            f"stop_top={recipe.stop_top} is reached by any network: {data.name} has only {data.num_classes} classes; "
            f"say --stop-top {min(5, data.num_classes - 1)} or less"
        )
    jitter = parse_jitter(recipe.jitter)
    if jitter.needs_colours and data.shape[0] != 3:
        raise ValueError(
            f"jitter={jitter} is for images of three colours, but those of {data.name} have {data.shape[0]} "
            f"channel{'s' * (data.shape[0] > 1)}; say brightness and contrast alone, or --jitter none"
        )
    examples = len(data.splits["train"])
    if recipe.batch < 2 * processes:
        raise ValueError(f"a batch of {recipe.batch} leaves {processes} processes fewer than two examples each")
    updates = Updates(examples, recipe.batch, recipe.accumulate, recipe.drop_last, processes=processes).number
    if not updates:
        raise ValueError(
            f"no update is left in an epoch of {examples:,} examples: an update has {recipe.update:,}"
            + (", and drop_last leaves smaller ones out" if recipe.drop_last else "")
        )
    if recipe.ema and 1 / (1 - recipe.ema) > updates * recipe.epochs:
        raise ValueError(
            f"ema={recipe.ema:g} averages over about {1 / (1 - recipe.ema):,.0f} updates, but the run has only "
            f"{updates * recipe.epochs:,}; make ema smaller or the run longer"
        )
