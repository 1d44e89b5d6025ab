"""Networks by name: ``build("preact_resnet18(width=16)", num_classes=10, in_channels=3)``."""

from levelhead.models.build import auto, build, count_parameters
from levelhead.models.catalogue import Card, card, catalogue, multiply_adds
from levelhead.models.layers import depths
from levelhead.models.names import is_pretrained, with_pretrained, without_file, without_weights
from levelhead.models.networks import NETWORKS
from levelhead.models.text import constrain
from levelhead.models.vectors import embedding_matrix, read_vectors
from levelhead.models.weights import weights_digest

__all__ = [
    "NETWORKS",
    "Card",
    "auto",
    "build",
    "card",
    "catalogue",
    "constrain",
    "count_parameters",
    "depths",
    "embedding_matrix",
    "is_pretrained",
    "multiply_adds",
    "read_vectors",
    "weights_digest",
    "with_pretrained",
    "without_file",
    "without_weights",
]
