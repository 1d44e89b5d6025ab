"""The mean and deviation that inputs were normalised with, brought to their shape. B batch, C channels or features."""

from typing import Any

import torch
from torch import Tensor


def per_channel(mean: Any, std: Any, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation as tensors that broadcast over ``inputs (B, C, ...)``: numbers, or one a channel.

    Raises ``ValueError`` where there is another count, a number is not finite, or a deviation is not above zero.
    """
    found = []
    for name, given in (("mean", mean), ("std", std)):
        values = torch.as_tensor(given, dtype=inputs.dtype, device=inputs.device).reshape(-1)
        channels = inputs.shape[1]
        if len(values) not in (1, channels):
            raise ValueError(
                f"{name}= must be one number or one for each of the {channels} channels of inputs "
                f"{tuple(inputs.shape)}, got {len(values)}"
            )
        if not bool(values.isfinite().all()) or (name == "std" and not bool((values > 0).all())):
            wanted = "finite numbers above zero" if name == "std" else "finite numbers"
            raise ValueError(f"{name}= must be {wanted}, got {values.tolist()}")
        found.append(values.view(-1, *[1] * (inputs.ndim - 2)))
    return found[0], found[1]


def in_pixels(inputs: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Normalised inputs with every pixel brought into [0, 1]; ``mean`` and ``std`` as ``per_channel`` gives them."""
    return torch.clamp(inputs, (0 - mean) / std, (1 - mean) / std)
