"""A user's pairs of image and mask, for segmentation.

    train/images/NAME.jpg   train/masks/NAME.png      and val/, cal/, test/ likewise
    train/NAME.png          trainannot/NAME.png       and valannot/, testannot/ likewise (the usual copy of CamVid)
    train/NAME.jpg          train/NAME_label.png      (or NAME_mask.png) side by side, and val/, cal/, test/ likewise
    images/NAME.jpg         masks/NAME.png            without a split: cal and test are cut from it at random

A mask's name is its image's, with or without `_label` or `_mask`. `classes.txt` beside them names the classes, one a
line from class 0 on; without it they are called by their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from levelhead.data.folder import ENDINGS
from levelhead.data.masks import Pair, read_pairs
from levelhead.data.records import IGNORED, ROLES
from levelhead.data.source import Request, Source

MARKS = ("_label", "_mask")
NAMES = "classes.txt"


def fits(root: Path) -> bool:
    """Whether a folder holds pairs in one of the layouts, and not folders of classes."""
    return bool(_places(root / "train", root) or _places(root, root))


def read(request: Request) -> Source:
    """Reads the structure, all headers and all masks now, images when it is known which are wanted.

    Raises:
        ValueError: an image without a mask or the other way round, pairs that cannot be used unless they are to be left
            out, a class that is not there.
    """
    root = Path(request.source).expanduser()
    names = _names(root)
    masked = read_pairs(find_pairs(root), root, None if names is None else len(names), request)
    if names is None:
        names = _numbers(masked.highest["train"], root)
        for role, pairs in masked.pairs.items():
            _check_known(masked.highest[role], pairs, len(names))
    counts = ", ".join(f"{len(pairs):,} {role}" for role, pairs in masked.pairs.items())
    return Source(
        name=root.resolve().name,
        kind="segmentation",
        classes=names,
        parts=masked.parts,
        origin=f"images with masks in {root} ({counts}), {masked.form.words}",
        augment=masked.form.augment,
        notes=masked.notes,
        facts=masked.facts,
    )


def find_pairs(root: Path) -> dict[str, list[Pair]]:
    """The pairs of every role that the folder has, `train` alone where there is no split; in the order of names.

    Raises:
        ValueError: a role without pairs, or an image or mask that lacks the other, with its path.
    """
    roles = [role for role in ROLES if (root / role).is_dir()]
    if not roles:
        places = _places(root, root)
        return {"train": _paired(*places)} if places else {}
    found = {}
    for role in roles:
        places = _places(root / role, root)
        if places is None:
            raise ValueError(
                f"{root / role} holds no images with masks; give it images/ and masks/, put {role}annot/ beside it, or "
                f"call masks NAME{MARKS[0]}.png"
            )
        found[role] = _paired(*places)
    if "train" not in found:
        raise ValueError(f"{root} has {', '.join(roles)} but no train/; add it")
    return found


def _places(folder: Path, root: Path) -> tuple[Path, Path] | None:
    """Where the images and the masks of one role lie, one folder where side by side; None where there are none."""
    annotated = root / f"{folder.name}annot"
    if (folder / "images").is_dir() and (folder / "masks").is_dir():
        return folder / "images", folder / "masks"
    if folder != root and folder.is_dir() and annotated.is_dir():
        return folder, annotated
    if folder.is_dir() and any(_is_marked(path) for path in folder.iterdir()):
        return folder, folder
    return None


def _paired(images: Path, masks: Path) -> list[Pair]:
    """Every image with its mask."""
    together = images == masks
    files = _files(images)
    pictures = _by_name([path for path in files if not (together and _is_marked(path))])
    covers = _by_name(
        [path for path in (files if together else _files(masks)) if not together or _is_marked(path)], known=pictures
    )
    if not pictures:
        raise ValueError(f"{images} holds no images (endings: {' '.join(sorted(ENDINGS))}); add some")
    for one, other, what, lacks in (
        (pictures, covers, "image", f"mask in {masks}"),
        (covers, pictures, "mask", f"image in {images}"),
    ):
        alone = [path for name, path in one.items() if name not in other]
        if alone:
            raise ValueError(
                f"the {what} {alone[0]} has no {lacks} ({len(alone):,} of {len(one):,} {what}s have none); a pair has "
                "one name: add what is missing, or remove the other"
            )
    return [Pair(path, covers[name]) for name, path in sorted(pictures.items())]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and not path.name.startswith("."))


def _by_name(paths: Sequence[Path], known: dict[str, Path] | None = None) -> dict[str, Path]:
    """Paths by what pairs are known by: the name without its ending, and without a mark unless an image has it too."""
    found: dict[str, Path] = {}
    for path in paths:
        name = path.stem
        if known is not None and name not in known:
            name = next((name.removesuffix(mark) for mark in MARKS if name.endswith(mark)), name)
        if name in found:
            raise ValueError(f"{found[name]} and {path} have the same name; a name belongs to one pair: rename one")
        found[name] = path
    return found


def _is_marked(path: Path) -> bool:
    return path.stem.endswith(MARKS) and path.suffix.lower() in ENDINGS


def _names(root: Path) -> tuple[str, ...] | None:
    path = root / NAMES
    if not path.is_file():
        return None
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 ({error}); write a class name a line") from None
    names = tuple(line for line in lines if line)
    if not 2 <= len(names) < IGNORED or len(set(names)) < len(names):
        raise ValueError(f"{path} must hold two to {IGNORED - 1} different class names, one a line; got {len(names)}")
    return names


def _numbers(highest: np.ndarray, root: Path) -> tuple[str, ...]:
    """Classes called by their numbers, from 0 to the highest in train."""
    if highest.max() < 1:
        what = "only class 0" if highest.max() == 0 else "no class"
        raise ValueError(
            f"the masks of train in {root} hold {what} beside {IGNORED}, which means ignored; "
            f"a segmentation needs two classes or more: write 0, 1, 2, ... (a mask of 0 and {IGNORED} as 0 and 1)"
        )
    return tuple(str(number) for number in range(int(highest.max()) + 1))


def _check_known(highest: np.ndarray, pairs: Sequence[Pair], num_classes: int) -> None:
    if highest.max() >= num_classes:
        first = int(np.argmax(highest >= num_classes))
        raise ValueError(
            f"{pairs[first].mask}: class {highest[first]} is in no mask of train, which holds 0 to {num_classes - 1}; "
            f"name all classes in {NAMES}, or use {IGNORED} for what is ignored"
        )
