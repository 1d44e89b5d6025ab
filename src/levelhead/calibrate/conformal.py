"""Split conformal prediction: sets of classes that hold the label for at least 1 - alpha of new examples.

Every class of an example has a score, low where the model finds it likely; with q the ceil((n + 1)(1 - alpha))-th
smallest score of the n fitted labels, the set of an example is all classes with a score of at most q. For n fitted and
one new example that could be exchanged, it misses the label with a probability of at most alpha, whatever the model; if
scores do not tie, of at least alpha - 1 / (n + 1). That is on average over fitting data: given these, the coverage is
Beta(k, n + 1 - k) with k that rank. Scores, p the probability and r the rank of a class:

- `lac` (Sadinle, Lei and Wasserman 2019): 1 - p. The smallest sets on average, more often wrong for hard examples.
- `aps` (Romano, Sesia and Candes 2020, eq. 8): the sum of the probabilities above the class's, plus its own; with
  `randomised` its own times u, uniform, one u an example. Without, the scores of sure and right predictions are the
  highest, and all sets must be large to reach them: 6.4 classes for 1.1 at alpha 0.1 (WRN-16-4 on CIFAR-10).
- `raps` (Angelopoulos et al. 2021, eq. 5): aps plus penalty x max(0, r - k_reg), against long tails.

Scores are computed from the other end, as log-odds for `lac` and as the mass below the class for `aps`: near a
probability of one the sums above would all round to one, and every class would tie with every other.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from levelhead.calibrate._fitted import Fitted, float64_logits
from levelhead.calibrate._scores import given_to_answer, given_to_report, log_odds, own_logits
from levelhead.metrics.evidence import clopper_pearson
from levelhead.metrics.given import Array, Given
from levelhead.metrics.intervals import Interval
from levelhead.predictions import Predictions

Score = Literal["lac", "aps", "raps"]
_BLOCK = 1 << 20  # scores worked together


@dataclass(frozen=True, eq=False)
class Coverage:
    """How often sets held the label on n examples, and how large they were."""

    n: int
    covered: int
    sizes: np.ndarray  # (C + 1,) examples with a set of 0, 1, ... C classes
    class_n: np.ndarray  # (C,) examples of each class
    class_covered: np.ndarray  # (C,) of them, those whose set held the label

    @property
    def coverage(self) -> Interval:
        """Share of sets that held the label, with its exact 95 % interval (Clopper and Pearson)."""
        lo, hi = clopper_pearson(np.array([self.covered]), np.array([self.n]))
        return Interval(self.covered / self.n, float(lo[0]), float(hi[0]), self.n)

    @property
    def mean_size(self) -> float:
        """Mean number of classes in a set."""
        return float(self.sizes @ np.arange(len(self.sizes)) / self.n)

    def __str__(self) -> str:
        c = self.coverage
        return (
            f"{c.mean:.3f} [{c.lo:.3f}, {c.hi:.3f}] of {self.n} sets hold the label; {self.mean_size:.2f} classes on "
            f"average, {self.sizes[1]} sets of one class, {self.sizes[0]} empty"
        )


class ConformalSets(Fitted):
    """Prediction sets at level 1 - `alpha` by the scores `lac`, `aps` or `raps`; the head of this file defines them.

    `alpha` in (0, 1). `randomised` for aps and raps: the default, since the sets are large without.
    `penalty` and `k_reg` for raps: by default 0.01 and 5, to be chosen on other data. `allow_empty=False` keeps the
    predicted class in every set, which can only raise the coverage. `seed` makes randomised sets repeatable.

    After `fit`, `quantile` is q, and `status` is `fitted`, or `all classes` where fewer than about 1 / alpha examples
    leave no choice but sets of everything. A temperature fitted on the same rows costs a little of the guarantee: fit
    it on others to keep it.

    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(size=(400, 4))
    >>> labels = (logits + rng.gumbel(size=(400, 4))).argmax(1)  # drawn from the model's own probabilities
    >>> sets = ConformalSets("aps", alpha=0.2).fit(logits[:200], labels[:200])
    >>> sets.predict_sets(logits[200:]).shape
    (200, 4)
    >>> sets.report(logits[200:], labels[200:]).coverage.mean
    0.875
    """

    name = "conformal"

    def __init__(
        self,
        score: Score = "lac",
        alpha: float = 0.1,
        *,
        randomised: bool | None = None,
        penalty: float | None = None,
        k_reg: int | None = None,
        allow_empty: bool = False,
        seed: int = 0,
    ) -> None:
        if score not in get_args(Score):
            raise ValueError(f"score must be one of {', '.join(get_args(Score))}, got {score!r}")
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie between 0 and 1, got {alpha!r}; 0.1 is sets that hold 90 % of labels")
        if score == "lac" and randomised:
            raise ValueError("lac draws nothing: randomised is for aps and raps")
        if score != "raps" and not (penalty is None and k_reg is None):
            raise ValueError(f"penalty and k_reg are for raps, not for {score}")
        super().__init__()
        self.score, self.alpha, self.allow_empty, self.seed = score, alpha, allow_empty, seed
        self.randomised = score != "lac" if randomised is None else randomised
        self.penalty = 0.01 if penalty is None and score == "raps" else penalty
        self.k_reg = 5 if k_reg is None and score == "raps" else k_reg
        if self.penalty is not None and not (self.penalty >= 0 and math.isfinite(self.penalty)):
            raise ValueError(f"penalty must be a number of at least 0, got {penalty!r}")
        if self.k_reg is not None and (isinstance(self.k_reg, bool) or self.k_reg < 0 or self.k_reg != int(self.k_reg)):
            raise ValueError(f"k_reg must be a whole number of at least 0, got {k_reg!r}")
        self.quantile = math.nan
        self.num_classes = 0

    def settings(self) -> dict[str, Any]:
        """What it was constructed with, by argument."""
        names = ("score", "alpha", "randomised", "penalty", "k_reg", "allow_empty", "seed")
        return {name: getattr(self, name) for name in names}

    def _fit(self, given: Given) -> None:
        labels, self.num_classes = given.labels.cpu().numpy(), given.scores.shape[1]
        rng = np.random.default_rng((self.seed, 0))
        own = [own_logits(scores, labels[rows]) for rows, _, scores in self._scored(given, rng)]
        self.quantile = conformal_quantile(np.concatenate(own), self.alpha)
        self.status = "fitted" if self.quantile < math.inf else "all classes"

    def predict_sets(self, logits: Array | Predictions, *, rng: np.random.Generator | None = None) -> np.ndarray:
        """(N, C) bool: the classes in the set of each row of `logits` (N, C).

        Where `randomised`, `rng` draws one number a row; without it a generator made from `seed` does, so a call
        repeats. ValueError before `fit`, for another number of classes, and for what `fit` refuses.
        """
        self._require_fit()
        given = given_to_answer(logits)
        if given.scores.shape[1] != self.num_classes:
            raise ValueError(f"logits must have shape (N, {self.num_classes}), got {tuple(given.scores.shape)}")
        sets = np.empty(given.scores.shape, dtype=bool)
        for rows, z, scores in self._scored(given, rng or np.random.default_rng((self.seed, 1))):
            block = scores <= self.quantile
            if not self.allow_empty:
                np.put_along_axis(block, z.argmax(1)[:, None], True, axis=1)
            sets[rows] = block
        return sets

    def report(
        self, logits: Array | Predictions, labels: Array | None = None, *, rng: np.random.Generator | None = None
    ) -> Coverage:
        """Coverage and sizes of the sets of `logits` (N, C) with `labels` (N,), or of `Predictions`, not fitted on.

        ValueError where more rows of the predictions were fitted on than one in 200 (see `overlap`), and as
        `predict_sets`.
        """
        self._require_fit()
        if isinstance(logits, Predictions):
            self._refuse_overlap(logits)
        given = given_to_report(logits, labels)
        sets, y = self.predict_sets(given.scores, rng=rng), given.labels.cpu().numpy()
        hit = own_logits(sets, y)
        return Coverage(
            n=len(y),
            covered=int(hit.sum()),
            sizes=np.bincount(sets.sum(1), minlength=self.num_classes + 1),
            class_n=np.bincount(y, minlength=self.num_classes),
            class_covered=np.bincount(y[hit], minlength=self.num_classes),
        )

    def _scored(self, given: Given, rng: np.random.Generator) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Blocks of rows: where they are, their logits, and the scores of their classes."""
        step = max(1, _BLOCK // given.scores.shape[1])
        for start in range(0, given.scores.shape[0], step):
            rows = slice(start, start + step)
            z = float64_logits(Given(given.scores[rows], given.kind, given.labels[rows]))
            if self.score == "lac":
                yield rows, z, lac(z)
            else:
                u = rng.random(len(z)) if self.randomised else np.ones(len(z))
                yield rows, z, raps(z, u, self.penalty or 0.0, self.k_reg or 0)

    def arrays(self) -> dict[str, np.ndarray]:
        """The quantile and the number of classes. ValueError before `fit`."""
        self._require_fit()
        return {"quantile": np.array(self.quantile), "num_classes": np.array(self.num_classes)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the numbers that `arrays` gave."""
        self.quantile, self.num_classes = float(arrays["quantile"]), int(arrays["num_classes"])


def conformal_quantile(scores: np.ndarray, alpha: float) -> float:
    """The ceil((n + 1)(1 - alpha))-th smallest of n `scores`; infinite where that is more than n."""
    n = len(scores)
    rank = n + 1 - math.floor((n + 1) * alpha + 1e-9)  # 1e-9: ten times 0.1 is one
    return float(np.partition(scores, rank - 1)[rank - 1]) if rank <= n else math.inf


def lac(z: np.ndarray) -> np.ndarray:
    """(N, C) minus the log-odds of each class, which rise with 1 - p and tell p apart where it rounds to one."""
    log_p, log_rest = log_odds(z)
    return log_rest - log_p


def raps(z: np.ndarray, u: np.ndarray, penalty: float, k_reg: int) -> np.ndarray:
    """(N, C) penalty x max(0, rank - k_reg) less the mass below each class and (1 - u) of its own; `u` (N,).

    That is the paper's score less one. Classes that tie are ranked by index. Classes ruled out score infinity.
    """
    order = np.argsort(-z, axis=1, kind="stable")
    p = np.exp(np.take_along_axis(log_odds(z)[0], order, axis=1))
    below = np.zeros_like(p)
    below[:, :-1] = np.cumsum(p[:, :0:-1], axis=1)[:, ::-1]
    ranked = penalty * np.maximum(np.arange(1, z.shape[1] + 1) - k_reg, 0) - (below + (1 - u)[:, None] * p)
    scores = np.empty_like(ranked)
    np.put_along_axis(scores, order, ranked, axis=1)
    return np.where(np.isneginf(z), np.inf, scores)
