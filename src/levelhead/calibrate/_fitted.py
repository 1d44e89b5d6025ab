"""What everything that is fitted here has in common: one way to fit, to be refused, to be saved."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from levelhead.calibrate import _rows
from levelhead.calibrate._scores import applied, given_to_fit, log_softmax, own_logits, raw_scores
from levelhead.metrics.chunks import refuse
from levelhead.metrics.given import Array, Given
from levelhead.predictions import Predictions


class Fitted:
    """Numbers learned from one set of predictions, the role `cal`, to be used on others."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.status = "not fitted"
        self._seen = _rows.NONE

    def fit(self, logits: Array | Predictions, labels: Array | None = None) -> Self:
        """Fit to `logits` (N, C) with `labels` (N,), or to a `Predictions`, taken through the logarithm if of `probs`.

        Raises ValueError for predictions with the role `test`, for no example, NaN, plus infinity, a row of only minus
        infinity, and for wrong shapes or labels.
        """
        given = given_to_fit(logits, labels)
        self._fit(given)
        self._seen = _rows.kept(raw_scores(logits))
        return self

    def overlap(self, predictions: Predictions) -> np.ndarray:
        """(N,) bool: the rows of `predictions` that this was fitted on, recognised by their scores.

        `_rows.py` says how, how often it errs, and what escapes it.
        """
        return _rows.shared(self._seen, raw_scores(predictions))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to `path` (.safetensors), whole or not at all. Returns the path. ValueError before `fit`."""
        from levelhead.calibrate.files import save

        return save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """What `save` wrote. ValueError for a file that is missing, cut short, or holds something else."""
        from levelhead.calibrate.files import load

        found = load(path)
        if not isinstance(found, cls):
            raise ValueError(f"{path}: holds a {type(found).__name__}, not a {cls.__name__}")
        return found

    def settings(self) -> dict[str, Any]:
        """What it was constructed with, by argument."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """The fitted numbers by name. ValueError before `fit`."""
        raise NotImplementedError

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the numbers that `arrays` gave."""
        raise NotImplementedError

    def _fit(self, given: Given) -> None:
        """Learn from `given` (logits) and set `status`."""
        raise NotImplementedError

    def _require_fit(self) -> None:
        if self.status == "not fitted":
            raise ValueError(f"{type(self).__name__} knows nothing yet: call fit(logits, labels) first")

    def _refuse_overlap(self, predictions: Predictions) -> int:
        """How many rows were fitted on; ValueError for more than repeated examples explain."""
        rows = self.overlap(predictions)
        count = int(rows.sum())
        if _rows.too_many(count, len(rows), self._seen):
            raise ValueError(
                f"{count} of {len(rows)} rows are among those that this {type(self).__name__} was fitted on, the first "
                f"is row {int(rows.argmax())}: what is fitted on a row flatters it. Fit on other examples, or leave "
                "those out that overlap(predictions) marks"
            )
        return count


class Calibrator(Fitted):
    """Maps logits to better calibrated ones. `status` is `identity` where nothing makes the fitting data likelier."""

    def apply(self, logits: Any) -> Any:
        """`logits` calibrated: a tensor, array or `Predictions` as it came in.

        `Predictions` come back with logits. Those of the role `test` or `unknown` are about to be reported: ValueError
        if more of their rows were fitted on than one in 200, which data that hold an example twice can share; fewer
        are counted in `meta["rows_fitted_on"]` (see `overlap`). ValueError before `fit`.
        """
        self._require_fit()
        if not isinstance(logits, Predictions) or logits.role not in ("test", "unknown"):
            return self._apply(logits)
        count = self._refuse_overlap(logits)
        after: Predictions = self._apply(logits)
        return replace(after, meta={**after.meta, "rows_fitted_on": str(count)}) if count else after

    def _apply(self, logits: Any) -> Any:
        raise NotImplementedError


class MapCalibrator(Calibrator):
    """A calibrator that maps whole rows in float64; the negative log-likelihood of the fitting data is never worse."""

    num_classes = 0

    def _fit_map(self, z: np.ndarray, labels: np.ndarray, given: Given) -> None:
        """Learn the map from float64 logits (N, C) without NaN or plus infinity."""
        raise NotImplementedError

    def _map(self, z: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _fit(self, given: Given) -> None:
        z, labels = float64_logits(given), given.labels.cpu().numpy()
        self.num_classes = z.shape[1]
        self._fit_map(z, labels, given)
        possible = np.isfinite(z[np.arange(len(z)), labels])  # else the label is ruled out and the loss infinite
        z, labels = z[possible], labels[possible]
        before = own_logits(log_softmax(z), labels).sum()
        after = own_logits(log_softmax(self._map(z)), labels).sum()
        self.status = "optimum" if after > before else "identity"

    def _apply(self, logits: Any) -> Any:
        def mapped(z: np.ndarray) -> np.ndarray:
            if z.ndim != 2 or z.shape[1] != self.num_classes:
                raise ValueError(f"logits must have shape (N, {self.num_classes}), got {z.shape}")
            return z if self.status == "identity" else self._map(z)

        return applied(logits, mapped, self.name)


def float64_logits(given: Given) -> np.ndarray:
    """(N, C) float64 logits; ValueError that counts and places NaN, plus infinity, and rows of minus infinity."""
    z = given.scores.to("cpu", torch.float64).numpy()
    if not np.isfinite(z.max(1)).all():
        refuse(given.scores, "logits")
    return z
