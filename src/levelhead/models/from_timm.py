"""Networks of timm by name, ``timm:NAME``."""

from pathlib import Path
from typing import Any

from torch import nn
from torch.hub import get_dir

from levelhead.errors import need, unknown
from levelhead.models.task import Task
from levelhead.models.weights import CACHE, DOWNLOAD, cached_on_hub, not_cached, not_downloaded


def timm_network(name: str, task: Task, given: dict[str, Any], pretrained: str | None) -> nn.Module:
    """Build ``timm:NAME``; the arguments go to ``timm.create_model`` (``drop_rate=0.5`` is dropout at the head)."""
    channels, _, _ = task.image(f"timm:{name}")
    timm = need("timm", "networks", f"timm:{name}")
    if not timm.is_model(name):
        raise unknown("timm network", name, timm.list_models())
    if pretrained:
        file = cached_file(name) if pretrained == CACHE else None if pretrained == DOWNLOAD else pretrained
        given = {**given, "pretrained_cfg_overlay": {"file": file}} if file else given
    try:
        return timm.create_model(
            name, pretrained=bool(pretrained), num_classes=task.num_classes, in_chans=channels, **given
        )
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        if pretrained == DOWNLOAD:
            raise not_downloaded(f"timm:{name}", error) from error
        raise ValueError(f"timm:{name} could not be built: {error}") from error


def cached_file(name: str) -> str:
    """Where timm's own weights of a network lie in the local caches. Raises ``ValueError`` where they do not."""
    timm = need("timm", "networks", f"timm:{name}")
    known = timm.models.get_pretrained_cfg(name)
    if known is None or not (known.hf_hub_id or known.url):
        raise ValueError(f"timm:{name} has no published weights; give a file: pretrained='FILE'")
    if known.hf_hub_id:
        names = (known.hf_hub_filename,) if known.hf_hub_filename else ("model.safetensors", "pytorch_model.bin")
        found = cached_on_hub(known.hf_hub_id, names)
        if found:
            return found
    if known.url:
        path = Path(get_dir()) / "checkpoints" / Path(known.url).name
        if path.is_file():
            return str(path)
    raise not_cached(f"timm:{name}", f"Hugging Face {known.hf_hub_id} or {known.url}")


def timm_depths(model: nn.Module) -> dict[str, int] | None:
    """The level of every parameter of a network of timm's, in its own grouping; ``None`` for other networks."""
    matcher = getattr(model, "group_matcher", None)
    if not callable(matcher):
        return None
    from timm.models import group_parameters

    levels: dict[str, int] = group_parameters(model, matcher(coarse=False), reverse=True)
    return levels
