"""A model whose logits are calibrated: one module to deploy, export to ONNX, or hand to `torch.export`."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from levelhead.calibrate.linear import MatrixScaling, VectorScaling
from levelhead.calibrate.temperature import TemperatureScaling

#: Where a dictionary's logits are looked for: Hugging Face's name, then that of torchvision's segmentation networks.
LOGITS_KEYS = ("logits", "out")


class Calibrated(nn.Module):
    """`model` with the logits it returns calibrated, whatever it returns them in; see `wrap`.

    The numbers are float32 buffers (`temperature`, or `weight` and `bias`): they move, save and load with the module.
    """

    temperature: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, model: nn.Module, numbers: dict[str, Tensor], output: int | str | None) -> None:
        super().__init__()
        self.model = model
        self.output = output
        parameter = next(model.parameters(), None)
        for name, number in numbers.items():
            self.register_buffer(name, number if parameter is None else number.to(parameter.device))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What `model` returns, with its logits calibrated."""
        return self._within(self.model(*args, **kwargs))

    def _within(self, output: Any) -> Any:
        if isinstance(output, Tensor):
            return self._scaled(output)
        if isinstance(output, Mapping):
            key = self._key(output)
            return _rebuilt(output, {key: self._scaled(output[key])})
        if isinstance(output, tuple | list):
            place = self._place(output)
            parts = [self._scaled(part) if k == place else part for k, part in enumerate(output)]
            return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
        raise ValueError(
            f"the model returned {type(output).__name__}; wrap can scale a tensor, or the logits in a tuple, list or "
            "dictionary: let the model return one of these"
        )

    def _key(self, output: Mapping[str, Any]) -> str:
        wanted = LOGITS_KEYS if self.output is None else (self.output,)
        for key in wanted:
            if key in output:
                return str(key)
        raise ValueError(
            f"the model returned {', '.join(map(str, output))} and none of these is {' or '.join(map(repr, wanted))}: "
            "name its logits with wrap(model, temperature, output=NAME)"
        )

    def _place(self, output: tuple[Any, ...] | list[Any]) -> int:
        """The position of the logits: as told, named `logits`, or the first tensor that has rows of classes."""
        if isinstance(self.output, int):
            return self.output
        names = getattr(output, "_fields", ())
        if (self.output or "logits") in names:
            return int(names.index(self.output or "logits"))
        if self.output is None:
            for place, part in enumerate(output):
                if isinstance(part, Tensor) and part.ndim >= 2:  # a loss comes first in some, and has no dimension
                    return place
        raise ValueError(f"the model returned {len(output)} parts: say which are its logits with output=0, 1, ...")

    def _scaled(self, logits: Tensor) -> Tensor:
        if hasattr(self, "temperature"):
            return logits / self.temperature
        if logits.ndim != 2:
            raise ValueError(
                f"vector and matrix scaling need logits of shape (N, C), got {tuple(logits.shape)}; a temperature "
                "scales any shape"
            )
        weight, bias = self.weight.to(logits.dtype), self.bias.to(logits.dtype)
        return (logits * weight if weight.ndim == 1 else logits @ weight.T) + bias


def wrap(
    model: nn.Module,
    temperature: float | TemperatureScaling | VectorScaling | MatrixScaling,
    *,
    output: int | str | None = None,
) -> Calibrated:
    """`model` with its logits divided by `temperature`, a positive number, or mapped by a fitted calibrator.

    Takes what `model` takes and returns what it returns. Logits are the tensor it returns, of any shape (N, C, ...)
    for a temperature and (N, C) for vector and matrix scaling; the entry `logits`, or `out`, of a dictionary or of a
    Hugging Face output; the field `logits` of a named tuple; the first tensor of two dimensions or more of a tuple or
    list. `output` names another key or position. Nothing else in the output changes: a loss stays that of the model's
    own logits. Gradients pass. Works in `torch.export` and in ONNX export, as `model` does.

    Raises ValueError for a temperature that is not positive and finite, for a calibrator that is not fitted, and for
    one that is no linear map (histogram binning, isotonic regression, Platt and beta: use their `apply`).

    >>> from torch import nn
    >>> model = nn.Linear(4, 3)
    >>> calibrated, inputs = wrap(model, 2.0), torch.ones(5, 4)
    >>> torch.equal(calibrated(inputs), model(inputs) / 2)
    True
    """
    if isinstance(temperature, TemperatureScaling):
        temperature = temperature.temperature
    if isinstance(temperature, VectorScaling | MatrixScaling):
        numbers = {name: torch.as_tensor(array, dtype=torch.float32) for name, array in temperature.arrays().items()}
        if isinstance(temperature, VectorScaling):
            numbers["weight"] = numbers["weight"].diagonal().clone()
        return Calibrated(model, numbers, output)
    if isinstance(temperature, bool) or not isinstance(temperature, int | float | np.number):
        raise ValueError(
            f"wrap takes a temperature, or a fitted temperature, vector or matrix scaling, got "
            f"{type(temperature).__name__}"
        )
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"a temperature is a positive number, got {temperature!r}")
    return Calibrated(model, {"temperature": torch.tensor(float(temperature), dtype=torch.float32)}, output)


def _rebuilt(output: Mapping[str, Any], changed: dict[str, Any]) -> Any:
    """`output` with some entries replaced, of the same class: a dictionary, or Hugging Face's dataclass of one."""
    return type(output)(**{**output, **changed})
