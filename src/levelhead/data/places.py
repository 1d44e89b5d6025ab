"""Where the files of a named data set may lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def data_root(data_dir: str | None) -> Path:
    """The folder that named data sets are looked for in and downloaded to.

    `data_dir`, else the environment's LEVELHEAD_DATA, else `levelhead` in the user's cache folder.
    """
    named = data_dir or os.environ.get("LEVELHEAD_DATA")
    return Path(named).expanduser() if named else cache_root()


def cache_root() -> Path:
    """The folder of what can be made or downloaded again: `levelhead` in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "levelhead"


def candidates(root: Path, folders: Sequence[str], others: Sequence[str] = ()) -> list[Path]:
    """The existing folders that may hold a data set: `root/FOLDER` for each name, then `root` itself.

    Args:
        root: what `data_root` gave.
        folders: folder names, likeliest first.
        others: folder names of data sets whose files are called the same; a `root` with such a name is not
            searched.
    """
    same_files = {_bare(Path(other).parts[0]) for other in others}
    own_name = root.parent.name if root.name == "raw" else root.name
    found = [root / folder for folder in folders if (root / folder).is_dir()]
    if root.is_dir() and _bare(own_name) not in same_files:
        found.append(root)
    return found


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
