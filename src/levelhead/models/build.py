"""The table of networks, and the door to the user's own."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from levelhead.errors import need, unknown
from levelhead.grammar import parse_term
from levelhead.models.lenet import LeNet
from levelhead.models.mlp import mlp
from levelhead.models.preact_resnet import PreActResNet

Shape = tuple[int, ...]


def _images_only(name: str, shape: Shape) -> None:
    if len(shape) != 3:
        raise ValueError(f"{name} reads images (C, H, W), but the inputs have shape {shape}; use mlp")


def _small(num_classes: int, shape: Shape, *, width: int = 16, dropout: float = 0.0) -> nn.Module:
    _images_only("small", shape)
    return PreActResNet(num_classes, shape[0], (width, 2 * width, 4 * width), 1, 2, dropout)


def _preact_resnet18(num_classes: int, shape: Shape, *, width: int = 64, dropout: float = 0.0) -> nn.Module:
    _images_only("preact_resnet18", shape)
    return PreActResNet(num_classes, shape[0], (width, 2 * width, 4 * width, 8 * width), 2, 1, dropout)


def _lenet(num_classes: int, shape: Shape) -> nn.Module:
    _images_only("lenet", shape)
    return LeNet(num_classes, shape[0], (shape[1], shape[2]))


def _mlp(num_classes: int, shape: Shape, *, width: int = 128, depth: int = 3, dropout: float = 0.0) -> nn.Module:
    return mlp(num_classes, shape, width, depth, dropout)


#: Every network by name; the keyword arguments of its builder are the arguments a user may give.
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "small": _small,
    "preact_resnet18": _preact_resnet18,
    "lenet": _lenet,
    "mlp": _mlp,
}


def build(
    name: str,
    *,
    num_classes: int,
    in_channels: int = 3,
    input_shape: Shape | None = None,
    image_size: int = 32,
) -> nn.Module:
    """Build a network by name, ``name(argument=value)``, ``timm:NAME`` or ``package.module:function``.

    ``input_shape`` is the shape of one input, ``(C, H, W)`` or ``(D,)``; without it images of ``in_channels`` and
    ``image_size`` are meant. A function of the user's own is called with those of ``num_classes``, ``in_channels`` and
    ``input_shape`` that it names, and the arguments given in the text; it returns an ``nn.Module``. Weights are drawn
    from the global generator, as in any PyTorch code. Raises ``ValueError`` for unknown names and arguments.
    """
    shape = input_shape or (in_channels, image_size, image_size)
    term = parse_term(name)
    given: dict[str, Any] = {}
    for key, value in term.args:
        if key is None:
            raise ValueError(f"{name}: give a network's arguments by name, such as width=16")
        given[key] = value
    if term.name.startswith("timm:"):
        return _timm(term.name, given, num_classes, shape)
    if ":" in term.name:
        return _users_own(term.name, given, num_classes, shape)
    builder = NETWORKS.get(term.name)
    if builder is None:
        raise unknown("network", term.name, NETWORKS)
    allowed = {
        key: item for key, item in inspect.signature(builder).parameters.items() if item.kind == item.KEYWORD_ONLY
    }
    for key, value in given.items():
        if key not in allowed:
            raise (
                unknown(f"argument of {term.name}", key, allowed)
                if allowed
                else ValueError(f"{term.name} takes no arguments, but {key} was given")
            )
        _check(term.name, key, value)
    return builder(num_classes, shape, **given)


def auto(kind: str, device: str) -> str:
    """The network that fits the data and the device: ``mlp`` for vectors, ``small`` for images on a CPU."""
    if kind == "vector":
        return "mlp"
    return "preact_resnet18" if device.startswith("cuda") else "small"


def count_parameters(model: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def _check(name: str, key: str, value: Any) -> None:
    if key == "dropout":
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise ValueError(f"{name}: dropout must be a number in [0, 1), not {value}")
    elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: {key} must be a whole number of at least 1, not {value}")


def _timm(name: str, given: dict[str, Any], num_classes: int, shape: Shape) -> nn.Module:
    """A network of timm without weights; the arguments given in the text go to ``timm.create_model``."""
    _images_only(name, shape)
    timm = need("timm", "networks", name)
    model_name = name.removeprefix("timm:")
    if not timm.is_model(model_name):
        raise unknown("timm network", model_name, timm.list_models())
    try:
        return timm.create_model(model_name, pretrained=False, num_classes=num_classes, in_chans=shape[0], **given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} could not be built: {error}") from error


def _users_own(path: str, given: dict[str, Any], num_classes: int, shape: Shape) -> nn.Module:
    module_name, _, function_name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"cannot find the network {path!r}: {error}; it must be an importable package.module:function "
            "(run from the folder that holds the module, or install it)"
        ) from None
    offered = {"num_classes": num_classes, "in_channels": shape[0], "input_shape": shape}
    try:
        named = inspect.signature(function).parameters
        model = function(**{key: value for key, value in offered.items() if key in named}, **given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the network {path!r} could not be built: {error}") from error
    if not isinstance(model, nn.Module):
        raise ValueError(f"{path!r} must return a torch.nn.Module, but returned {type(model).__name__}")
    return model
