"""Labels that are distributions over the classes, (N, C): people's votes, a teacher's probabilities, mixed labels.

An example is then right by the mass that its labels give to the predicted class: what a label drawn from them would
score on average. One-hot rows give what their integers give. Rows are worked in float64.

| measure | against a distribution q |
|-|-|
| accuracy, top-5 | mass of the predicted class, of the five highest |
| NLL | cross-entropy; at best the entropy of q, not zero |
| Brier | squared distance to q; zero for predicting q |
| gap, ECE and what is read from its bins, adaptive and smooth ECE | mean confidence against mean mass |
| debiased ECE | the spread in a bin is that of the masses, below that of zeros and ones |
| class-wise ECE | mean probability of a class against its mean mass |
| AURC, accuracy at coverage | one minus the mass is the expected error |

`calibration_test` and the bounds of bins refuse them: they are about counts of right and wrong predictions.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics._blocks import sum_tolerance
from levelhead.metrics.chunks import Chunk, chunks
from levelhead.metrics.given import Array, Given, as_tensor, check


def are_distributions(labels: object) -> bool:
    """Whether `labels` are rows of floating-point numbers, not one integer an example; a look, not a check."""
    if not isinstance(labels, Tensor):
        labels = np.asarray(labels)
        return labels.ndim == 2 and labels.dtype.kind == "f"
    return labels.ndim == 2 and labels.is_floating_point()


class Rows:
    """n rows of scores beside the distributions that they are judged by."""

    def __init__(self, chunk: Chunk, targets: Tensor) -> None:
        self.chunk = chunk
        self.targets = targets  # (n, C) float64
        self.predicted = chunk.scores.argmax(1)

    @property
    def mass(self) -> Tensor:
        """(n,) mass of the predicted class: by how much the prediction is right."""
        return self.targets.gather(1, self.predicted[:, None]).squeeze(1)

    @property
    def probs(self) -> Tensor:
        """(n, C) float64 probabilities."""
        wide = self.chunk.scores.double()
        return wide.softmax(1) if self.chunk.kind == "logits" else wide

    @property
    def nll(self) -> Tensor:
        """(n,) cross-entropy in nats; infinite where a class with mass was given probability zero."""
        wide = self.chunk.scores.double()
        log_probs = wide.log_softmax(1) if self.chunk.kind == "logits" else wide.log()
        return -torch.where(self.targets > 0, self.targets * log_probs, 0.0).sum(1)

    @property
    def brier(self) -> Tensor:
        """(n,) squared distance between probabilities and distribution, in [0, 2]."""
        return (self.probs - self.targets).square().sum(1)

    @property
    def top5(self) -> Tensor:
        """(n,) mass of the five highest scores; equal scores rank by class index."""
        order = self.chunk.scores.sort(dim=1, descending=True, stable=True).indices
        return self.targets.gather(1, order[:, :5]).sum(1)

    def stored_as(self, values: Tensor) -> torch.dtype:
        """The type to whose precision the edges of bins are rounded."""
        return self.chunk.scores.dtype if self.chunk.kind == "probs" else values.dtype


def rows(logits: Array | None, probs: Array | None, labels: Array) -> Iterator[Rows]:
    """Checked rows, chunk by chunk; integer labels become one-hot rows. Raises ValueError at the first bad chunk."""
    if not are_distributions(labels):
        given = check(logits, probs, labels)
        _refuse_none(given)
        for chunk in chunks(given):
            yield Rows(chunk, torch.nn.functional.one_hot(chunk.labels, given.scores.shape[1]).double())
        return
    targets = as_tensor(labels, "labels")
    scored = np.shape(probs if logits is None else logits)  # type: ignore[arg-type]
    given = check(logits, probs, torch.zeros(scored[:1], dtype=torch.int64))  # zeros for what asks for integers
    if tuple(targets.shape) != tuple(given.scores.shape):
        raise ValueError(
            f"labels that are distributions need a number for each score, {tuple(given.scores.shape)}, "
            f"got {tuple(targets.shape)}"
        )
    _refuse_none(given)
    targets = targets.to(given.scores.device)
    start = 0
    for chunk in chunks(given):
        own = targets[start : start + len(chunk)]
        if bool(_bad(own).any()):
            _refuse(targets)
        yield Rows(chunk, own.double())
        start += len(chunk)


def _refuse_none(given: Given) -> None:
    if given.scores.shape[0] == 0:
        raise ValueError("there is no example: a measure of nothing is undefined")


def _bad(targets: Tensor) -> Tensor:
    """(n,) which rows are no distributions; NaN and infinity make no sum of one."""
    wide = targets.double()
    return ~(((wide.sum(1) - 1).abs() <= sum_tolerance(targets)) & (wide >= 0).all(1))


def _refuse(targets: Tensor) -> None:
    wide = targets.double()
    for reason, bad in (
        ("hold NaN or infinity", ~wide.isfinite().all(1)),
        ("hold a negative number", (wide < 0).any(1)),
        (f"do not sum to one within {sum_tolerance(targets):g}; divide counts of votes by their sum", _bad(targets)),
    ):
        if bool(bad.any()):
            first = int(bad.nonzero()[0])
            raise ValueError(
                f"labels of {int(bad.sum())} of {len(bad)} rows {reason}, the first is row {first} (count from 0): "
                f"{[round(value, 4) for value in wide[first, :5].tolist()]}{'...' if wide.shape[1] > 5 else ''}"
            )


def ranked(logits: Array | None, probs: Array | None, labels: Array) -> tuple[np.ndarray, np.ndarray]:
    """(N,) one minus the confidence, rising, and the mass that does not lie on the predicted class; both float64."""
    parts = [(b.chunk.rest.cpu().numpy(), (1 - b.mass).cpu().numpy()) for b in rows(logits, probs, labels)]
    rest, wrong = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(rest, kind="stable")
    return rest[order], wrong[order]
