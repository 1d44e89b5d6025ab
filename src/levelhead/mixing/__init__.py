"""Mixers: each blends every example with a partner of its batch. They know nothing of labels and losses."""

from levelhead.mixing.alternate import Alternate
from levelhead.mixing.cutmix import CutMix, cutmix_box
from levelhead.mixing.identity import Identity
from levelhead.mixing.manifold_mixup import ManifoldMixup
from levelhead.mixing.midpoint import Midpoint
from levelhead.mixing.mixer import Drawn, Mixer, Step, lerp, unmixed
from levelhead.mixing.mixup import Mixup
from levelhead.mixing.puzzlemix import PuzzleMix

#: Every mixer by the word that names it in a sentence.
MIXERS: dict[str, type[Mixer]] = {
    "identity": Identity,
    "mixup": Mixup,
    "manifold_mixup": ManifoldMixup,
    "cutmix": CutMix,
    "puzzlemix": PuzzleMix,
    "midpoint": Midpoint,
    "alternate": Alternate,
}

__all__ = [
    "MIXERS",
    "Alternate",
    "CutMix",
    "Drawn",
    "Identity",
    "ManifoldMixup",
    "Midpoint",
    "Mixer",
    "Mixup",
    "PuzzleMix",
    "Step",
    "cutmix_box",
    "lerp",
    "unmixed",
]
