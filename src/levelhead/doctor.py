"""What is installed and what is found: for a bug report, and before a long comparison."""

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path
from typing import Any

#: The extras by name, with a module that tells whether each is there.
EXTRAS = {
    "text": "datasets",
    "hf": "datasets",
    "segmentation": "segmentation_models_pytorch",
    "networks": "timm",
    "puzzlemix": "maxflow",
    "ray": "ray",
    "tune": "optuna",
    "tracking": "tensorboard",
    "torchmetrics": "torchmetrics",
    "lightning": "lightning",
    "transformers": "transformers",
    "skorch": "skorch",
}
PACKAGES = (
    "levelhead",
    "torch",
    "torchvision",
    "lightning-fabric",
    "numpy",
    "scikit-learn",
    "pyarrow",
    "plotly",
)


def examine(data_dir: Path | None = None) -> dict[str, Any]:
    """Versions, devices, extras (with the command that installs a missing one), and the data sets found."""
    import torch

    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "packages": {name: _version(name) for name in PACKAGES},
        "devices": {
            "cpu": f"{os.cpu_count()} cores",
            **{f"cuda:{index}": torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())},
        },
        "extras": {
            name: "installed" if importlib.util.find_spec(module) else f"missing: pip install 'levelhead[{name}]'"
            for name, module in EXTRAS.items()
        },
        "data": _data(data_dir),
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _data(data_dir: Path | None) -> dict[str, str]:
    from levelhead.data import names
    from levelhead.data.named import state
    from levelhead.data.places import data_root

    folder = None if data_dir is None else str(data_dir)
    return {"looked in": str(data_root(folder)), **{name: state(name, folder) for name in names()}}
