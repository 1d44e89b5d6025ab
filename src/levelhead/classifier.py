"""Where a model's last decision is made: the linear layer whose input is the penultimate features.

PLS and LaMix learn a second linear head on these features. The layer is found, or named by the user; its input is read
with a hook that lives only as long as one forward pass, so the user's model keeps its hooks and its state.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from levelhead.eager import eager


def find_classifier(model: nn.Module, num_classes: int, classifier: str | nn.Module | None = None) -> nn.Linear:
    """The linear layer that gives the logits.

    ``classifier`` is its name within the model (as in ``named_modules``) or the module itself. Without it, timm's
    ``get_classifier`` is asked, then the last ``nn.Linear`` with ``num_classes`` outputs is taken. Raises
    ``ValueError`` where that finds nothing.
    """
    layers = dict(model.named_modules())
    if isinstance(classifier, str):
        if classifier not in layers:
            linear = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)]
            raise ValueError(f"classifier={classifier!r} is no module of the model; its linear layers: {linear}")
        return _linear(layers[classifier], num_classes, f"classifier={classifier!r}")
    if classifier is not None:
        if not any(layer is classifier for layer in layers.values()):
            raise ValueError("classifier= must be a module of the model itself, or its name")
        return _linear(classifier, num_classes, "classifier=")
    ask = getattr(model, "get_classifier", None)
    if callable(ask) and isinstance(found := ask(), nn.Linear):
        return _linear(found, num_classes, "the model's get_classifier()")
    linear = [layer for layer in layers.values() if isinstance(layer, nn.Linear)]
    fitting = [layer for layer in linear if layer.out_features == num_classes]
    if not fitting:
        raise ValueError(
            f"found no linear layer with {num_classes} outputs in {type(model).__name__}, on whose input the second "
            "head would learn; name the classifier layer with classifier='...' and check num_classes"
        )
    return fitting[-1]


def _linear(layer: nn.Module, num_classes: int, what: str) -> nn.Linear:
    if not isinstance(layer, nn.Linear):
        raise ValueError(f"{what} is a {type(layer).__name__}; the classifier must be an nn.Linear")
    if layer.out_features != num_classes:
        raise ValueError(f"{what} has {layer.out_features} outputs, but num_classes={num_classes}")
    return layer


@eager(recursive=False)
def call_with_features(model: Callable[..., Any], layer: nn.Module, inputs: Tensor) -> tuple[Any, Tensor]:
    """``model(inputs)`` and what went into ``layer`` on the way; the hook is gone when this returns."""
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        output = model(inputs)
    finally:
        handle.remove()
    if len(seen) != 1 or seen[0].ndim != 2 or seen[0].shape[0] != inputs.shape[0]:
        came = ", ".join(str(tuple(features.shape)) for features in seen) or "nothing"
        raise ValueError(
            f"the classifier layer should see features ({inputs.shape[0]}, m) once in a forward pass, but saw {came}; "
            "name the right layer with classifier='...'"
        )
    return output, seen[0]


def linear_head(in_features: int, outputs: int, like: Tensor, generator: torch.Generator) -> nn.Linear:
    """A linear layer drawn as ``nn.Linear`` draws it, but from ``generator`` and not from the global one."""
    head = torch.nn.utils.skip_init(nn.Linear, in_features, outputs, device=like.device, dtype=like.dtype)
    bound = in_features**-0.5
    with torch.no_grad():
        for parameter in head.parameters():
            drawn = torch.rand(parameter.shape, generator=generator, dtype=torch.float32)
            parameter.copy_(drawn * 2 * bound - bound)
    return head
