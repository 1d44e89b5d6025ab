"""How deep in a network each parameter lies, for rates that fall towards the input."""

from torch import nn

from levelhead.models.from_timm import timm_depths
from levelhead.places import find_stages


def depths(model: nn.Module) -> dict[str, int]:
    """The level of every parameter by name: 0 for the stem, then a level a stage, the classifier's is the highest.

    timm's networks say themselves how their layers are grouped. In others a stage is what follows each other in the row
    that most of the network is (``layer1`` to ``layer4``, a transformer's blocks); what comes before the row belongs to
    the stem, what comes after it to the classifier. Raises ``ValueError`` where there is no such row.
    """
    told = timm_depths(model)
    if told is not None:
        return told
    stages = find_stages(model)
    if len(stages) < 2:
        raise ValueError(
            f"found no stages in {type(model).__name__}, whose layers could learn at different rates; leave "
            "layer_decay= out"
        )
    found: dict[str, int] = {}
    reached = 0
    for name, _ in model.named_parameters():
        within = [level for level, stage in enumerate(stages, 1) if name.startswith(f"{stage}.")]
        reached = max([reached, *within])
        # behind the first stage and in none: the classifier, or a norm before it
        found[name] = within[0] if within else 0 if not reached else len(stages) + 1
    return found
