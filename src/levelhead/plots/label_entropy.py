"""How uncertain mixup's labels are: the law of the entropy of two classes mixed with lam ~ Beta(alpha, alpha).

Thulasidasan et al. 2019, figure 5: H(lam) = -lam ln lam - (1 - lam) ln(1 - lam), pairs of different classes. H is one
to one on each side of one half and the law of lam is symmetric, so the density of H is 2 f(lam) / ln((1 - lam) / lam)
at the lam below one half with that entropy. K places.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from levelhead.plots import style

#: The paper does not say which it drew; these span what it trains with.
ALPHAS = (0.1, 0.2, 0.4, 1.0, 2.0)


@dataclass(frozen=True, eq=False)
class LabelEntropy:
    """One alpha: `(K,)` entropies in nats, rising to ln 2, with density and share of labels below."""

    alpha: float
    entropy: np.ndarray
    density: np.ndarray
    below: np.ndarray

    def table(self) -> list[dict[str, float]]:
        """One row a place: alpha, entropy, density, below."""
        rows = zip(self.entropy, self.density, self.below, strict=True)
        return [{"alpha": self.alpha, "entropy": float(h), "density": float(d), "below": float(b)} for h, d, b in rows]


def label_entropy(alpha: float, *, places: int = 400) -> LabelEntropy:
    """The law for one `alpha` above zero, at so many lam below one half; raises ValueError for another alpha."""
    from scipy.stats import beta

    if not (alpha > 0 and np.isfinite(alpha)):
        raise ValueError(f"alpha must be a finite number above 0, got {alpha!r}")
    # ln(lam / (1 - lam)): far out for small alpha, and a half, where the density has a pole, left out
    odds = -np.geomspace(1e-3, 60, places)[::-1]
    lam = 1 / (1 + np.exp(-odds))
    entropy = -lam * np.log(lam) - (1 - lam) * np.log1p(-lam)
    law = beta(alpha, alpha)
    return LabelEntropy(float(alpha), entropy, 2 * law.pdf(lam) / -odds, 2 * law.cdf(lam))


def draw(ax: Any, data: Iterable[LabelEntropy], *, title: str | None = None) -> None:
    """Draw onto a matplotlib axis the share of labels below each entropy, a line an alpha.

    The cumulative share is drawn, not the density, which is infinite at ln 2. `title` defaults to the law of lam.
    """
    style.tidy(ax)
    for position, each in enumerate(data):
        colour, dash = style.method_colour(position), style.DASHES[position % len(style.DASHES)]
        ax.plot(each.entropy, each.below, color=colour, linestyle=dash, label=f"alpha = {each.alpha:g}")
    ax.set(xlim=(0, np.log(2)), ylim=(0, 1), xlabel="entropy of the label (nats)", ylabel="share of labels below")
    ax.set_title(style.plain("two classes, lam ~ Beta(alpha, alpha)" if title is None else title))
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
