"""Where hidden states are mixed: the embedding of a model that reads tokens, and the stages of any model."""

import re
from collections.abc import Iterable, Sequence

from torch import nn

#: How the input is called among the layers to mix at.
INPUT = "input"


def find_embedding(model: nn.Module) -> tuple[str, nn.Embedding]:
    """The layer that turns token ids into vectors: what the model says it is, else its first ``nn.Embedding``."""
    ask = getattr(model, "get_input_embeddings", None)
    said = ask() if callable(ask) else None
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Embedding) and (said is None or layer is said):
            return name, layer
    raise ValueError(
        f"the inputs are integers, but {type(model).__name__} has no nn.Embedding at whose output they could be mixed; "
        "convert inputs that are not token ids to floating point and normalise them"
    )


def find_places(model: nn.Module, named: Sequence[str]) -> tuple[str, ...]:
    """The layers to mix at, by name: those ``named``, or the input and the stages at a quarter and half of the depth.

    Raises ``ValueError`` for a name that is no module, and where no stages can be found.
    """
    if named:
        modules = dict(model.named_modules())
        for name in named:
            if name != INPUT and name not in modules:
                known = [name for name in modules if name and name.count(".") < 2][:20]
                raise ValueError(f"layers: {name!r} is no module of the model; it has {INPUT}, {', '.join(known)}")
        return tuple(named)
    stages = find_stages(model)
    depth = len(stages)
    if depth < 2:
        raise ValueError(f"found no stages in {type(model).__name__} to mix at; name modules with layers=[input, ...]")
    chosen = dict.fromkeys(stages[-(-depth // share) - 1] for share in (4, 2))
    return (INPUT, *chosen)


def find_stages(model: nn.Module) -> list[str]:
    """Module names of the row that most of the model is: ``layer1..layer4``, or the children of a container.

    A row that holds less than half of the layers is a stem, or the branches of one block, and no row of stages.
    """
    modules = sorted(model.named_modules(), key=lambda item: item[0].count(".") + bool(item[0]))  # top level first
    for prefix, module in modules:
        row = _row(module)
        if len(row) > 1 and 2 * _layers(module, row) >= _layers(model, dict(model.named_children())):
            return [f"{prefix}.{name}".lstrip(".") for name in row]
    return []


def _row(module: nn.Module) -> list[str]:
    """Children that follow each other: all of a container, or the numbered siblings with the most layers."""
    learning = [name for name, child in module.named_children() if any(True for _ in child.parameters())]
    if isinstance(module, nn.Sequential | nn.ModuleList):
        return learning
    groups: dict[str, list[str]] = {}
    for name in learning:
        if found := re.fullmatch(r"(.*?)\d+", name):
            groups.setdefault(found.group(1), []).append(name)
    return max(groups.values(), key=lambda names: _layers(module, names), default=[])


def _layers(module: nn.Module, names: Iterable[str]) -> int:
    """How many layers with parameters of their own are in the children of these names."""
    parts = [part for name in names for part in module.get_submodule(name).modules()]
    return sum(any(True for _ in part.parameters(recurse=False)) for part in parts)
