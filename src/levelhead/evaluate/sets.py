"""How many classes a model must name to hold the label so often: split conformal sets, from scores that stream by.

Fitted on the calibration file and counted on the file itself, of the scores as they come: the promise holds whatever
the model, but for examples that could be exchanged with those of the calibration file, and a temperature that had seen
these would cost a little of it. The numbers are those of `lh.calibrate.ConformalSets` with its defaults.

Shapes: n rows of a block, m of the calibration file, C classes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from levelhead.calibrate.conformal import conformal_quantile, lac, raps
from levelhead.evaluate.entry import FEW, LEVEL
from levelhead.evaluate.source import Source
from levelhead.metrics.evidence import clopper_pearson

SCORES = ("lac", "aps")
ALPHAS = (0.1, 0.05)  # shares of labels that may be missed


def prediction_sets(source: Source, cal: Source) -> dict[str, Any]:
    """The sets of `source` by the scores and levels above, fitted on `cal`; both have labels and the same classes."""
    fitted = {score: _own_scores(cal, score) for score in SCORES}
    n_cal, size = len(fitted["lac"]), source.num_classes
    rows = []
    for score in SCORES:
        quantiles = [conformal_quantile(fitted[score], alpha) for alpha in ALPHAS]
        sizes = np.zeros((len(ALPHAS), size + 1), np.int64)
        held = np.zeros((len(ALPHAS), size), np.int64)
        labels_of = np.zeros(size, np.int64)
        for predicted, scores, labels in _blocks(source, score, 1):
            labels_of += np.bincount(labels, minlength=size)
            for at, quantile in enumerate(quantiles):
                named = scores <= quantile
                np.put_along_axis(named, predicted[:, None], True, axis=1)  # no set is empty
                sizes[at] += np.bincount(named.sum(1), minlength=size + 1)
                held[at] += np.bincount(labels[named[np.arange(len(labels)), labels]], minlength=size)
        for at, alpha in enumerate(ALPHAS):
            row = {"score": score, "level": 1 - alpha, "promised": promised(n_cal, alpha)}
            rows.append(row | described(sizes[at], held[at], labels_of, source.classes))
    return {"file": str(cal.path), "n": n_cal, "rows": rows}


def promised(n: int, alpha: float) -> list[float] | None:
    """Where the coverage lies in 95 of 100 draws of `n` calibration examples: quantiles of Beta(k, n + 1 - k).

    None where so few examples leave no choice but sets of all classes.

    >>> [round(bound, 3) for bound in promised(1000, 0.1)]
    [0.881, 0.918]
    """
    from scipy.special import betaincinv

    k = n + 1 - int(np.floor((n + 1) * alpha + 1e-9))
    if k > n:
        return None
    return [float(betaincinv(k, n + 1 - k, q)) for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)]


def described(
    sizes: np.ndarray, held: np.ndarray, labels_of: np.ndarray, classes: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Coverage, sizes and the class that is held least often.

    `sizes` (C + 1,): examples by the size of their set; `held` (C,): of each class those whose set holds it, out of
    `labels_of` (C,). The worst class has an interval so wide that it holds for the worst of all; classes with fewer
    than `FEW` examples are passed over.
    """
    n, covered = int(labels_of.sum()), int(held.sum())
    lo, hi = clopper_pearson(np.array([covered]), np.array([n]), level=LEVEL)
    last = int(np.flatnonzero(sizes)[-1])
    known = np.flatnonzero(labels_of >= FEW)
    worst = None
    if len(known):
        k = int(known[np.argmin(held[known] / labels_of[known])])
        level = 1 - (1 - LEVEL) / len(known)
        least, most = clopper_pearson(held[[k]], labels_of[[k]], level=level)
        worst = {
            "class": classes[k] if classes else str(k),
            "n": int(labels_of[k]),
            "coverage": float(held[k] / labels_of[k]),
            "interval": [float(least[0]), float(most[0])],
        }
    return {
        "coverage": covered / n,
        "interval": [float(lo[0]), float(hi[0])],
        "mean_size": float(sizes @ np.arange(len(sizes)) / n),
        "sizes": sizes[: last + 1].tolist(),
        "worst": worst,
    }


def _own_scores(cal: Source, score: str) -> np.ndarray:
    """(m,) the score of each row's label."""
    return np.concatenate([scores[np.arange(len(labels)), labels] for _, scores, labels in _blocks(cal, score, 0)])


def _blocks(source: Source, score: str, salt: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Predicted classes (n,), scores of all classes (n, C) and labels (n,); `salt`: which numbers aps draws."""
    rng = np.random.default_rng((0, salt))
    for logits, rows in source.logits():
        z = logits.double().numpy()
        yield z.argmax(1), lac(z) if score == "lac" else raps(z, rng.random(len(z)), 0.0, 0), rows.labels.numpy()
