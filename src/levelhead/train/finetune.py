"""Fine-tuning: lower layers that learn more slowly, and a start in which only the classifier learns."""

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from levelhead.classifier import find_classifier
from levelhead.composition import Objective
from levelhead.models import depths


def groups(objective: Objective, decay: float | None, lr: float) -> list[dict[str, Any]]:
    """The parameters as an optimiser takes them: each group with its rate and its ``scale``, ``decay ** depth``.

    The depth is counted from the top: classifier and second head learn at the full rate, the stage below them at
    ``decay`` times it, and so down to the stem. Raises ``ValueError`` where the network has no stages.
    """
    if decay is None:
        return [{"params": list(objective.parameters()), "lr": lr, "scale": 1.0}]
    levels = depths(objective.model)
    top = max(levels.values())
    found: dict[int, list[nn.Parameter]] = {top: []}
    for name, parameter in objective.model.named_parameters():
        found.setdefault(levels[name], []).append(parameter)
    own = {id(parameter) for parameter in objective.model.parameters()}
    found[top] += [parameter for parameter in objective.parameters() if id(parameter) not in own]
    return [
        {"params": found[level], "lr": lr * decay ** (top - level), "scale": decay ** (top - level)}
        for level in sorted(found)
    ]


class Frozen:
    """Everything below the classifier, which may be held fast: no gradients, and norms that keep their statistics."""

    def __init__(self, model: nn.Module, num_classes: int) -> None:
        classifier = find_classifier(model, num_classes)
        free = {id(parameter) for parameter in classifier.parameters()}
        # what somebody else froze stays so
        self.parameters = [each for each in model.parameters() if each.requires_grad and id(each) not in free]
        self.norms = [each for each in model.modules() if isinstance(each, _NormBase) and each.training]
        self.held = False

    def hold(self, held: bool) -> bool:
        """Hold the lower layers, or let them go; whether that changed anything."""
        changed, self.held = held != self.held, held
        if changed:
            for parameter in self.parameters:
                parameter.requires_grad_(not held)
            for norm in self.norms:
                norm.train(not held)
        return changed
