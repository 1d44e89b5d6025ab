"""One number an example that says how much it looks like the training data: higher = more in, in all of them.

They feed `auroc`, `fpr95`, `aupr_in`, `aupr_out`. Shapes: N examples, C classes; results are float64 (N,) arrays.
Float64, because in float32 most confidences of an overconfident network are exactly one and no longer rank.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics.chunks import refuse, rows_together
from levelhead.metrics.given import Array, Kind, check_scores


def _by_rows(values: Array, kind: Kind, score: Callable[[Tensor], Tensor]) -> np.ndarray:
    scores = check_scores(values, kind)
    parts = []
    for block in scores.split(rows_together(scores)):
        part = score(block.double())
        if not bool(part.isfinite().all()):
            refuse(scores, kind)
        parts.append(part.cpu())
    return torch.cat(parts).numpy() if parts else np.zeros(0)


def _log_probs(logits: Array | None, probs: Array | None, score: Callable[[Tensor], Tensor]) -> np.ndarray:
    if logits is not None and probs is None:
        return _by_rows(logits, "logits", lambda z: score(z.log_softmax(1)))
    if probs is not None and logits is None:
        return _by_rows(probs, "probs", lambda p: score(p.log()))
    raise ValueError("give exactly one of logits= and probs=: which one it is, is never guessed")


def max_softmax(*, logits: Array | None = None, probs: Array | None = None) -> np.ndarray:
    """(N,) probability of the predicted class, in [1 / C, 1]."""
    return _log_probs(logits, probs, lambda log_p: log_p.amax(1).exp())


def negative_entropy(*, logits: Array | None = None, probs: Array | None = None) -> np.ndarray:
    """(N,) minus the entropy of the probabilities in nats, in [-log C, 0]."""
    return _log_probs(logits, probs, lambda log_p: torch.special.xlogy(log_p.exp(), log_p.exp()).sum(1))


def energy(*, logits: Array) -> np.ndarray:
    """(N,) log of the sum of exponentials of the logits: minus the free energy (Liu et al. 2020)."""
    return _by_rows(logits, "logits", lambda z: z.logsumexp(1))


def max_logit(*, logits: Array) -> np.ndarray:
    """(N,) the highest logit."""
    return _by_rows(logits, "logits", lambda z: z.amax(1))
