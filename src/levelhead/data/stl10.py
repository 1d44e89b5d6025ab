"""`stl10`: the labelled images of STL-10 (Coates et al. 2011), from the original binary files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from levelhead.data.checks import check_class_indices, check_lengths
from levelhead.data.facts import FACTS
from levelhead.data.named import locate, named_source
from levelhead.data.source import Part, Request, Source


def read(request: Request) -> Source:
    """5,000 and 8,000 uint8 images `(N, 3, 96, 96)`; crop 4 and flip."""
    found = locate("stl10", request.data_dir)
    parts = {role: _part(found.folder, role) for role in ("train", "test")}
    return named_source("stl10", parts, f"{found.layout.name} in {found.folder}")


def _part(folder: Path, role: str) -> Part:
    """torchvision's loader, without its checksums, which want the unlabelled images (2.8 GB) as well."""
    from torchvision.datasets import STL10

    class Unchecked(STL10):
        base_folder = "."

        def _check_integrity(self) -> bool:
            return True

    path = folder / f"{role}_X.bin"
    try:
        loaded = Unchecked(str(folder), split=role)
    except ValueError as error:
        raise ValueError(
            f"{path} is cut short or no file of STL-10 ({error}): its size must be a multiple of 3 x 96 x 96 bytes; "
            "copy it again"
        ) from error
    labels = np.asarray(loaded.labels).astype(np.int64)  # 1 to 10 in the file, less 1
    check_lengths(f"{path} and {role}_y.bin", len(loaded.data), len(labels))
    check_class_indices(str(folder / f"{role}_y.bin"), labels, FACTS["stl10"].names)
    return Part.of_array(loaded.data, labels)
