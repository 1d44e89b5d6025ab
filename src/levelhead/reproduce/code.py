"""Which code made a run's numbers: the commit of the checkout that the package lies in, or the installed version."""

import subprocess
from functools import cache
from pathlib import Path

from levelhead._version import __version__

_PACKAGE = Path(__file__).parents[1]


@cache
def commit(package: Path = _PACKAGE) -> str:
    """The commit, marked ``-dirty`` where tracked files differ from it; the version where the package is no checkout.

    A package that was installed into somebody's project lies in their repository, but is not part of it.
    """
    if _git(package, "ls-files", "--error-unmatch", "_version.py"):
        found = _git(package, "describe", "--always", "--dirty")
        if found:
            return found
    return f"levelhead {__version__}"


def _git(folder: Path, *words: str) -> str:
    """What git says there; empty where it fails, or is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
