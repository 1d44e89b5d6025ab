"""Networks by name: ``build("preact_resnet18(width=16)", num_classes=10, in_channels=3)``."""

from levelhead.models.build import auto, build, count_parameters
from levelhead.models.catalogue import Card, card, catalogue, multiply_adds
from levelhead.models.networks import NETWORKS
from levelhead.models.text import constrain
from levelhead.models.vectors import embedding_matrix, read_vectors

__all__ = [
    "NETWORKS",
    "Card",
    "auto",
    "build",
    "card",
    "catalogue",
    "constrain",
    "count_parameters",
    "embedding_matrix",
    "multiply_adds",
    "read_vectors",
]
