"""The likelihood of labels as a function of one number, the inverse temperature: value, slope and curvature.

With beta = 1 / T and d = logit - max of the row, the negative log-likelihood of a row is
log(sum exp(beta d)) - beta d_label; its slope in beta is E[d] - d_label and its curvature Var[d] under
softmax(beta d), so it is convex in beta. One pass costs one exponential a score; sums over rows are float64.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from levelhead.metrics.chunks import TRANSPOSE_BELOW, Chunk, class_major, refuse, rows_together
from levelhead.metrics.given import Given


@dataclass(frozen=True)
class Curve:
    """Sums over rows at one inverse temperature; rows whose label is ruled out (-inf) are not in them."""

    loss: float
    slope: float
    curvature: float
    rows: int
    errors: int  # rows where another class scores above the label


def curve(given: Given, beta: float) -> Curve:
    """Negative log-likelihood of `given` (logits) at `beta`, two derivatives; ValueError for a bad row."""
    loss = slope = curvature = 0.0
    rows = errors = 0
    for z, labels in _blocks(given):
        part = _block_curve(z, labels, beta, given.working_dtype)
        if not math.isfinite(part.loss):
            refuse(given.scores, "logits")
        loss, slope, curvature = loss + part.loss, slope + part.slope, curvature + part.curvature
        rows, errors = rows + part.rows, errors + part.errors
    return Curve(loss, slope, curvature, rows, errors)


def _blocks(given: Given) -> list[tuple[Tensor, Tensor]]:
    step = rows_together(given.scores)
    return list(zip(given.scores.split(step), given.labels.split(step), strict=True))


def _block_curve(z: Tensor, labels: Tensor, beta: float, working: torch.dtype) -> Curve:
    dim = 0 if z.shape[1] < TRANSPOSE_BELOW else 1
    d = class_major(z, working) if dim == 0 else z.to(working, copy=True)
    d.sub_(d.amax(dim, keepdim=True))
    own = d.gather(dim, labels.unsqueeze(dim)).squeeze(dim).double()
    weights = d.mul(beta).exp_()
    total = weights.sum(dim).double()
    first = weights.mul_(d).sum(dim).double()
    if not bool(first.sum().isfinite()) and bool(total.sum().isfinite()):
        return _block_curve_ruled_out(z, labels, beta, working)
    second = weights.mul_(d).sum(dim).double()
    mean = first / total
    return Curve(
        float((total.log() - beta * own).sum()),
        float((mean - own).sum()),
        float((second / total - mean.square()).clamp_(min=0).sum()),
        len(labels),
        int((own < 0).sum()),
    )


def _block_curve_ruled_out(z: Tensor, labels: Tensor, beta: float, working: torch.dtype) -> Curve:
    """The same where some logits are minus infinity: such classes weigh nothing; 0 * inf is not formed."""
    kept = (z.gather(1, labels[:, None]) > -math.inf).squeeze(1)  # else the loss is infinite at every temperature
    z, labels = z[kept].to(working), labels[kept]
    if len(labels) == 0:
        return Curve(0.0, 0.0, 0.0, 0, 0)
    d = z - z.amax(1, keepdim=True)
    own = d.gather(1, labels[:, None]).squeeze(1).double()
    weights = d.mul(beta).exp_()
    d = d.masked_fill(d == -math.inf, 0.0)
    total = weights.sum(1).double()
    mean = (weights * d).sum(1).double() / total
    second = (weights * d * d).sum(1).double() / total
    return Curve(
        float((total.log() - beta * own).sum()),
        float((mean - own).sum()),
        float((second - mean.square()).clamp_(min=0).sum()),
        len(labels),
        int((own < 0).sum()),
    )


def spread(given: Given) -> float:
    """Mean over rows of the largest less the mean finite logit: the scale of the temperature."""
    total, rows = 0.0, 0
    for z, _ in _blocks(given):
        below = z.amax(1, keepdim=True).double() - z.double()
        finite = below.isfinite()
        total += float((below.masked_fill(~finite, 0.0).sum(1) / finite.sum(1)).sum())
        rows += len(z)
    return total / rows if rows else 0.0


def expected_errors(given: Given, beta: float) -> float:
    """Sum over rows of one minus the confidence at `beta`: the errors that the scaled model expects."""
    total = 0.0
    for z, labels in _blocks(given):
        working = given.working_dtype
        total += float(Chunk(z.to(working) * beta, labels, "logits", working).rest.sum())
    return total
