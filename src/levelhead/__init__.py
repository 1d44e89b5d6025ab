"""levelhead: train classifiers that are accurate and know how sure they are, and see which way gives that.

    import levelhead as lh
    objective = lh.objective("logitmix_cm(alpha=3)", model, num_classes=10)
    loss = objective(inputs, labels).loss

Names are resolved when first used, so that importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from levelhead._version import __version__

if TYPE_CHECKING:
    from levelhead import calibrate as calibrate
    from levelhead import data as data
    from levelhead import evaluate as evaluate
    from levelhead import losses as losses
    from levelhead import metrics as metrics
    from levelhead import mixing as mixing
    from levelhead import models as models
    from levelhead import plots as plots
    from levelhead import probes as probes
    from levelhead import report as report
    from levelhead import targets as targets
    from levelhead.composition import Objective as Objective
    from levelhead.composition import objective as objective
    from levelhead.predictions import Predictions as Predictions
    from levelhead.spec import Spec as Spec
    from levelhead.spec import methods as methods
    from levelhead.spec import parse as parse
    from levelhead.trained import load_run as load_run
    from levelhead.types import Mix as Mix
    from levelhead.types import Output as Output

_ROOMS = (
    "calibrate",
    "data",
    "evaluate",
    "losses",
    "metrics",
    "mixing",
    "models",
    "plots",
    "probes",
    "report",
    "targets",
)
_NAMES = {
    "Objective": "composition",
    "objective": "composition",
    "Predictions": "predictions",
    "Spec": "spec",
    "methods": "spec",
    "parse": "spec",
    "load_run": "trained",
    "Mix": "types",
    "Output": "types",
}

__all__ = ["__version__", *_NAMES, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"levelhead.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(f"levelhead.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'levelhead' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
