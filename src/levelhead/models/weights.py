"""Weights that somebody trained before: from a file of the user's or from another package's cache.

Nothing is downloaded unless the user writes ``pretrained=download``.
"""

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from levelhead.errors import WorkFailed

#: What ``pretrained=`` may say beside a file.
CACHE, DOWNLOAD = "cache", "download"


def read_pretrained(value: Any) -> str | None:
    """What ``pretrained=`` means: ``None``, ``cache`` (also: true), ``download``, or the path of a file.

    Raises ``ValueError`` for anything else, and for a file that is not there.
    """
    if value is None or value is False:
        return None
    if value is True:
        return CACHE
    if value in (CACHE, DOWNLOAD):
        return str(value)
    if not isinstance(value, str | Path):
        raise ValueError(f"pretrained= takes true, cache, download or a 'FILE' in quotes, not {value}")
    path = Path(value).expanduser()
    if not path.is_file():
        raise ValueError(f"pretrained={str(value)!r}: there is no such file of weights (or say cache or download)")
    return str(path)


def not_cached(name: str, where: str) -> ValueError:
    """The weights of another package's network are wanted from its cache, and are not there."""
    return ValueError(
        f"{name}: its weights are not in the cache ({where}), and nothing is downloaded unasked. Say "
        "pretrained=download where there is a network, or give a file: pretrained='FILE'"
    )


def not_downloaded(name: str, error: Exception) -> WorkFailed:
    """The download that the user asked for failed."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return WorkFailed(
        f"{name}: its weights could not be downloaded: {reason}\n"
        "Download them on a machine with a network and give the file: pretrained='FILE'"
    )


def read_weights(path: str) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or of a PyTorch file of weights, by name; code in a file is never run."""
    try:
        if path.endswith(".safetensors"):
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle may raise anything
        raise ValueError(
            f"{path} cannot be read as weights: {error}; save model.state_dict() or .safetensors"
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no weights by name; save model.state_dict() or .safetensors")
    return state


def load_weights(model: nn.Module, path: str, classifier: nn.Module | None = None) -> None:
    """Put the weights of a file into a network, in place.

    The classifier may be missing in the file or have another number of classes: then it stays as drawn. Names may all
    begin with ``module.`` (as DDP saves them). Raises ``ValueError`` for anything else that does not fit.
    """
    state = read_weights(path)
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    own = model.state_dict()
    replaced = [name for name, layer in model.named_modules() if layer is classifier and classifier is not None]
    free = {key for key in own for name in replaced if key.startswith(f"{name}.")}
    state = {key: value for key, value in state.items() if key not in free or value.shape == own[key].shape}
    wrong = [key for key, value in state.items() if key in own and value.shape != own[key].shape]
    missing = [key for key in own if key not in state and key not in free]
    surplus = [key for key in state if key not in own]
    if wrong or missing or surplus:
        raise ValueError(
            f"{path} does not fit {type(model).__name__}: "
            + "; ".join(
                f"{len(keys)} {what} (such as {keys[0]})"
                for what, keys in (("missing", missing), ("too many", surplus), ("of another shape", wrong))
                if keys
            )
        )
    model.load_state_dict(state, strict=False)


def weights_digest(model: nn.Module, classifier: nn.Module | None) -> str:
    """Sixteen hexadecimal digits of what a network holds outside its classifier, which may be drawn anew."""
    drawn = {id(tensor) for tensor in classifier.parameters()} if classifier is not None else set()
    digest = hashlib.sha256()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if id(tensor) not in drawn:
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def cached_on_hub(repository: str, names: tuple[str, ...], revision: str | None = None) -> str | None:
    """The path of the first of these files of a Hugging Face repository that is in the local cache."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        found = try_to_load_from_cache(repository, name, revision=revision)
        if isinstance(found, str):
            return found
    return None
