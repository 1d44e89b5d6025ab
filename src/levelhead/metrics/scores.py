"""One number an example that says how much it looks like the training data: higher = more in, in all of them.

They feed `auroc`, `fpr95`, `aupr_in`, `aupr_out` and `Detection`. Shapes: N examples, C classes; results are float64
(N,) arrays: in float32 most confidences of an overconfident network are exactly one and no longer rank. The work is
done where the scores are, on a GPU too.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics._blocks import Workspace, rows_together
from levelhead.metrics._side_by_side import shares_of, side_by_side
from levelhead.metrics.chunks import Chunk, refuse, rows_in_chunk
from levelhead.metrics.given import Array, Kind, check_scores, one_of


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
    values, kind = one_of(logits, probs)
    return _by_rows(values, kind, lambda x: score(x.log_softmax(1) if kind == "logits" else x.log()))


def max_softmax(*, logits: Array | None = None, probs: Array | None = None) -> np.ndarray:
    """(N,) probability of the predicted class, in [1 / C, 1].

    Taken as one minus the probability of all others, which float32 holds to 1e-38, so that two confidences rank as long
    as float64 can tell them from each other.
    """
    values, kind = one_of(logits, probs)
    scores = check_scores(values, kind)
    if not len(scores):
        return np.zeros(0)
    shares = scores.split(-(-len(scores) // shares_of(scores)))
    return np.concatenate(side_by_side(lambda share: _confidences(share, kind, scores), shares))


def _confidences(scores: Tensor, kind: Kind, part_of: Tensor) -> np.ndarray:
    working = torch.float64 if scores.dtype == torch.float64 else torch.float32
    space = Workspace(scores.device, working)
    found = np.empty(len(scores))
    start = 0
    for block in scores.split(rows_in_chunk(scores)):
        nobody = torch.zeros(len(block), dtype=torch.int64, device=block.device)  # a chunk is read beside labels
        chunk = Chunk(block, nobody, kind, working, space=space, needs=("rest",))
        if chunk.bad:
            refuse(part_of, kind)
        found[start : start + len(block)] = (1 - chunk.rest).cpu().numpy()
        start += len(block)
    return found


def negative_entropy(*, logits: Array | None = None, probs: Array | None = None) -> np.ndarray:
    """(N,) minus the entropy of the probabilities in nats, in [-log C, 0]."""
    return _log_probs(logits, probs, lambda log_p: torch.special.xlogy(log_p.exp(), log_p.exp()).sum(1))


def energy(*, logits: Array) -> np.ndarray:
    """(N,) log of the sum of exponentials of the logits: minus the free energy (Liu et al. 2020)."""
    return _by_rows(logits, "logits", lambda z: z.logsumexp(1))


def max_logit(*, logits: Array) -> np.ndarray:
    """(N,) the highest logit."""
    return _by_rows(logits, "logits", lambda z: z.amax(1))


#: By name, as `Detection` takes them.
SCORES = {
    "max_softmax": max_softmax,
    "negative_entropy": negative_entropy,
    "energy": energy,
    "max_logit": max_logit,
}
