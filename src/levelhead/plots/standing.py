"""Who is best by a measure, and whom the seeds cannot tell from the best: paired differences, as of the baseline.

The best has the lowest (or highest) mean on the split that is reported, so a little luck is in it; a recommendation
is made elsewhere, on cal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from levelhead.plots.differences import Difference, differences

Mark = Literal["best", "same", "worse", ""]


@dataclass(frozen=True, eq=False)
class Standing:
    """A method by one measure: "best", "same" (not told from the best), "worse", or "" where no interval tells.

    "" also where it is better by more than chance on the seeds that both have, and the best has its mean by others.
    `difference`: less the best, seed by seed; None for the best itself and where they share no seed.
    """

    method: str
    mark: Mark
    difference: Difference | None = None

    def table(self) -> dict[str, Any]:
        """Method, mark, and the mean difference to the best with its interval; None where there is none."""
        apart = self.difference
        known = apart is not None and apart.told_apart is not None
        return {
            "method": self.method,
            "mark": self.mark,
            "n_seeds": 0 if apart is None else len(apart.seeds),
            "diff": None if apart is None else apart.mean,
            "diff_lo": apart.lo if apart is not None and known else None,
            "diff_hi": apart.hi if apart is not None and known else None,
        }


def standing(
    results: Sequence[Mapping[str, Any]],
    *,
    measure: str,
    state: str,
    lower_is_better: bool = True,
    role: str = "test",
    order: Iterable[str] = (),
    level: float = 0.95,
) -> tuple[Standing, ...]:
    """The methods by `measure`, in `order`; none where fewer than two have it.

    Args:
        results: objects of `results.json`.
        measure: a key of the raw and scaled measures.
        state: raw or scaled.
        lower_is_better: which end is best.
        role: the split the numbers come from.
        order: methods in the order they should be listed; others follow in the order they come.
        level: coverage of the Student-t interval.
    """
    values: dict[str, list[float]] = {name: [] for name in order}
    for result in results:
        if result.get("role") == role:
            value = (result.get(state) or {}).get(measure)
            values.setdefault(result["method"], []).append(np.nan if value is None else float(value))
    # a method that lacks the measure for a seed has no mean to stand by
    means = {name: float(np.mean(each)) for name, each in values.items() if each and np.isfinite(each).all()}
    if len(means) < 2:
        return ()
    best = min(means, key=lambda name: means[name] if lower_is_better else -means[name])
    apart = differences(results, baseline=best, measure=measure, state=state, role=role, order=means, level=level)
    by_method = {each.method: each for each in apart}
    return tuple(
        Standing(name, "best")
        if name == best
        else Standing(name, _mark(by_method.get(name), lower_is_better), by_method.get(name))
        for name in means
    )


def _mark(difference: Difference | None, lower_is_better: bool) -> Mark:
    if difference is None or difference.told_apart is None:
        return ""
    if not difference.told_apart:
        return "same"
    return "worse" if (difference.mean > 0) == lower_is_better else ""
