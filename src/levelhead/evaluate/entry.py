"""What a pass over one file's scores becomes: measures, intervals, tests and the numbers of the figures, as plain data.

`None` stands for what is undefined or infinite; `undefined` says why.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from levelhead import metrics
from levelhead.evaluate.tally import Tally
from levelhead.evaluate.top_label import TopLabel
from levelhead.metrics import Bins, Calibration, Interval
from levelhead.metrics.evidence import OUTCOMES, calibration_test_of, clopper_pearson, few_outcomes, gap_interval
from levelhead.plots.reliability import calibrated_range, diagram, isotonic

LEVEL = 0.95
FEW = 30  # examples of a class below which nothing is said about it
#: The order in which measures are shown; others that the accumulator knows follow.
ORDER = (
    "accuracy",
    "top5",
    "nll",
    "nll_calibration",
    "nll_refinement",
    "nll_others",
    "brier",
    "brier_calibration",
    "brier_refinement",
    "brier_within",
    "gap",
    "ece",
    "debiased_ece",
    "adaptive_ece",
    "classwise_ece",
    "smooth_ece",
    "oe",
    "mce",
    "ace",
    "rmsce",
    "aurc",
    "augrc",
)
MOST_IN_MATRIX = 30  # classes
_REPLICATES = 400  # of the bootstrap of AURC and AUGRC, which costs about a millisecond each
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.5)
RISKS = (0.01, 0.02, 0.05, 0.1)


def finite(value: float) -> float | None:
    """The number, or None where it is not one."""
    return float(value) if math.isfinite(value) else None


def bounds(interval: Interval, least: float = -math.inf, most: float = math.inf) -> list[float] | None:
    """[lo, hi], cut to what the measure can be, or None where there is no interval."""
    if not (math.isfinite(interval.lo) and math.isfinite(interval.hi)):
        return None
    return [max(interval.lo, least), min(interval.hi, most)]


def described(tally: Tally | TopLabel) -> dict[str, Any]:
    """One state of a model, raw or scaled: `values`, `intervals`, `undefined`, `test` and what the figures show."""
    calibration = tally.calibration
    bins = calibration.bins()
    values = ordered(
        found := calibration.compute() | (tally.splits() if isinstance(tally, Tally) else {}),
        skip=() if isinstance(tally, Tally) and tally.num_classes > 5 else ("top5",),
    )
    n = calibration.num_examples
    voted = isinstance(tally, Tally) and tally.voted
    test, intervals = _by_shares(tally) if isinstance(tally, Tally) and voted else _by_counts(calibration, bins)
    undefined = {}
    if isinstance(tally, Tally):
        for name, mean, most in (("nll", tally.nll, math.inf), ("brier", tally.brier, 2.0)):
            interval = mean.interval(LEVEL)
            if mean.infinite:
                others = f"; the mean of the others is {interval.mean:.4f}" if mean.n else ""
                undefined[name] = f"infinite: {mean.infinite} of {n} labels were given probability exactly 0{others}"
            else:
                intervals[name] = bounds(interval, 0, most)
    for name, value in values.items():
        if value is None and name not in undefined:
            part = "nll" in undefined and name.startswith("nll_")
            why = "infinite" if math.isinf(found[name]) else "not defined for so few examples"
            undefined[name] = "infinite, as the NLL is" if part else why
    return {
        "values": values,
        "intervals": {name: intervals[name] for name in values if intervals.get(name)},
        "undefined": undefined,
        "test": test,
        "mean_confidence": mean_confidence(bins),
        "saturated": tally.saturated / n,
        "few": None if voted or not few_outcomes(bins) else int(min(bins.correct.sum(), n - bins.correct.sum())),
        "reliability": _reliability(bins, voted),
        "isotonic": _isotonic(calibration),
        "confidence": _histogram(tally),
        "selective": _selective(calibration),
    }


def _by_counts(calibration: Calibration, bins: Bins) -> tuple[dict[str, float | None], dict[str, Any]]:
    """The test of calibration and the intervals of what counts right and wrong predictions."""
    test = calibration_test_of(bins, level=LEVEL)
    lo, hi = clopper_pearson(np.array([int(bins.correct.sum())]), np.array([bins.total]), level=LEVEL)
    # no resample of so few shows what a curve could have been
    drawn = {} if few_outcomes(bins) else metrics.bootstrap(calibration, replicates=_REPLICATES, level=LEVEL)
    said = {"noise_floor": finite(test.floor), "p_value": finite(test.p_value), "detectable": finite(test.detectable)}
    return said, {
        "accuracy": [float(lo[0]), float(hi[0])],
        "gap": bounds(test.gap, -1, 1),
        "debiased_ece": bounds(test.debiased),
    } | {name: bounds(drawn[name]) for name in ("aurc", "augrc") if drawn}


def _by_shares(tally: Tally) -> tuple[dict[str, float | None], dict[str, Any]]:
    """The same of shares of votes: normal intervals of means, and no test, since there is nothing to redraw."""
    gap = gap_interval(tally.calibration.bins(), level=LEVEL)
    intervals = {"accuracy": bounds(tally.correct.interval(LEVEL), 0, 1), "gap": bounds(gap, -1, 1)}
    return {"noise_floor": None, "p_value": None, "detectable": None}, intervals


def ordered(values: Mapping[str, float], skip: tuple[str, ...] = ()) -> dict[str, float | None]:
    """Measures in the order in which they are shown; None for what is undefined or infinite."""
    names = [name for name in ORDER if name in values] + [name for name in values if name not in ORDER]
    return {name: finite(values[name]) for name in names if name not in skip}


def mean_confidence(bins: Bins) -> float | None:
    """Mean confidence of all examples."""
    return finite(float(np.nansum(bins.confidence * bins.count) / bins.total)) if bins.total else None


def _reliability(bins: Bins, voted: bool) -> list[dict[str, Any]]:
    """A row a bin, with where an honest bin would fall; shares of votes follow no law of counts."""
    shown = diagram(bins, level=LEVEL)
    lo, hi = calibrated_range(shown)
    return [
        row
        | {
            "calibrated_lo": None if voted else finite(float(lo[m])),
            "calibrated_hi": None if voted else finite(float(hi[m])),
        }
        for m, row in enumerate(shown.table())
    ]


def _isotonic(calibration: Calibration) -> dict[str, list[float]]:
    count, correct, total = calibration.cells()
    confidence, accuracy = isotonic(count, correct, total / np.maximum(count, 1))
    return {"confidence": confidence.tolist(), "accuracy": accuracy.tolist()}


def _histogram(tally: Tally | TopLabel) -> dict[str, Any] | None:
    if isinstance(tally, TopLabel) or tally.voted:
        return None
    counted = tally.histogram()
    return {
        "edges": counted.edges.tolist(),
        "right": counted.right.tolist(),
        "wrong": counted.wrong.tolist(),
        "mean_confidence": finite(counted.mean_confidence),
    }


def _selective(calibration: Calibration) -> dict[str, Any]:
    """Risk against coverage: a curve, the error at some coverages, and the coverage and threshold of some errors."""
    count, correct, total = calibration.cells()
    keep = count > 0
    count, correct, total = count[keep][::-1], correct[keep][::-1], total[keep][::-1]
    n = int(count.sum())
    covered, wrong = np.cumsum(count), np.cumsum(count - correct)
    wrong = np.clip(wrong, 0, covered)  # shares of votes add up with a rounding
    risk, threshold = wrong / covered, total / count
    right_of, wrong_of = (np.diff(sums, prepend=0) for sums in (covered - wrong, wrong))
    # a right example above each wrong one, ties by half
    above = float(((covered - wrong - right_of / 2) * wrong_of).sum())
    pairs = float((covered - wrong)[-1] * wrong[-1])
    lo = clopper_pearson(np.floor(wrong).astype(np.int64), covered, level=LEVEL)[0]
    hi = clopper_pearson(np.ceil(wrong).astype(np.int64), covered, level=LEVEL)[1]
    place = np.unique(np.searchsorted(covered, np.linspace(0, n, 201)[1:], side="left").clip(max=len(covered) - 1))
    targets = []
    for wanted in RISKS:
        # the largest coverage whose error is below, with what sampling may hide: not a lucky dip of the curve
        sure, lucky = np.flatnonzero(hi <= wanted), np.flatnonzero(risk <= wanted)
        targets.append(
            {
                "risk": wanted,
                "coverage": float(covered[lucky[-1]] / n) if len(lucky) else 0.0,
                "threshold": float(threshold[lucky[-1]]) if len(lucky) else None,
                "coverage_assured": float(covered[sure[-1]] / n) if len(sure) else 0.0,
                "threshold_assured": float(threshold[sure[-1]]) if len(sure) else None,
            }
        )
    return {
        "curve": {
            name: values[place].tolist()
            for name, values in (
                ("coverage", covered / n),
                ("risk", risk),
                ("lo", lo),
                ("hi", hi),
                # all mistakes last: what no order of the examples can do better
                ("oracle", np.maximum(0.0, (covered - covered[-1] + wrong[-1]) / covered)),
            )
        },
        "auroc": above / pairs if pairs else None,
        "at_coverage": [{"coverage": c, "risk": 1 - calibration.accuracy_at_coverage(c)} for c in COVERAGES],
        "at_risk": targets,
    }


def per_class(tally: Tally, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row a class: examples, recall, precision, and the gap of the predictions of it, with Holm's p-value.

    The gap is mean confidence less precision over the examples *predicted* as the class.
    """
    labels, predicted, hits = (tally.counts[name] for name in ("labels", "predicted", "hits"))
    confidence, square = tally.per_class["confidence"], tally.per_class["square"]
    low, high = clopper_pearson(hits, labels, level=LEVEL)
    class_ece = tally.calibration.class_ece().numpy()
    rows, p_values = [], []
    for k in range(tally.num_classes):
        n = int(predicted[k])
        gap = (confidence[k] - hits[k]) / n if n else math.nan
        bounds, p_value = gap_test(n, int(hits[k]), float(confidence[k]), float(square[k]))
        p_values.append(p_value if n >= FEW else math.nan)
        most = _confused(tally, k)
        rows.append(
            {
                "class": classes[k] if classes else str(k),
                "n": int(labels[k]),
                "predicted": n,
                "recall": finite(hits[k] / labels[k]) if labels[k] else None,
                "recall_interval": [float(low[k]), float(high[k])] if labels[k] else None,
                "precision": finite(hits[k] / n) if n else None,
                "confidence": finite(confidence[k] / n) if n else None,
                "gap": finite(gap),
                "gap_interval": bounds,
                "ece": finite(float(class_ece[k])),
                "confused_with": None if most is None else (classes[most] if classes else str(most)),
            }
        )
    for row, p_value in zip(rows, holm(p_values), strict=True):
        row["p_value"] = finite(p_value)
    return rows


def gap_test(n: int, right: int, confidence: float, square: float) -> tuple[list[float] | None, float]:
    """Interval and p-value of mean confidence less accuracy, from sums over n examples: NaN or None for none.

    `square`: the sum of the squares of confidence less outcome. Where fewer than `OUTCOMES` of the examples are right,
    or wrong, no normal law describes the gap: the interval is then that of Clopper and Pearson for the accuracy, and
    the p-value that of the binomial test, both wide enough for confidences that differ.
    """
    from scipy.special import ndtr
    from scipy.stats import binomtest

    if n == 0:
        return None, math.nan
    if n >= 2 and min(right, n - right) >= OUTCOMES:
        gap = (confidence - right) / n
        half = math.sqrt(max(0.0, square / n - gap**2) / (n - 1))
        p_value = 2 * float(ndtr(-abs(gap) / half)) if half > 0 else math.nan
        return [gap - 1.96 * half, gap + 1.96 * half], p_value
    mean = min(1.0, confidence / n)
    least, most = (float(bound[0]) for bound in clopper_pearson(np.array([right]), np.array([n]), level=LEVEL))
    return [mean - most, mean - least], float(binomtest(right, n, mean).pvalue)


def _confused(tally: Tally, k: int) -> int | None:
    """The class that examples of class k are most often taken for, wrongly."""
    if tally.confusions is None or not tally.confusions[k].any():
        return None
    return int(tally.confusions[k].argmax())


def confusions(tally: Tally, classes: tuple[str, ...], most: int = 20) -> list[dict[str, Any]]:
    """The pairs of classes that are confused most often, as counts and shares of the true class's examples."""
    if tally.confusions is None:
        return []
    flat = tally.confusions.ravel()
    found = []
    for place in np.argsort(-flat, kind="stable")[:most].tolist():
        if flat[place] == 0:
            break
        true, taken = divmod(place, tally.num_classes)
        found.append(
            {
                "true": classes[true] if classes else str(true),
                "predicted": classes[taken] if classes else str(taken),
                "count": int(flat[place]),
                "share": float(flat[place] / tally.counts["labels"][true]),
            }
        )
    return found


def confusion_matrix(tally: Tally) -> list[list[int]] | None:
    """Examples by their class (rows) and the predicted one (columns), for as many classes as a page can show."""
    if tally.confusions is None or tally.num_classes > MOST_IN_MATRIX:
        return None
    return (tally.confusions + np.diag(tally.counts["hits"])).tolist()


def shifted(labels: np.ndarray, cal: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any] | None:
    """Whether the classes (C,) occur as often as in the calibration file: the chi-squared test, and what differs most.

    `distance` is half the sum of the differences of their shares, in [0, 1]. None where there is one class only.
    """
    from scipy.stats import chi2_contingency

    seen = labels + cal > 0
    if seen.sum() < 2:
        return None
    here, there = labels / labels.sum(), cal / cal.sum()
    k = int(np.argmax(np.abs(here - there)))
    return {
        "p_value": float(chi2_contingency(np.stack([labels[seen], cal[seen]]), correction=False).pvalue),
        "distance": float(np.abs(here - there).sum() / 2),
        "class": classes[k] if classes else str(k),
        "here": float(here[k]),
        "there": float(there[k]),
    }


def holm(p_values: list[float]) -> list[float]:
    """Holm's adjusted p-values; NaN are no tests and stay NaN."""
    known = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = list(p_values), 0.0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        adjusted[i] = largest
    return adjusted
