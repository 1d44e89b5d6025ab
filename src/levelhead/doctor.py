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
#: Where the named data sets that are no part of the package lie within the data folder.
FOLDERS = {
    "fashion-mnist": ("fashion-mnist", "FashionMNIST"),
    "mnist": ("mnist", "MNIST"),
    "cifar10": ("cifar10", "cifar-10-batches-py", "cifar10-jpeg"),
    "trec": ("trec", "TREC"),
    "trec-50": ("trec", "TREC"),
    "mr": ("mr", "MR", "rt-polaritydata"),
    "sst5": ("sst5", "SST5", "sst-5"),
    "imdb": ("imdb", "aclImdb"),
    "20newsgroups": ("20newsgroups", "20news-bydate", "20news_home"),
    "20newsgroups-raw": ("20newsgroups", "20news-bydate", "20news_home"),
}
#: Those that are fetched when they are asked for and not there.
DOWNLOADED = ("fashion-mnist", "mnist", "cifar10")
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
    from levelhead.data.places import data_root

    there = datasets_found(data_dir)
    found = {"looked in": str(data_root(None if data_dir is None else str(data_dir)))}
    for name in names():
        missing = "downloaded when asked for" if name in DOWNLOADED else "its files are yours to put there"
        found[name] = (
            "embedded" if name not in FOLDERS else f"in {there[name]}" if name in there else f"not found ({missing})"
        )
    return found


def datasets_found(data_dir: Path | None) -> dict[str, str]:
    """The named data sets whose folder is there, and which it is."""
    from levelhead.data.places import data_root

    root = data_root(None if data_dir is None else str(data_dir))
    return {
        name: next(folder for folder in folders if (root / folder).exists())
        for name, folders in FOLDERS.items()
        if any((root / folder).exists() for folder in folders)
    }
