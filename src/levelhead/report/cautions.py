"""What a reader should keep in mind that the comparison itself does not say: few seeds, tiny bins, rare classes."""

from collections.abc import Sequence

from levelhead.plots.comparison import Comparison
from levelhead.plots.pooled import Pooled
from levelhead.report.classes import Classes
from levelhead.report.evaluation_terminal import FEW

#: Seeds from which how results vary from one to another can be judged.
ENOUGH_SEEDS = 5
#: The share of a diagram's bins with hardly any examples from which it is worth a word.
_MANY = 0.25


def cautions(comparison: Comparison, views: Sequence[Pooled], by_class: Classes | None) -> list[str]:
    """Sentences; none where all is well."""
    return [*_seeds(comparison), *_bins(views), *_classes(by_class)]


def _seeds(comparison: Comparison) -> list[str]:
    seeds = min((row.get("n_seeds") or 1 for row in comparison.summary["rows"]), default=ENOUGH_SEEDS)
    if seeds >= ENOUGH_SEEDS:
        return []
    if seeds == 1:
        return ["One seed: nothing here shows how results vary from one training to the next."]
    # all differences of one sign, by an exact test of which there are 2^seeds equally likely
    return [
        f"{seeds} seeds tell little of how results vary from one training to the next: intervals are wide, and a "
        f"test that flips the signs of {seeds} differences cannot give p below {2 / 2**seeds:g}. The circles are "
        "single seeds."
    ]


def _bins(views: Sequence[Pooled]) -> list[str]:
    """Bins whose points say nothing, of all diagrams together."""
    diagrams = [view.diagram for each in views for view in (each.raw, each.scaled) if view is not None]
    filled = sum(int(diagram.filled.sum()) for diagram in diagrams)
    tiny = sum(int((diagram.filled & ~diagram.steady).sum()) for diagram in diagrams)
    if not filled or tiny / filled < _MANY:
        return []
    return [
        f"{tiny} of the {filled} points in the reliability diagrams stand for fewer than ten examples a seed; they are "
        "faint and say next to nothing."
    ]


def _classes(by_class: Classes | None) -> list[str]:
    rare = sum(line.few for line in by_class.lines) if by_class else 0
    if not by_class or not rare:
        return []
    which = "has" if rare == 1 else "have"
    return [
        f"{rare} of {len(by_class.lines)} classes {which} fewer than {FEW} test examples: of these alone little can "
        "be said."
    ]
