"""Where in its input a loss looks: the size of its gradient at every pixel (PuzzleMix, Kim et al. 2020).

    s = sqrt( mean_c (d loss / d x_c)^2 )                      (B, H, W), or (B, L) over the tokens of a text

By default the network is in eval mode and the gradients of its parameters are thrown away, as released for CIFAR.
With a weight the clean loss joins the training loss: the pass is then in training mode and the parameters' gradients,
which the same backward pass yields, are handed on instead of being computed a second time.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from levelhead.network import evaluating


def saliency(
    model: nn.Module, look: Callable[[], tuple[Tensor, Tensor]], weight: float = 0.0
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What ``look()`` saw, its saliency under the loss, and the kept term if any.

    ``look`` gives the loss and what it saw: images ``(B, C, H, W)`` with saliency ``(B, H, W)``, or the vectors
    ``(B, L, D)`` of tokens with ``(B, L)``. The term is ``weight * loss``; its backward adds the gradients found here.
    """
    parameters = [each for each in model.parameters() if each.requires_grad] if weight > 0 else []
    with torch.enable_grad(), nullcontext() if weight > 0 else evaluating(model):
        value, seen = look()
        gradient, *rest = torch.autograd.grad(value, [seen, *parameters], allow_unused=True)
    if gradient is None:
        raise ValueError("the model's logits do not depend on its inputs by a gradient, so there is no saliency")
    found = gradient.float().square().mean(2 if gradient.ndim == 3 else 1).sqrt()
    if weight == 0:
        return seen.detach(), found, None
    used = [(each, weight * slope) for each, slope in zip(parameters, rest) if slope is not None]
    term = _Kept.apply(weight * value.detach(), len(used), *(p for p, _ in used), *(slope for _, slope in used))
    return seen.detach(), found, term


class _Kept(torch.autograd.Function):
    """A number whose gradient with respect to the parameters is already known."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, count: int, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors[count:])
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> Any:
        slopes = ctx.saved_tensors
        return None, None, *(outer[0] * slope for slope in slopes), *(None for _ in slopes)
