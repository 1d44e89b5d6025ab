"""What calibrators take and give back: tensors, arrays or `Predictions`, logits or the logarithms of probabilities."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics.given import Array, Given, as_tensor, check, check_scores
from levelhead.predictions import Predictions


def divided(logits: Any, temperature: float) -> Any:
    """`logits` over `temperature`, same kind and floating type; `Predictions` come back holding logits."""
    if isinstance(logits, Predictions):
        scores = log_scores(logits) / temperature
        return replaced(logits, scores, temperature=repr(temperature))
    if isinstance(logits, Tensor):
        return logits / temperature
    array = np.asarray(logits)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    return array / array.dtype.type(temperature)


def replaced(predictions: Predictions, logits: np.ndarray, **meta: str) -> Predictions:
    """`predictions` with other logits and notes of where they came from."""
    return Predictions(
        labels=predictions.labels,
        logits=logits,
        ids=predictions.ids,
        role=predictions.role,
        classes=predictions.classes,
        meta={**predictions.meta, **meta},
    )


def applied(logits: Any, function: Callable[[np.ndarray], np.ndarray], name: str) -> Any:
    """`function` of float64 logits (N, C), given back as the kind and floating type that `logits` came in."""
    if isinstance(logits, Predictions):
        scores = log_scores(logits)
        return replaced(logits, function(scores.astype(np.float64)).astype(scores.dtype), calibration=name)
    if isinstance(logits, Tensor):
        changed = function(logits.detach().double().cpu().numpy())
        return torch.from_numpy(changed).to(logits)
    array = np.asarray(logits)
    changed = function(array.astype(np.float64))
    return changed.astype(array.dtype) if array.dtype.kind == "f" else changed


def raw_scores(logits: Array | Predictions) -> Tensor:
    """The scores as they came, (N, C): of `Predictions`, its logits or probabilities."""
    if isinstance(logits, Predictions):
        logits = next(iter(logits.scores.values()))
    return as_tensor(logits, "logits")


def log_softmax(z: np.ndarray) -> np.ndarray:
    """Log-probabilities (N, C) of finite rows of logits, or of rows with some minus infinities."""
    shifted = z - z.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def log_odds(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log p and log(1 - p) of every class, (N, C) each, without cancellation where p rounds to one."""
    weights = z - z.max(1, keepdims=True)
    log_p = weights.copy()
    np.exp(weights, out=weights)
    total = weights.sum(1, keepdims=True)
    rest = total - weights
    top = weights.argmax(1)[:, None]
    np.put_along_axis(weights, top, 0.0, axis=1)
    np.put_along_axis(rest, top, weights.sum(1, keepdims=True), axis=1)
    log_total = np.log(total)
    with np.errstate(divide="ignore"):  # a class that takes all leaves nothing
        return log_p - log_total, np.log(rest) - log_total


def own_logits(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N,) the score of each row's label."""
    return z[np.arange(len(z)), labels]


def log_scores(predictions: Predictions) -> np.ndarray:
    """The logits of `predictions`, or the logarithms of its probabilities (which softmax brings back)."""
    if predictions.logits is not None:
        return predictions.logits
    assert predictions.probs is not None
    with np.errstate(divide="ignore"):  # a probability of zero is a class ruled out
        return np.log(predictions.probs)


def given_to_fit(logits: Array | Predictions, labels: Array | None) -> Given:
    """What `fit` was given as logits with labels; ValueError for the role `test`, for nothing, and bad shapes."""
    if isinstance(logits, Predictions) and logits.role == "test":
        raise ValueError(
            "these predictions have the role 'test': calibration fitted on what it is reported on is "
            "not a result; fit on predictions of the role 'cal' or 'val'"
        )
    return _with_labels(logits, labels, "fit")


def given_to_report(logits: Array | Predictions, labels: Array | None) -> Given:
    """What `report` was given as logits with labels; ValueError for nothing, and bad shapes."""
    return _with_labels(logits, labels, "report")


def given_to_answer(logits: Array | Predictions) -> Given:
    """What an answer is wanted for, as logits with labels that stand for nothing."""
    scores = check_scores(log_scores(logits) if isinstance(logits, Predictions) else logits, "logits")
    return Given(scores, "logits", torch.zeros(scores.shape[0], dtype=torch.int64, device=scores.device))


def _with_labels(logits: Array | Predictions, labels: Array | None, verb: str) -> Given:
    if isinstance(logits, Predictions):
        if labels is not None:
            raise ValueError("predictions bring their own labels: give only the predictions")
        if not logits.has_labels:
            raise ValueError(
                f"these predictions have no labels (their meta says so), so there is nothing to {verb} "
                f"{'to' if verb == 'fit' else 'on'}: give predictions of labelled examples"
            )
        labels = logits.labels
        logits = log_scores(logits)
    if labels is None:
        raise ValueError(f"labels are missing: {verb}(logits, labels), or {verb}(predictions)")
    given = check(check_scores(logits, "logits"), None, labels)
    if given.scores.shape[0] == 0:
        raise ValueError(f"there is no example to {verb} {'to' if verb == 'fit' else 'on'}")
    return given
