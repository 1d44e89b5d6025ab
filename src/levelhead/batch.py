"""A batch of inputs as its model takes it: one tensor, or a dictionary of tensors passed by name.

Of a dictionary one entry is the content that is mixed; masks of two texts that are mixed are joined, everything else
goes along with the original. Shapes: B batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from levelhead.types import Mix

Inputs = Tensor | Mapping[str, Any]

#: Entries that hold the content, under the names that Hugging Face models give them.
_CONTENT = ("input_ids", "inputs_embeds", "pixel_values", "input_values", "input_features", "inputs", "x")


def content(inputs: Inputs) -> Tensor:
    """The tensor ``(B, ...)`` that mixing is about. Raises ``ValueError`` where there is none."""
    found = inputs if isinstance(inputs, Tensor) else inputs[_content_name(inputs)]
    if not isinstance(found, Tensor):
        raise ValueError(f"inputs must be a tensor or a dictionary of tensors, not {type(found).__name__}")
    if found.ndim == 0 or found.shape[0] == 0:
        raise ValueError(f"the batch is empty: inputs have shape {tuple(found.shape)}")
    return found


def with_content(inputs: Inputs, changed: Tensor) -> Inputs:
    """The same batch with other content; the given one stays as it is."""
    return changed if isinstance(inputs, Tensor) else {**inputs, _content_name(inputs): changed}


def joined(inputs: Inputs, mix: Mix) -> Inputs:
    """The batch with every mask ``(B, ...)`` joined with those of the partners that have a weight in the mixture.

    A mask says which tokens are there, as Hugging Face's do; a boolean one with "padding" in its name says, as
    torch's do, which are not.
    """
    if isinstance(inputs, Tensor):
        return inputs
    size, others = content(inputs).shape[0], mix.partner.view(mix.partner.shape[0], -1)
    lam = torch.as_tensor(mix.lam)
    weights = lam[:, 1:] if lam.ndim == 2 else 1 - lam.expand(size)[:, None]
    changed = dict(inputs)
    for name, value in inputs.items():
        if "mask" in name and isinstance(value, Tensor) and value.ndim > 1 and value.shape[0] == size:
            join = torch.minimum if _marks_absence(name, value) else torch.maximum
            for place in range(others.shape[1]):
                seen = (weights[:, place] > 0).to(value.device).view(-1, *[1] * (value.ndim - 1))
                other = value[others[:, place].to(value.device)]
                changed[name] = torch.where(seen, join(changed[name], other), changed[name])
    return changed


def present(inputs: Inputs) -> Tensor | None:
    """Which tokens are there, boolean ``(B, L)``, by the first mask of the batch; ``None`` where it has none."""
    if isinstance(inputs, Tensor):
        return None
    size = content(inputs).shape[:2]
    for name, value in inputs.items():
        if "mask" in name and isinstance(value, Tensor) and value.shape == size:
            return ~value if _marks_absence(name, value) else value > 0
    return None


def concatenated(batches: Sequence[Inputs]) -> Inputs:
    """Batches of the same entries below each other."""
    first = batches[0]
    if len(batches) == 1:
        return first
    if isinstance(first, Tensor):
        return torch.cat([content(each) for each in batches])
    size = content(first).shape[0]
    return {
        name: torch.cat([each[name] for each in batches])  # type: ignore[index]
        if isinstance(value, Tensor) and value.ndim and value.shape[0] == size
        else value
        for name, value in first.items()
    }


def _marks_absence(name: str, mask: Tensor) -> bool:
    return "padding" in name and mask.dtype == torch.bool


def _content_name(inputs: Mapping[str, Any]) -> str:
    if not isinstance(inputs, Mapping):
        raise ValueError(f"inputs must be a tensor or a dictionary of tensors, not {type(inputs).__name__}")
    for name in _CONTENT:
        if isinstance(inputs.get(name), Tensor):
            return name
    tensors = [name for name, value in inputs.items() if isinstance(value, Tensor) and "mask" not in name]
    if len(tensors) != 1:
        raise ValueError(
            f"cannot tell which entry of the inputs to mix among {list(inputs)}; "
            f"name it like one of {', '.join(_CONTENT)}"
        )
    return tensors[0]
