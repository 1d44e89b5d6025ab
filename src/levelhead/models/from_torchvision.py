"""Networks of torchvision by name, ``torchvision:resnet50``: its ImageNet forms, for any channels and classes."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from levelhead.errors import unknown
from levelhead.models.initial import drop_before
from levelhead.models.task import Task
from levelhead.models.weights import CACHE, DOWNLOAD, load_weights, not_cached, not_downloaded


def torchvision_network(name: str, task: Task, given: dict[str, Any], pretrained: str | None) -> nn.Module:
    """Build ``torchvision:NAME``; the arguments go to torchvision, but for three.

    ``dropout`` is put before the classifier; ``maxpool=false`` leaves the pooling after the stem out and ``stem=1``
    sets the stride of the first convolution (LogitMix's forms for 64x64).
    """
    from torchvision import models  # a second to import, for those who ask for it

    channels, height, _ = task.image(f"torchvision:{name}")
    known = models.list_models(module=models)
    if name not in known:
        raise unknown("torchvision network", name, known)
    given = dict(given)
    dropout, maxpool, stem = given.pop("dropout", None), given.pop("maxpool", True), given.pop("stem", None)
    if name in ("googlenet", "inception_v3"):
        given = {"aux_logits": False, "init_weights": True, **given}  # one output, and no warning about the defaults
    if name.startswith("vit_"):
        given.setdefault("image_size", height)
    try:
        model = models.get_model(name, weights=None, num_classes=task.num_classes, **given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"torchvision:{name} could not be built: {error}") from error
    classifier = _last_linear(model)
    if pretrained:
        load_weights(model, _file(name, pretrained), classifier)
    if not maxpool:
        if not isinstance(getattr(model, "maxpool", None), nn.Module):
            raise ValueError(f"torchvision:{name} has no max-pooling after its stem; leave maxpool= out")
        model.maxpool = nn.Identity()
    _adapt_first(model, channels, stem, keep=pretrained is not None)
    if dropout is not None:
        if classifier is None:
            raise ValueError(f"torchvision:{name} has no linear classifier to put dropout before; leave dropout= out")
        drop_before(model, classifier, dropout)
    return model


def _file(name: str, pretrained: str) -> str:
    """The file of weights that is meant; downloaded only where the user said so."""
    from torchvision import models

    if pretrained not in (CACHE, DOWNLOAD):
        return pretrained
    url = models.get_model_weights(name).DEFAULT.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if pretrained == CACHE and not path.is_file():
        raise not_cached(f"torchvision:{name}", str(path))
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.split("-")[-1])
        except (OSError, RuntimeError) as error:
            raise not_downloaded(f"torchvision:{name}", error) from error
    return str(path)


def _last_linear(model: nn.Module) -> nn.Linear | None:
    """The classifier, or ``None`` where a network ends in a convolution (squeezenet)."""
    return next((layer for layer in reversed(list(model.modules())) if isinstance(layer, nn.Linear)), None)


def _adapt_first(model: nn.Module, channels: int, stem: int | None, *, keep: bool) -> None:
    """Give the first convolution another number of channels or another stride, in place."""
    name, old = next((name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d))
    if stem is not None:
        if stem not in (1, 2):
            raise ValueError(f"stem must be 1 or 2, the stride of the first convolution, not {stem}")
        old.stride = (stem, stem)
    if channels == old.in_channels:
        return
    if keep and channels != 1:
        raise ValueError(f"the weights are of a network for {old.in_channels} channels, but the images have {channels}")
    how: dict[str, Any] = {"stride": old.stride, "padding": old.padding, "bias": old.bias is not None}
    new = nn.Conv2d(channels, old.out_channels, old.kernel_size, **how)  # type: ignore[arg-type]
    if keep:  # a grey image is three equal channels, so the colours' weights add up
        with torch.no_grad():
            new.weight.copy_(old.weight.sum(1, keepdim=True))
            if old.bias is not None and new.bias is not None:
                new.bias.copy_(old.bias)
    model.set_submodule(name, new)
