"""Where in an image a network finds its class: class activation maps (Zhou et al. 2016; Selvaraju et al. 2017).

    M = sum_k mean_hw(d z_c / d A_k) A_k                         (B, h, w)

A are the last feature maps that still have places, z_c the logit of one class. Behind global average pooling and one
linear layer the mean gradients are the classifier's weights over h w, so M is the map of Zhou et al. (LaMix, figure 7);
with other layers behind A it is Grad-CAM, without its ReLU: what speaks against the class is low, not cut off. M is
brought to [0, 1], smallest and largest, and enlarged to the image. B images, C channels, K maps of h x w.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from levelhead.network import evaluating


def class_activation(model: nn.Module, inputs: Tensor, columns: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Maps ``(B, H, W)`` in [0, 1] of images ``(B, C, H, W)``, ready for the model, and the classes ``(B,)`` they show.

    ``columns (B,)`` are the classes to look for, by default each image's predicted one. A map that is the same
    everywhere is one everywhere. The model is asked in eval mode; its mode and its gradients stay as they were. Raises
    ``ValueError`` for a network without feature maps in front of its classifier.
    """
    if inputs.ndim != 4:
        raise ValueError(f"class activation maps are of images (B, C, H, W); these inputs are {tuple(inputs.shape)}")
    last = _LastMaps()
    handles = [layer.register_forward_hook(last.see) for layer in model.modules() if layer is not model]
    try:
        with torch.enable_grad(), evaluating(model):
            # where all parameters are frozen the gradient reaches the maps through the images
            logits = model(inputs.detach().requires_grad_())
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        raise ValueError(f"class activation maps need one row of logits an image; {type(model).__name__} gives others")
    if last.maps is None:
        why = "it cuts images into tokens" if last.tokens else "none of its layers gives maps (B, K, h, w)"
        raise ValueError(
            f"{type(model).__name__} has no feature maps in front of its classifier ({why}); class activation maps "
            "are for convolutional networks, such as small, preact_resnet18, vgg16, lenet"
        )
    columns = logits.argmax(1) if columns is None else columns.to(logits.device)
    (slope,) = torch.autograd.grad(logits.gather(1, columns[:, None]).sum(), last.maps)
    weighted = (slope.mean((2, 3), keepdim=True) * last.maps).sum(1, keepdim=True).detach().float()
    low, high = weighted.amin((1, 2, 3), keepdim=True), weighted.amax((1, 2, 3), keepdim=True)
    maps = torch.where(high > low, (weighted - low) / (high - low), torch.ones_like(weighted))
    return F.interpolate(maps, size=inputs.shape[2:], mode="bilinear", align_corners=False)[:, 0], columns


class _LastMaps:
    """Remembers, layer by layer, the last maps with more than one place; tokens behind them make them no last ones."""

    maps: Tensor | None = None
    tokens = False

    def see(self, _: nn.Module, __: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or not output.requires_grad:
            return
        if output.ndim == 3:
            self.maps, self.tokens = None, True
        elif output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            self.maps = output
