"""A model's answers to any inputs as predictions like any other, so that every measure and plot works on them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from levelhead.network import call, evaluating, find_logits
from levelhead.predictions import Predictions

#: Examples in one pass. Fixed, because noise is drawn batch by batch and must not depend on who asks.
BATCH = 512
#: What the meta of predictions says where there is no right answer: the labels are zeros that mean nothing.
NO_LABELS = {"labels": "none"}


def predict(
    model: nn.Module,
    inputs: Tensor,
    labels: Any = None,
    *,
    ids: Any = None,
    role: str = "unknown",
    classes: Sequence[str] = (),
    meta: Mapping[str, str] | None = None,
) -> "Predictions":
    """What ``model`` says of normalised ``inputs (N, ...)``, in eval mode, without gradients, batch by batch.

    ``labels`` (N,) are integers; without them, for inputs of no class, the record's labels are zeros that mean nothing
    and its ``meta["labels"]`` is "none". The model's modes are as before afterwards.

    Raises ``ValueError`` for no inputs, and where the model gives no logits ``(B, C)``.
    """
    device = next((each.device for each in model.parameters()), inputs.device)
    with torch.no_grad(), evaluating(model):
        logits = gathered(lambda batch: find_logits(call(model, batch.to(device))), inputs.split(BATCH))
    return record(logits, labels, ids=ids, role=role, classes=classes, meta=meta or {})


def gathered(ask: Callable[[Tensor], Tensor], batches: Any) -> np.ndarray:
    """The logits ``(N, C)`` of all batches, float32, or float64 where the model is."""
    parts = []
    for batch in batches:
        logits = ask(batch)
        if logits.ndim != 2:
            raise ValueError(f"probes need logits (B, C), but the model gave {tuple(logits.shape)}")
        parts.append((logits if logits.dtype == torch.float64 else logits.float()).detach().cpu())
    if not parts or sum(map(len, parts)) == 0:
        raise ValueError("there are no inputs to ask the model about")
    return torch.cat(parts).numpy()


def record(
    logits: np.ndarray, labels: Any, *, ids: Any, role: str, classes: Sequence[str], meta: Mapping[str, str]
) -> Predictions:
    """Predictions of these logits; without labels, with zeros and a note in ``meta``."""
    if labels is None:
        labels, meta = np.zeros(len(logits), dtype=np.int64), {**meta, **NO_LABELS}
    return Predictions(labels=labels, logits=logits, ids=ids, role=role, classes=tuple(classes), meta=meta)
