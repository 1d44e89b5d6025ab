"""The door to every network: those of the table, those of other packages by prefix, and the user's own."""

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from levelhead.errors import unknown
from levelhead.models.from_hub import hub_network
from levelhead.models.from_smp import smp_network
from levelhead.models.from_timm import timm_network
from levelhead.models.from_torchvision import torchvision_network
from levelhead.models.names import check_arguments, read_name
from levelhead.models.networks import NETWORKS
from levelhead.models.task import Task
from levelhead.models.weights import CACHE, DOWNLOAD, load_weights, read_pretrained

_OTHERS: dict[str, Callable[[str, Task, dict[str, Any], str | None], nn.Module]] = {
    "torchvision": torchvision_network,
    "timm": timm_network,
    "hf": hub_network,
    "smp": smp_network,
}


def build(
    name: str,
    *,
    num_classes: int,
    in_channels: int = 3,
    input_shape: tuple[int, ...] | None = None,
    image_size: int = 32,
    vocabulary: Sequence[str] | None = None,
    vectors: str | None = None,
    pretrained: bool | str | None = None,
) -> nn.Module:
    """Build a network by name, ``name(argument=value)``, ``timm:NAME`` and the like, or ``package.module:function``.

    ``input_shape`` is the shape of one input, ``(C, H, W)``, ``(D,)`` or ``(L,)`` for texts, whose ``vocabulary`` holds
    the word of every id (0 is padding); without it images of ``in_channels`` and ``image_size`` are meant.
    ``vectors`` is a file of word vectors. ``pretrained`` is a file of weights; for other packages' networks also
    ``True`` or ``"cache"`` (what that package has on this machine) and ``"download"``. Both may stand in the name, in
    quotes: ``sentence_cnn(vectors='glove.6B.300d.txt')``. A function of the user's own is called with those of
    ``num_classes``, ``in_channels``, ``input_shape`` and ``vocabulary`` that it names, and all the arguments given in
    the text; it returns an ``nn.Module``. Weights are drawn from the global generator, as in any PyTorch code. Raises
    ``ValueError`` for unknown names and arguments, ``WorkFailed`` where a download that was asked for fails.
    """
    task = Task(num_classes, tuple(input_shape or (in_channels, image_size, image_size)), vocabulary)
    prefix, word, given = read_name(name)
    if vectors is not None:
        given["vectors"] = vectors
    own = _imported(word) if prefix is None and ":" in word else None
    # the user's function may have a pretrained= of its own
    kept = own is not None and "pretrained" in inspect.signature(own).parameters
    weights = read_pretrained(pretrained if kept else given.pop("pretrained", pretrained))
    if prefix:
        return _OTHERS[prefix](word, task, given, weights)
    if weights in (CACHE, DOWNLOAD):
        raise ValueError(f"{name}: no weights are published for this network; give a file: pretrained='FILE'")
    if own:
        model = _users_own(own, word, given, task)
    elif word in NETWORKS:
        check_arguments(word, NETWORKS[word], given)
        model = NETWORKS[word](task, **given)
    else:
        raise unknown("network", word, NETWORKS)
    if weights:
        load_weights(model, weights, _classifier(model, num_classes))
    return model


def auto(kind: str, device: str) -> str:
    """The network that fits the data and the device, for example ``mlp`` for vectors, ``small`` for images on a CPU."""
    fixed = {"vector": "mlp", "text": "sentence_cnn", "segmentation": "unet"}
    return fixed.get(kind) or ("preact_resnet18" if device.startswith("cuda") else "small")


def count_parameters(model: nn.Module) -> int:
    """How many numbers a network holds."""
    return sum(parameter.numel() for parameter in model.parameters())


def _classifier(model: nn.Module, num_classes: int) -> nn.Linear | None:
    """The last linear layer that gives the classes: what weights for other classes leave as it is."""
    fitting = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == num_classes]
    return fitting[-1] if fitting else None


def _imported(path: str) -> Callable[..., Any]:
    module_name, _, function_name = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"cannot find the network {path!r}: {error}; it must be an importable package.module:function "
            "(run from the folder that holds the module, or install it)"
        ) from None


def _users_own(function: Callable[..., Any], path: str, given: dict[str, Any], task: Task) -> nn.Module:
    offered = {
        "num_classes": task.num_classes,
        "in_channels": task.shape[0],
        "input_shape": task.shape,
        "vocabulary": task.words,
    }
    try:
        named = inspect.signature(function).parameters
        model = function(**{key: value for key, value in offered.items() if key in named}, **given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the network {path!r} could not be built: {error}") from error
    if not isinstance(model, nn.Module):
        raise ValueError(f"{path!r} must return a torch.nn.Module, but returned {type(model).__name__}")
    return model
