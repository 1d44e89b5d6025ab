"""Items that need no run: what the papers derive or compute, worked out again."""

import math
from collections.abc import Callable

import numpy as np

Table = tuple[list[str], list[list[float]]]


def label_entropy(alphas: tuple[float, ...] = (0.1, 0.2, 0.4, 1.0, 2.0)) -> Table:
    """Entropy (nats) of labels mixed with a Beta(alpha, alpha) weight, two classes: mean, quartiles, share below .05.

    By the exact quantiles of the Beta, on a grid of 100,000.
    """
    from scipy.special import betaincinv, entr

    grid = (np.arange(100_000) + 0.5) / 100_000
    rows = []
    for alpha in alphas:
        lam = betaincinv(alpha, alpha, grid)
        entropy = entr(lam) + entr(1 - lam)
        quartiles = np.quantile(entropy, (0.25, 0.5, 0.75)).tolist()
        rows.append([alpha, float(entropy.mean()), *quartiles, float((entropy < 0.05).mean())])
    return ["alpha", "mean", "25 %", "50 %", "75 %", "share below .05"], rows


def proposition(classes: tuple[int, ...] = (2, 10, 100, 1000), draws: int = 1_000, seed: int = 0) -> Table:
    """MbLS, proposition 1, on random logits of many scales: the least room on either side of the mean distance.

    KL(u || s) <= mean_k(max l - l_k) <= KL(u || s) + log K; both columns must not be negative, up to rounding.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for k in classes:
        logits = rng.standard_normal((draws, k)) * rng.choice([0.01, 1, 10, 100], (draws, 1))
        highest = logits.max(1)
        lse = highest + np.log(np.exp(logits - highest[:, None]).sum(1))
        divergence = lse - logits.mean(1) - math.log(k)
        distance = highest - logits.mean(1)
        rows.append(
            [float(k), float((distance - divergence).min()), float((divergence + math.log(k) - distance).min())]
        )
    return ["classes", "above the divergence by", "below divergence + log K by"], rows


#: By the word in the plan.
COMPUTED: dict[str, Callable[[], Table]] = {"label_entropy": label_entropy, "proposition": proposition}
