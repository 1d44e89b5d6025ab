"""Telling the file's examples from those of another distribution by what the model says about them.

Directions are in the names: `..._in_positive` takes the in-distribution examples as the positive ones and
`..._out_positive` the others; a higher score always means more in.
"""

import math
from typing import Any

import numpy as np

from levelhead import metrics
from levelhead.evaluate.source import Source

MOST = 1 << 21  # rows of a file beyond which every k-th is taken: a sampling error of about 3e-4 in AUROC
_NEEDS_LOGITS = "needs logits: the sum of their exponentials and their largest are lost in probabilities"


def detection(inside: Source, n: int, outside: Source, level: float) -> dict[str, Any]:
    """AUROC, AUPR and FPR95 of each score that the two files' kind allows. ValueError where kinds or classes differ."""
    if inside.kind != outside.kind:
        raise ValueError(
            f"{inside.path} holds {inside.kind} and {outside.path} {outside.kind}: scores that are compared need the "
            "same"
        )
    if inside.num_classes != outside.num_classes:
        raise ValueError(
            f"{outside.path} has {outside.num_classes} classes, but {inside.path} has {inside.num_classes}: "
            "both must come from the same model"
        )
    ours, theirs = _scores(inside, n), _scores(outside, outside.rows or _length(outside))
    found: dict[str, Any] = {
        "file": str(outside.path),
        "n_in": len(ours["max_softmax"]),
        "n_out": len(theirs["max_softmax"]),
        "scores": {name: _measured(ours[name], theirs[name], level) for name in ours},
    }
    if inside.kind == "probs":
        found["cannot"] = {"energy": _NEEDS_LOGITS, "max_logit": _NEEDS_LOGITS}
    return found


def _length(source: Source) -> int:
    return sum(len(rows) for rows in source.blocks())


def _scores(source: Source, n: int) -> dict[str, np.ndarray]:
    stride = max(1, -(-n // MOST))
    parts: dict[str, list[np.ndarray]] = {}
    for rows in source.blocks():
        taken = rows.scores[-rows.start % stride :: stride]
        if not len(taken):
            continue
        try:
            if source.kind == "logits":
                found = {
                    "max_softmax": metrics.max_softmax(logits=taken),
                    "negative_entropy": metrics.negative_entropy(logits=taken),
                    "energy": metrics.energy(logits=taken),
                    "max_logit": metrics.max_logit(logits=taken),
                }
            else:
                found = {
                    "max_softmax": metrics.max_softmax(probs=taken),
                    "negative_entropy": metrics.negative_entropy(probs=taken),
                }
        except ValueError as error:
            raise source.refuse(error) from None
        for name, values in found.items():
            parts.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def _measured(ours: np.ndarray, theirs: np.ndarray, level: float) -> dict[str, Any]:
    area = metrics.auroc(ours, theirs)
    half = _auroc_half_width(ours, theirs, level)
    return {
        "auroc": area,
        "auroc_interval": [max(0.0, area - half), min(1.0, area + half)] if math.isfinite(half) else None,
        "aupr_in_positive": metrics.aupr_in(ours, theirs),
        "aupr_out_positive": metrics.aupr_out(ours, theirs),
        "fpr95_in_positive": metrics.fpr95(ours, theirs),
        "fpr95_out_positive": metrics.fpr95(-theirs, -ours),
    }


def _auroc_half_width(ours: np.ndarray, theirs: np.ndarray, level: float) -> float:
    """Half the normal interval of AUROC, with DeLong's variance: that of each example's share of the other side."""
    from scipy.special import ndtri

    if len(ours) < 2 or len(theirs) < 2:
        return math.nan
    variance = 0.0
    for one, other in ((ours, np.sort(theirs)), (theirs, np.sort(ours))):
        places = np.searchsorted(other, one, "left") + np.searchsorted(other, one, "right")
        variance += float((places / (2 * len(other))).var(ddof=1)) / len(one)
    return float(ndtri((1 + level) / 2)) * math.sqrt(variance)
