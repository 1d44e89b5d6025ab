"""`imagenet` (ImageNet-1k) and `imagenet-a`: class folders of WordNet ids, read when it is known which are wanted.

The official validation images are test. They lie in class folders, or flat beside the devkit, whose ground truth
numbers the classes in an order of its own. torchvision's loader would unpack archives and move files in the user's
folder, so only its way of reading the devkit is followed. Images are scaled to cover
256x256, of which the centre of 224x224 is cut out, as the usual networks are asked; those of `imagenet-a-tiny` to cover
64x64.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from levelhead.data.decode import Form
from levelhead.data.facts import SYNSETS
from levelhead.data.folder import ENDINGS
from levelhead.data.named import Found, locate, named_source
from levelhead.data.pictures import NamedFiles, named_form, named_pictures
from levelhead.data.source import Request, Source
from levelhead.data.synsets import class_names, wnids

_DEVKIT = Path("ILSVRC2012_devkit_t12", "data")


def imagenet(request: Request) -> Source:
    """ImageNet-1k (Russakovsky et al. 2015): 1,281,167 and 50,000 uint8 images `(N, 3, 224, 224)`.

    Trained on through random windows of the originals, mirrored and recoloured, as in LogitMix, so it streams.
    """
    found = locate("imagenet", request.data_dir)
    form = named_form("imagenet", request, "central")
    train = _class_folders(found.folder / "train")
    classes = tuple(train)
    if found.layout.files == SYNSETS:
        test = _class_folders(found.folder / "val")
        if tuple(test) != classes:
            odd = sorted(set(test) ^ set(classes))
            raise ValueError(f"{found.folder}: train/ and val/ have not the same classes; {', '.join(odd[:5])} differ")
        tested = _files(test, classes)
    else:
        tested = _validation(found.folder, classes)
    return _source("imagenet", found, {"train": _files(train, classes), "test": tested}, classes, form, request)


def imagenet_a(request: Request) -> Source:
    """ImageNet-A (Hendrycks et al. 2021): 7,500 photographs of 200 of the classes; a test set alone."""
    return _adversarial("imagenet-a", request, None)


def imagenet_a_tiny(request: Request) -> Source:
    """Of ImageNet-A the 74 classes that Tiny-ImageNet has, at its size of 64x64."""
    return _adversarial("imagenet-a-tiny", request, wnids("tiny"))


def _adversarial(name: str, request: Request, kept: tuple[str, ...] | None) -> Source:
    found = locate(name, request.data_dir)
    form = named_form(name, request, "central" if kept is None else "cover")
    images = _class_folders(found.folder)
    classes = tuple(wnid for wnid in images if kept is None or wnid in kept)
    if not classes:
        raise ValueError(f"{found.folder} holds none of the classes of Tiny-ImageNet; it holds {', '.join(images)}")
    return _source(name, found, {"test": _files(images, classes)}, classes, form, request)


def _source(
    name: str, found: Found, files: dict[str, NamedFiles], classes: tuple[str, ...], form: Form, request: Request
) -> Source:
    parts, notes, facts = named_pictures(files, form, found.folder, request)
    how = f"{found.layout.name} in {found.folder}, {form.height}x{form.width}"
    return named_source(name, parts, how, classes=class_names(classes), notes=notes, facts=facts)


def _class_folders(folder: Path) -> dict[str, list[Path]]:
    """The images of each class folder, both in the order of their names."""
    images = {
        place.name: sorted(path for path in place.iterdir() if path.suffix.lower() in ENDINGS)
        for place in sorted(folder.glob("n????????"))
        if place.is_dir()
    }
    empty = [name for name, paths in images.items() if not paths]
    if empty or not images:
        raise ValueError(
            f"{folder} holds no images {f'of {empty[0]}' if empty else 'in class folders'}; unpack it again"
        )
    return images


def _files(images: dict[str, list[Path]], classes: tuple[str, ...]) -> NamedFiles:
    labels = np.repeat(np.arange(len(classes)), [len(images[name]) for name in classes])
    return NamedFiles([path for name in classes for path in images[name]], labels)


def _validation(folder: Path, classes: tuple[str, ...]) -> NamedFiles:
    """Images in the order of their numbers, with the class that the devkit's line of that number says."""
    truth = folder / _DEVKIT / "ILSVRC2012_validation_ground_truth.txt"
    numbers = [int(line) for line in truth.read_text(encoding="ascii").split()]
    paths = sorted((folder / "val").glob("ILSVRC2012_val_*.JPEG"))
    if len(paths) != len(numbers):
        raise ValueError(f"{folder / 'val'} holds {len(paths):,} images but {truth} has {len(numbers):,} lines")
    by_number = _devkit_classes(folder / _DEVKIT / "meta.mat")
    index = {wnid: label for label, wnid in enumerate(classes)}
    known = {number: index[wnid] for number, wnid in by_number.items() if wnid in index}
    strange = next((number for number in numbers if number not in known), None)
    if strange is not None:
        raise ValueError(f"{truth}: class {strange} ({by_number.get(strange, 'unknown')}) has no folder in train/")
    return NamedFiles(paths, np.array([known[number] for number in numbers]))


def _devkit_classes(path: Path) -> dict[int, str]:
    """The ids of the 1,000 leaves by the number that the devkit gives them."""
    import scipy.io

    try:
        synsets = scipy.io.loadmat(str(path), squeeze_me=True)["synsets"]
        return {int(row[0]): str(row[1]) for row in synsets if int(row[4]) == 0}
    except Exception as error:  # SciPy raises many kinds for broken files
        raise ValueError(f"{path} is damaged or not the devkit's meta.mat ({error!r}); unpack it again") from error
