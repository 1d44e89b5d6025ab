"""One pass over the scores in chunks that stay in the cache, with everything the measures read from a row.

Shapes: n rows of a chunk, C classes. `weights` are exp(logit - max), so probabilities are weights / total;
for scores given as probabilities, weights are the probabilities themselves and total is one. With few classes
a chunk is transposed first (classes down, rows along), because reductions over short rows vectorise badly: 21
classes take a third of the time this way. Float64 input is worked in float64, everything narrower in float32;
sums over rows are always float64 (the measures' side).
"""

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from levelhead.metrics.given import Given

CPU_CHUNK = 1 << 18  # scores in a chunk: 1 MB in float32, which stays in a second-level cache
GPU_CHUNK = 1 << 22
TRANSPOSE_BELOW = 64
REGISTER = 64  # rows that any CPU's vector registers divide
SUM_TOLERANCE = 1e-3  # how far a row of probabilities may be from summing to one
SUM_TOLERANCE_BFLOAT16 = 1e-2  # eight bits of mantissa cannot do better


class Chunk:
    """n rows of scores and what a measure can ask about each; values are computed when first asked for."""

    def __init__(self, scores: Tensor, labels: Tensor, kind: str, working: torch.dtype) -> None:
        self.labels = labels
        self.kind = kind
        self.scores = scores  # (n, C) as given
        self.transposed = scores.shape[1] < TRANSPOSE_BELOW
        self.class_dim = 0 if self.transposed else 1
        self._index = labels[None] if self.transposed else labels[:, None]
        if kind == "logits":
            self._read_logits(scores, working)
        else:
            self._read_probs(scores, working)

    def __len__(self) -> int:
        return self.labels.shape[0]

    def _laid_out(self, scores: Tensor, working: torch.dtype, copy: bool) -> Tensor:
        return class_major(scores, working) if self.transposed else scores.to(working, copy=copy)

    def _read_logits(self, scores: Tensor, working: torch.dtype) -> None:
        z = self._laid_out(scores, working, copy=True)
        top = z.amax(self.class_dim, keepdim=True)
        z.sub_(top)
        self.shifted_true = z.gather(self.class_dim, self._index).squeeze(self.class_dim)  # logit of label - max
        self.at_top = self.shifted_true == 0
        self.weights = z.exp_()
        self.total = self._class_sum(self.weights)
        self.bad = not bool(self.total.sum().isfinite())  # NaN or +inf anywhere makes the sum so

    def _read_probs(self, scores: Tensor, working: torch.dtype) -> None:
        p = self._laid_out(scores, working, copy=False)
        self.weights = p
        self.top_prob = p.amax(self.class_dim)
        self.true_prob = p.gather(self.class_dim, self._index).squeeze(self.class_dim)
        self.at_top = self.true_prob == self.top_prob
        sums = self._class_sum(p)
        tolerance = SUM_TOLERANCE_BFLOAT16 if scores.dtype == torch.bfloat16 else SUM_TOLERANCE
        self.bad = not bool(((sums - 1).abs().amax() <= tolerance) & (p.amin() >= 0))

    def _class_sum(self, values: Tensor) -> Tensor:
        return class_sum(values, self.class_dim)

    @cached_property
    def confidence(self) -> Tensor:
        """(n,) probability of the predicted class, in the working dtype."""
        return self.total.reciprocal() if self.kind == "logits" else self.top_prob

    @cached_property
    def correct(self) -> Tensor:
        """(n,) bool: the label is the prediction, which is the first class with the highest score."""
        # Two classes can share the top only where it is at most one half: only there is an argmax needed.
        tied = self.at_top & (self.confidence <= 0.501)
        rows = tied.nonzero().flatten()
        if rows.numel() == 0:
            return self.at_top
        correct = self.at_top.clone()
        correct[rows] = self.scores[rows].argmax(1) == self.labels[rows]
        return correct

    @cached_property
    def rest(self) -> Tensor:
        """(n,) float64: one minus the confidence, without cancellation where it came from logits.

        log((1 - rest) / rest) is the log-odds max - logsumexp(others), which still ranks rows whose
        confidence rounds to one; it saturates at 700 nats, where float64 underflows.
        """
        if self.kind == "probs":
            return (1 - self.top_prob.double()).clamp_(min=0)
        others = self._class_sum(self.weights.frac())  # the maximum's own weight is exactly one
        others = torch.where(self.total >= 1.5, self.total - 1, others).double()  # so are ties with it
        small = (others < 1e-30).nonzero().flatten()  # near the end of float32, beyond which all would tie
        if small.numel():
            z = self.scores[small].double()
            top, first = z.max(1, keepdim=True)
            others[small] = z.sub_(top).scatter_(1, first, -torch.inf).exp_().sum(1)
        return others / (1 + others)

    @cached_property
    def nll(self) -> Tensor:
        """(n,) float64: minus the log-probability of the label, in nats; infinite where that is zero."""
        if self.kind == "logits":
            return self.total.double().log() - self.shifted_true.double()
        return -self.true_prob.double().log()

    @cached_property
    def brier(self) -> Tensor:
        """(n,) float64: squared distance between the probabilities and the one-hot label, in [0, 2]."""
        squares = self._class_sum(self.weights.square()).double()
        if self.kind == "logits":
            total = self.total.double()
            return (squares / total - 2 * self.shifted_true.double().exp()) / total + 1
        return squares - 2 * self.true_prob.double() + 1

    @cached_property
    def probs(self) -> Tensor:
        """(n, C), or (C, n) where `transposed`: probabilities in the working dtype, not to be written to."""
        if self.kind == "probs":
            return self.weights
        return self.weights * self.total.reciprocal().unsqueeze(self.class_dim)


def class_major(scores: Tensor, working: torch.dtype) -> Tensor:
    """A (C, n) copy of (n, C) scores: classes down, rows along."""
    n, num_classes = scores.shape
    copy = torch.empty(num_classes, n, dtype=working, device=scores.device)
    # the extra dimension keeps torch off its special case for transposing, which uses one thread only
    copy.view(num_classes, 1, n).copy_(scores.unsqueeze(1).permute(2, 1, 0))
    return copy


def class_sum(values: Tensor, class_dim: int) -> Tensor:
    """(n,) sum over classes, the same for a row whatever rows stand beside it.

    A reduction over the first dimension adds in another order in the columns that do not fill a vector register, so
    a row's sum would depend on how rows were split into batches, and with it, on the edge of a bin, its bin. Columns
    of zeros fill the register up.
    """
    if class_dim == 1:
        return values.sum(1)
    n = values.shape[1]
    spare = -n % REGISTER
    return torch.nn.functional.pad(values, (0, spare)).sum(0)[:n] if spare else values.sum(0)


def rows_together(scores: Tensor) -> int:
    """How many rows of `scores` make a chunk."""
    rows = (CPU_CHUNK if scores.device.type == "cpu" else GPU_CHUNK) // scores.shape[1]
    return rows // REGISTER * REGISTER or max(1, rows)


def chunks(given: Given) -> Iterator[Chunk]:
    """The rows of `given` in order, chunk by chunk; raises ValueError at the first chunk with a bad row."""
    scores, labels = given.scores, given.labels
    step = rows_together(given.scores)
    for start in range(0, scores.shape[0], step):
        rows = slice(start, start + step)
        chunk = Chunk(scores[rows], labels[rows], given.kind, given.working_dtype)
        if chunk.bad:
            refuse(scores, given.kind)
        yield chunk


def refuse(scores: Tensor, kind: str) -> None:
    """Raise the ValueError that names the first bad row of `scores` and counts them; read in blocks."""
    reasons = _BAD_LOGITS if kind == "logits" else _BAD_PROBS
    step = max(1, GPU_CHUNK // scores.shape[1])
    for reason, is_bad in reasons:
        flags = torch.cat([is_bad(block) for block in scores.split(step)])
        count = int(flags.sum())
        if count:
            first = int(flags.nonzero()[0])
            raise ValueError(
                f"{kind} of {count} of {scores.shape[0]} rows {reason}, the first is row {first}"
                f" (count from 0){_shown(scores[first])}"
            )
    raise AssertionError("a chunk was called bad and no bad row was found")


def _shown(row: Tensor) -> str:
    values = ", ".join(f"{v:.4g}" for v in row[:5].tolist())
    return f": [{values}{', ...' if row.numel() > 5 else ''}]"


def _sums_badly(block: Tensor) -> Tensor:
    tolerance = SUM_TOLERANCE_BFLOAT16 if block.dtype == torch.bfloat16 else SUM_TOLERANCE
    working = torch.float64 if block.dtype == torch.float64 else torch.float32
    return ~((block.to(working).sum(1) - 1).abs() <= tolerance)


_BAD_LOGITS = (
    ("hold NaN", lambda b: b.isnan().any(1)),
    (
        "hold plus infinity; only minus infinity is allowed, for a class that is ruled out",
        lambda b: b.isposinf().any(1),
    ),
    ("are minus infinity for every class, which leaves none to predict", lambda b: b.isneginf().all(1)),
)
_BAD_PROBS = (
    ("hold NaN", lambda b: b.isnan().any(1)),
    ("hold infinity", lambda b: b.isinf().any(1)),
    ("hold a negative number; if these are logits, say logits=", lambda b: (b < 0).any(1)),
    (
        f"do not sum to one within {SUM_TOLERANCE:g} ({SUM_TOLERANCE_BFLOAT16:g} in bfloat16); "
        "if these are logits, say logits=",
        _sums_badly,
    ),
)
