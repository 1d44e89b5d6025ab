"""`svhn`: house numbers, cropped (Netzer et al. 2011), from the original .mat files, without the extra images."""

from __future__ import annotations

from pathlib import Path

from levelhead.data.checks import check_class_indices, check_lengths
from levelhead.data.facts import FACTS
from levelhead.data.named import locate, named_source
from levelhead.data.source import Part, Request, Source


def read(request: Request) -> Source:
    """73,257 and 26,032 uint8 images `(N, 3, 32, 32)`; the files' label 10 is the digit 0."""
    found = locate("svhn", request.data_dir)
    parts = {role: _part(found.folder, role) for role in ("train", "test")}
    return named_source("svhn", parts, f"{found.layout.name} in {found.folder}")


def _part(folder: Path, role: str) -> Part:
    """torchvision's loader, without its checksums: a part of the set is a set too."""
    from torchvision.datasets import SVHN

    class Unchecked(SVHN):
        def _check_integrity(self) -> bool:
            return True

    path = folder / f"{role}_32x32.mat"
    try:
        loaded = Unchecked(str(folder), split=role)
        images, labels = loaded.data, loaded.labels
    except Exception as error:  # SciPy raises many kinds for broken files
        raise ValueError(f"{path} is damaged or no .mat file of SVHN ({error!r}); copy or download it again") from error
    if images.dtype != "uint8" or images.shape[1:] != (3, 32, 32):
        raise ValueError(f"{path}: images must be uint8 (32, 32, 3, N), got {images.dtype} {images.shape}")
    check_lengths(str(path), len(images), len(labels))
    check_class_indices(str(path), labels, FACTS["svhn"].names)
    return Part.of_array(images, labels)
