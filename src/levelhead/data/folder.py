"""A user's folder of images: `train/ [val/] [cal/] test/` of class folders, or one tree that is split.

A class is a folder; its images may lie in folders of their own inside. Classes and images are taken in the
order of their names. Files that by their ending are no images are left out with a note; hidden ones silently.
`group_pattern`, a regular expression, reads from each path (from the class folder on, with forward slashes) what the
image belongs to: its first bracketed part, or all that matches.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from levelhead.data.pictures import picture_parts
from levelhead.data.records import ROLES
from levelhead.data.source import Request, Source

ENDINGS = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp"),
        *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
    )
)


@dataclass(frozen=True)
class _Tree:
    """The images of one tree of class folders, class by class."""

    folder: Path
    images: dict[str, list[Path]]
    others: list[Path]

    def paths(self, classes: Sequence[str]) -> list[Path]:
        return [path for name in classes for path in self.images[name]]

    def labels(self, classes: Sequence[str]) -> np.ndarray:
        return np.repeat(np.arange(len(classes)), [len(self.images[name]) for name in classes])


def read(request: Request) -> Source:
    """Reads the folder's structure and all headers now, the pixels when it is known which are wanted.

    Raises:
        ValueError: no class folders, an empty one, classes that differ between splits, an unreadable image, a path
            that the pattern of groups does not match.
    """
    root = Path(request.source).expanduser()
    trees = _trees(root)
    classes = tuple(trees["train"].images)
    _check_same_classes(trees)
    if len(classes) < 2:
        only = trees["train"].folder / classes[0]
        inside = f"; do you mean {only}?" if len(_folders(only)) > 1 else ""
        raise ValueError(
            f"{only.parent} holds only one class folder ({only.name}); a classifier needs at least two{inside}"
        )
    paths = {role: tree.paths(classes) for role, tree in trees.items()}
    pattern = request.group_pattern
    parts, form, notes, facts = picture_parts(
        {role: [(str(path), path) for path in each] for role, each in paths.items()},
        {role: tree.labels(classes) for role, tree in trees.items()},
        None
        if pattern is None
        else lambda role, rows: _groups(trees[role].folder, [paths[role][row] for row in rows], pattern),
        replace(request, source=str(root)),
    )
    split = len(trees) > 1 or trees["train"].folder != root
    layout = f"{', '.join(trees)} of class folders" if split else "one tree of class folders"
    others = [path for tree in trees.values() for path in tree.others]
    if others:
        notes += (f"{len(others):,} files that are no images by their ending were left out, first {others[0]}",)
    return Source(
        name=root.resolve().name,
        kind="image",
        classes=classes,
        parts=parts,
        origin=f"images in {root}: {layout}, brought to {form.height}x{form.width}",
        notes=notes,
        facts=facts if pattern is None else {**facts, "group_pattern": pattern},
    )


def _groups(root: Path, paths: Sequence[Path], pattern: str) -> np.ndarray:
    """The group of each image, as its path says it, `(N,)` of strings."""
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"group_pattern '{pattern}' is no regular expression ({error})") from None
    found = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        match = wanted.search(name)
        text = None if match is None else match.group(1) if wanted.groups else match.group(0)
        if not text:
            raise ValueError(
                f"group_pattern '{pattern}' finds nothing in {name!r}; every image needs a group; for images in "
                "folders of their own inside the class folders the pattern is '[^/]+/([^/]+)/'"
            )
        found.append(text)
    return np.array(found, dtype=np.str_)


def _trees(root: Path) -> dict[str, _Tree]:
    folders = _folders(root)
    named = [path.name for path in folders]
    roles = [role for role in ROLES if role in named]
    if not roles:
        return {"train": _tree(root)}
    if "train" not in roles:
        raise ValueError(
            f"{root} has {_with_slash(roles)} but no train/; add train/ with a folder for each class, or "
            "give one tree of class folders alone"
        )
    unknown = [name for name in named if name not in ROLES]
    if unknown:
        raise ValueError(
            f"{root} has {_with_slash(unknown)} beside {_with_slash(roles)}; beside train/ there may be "
            "only val/, cal/ and test/: rename or move the others"
        )
    return {role: _tree(root / role) for role in roles}


def _tree(folder: Path) -> _Tree:
    images: dict[str, list[Path]] = {}
    others: list[Path] = [path for path in sorted(folder.iterdir()) if path.is_file() and not _hidden(path.name)]
    for class_folder in _folders(folder):
        files = _files(class_folder)
        images[class_folder.name] = [path for path in files if path.suffix.lower() in ENDINGS]
        others += [path for path in files if path.suffix.lower() not in ENDINGS]
        if not images[class_folder.name]:
            raise ValueError(
                f"{class_folder} holds no images (endings: {' '.join(sorted(ENDINGS))}); add some, or remove the folder"
            )
    if not images:
        raise ValueError(f"{folder} holds no class folders; put the images of each class into a folder of its name")
    return _Tree(folder, images, others)


def _check_same_classes(trees: dict[str, _Tree]) -> None:
    known = set(trees["train"].images)
    for role, tree in trees.items():
        missing, extra = sorted(known - set(tree.images)), sorted(set(tree.images) - known)
        if missing or extra:
            parts = [f"{role}/ lacks {', '.join(missing)}"] if missing else []
            parts += [f"train/ lacks {', '.join(extra)}"] if extra else []
            raise ValueError(
                f"{tree.folder}: classes differ from those of train/: {' and '.join(parts)}; every split "
                "needs the same class folders"
            )


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not _hidden(path.name))


def _files(folder: Path) -> list[Path]:
    found = []
    for inner, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _hidden(name)]
        found += [Path(inner, name) for name in files if not _hidden(name)]
    return sorted(found)


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX")) or name in ("Thumbs.db", "desktop.ini")


def _with_slash(folders: Sequence[str]) -> str:
    return ", ".join(f"{name}/" for name in folders)
