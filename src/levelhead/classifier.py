"""Where a model's last decision is made: the layer whose input is the penultimate features.

PLS and LaMix learn a second head on these features, made like this layer: linear, or a convolution where logits are
given pixel by pixel.
"""

from typing import Any

import torch
from torch import Tensor, nn

Classifier = nn.Linear | nn.Conv2d


def find_classifier(model: nn.Module, num_classes: int, classifier: str | nn.Module | None = None) -> Classifier:
    """The layer that gives the logits.

    ``classifier`` is its name within the model (as in ``named_modules``) or the module itself. Without it, timm's
    ``get_classifier`` is asked, then the last ``nn.Linear`` with ``num_classes`` outputs is taken, then the last such
    ``nn.Conv2d``; auxiliary heads (``aux`` in their name) are passed over. Raises ``ValueError`` where that finds
    nothing.
    """
    layers = dict(model.named_modules())
    if isinstance(classifier, str):
        if classifier not in layers:
            known = [name for name, layer in layers.items() if isinstance(layer, Classifier)][-8:]
            raise ValueError(f"classifier={classifier!r} is no module of the model; its last layers: {known}")
        return _fitting(layers[classifier], num_classes, f"classifier={classifier!r}")
    if classifier is not None:
        if not any(layer is classifier for layer in layers.values()):
            raise ValueError("classifier= must be a module of the model itself, or its name")
        return _fitting(classifier, num_classes, "classifier=")
    ask = getattr(model, "get_classifier", None)
    if callable(ask) and isinstance(found := ask(), Classifier):
        return _fitting(found, num_classes, "the model's get_classifier()")
    main = [layer for name, layer in layers.items() if "aux" not in name.lower()]
    for kind in (nn.Linear, nn.Conv2d):
        fitting = [layer for layer in main if isinstance(layer, kind) and _outputs(layer) == num_classes]
        if fitting:
            return fitting[-1]
    raise ValueError(
        f"found no linear layer with {num_classes} outputs in {type(model).__name__}, on whose input the second "
        "head would learn; name the classifier layer with classifier='...' and check num_classes"
    )


def _outputs(layer: Classifier) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def _fitting(layer: nn.Module, num_classes: int, what: str) -> Classifier:
    if not isinstance(layer, Classifier):
        raise ValueError(f"{what} is a {type(layer).__name__}; the classifier must be an nn.Linear or an nn.Conv2d")
    if _outputs(layer) != num_classes:
        raise ValueError(f"{what} has {_outputs(layer)} outputs, but num_classes={num_classes}")
    return layer


def second_head(layer: Classifier, outputs: int, bias: bool, generator: torch.Generator) -> Classifier:
    """A layer with the geometry of ``layer``, drawn as torch draws it, but from ``generator``, not the global one."""
    like = layer.weight
    if torch.nn.parameter.is_lazy(like):
        raise ValueError(f"the classifier {layer} has no shape yet; call the model once before building the objective")
    where = {"device": like.device, "dtype": like.dtype}
    head: Classifier
    if isinstance(layer, nn.Linear):
        head = torch.nn.utils.skip_init(nn.Linear, layer.in_features, outputs, bias=bias, **where)
    else:
        shape = {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation")}
        head = torch.nn.utils.skip_init(nn.Conv2d, layer.in_channels, outputs, bias=bias, **shape, **where)
    bound = head.weight[0].numel() ** -0.5
    with torch.no_grad():
        for parameter in head.parameters():
            drawn = torch.rand(parameter.shape, generator=generator, dtype=torch.float32)
            parameter.copy_(drawn * 2 * bound - bound)
    return head


def fit_head(said: Tensor, shape: torch.Size, model: nn.Module) -> Tensor:
    """What the second head says, brought to the size of targets ``(B, C)`` or ``(B, C, H, W)``.

    Where the model pools its logits the head's are pooled too, and where it enlarges them, they are enlarged. A model
    that pads its inputs and cuts its logits says the size between with ``padded(height, width)``.
    """
    padded: Any = getattr(model, "padded", None)
    if said.ndim == 4 and len(shape) == 2:
        return said.mean((2, 3))
    if said.ndim == 4 and said.shape[2:] != shape[2:]:
        height, width = shape[2:]
        size = (height, width) if padded is None else padded(height, width)
        if said.shape[2:] != size:
            said = nn.functional.interpolate(said, size=size, mode="bilinear", align_corners=False)
        return said[:, :, :height, :width]
    return said
