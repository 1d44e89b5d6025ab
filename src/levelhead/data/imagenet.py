"""`imagenet` (ImageNet-1k) and `imagenet-a`: class folders of WordNet ids, read when it is known which are wanted.

The official validation images are test. They lie in class folders, or flat beside the devkit, whose ground truth
numbers the classes in an order of its own. torchvision's loader would unpack archives and move files in the user's
folder, so only its way of reading the devkit is followed. Images are scaled to cover 224x224, as the usual networks
want them, then cut at the centre.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from levelhead.data.decode import Form
from levelhead.data.facts import FACTS, SYNSETS
from levelhead.data.folder import ENDINGS
from levelhead.data.image_files import file_part
from levelhead.data.named import locate, named_source
from levelhead.data.source import Part, Request, Source
from levelhead.data.synsets import class_names, wnids

_DEVKIT = Path("ILSVRC2012_devkit_t12", "data")


def imagenet(request: Request) -> Source:
    """ImageNet-1k (Russakovsky et al. 2015): 1,281,167 and 50,000 uint8 images `(N, 3, 224, 224)`; flip."""
    found = locate("imagenet", request.data_dir)
    form = _form("imagenet", request)
    train = _class_folders(found.folder / "train")
    classes = tuple(train)
    if found.layout.files == SYNSETS:
        test = _class_folders(found.folder / "val")
        if tuple(test) != classes:
            odd = sorted(set(test) ^ set(classes))
            raise ValueError(f"{found.folder}: train/ and val/ have not the same classes; {', '.join(odd[:5])} differ")
        part = _part(test, classes, form)
    else:
        part = _validation(found.folder, classes, form)
    return named_source(
        "imagenet",
        {"train": _part(train, classes, form), "test": part},
        f"{found.layout.name} in {found.folder}, {form.height}x{form.width}",
        classes=class_names(classes),
    )


def imagenet_a(request: Request) -> Source:
    """ImageNet-A (Hendrycks et al. 2021): 7,500 photographs of 200 of the classes; a test set alone."""
    return _adversarial("imagenet-a", request, None)


def imagenet_a_tiny(request: Request) -> Source:
    """Of ImageNet-A the 74 classes that Tiny-ImageNet has, at its size of 64x64."""
    return _adversarial("imagenet-a-tiny", request, wnids("tiny"))


def _adversarial(name: str, request: Request, kept: tuple[str, ...] | None) -> Source:
    found = locate(name, request.data_dir)
    form = _form(name, request)
    images = _class_folders(found.folder)
    classes = tuple(wnid for wnid in images if kept is None or wnid in kept)
    if not classes:
        raise ValueError(f"{found.folder} holds none of the classes of Tiny-ImageNet; it holds {', '.join(images)}")
    how = f"{found.layout.name} in {found.folder}, {form.height}x{form.width}"
    return named_source(name, {"test": _part(images, classes, form)}, how, classes=class_names(classes))


def _form(name: str, request: Request) -> Form:
    shape = FACTS[name].shape
    assert shape is not None
    height, width = request.image_size or shape[1:]
    return Form(3, height, width)


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


def _part(images: dict[str, list[Path]], classes: tuple[str, ...], form: Form) -> Part:
    labels = np.repeat(np.arange(len(classes)), [len(images[name]) for name in classes])
    return file_part([path for name in classes for path in images[name]], labels, form)


def _validation(folder: Path, classes: tuple[str, ...], form: Form) -> Part:
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
    return file_part(paths, np.array([known[number] for number in numbers]), form)


def _devkit_classes(path: Path) -> dict[int, str]:
    """The ids of the 1,000 leaves by the number that the devkit gives them."""
    import scipy.io

    try:
        synsets = scipy.io.loadmat(str(path), squeeze_me=True)["synsets"]
        return {int(row[0]): str(row[1]) for row in synsets if int(row[4]) == 0}
    except Exception as error:  # SciPy raises many kinds for broken files
        raise ValueError(f"{path} is damaged or not the devkit's meta.mat ({error!r}); unpack it again") from error
