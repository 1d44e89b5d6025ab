"""Mixers: each blends every example with a partner of its batch. They know nothing of labels and losses."""

from levelhead.mixing.alternate import Alternate
from levelhead.mixing.cutmix import CutMix, cutmix_box
from levelhead.mixing.identity import Identity
from levelhead.mixing.midpoint import Midpoint
from levelhead.mixing.mixer import Drawn, Mixer, lerp, unmixed
from levelhead.mixing.mixup import Mixup

#: Every mixer by the word that names it in a sentence.
MIXERS: dict[str, type[Mixer]] = {
    "identity": Identity,
    "mixup": Mixup,
    "cutmix": CutMix,
    "midpoint": Midpoint,
    "alternate": Alternate,
}

__all__ = [
    "MIXERS",
    "Alternate",
    "CutMix",
    "Drawn",
    "Identity",
    "Midpoint",
    "Mixer",
    "Mixup",
    "cutmix_box",
    "lerp",
    "unmixed",
]
