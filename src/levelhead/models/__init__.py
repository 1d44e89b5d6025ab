"""Networks by name: ``build("preact_resnet18(width=16)", num_classes=10, in_channels=3)``."""

from levelhead.models.build import NETWORKS, auto, build, count_parameters

__all__ = ["NETWORKS", "auto", "build", "count_parameters"]
