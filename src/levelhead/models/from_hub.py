"""Networks of Hugging Face transformers, ``hf:NAME``: a name on the hub that is in the cache, or a local folder.

Without ``pretrained`` only the configuration is read and the weights are drawn. Shapes: B batch, C classes, L tokens.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from levelhead.classifier import find_classifier
from levelhead.errors import need
from levelhead.models.task import Task
from levelhead.models.weights import CACHE, DOWNLOAD, load_weights, not_cached, not_downloaded


def hub_network(name: str, task: Task, given: dict[str, Any], pretrained: str | None) -> nn.Module:
    """Build ``hf:NAME`` as a classifier of images or of token ids; the arguments go to its configuration.

    ``pretrained=cache`` takes the weights beside the configuration, in the folder or the cache; a classifier for
    another number of classes is drawn anew.
    """
    transformers = need("transformers", "networks", f"hf:{name}")
    local = pretrained != DOWNLOAD
    try:
        config = transformers.AutoConfig.from_pretrained(name, local_files_only=local)
    except (OSError, ValueError) as error:
        raise _absent(name, error, local) from error
    image = len(task.shape) == 3
    _configure(config, name, task, given, drawn=pretrained is None)
    factory = transformers.AutoModelForImageClassification if image else transformers.AutoModelForSequenceClassification
    try:
        if pretrained in (CACHE, DOWNLOAD):
            network, loaded = factory.from_pretrained(
                name,
                config=config,
                local_files_only=local,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                dtype=torch.float32,
            )
        else:
            network, loaded = factory.from_config(config), {}
    except OSError as error:
        raise _absent(name, error, local) from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"hf:{name} could not be built: {error}") from error
    classifier = find_classifier(network, task.num_classes)
    if pretrained not in (None, CACHE, DOWNLOAD):
        assert pretrained is not None
        load_weights(network, pretrained, classifier)
    place = next(where for where, layer in network.named_modules() if layer is classifier)
    wrong = [str(entry[0]) for entry in loaded.get("mismatched_keys", ()) if not str(entry[0]).startswith(place)]
    if wrong:
        raise ValueError(f"the weights of hf:{name} do not fit its configuration: {', '.join(wrong[:5])}")
    return HubClassifier(network, image).train()  # from_pretrained gives it in eval mode


class HubClassifier(nn.Module):
    """A network of transformers that gives its logits alone, and reads padding off the token ids."""

    def __init__(self, network: nn.Module, image: bool) -> None:
        super().__init__()
        self.network = network
        self.image = image
        # a vision transformer meets images of another size than it was trained on by interpolating its positions
        self.interpolates = "interpolate_pos_encoding" in inspect.signature(network.forward).parameters

    def forward(self, inputs: Tensor) -> Tensor:
        """Images ``(B, channels, H, W)`` or token ids ``(B, L)`` to logits ``(B, C)``."""
        config: Any = self.network.config
        if self.image:
            size = getattr(config, "image_size", None)
            other = size is not None and inputs.shape[2:] != (size, size)
            more = {"interpolate_pos_encoding": True} if other and self.interpolates else {}
            return self.network(pixel_values=inputs, **more).logits
        mask = torch.ones_like(inputs)
        if config.pad_token_id is not None:
            mask[:, 1:] = inputs[:, 1:] != config.pad_token_id  # the first token is read even of an empty text
        return self.network(input_ids=inputs, attention_mask=mask).logits


def _configure(config: Any, name: str, task: Task, given: dict[str, Any], *, drawn: bool) -> None:
    """Write classes, channels, image size and the user's arguments into a configuration, in place."""
    for key, value in given.items():
        if not hasattr(config, key):
            raise ValueError(f"the configuration of hf:{name} has no {key}")
        setattr(config, key, value)
    config.num_labels = task.num_classes
    if len(task.shape) != 3:
        return
    channels, size, _ = task.shape
    if drawn:
        for key, value in (("num_channels", channels), ("image_size", size)):
            if hasattr(config, key) and key not in given:
                setattr(config, key, value)
    elif getattr(config, "num_channels", channels) != channels:
        raise ValueError(
            f"the weights of hf:{name} are for {config.num_channels} channels, but the images have {channels}"
        )


def _absent(name: str, error: Exception, local: bool) -> Exception:
    if local:
        return not_cached(f"hf:{name}", "a local folder of that name, or Hugging Face's cache")
    return not_downloaded(f"hf:{name}", error)
