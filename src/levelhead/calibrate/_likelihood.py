"""The likelihood of labels as a function of one number, the inverse temperature: value and three derivatives' sums.

With beta = 1 / T and d = logit - max of the row, the negative log-likelihood of a row is
log(sum exp(beta d)) - beta d_label; its slope in beta is E[d] - d_label, its curvature Var[d] and its third derivative
the third central moment of d under softmax(beta d), so it is convex in beta. One pass costs one exponential a score;
sums over rows are float64. Blocks of rows are worked in two buffers that stay in the cache: fresh memory for each
would cost as much as the arithmetic.
"""

import math
from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from levelhead.metrics._blocks import copy_class_major, is_class_major, rows_together
from levelhead.metrics._side_by_side import side_by_side
from levelhead.metrics.chunks import Chunk, refuse
from levelhead.metrics.given import Given


@dataclass(frozen=True)
class Curve:
    """Sums over rows at one inverse temperature; rows whose label is ruled out (-inf) are not in them."""

    loss: float
    slope: float
    curvature: float
    third: float
    rows: int
    errors: int  # rows where another class scores above the label

    def __add__(self, other: "Curve") -> "Curve":
        return Curve(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


_NOTHING = Curve(0.0, 0.0, 0.0, 0.0, 0, 0)


def curve(given: Given, beta: float) -> Curve:
    """Negative log-likelihood of `given` (logits) at `beta`, three derivatives; ValueError for a bad row."""
    return sum(side_by_side(lambda share: _curve_of(share, beta), given.shares()), _NOTHING)


def _curve_of(given: Given, beta: float) -> Curve:
    total = _NOTHING
    step = rows_together(given.scores)
    buffers = torch.empty(2, step * given.scores.shape[1], dtype=given.working_dtype, device=given.scores.device)
    for z, labels in zip(given.scores.split(step), given.labels.split(step), strict=True):
        part = _block_curve(z, labels, beta, buffers)
        if not math.isfinite(part.loss):
            refuse((given.part_of or given).scores, "logits")
        total = total + part
    return total


def _block_curve(z: Tensor, labels: Tensor, beta: float, buffers: Tensor) -> Curve:
    class_major = is_class_major(z)
    dim, shape = (0, z.shape[::-1]) if class_major else (1, z.shape)
    d, weights = (buffer[: z.numel()].view(shape) for buffer in buffers)
    if class_major:
        copy_class_major(z, d.numpy())
    else:
        d.copy_(z)
    d.sub_(d.amax(dim, keepdim=True))
    own = d.gather(dim, labels.unsqueeze(dim)).squeeze(dim).double()
    torch.mul(d, beta, out=weights).exp_()
    total = weights.sum(dim).double()
    first = weights.mul_(d).sum(dim).double()
    if not bool(first.sum().isfinite()) and bool(total.sum().isfinite()):
        return _block_curve_ruled_out(z, labels, beta, buffers.dtype)
    second = weights.mul_(d).sum(dim).double()
    third = weights.mul_(d).sum(dim).double()
    return _summed(beta, own, total, first / total, second / total, third / total)


def _summed(beta: float, own: Tensor, total: Tensor, mean: Tensor, second: Tensor, third: Tensor) -> Curve:
    """The curve out of each row's own d, the sum of its weights and the moments of d about zero."""
    square = mean.square()
    return Curve(
        float((total.log() - beta * own).sum()),
        float((mean - own).sum()),
        float((second - square).clamp_(min=0).sum()),
        float((third - 3 * mean * second + 2 * mean * square).sum()),
        len(own),
        int((own < 0).sum()),
    )


def _block_curve_ruled_out(z: Tensor, labels: Tensor, beta: float, working: torch.dtype) -> Curve:
    """The same where some logits are minus infinity: such classes weigh nothing; 0 * inf is not formed."""
    kept = (z.gather(1, labels[:, None]) > -math.inf).squeeze(1)  # else the loss is infinite at every temperature
    z, labels = z[kept].to(working), labels[kept]
    if len(labels) == 0:
        return _NOTHING
    d = z - z.amax(1, keepdim=True)
    own = d.gather(1, labels[:, None]).squeeze(1).double()
    weights = d.mul(beta).exp_()
    d = d.masked_fill(d == -math.inf, 0.0)
    total = weights.sum(1).double()
    moments = [(weights * d**k).sum(1).double() / total for k in (1, 2, 3)]
    return _summed(beta, own, total, *moments)


def spread(given: Given) -> float:
    """Mean over rows of the largest less the mean finite logit: the scale of the temperature."""
    rows = given.scores.shape[0]
    return sum(side_by_side(_spread_of, given.shares())) / rows if rows else 0.0


def _spread_of(given: Given) -> float:
    total = 0.0
    for z in given.scores.split(rows_together(given.scores)):
        z = z.to(given.working_dtype)
        below = z.amax(1, keepdim=True) - z
        mean = below.mean(1).double()
        if not bool(mean.sum().isfinite()):
            finite = below.isfinite()
            mean = below.double().masked_fill(~finite, 0.0).sum(1) / finite.sum(1)
        total += float(mean.sum())
    return total


def expected_errors(given: Given, beta: float) -> float:
    """Sum over rows of one minus the confidence at `beta`: the errors that the scaled model expects."""
    return sum(side_by_side(lambda share: _expected_errors_of(share, beta), given.shares()))


def _expected_errors_of(given: Given, beta: float) -> float:
    total = 0.0
    step, working = rows_together(given.scores), given.working_dtype
    for z, labels in zip(given.scores.split(step), given.labels.split(step), strict=True):
        total += float(Chunk(z.to(working) * beta, labels, "logits", working).rest.sum())
    return total
