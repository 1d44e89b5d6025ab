"""The mean probability of many passes with dropout on (Gal and Ghahramani 2016), for any model with dropout layers.

    p = (1 / S) sum_s softmax(f(x; mask_s))

Only the dropout layers are in training mode: batch norm keeps its running statistics. S = 10 passes (Thulasidasan et
al. 2019). Methods that predict so by themselves say it in their sentence: ``@ predict(dropout=0.3, samples=10)``.
N examples, C classes.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from levelhead.member import whole
from levelhead.network import call, dropping, evaluating, find_logits, own_dropout
from levelhead.predictions import Predictions
from levelhead.probes.predict import BATCH, gathered, record
from levelhead.probes.probe import Probe, Subject


def mc_dropout(
    model: nn.Module,
    inputs: Tensor,
    labels: Any = None,
    *,
    samples: int = 10,
    rate: float | None = None,
    seed: int = 0,
    ids: Any = None,
    role: str = "unknown",
    classes: Sequence[str] = (),
    meta: Mapping[str, str] | None = None,
) -> Predictions:
    """What ``model`` says of normalised ``inputs (N, ...)`` on average over ``samples`` passes with dropout.

    ``rate`` replaces the layers' own. The result's logits are the logarithms of the mean probabilities. ``seed`` names
    the masks; the global random state and the model's modes are as before afterwards. Other arguments as for `predict`.

    Raises ``ValueError`` for a model without dropout layers (all passes would be one), ``samples`` below one, and
    ``rate`` outside (0, 1).
    """
    if not own_dropout(model):
        raise ValueError(
            f"{type(model).__name__} has no dropout layer that drops anything, so all passes would be the same; "
            "train it with dropout first"
        )
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise ValueError(f"samples must be a whole number of at least 1, not {samples!r}")
    if rate is not None and not 0 < rate < 1:
        raise ValueError(f"rate must be in (0, 1), or None for the layers' own, not {rate!r}")
    device = next((each.device for each in model.parameters()), inputs.device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        batches = (batch.to(device) for batch in inputs.split(BATCH))
        logits = gathered(lambda batch: mean_log_probs(model, batch, samples, rate), batches)
    return record(logits, labels, ids=ids, role=role, classes=classes, meta=meta or {})


def mean_log_probs(model: nn.Module, inputs: Tensor, samples: int, rate: float | None) -> Tensor:
    """Logarithms ``(B, C)`` of the mean probability of so many passes; masks come from the global generator."""
    total: Tensor | None = None
    with torch.no_grad(), evaluating(model), ExitStack() as stack:
        for visit in dropping(model, None, rate, torch.default_generator):
            stack.enter_context(visit)
        for _ in range(samples):
            logits = find_logits(call(model, inputs))
            log_probs = (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(1)
            total = log_probs if total is None else torch.logaddexp(total, log_probs)
    assert total is not None
    return total - torch.tensor(float(samples)).log().to(total)


@dataclass(frozen=True)
class McDropout(Probe):
    """The test split as a network that was trained with dropout sees it on average."""

    word: ClassVar[str] = "mc_dropout"
    needs_dropout: ClassVar[bool] = True
    samples: int = whole(10, low=2, high=10_000)
    seed: int = whole(0, low=0)

    def predictions(self, subject: Subject) -> Predictions:
        """What the model says on average; ``ValueError`` where it was trained without dropout."""
        ask = subject.sampled(self.samples, self.seed)
        return subject.asked((inputs for inputs, _ in subject.batches()), like_test=True, ask=ask)
