"""`Calibration` as a `torchmetrics.Metric`: for Lightning's `self.log`, `MetricCollection` and its state sync.

Only a translation: every number is `levelhead.metrics.Calibration`'s. The states are its counts and sums, and all of
them reduce by addition, so any number of processes gives what one would. Needs the extra `torchmetrics`.
"""

from typing import Any, Literal

import torch
from torch import Tensor

from levelhead.errors import need
from levelhead.metrics import Calibration

need("torchmetrics", "torchmetrics", "levelhead.adapters.torchmetrics")
from torchmetrics import Metric  # noqa: E402  after the message about what to install


class CalibrationMetric(Metric):
    """Every measure of `Calibration` by name, or the one called `measure`, as float64 tensors.

    `kind` says what `update` is given, "logits" or "probs": it is never guessed. Other arguments as for `Calibration`
    and `torchmetrics.Metric`. Raises ValueError for a measure that the parts do not have.

    >>> metric = CalibrationMetric(2, kind="probs", measure="gap")
    >>> metric.update(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([0, 0]))
    >>> round(float(metric.compute()), 6)
    0.35
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    def __init__(
        self,
        num_classes: int,
        n_bins: int = 15,
        *,
        kind: Literal["logits", "probs"],
        measure: str | None = None,
        ignore_index: int | None = None,
        ignore_background: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if kind not in ("logits", "probs"):
            raise ValueError(f"kind must be 'logits' or 'probs', got {kind!r}")
        self.kind = kind
        self.measure = measure
        self._arguments: dict[str, Any] = {
            "num_classes": num_classes,
            "n_bins": n_bins,
            "ignore_index": ignore_index,
            "ignore_background": ignore_background,
        }
        empty = self._accumulator()
        names = empty.compute()
        if measure is not None and measure not in names:
            raise ValueError(f"no measure is called {measure!r}; there are {', '.join(names)}")
        for name, value in empty.sums().items():
            self.add_state(name, default=value, dist_reduce_fx="sum")

    def _accumulator(self) -> Calibration:
        return Calibration(**self._arguments)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch: `preds` (N, C) or (N, C, H, W) of this metric's kind, `target` integers (N,) or (N, H, W)."""
        batch = self._accumulator()
        batch.update(**{self.kind: preds}, labels=target)
        for name, value in batch.sums().items():
            setattr(self, name, getattr(self, name) + value.to(self.device))

    def compute(self) -> Tensor | dict[str, Tensor]:
        """The measures of everything seen; NaN before the first example."""
        whole = self._accumulator()
        whole.load_sums({name: getattr(self, name) for name in whole.sums()})
        found = whole.compute().items()
        values = {name: torch.tensor(value, dtype=torch.float64, device=self.device) for name, value in found}
        return values if self.measure is None else values[self.measure]
