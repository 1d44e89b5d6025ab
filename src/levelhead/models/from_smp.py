"""Networks of segmentation-models-pytorch, ``smp:ARCHITECTURE/ENCODER``: logits for every pixel.

An encoder is one of theirs (``resnet50``) or, after ``tu-``, of timm's. ``pretrained=`` is about the encoder, or about
the whole network where a file holds one. Shapes: B batch, C classes, H, W.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from levelhead.errors import need, unknown
from levelhead.models.from_timm import cached_file
from levelhead.models.task import Task
from levelhead.models.weights import (
    CACHE,
    DOWNLOAD,
    cached_on_hub,
    load_weights,
    not_cached,
    not_downloaded,
    read_weights,
)


def smp_network(name: str, task: Task, given: dict[str, Any], pretrained: str | None) -> nn.Module:
    """Build ``smp:ARCHITECTURE/ENCODER``; the arguments go to the architecture."""
    channels, _, _ = task.image(f"smp:{name}")
    smp = need("segmentation_models_pytorch", "segmentation", f"smp:{name}")
    architecture, _, encoder = name.partition("/")
    known = {each.__name__: each for each in smp.MODEL_ARCHITECTURES_MAPPING.values()}
    if architecture not in known:
        raise unknown("smp architecture", architecture, known)
    if not encoder.startswith("tu-") and encoder not in smp.encoders.encoders:
        raise unknown("smp encoder", encoder, smp.encoders.encoders)
    file = _file(smp, encoder, pretrained)
    download = pretrained == DOWNLOAD
    try:
        network = known[architecture](
            encoder_name=encoder,
            encoder_weights="imagenet" if download else None,
            in_channels=3 if file else channels,
            classes=task.num_classes,
            **given,
        )
    except (TypeError, ValueError, RuntimeError, KeyError, OSError) as error:
        if download:
            raise not_downloaded(f"smp:{name}", error) from error
        raise ValueError(f"smp:{name} could not be built: {error}") from error
    if file:
        whole = any(key.startswith(("encoder.", "module.encoder.")) for key in read_weights(file))
        load_weights(network if whole else network.encoder, file)
        if channels != 3:
            network.encoder.set_in_channels(channels, pretrained=True)
    return Segmenter(network)


class Segmenter(nn.Module):
    """Pads images at the right and the bottom to what the encoder can halve, and crops the logits back."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Images ``(B, channels, H, W)`` to logits ``(B, C, H, W)``."""
        height, width = inputs.shape[2:]
        below, beside = (new - old for new, old in zip(self.padded(height, width), (height, width)))
        padded = F.pad(inputs, (0, beside, 0, below), mode="replicate")
        return self.network(padded)[:, :, :height, :width]

    @staticmethod
    def padded(height: int, width: int) -> tuple[int, int]:
        """The size that the network sees: the next that can be halved five times."""
        return height + -height % 32, width + -width % 32


def _file(smp: Any, encoder: str, pretrained: str | None) -> str | None:
    if pretrained in (None, DOWNLOAD):
        return None
    if pretrained != CACHE:
        return pretrained
    if encoder.startswith("tu-"):
        return cached_file(encoder.removeprefix("tu-"))
    published = smp.encoders.encoders[encoder]["pretrained_settings"].get("imagenet")
    found = published and cached_on_hub(published["repo_id"], ("model.safetensors",), published["revision"])
    if not found:
        raise not_cached(f"smp encoder {encoder}", f"Hugging Face {published and published['repo_id']}")
    return found
