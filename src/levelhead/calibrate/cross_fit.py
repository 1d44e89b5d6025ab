"""Temperature-scaled logits in which no example was scaled by a temperature that saw it."""

import numpy as np

from levelhead.calibrate._scores import divided
from levelhead.calibrate.temperature import TemperatureScaling
from levelhead.metrics.given import Array, as_tensor, check


def fold_of(labels: np.ndarray, folds: int) -> np.ndarray:
    """(N,) the fold of each example: every class is dealt out in turn, in order, without a draw.

    Fold sizes differ by at most one, and so do the counts of each class over the folds.
    """
    fold = np.empty(len(labels), dtype=np.int64)
    fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % folds
    return fold


def cross_fitted(logits: Array, labels: Array, folds: int = 5) -> np.ndarray:
    """`logits` (N, C), each row divided by the temperature fitted on the other folds; same floating type.

    What is measured on the result is an honest estimate of what temperature scaling will give, from one set
    of data: a method can be chosen by it without looking at `test`. Folds are dealt by label and position, so
    the same input gives the same output. With fewer examples than folds, each is a fold of its own; a single
    example has no others to learn from and stays as it is. Raises ValueError for no example, fewer than two
    folds, and what `fit` refuses.
    """
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise ValueError(f"folds must be a whole number of at least 2, got {folds!r}")
    given = check(logits, None, labels)
    rows = given.scores.shape[0]
    if rows == 0:
        raise ValueError("there is no example to scale")
    tensor = as_tensor(logits, "logits").cpu()
    scores = (tensor if tensor.is_floating_point() and tensor.element_size() >= 4 else tensor.float()).numpy()
    known = given.labels.cpu().numpy()
    scaled = np.array(scores, copy=True)
    if rows == 1:
        return scaled
    fold = fold_of(known, min(folds, rows))
    for k in range(int(fold.max()) + 1):
        mine = fold == k
        temperature = TemperatureScaling().fit(scores[~mine], known[~mine]).temperature
        scaled[mine] = divided(scores[mine], temperature)
    return scaled
