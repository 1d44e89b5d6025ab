"""What goes wrong, said the same way everywhere.

``ValueError``: words, arguments or data are wrong (exit status 2). ``WorkFailed`` and ``OSError``: the work itself
failed (exit status 1).
"""

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType

#: More names than these are counted, not listed.
_LISTED = 40


class WorkFailed(RuntimeError):
    """The request was sound but the work could not be finished, for example a loss that became NaN."""


def need(module: str, extra: str, what: str) -> ModuleType:
    """Import a package that an extra brings; where it is missing, a ``ValueError`` names the extra and the command."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ValueError(f"{what} needs the extra {extra!r}: pip install 'levelhead[{extra}]'") from None


def unknown(what: str, given: str, options: Iterable[str]) -> ValueError:
    """A ``ValueError`` for a name that is in no table: what came, the nearest names, all there are."""
    names = sorted(options)
    near = difflib.get_close_matches(given, names, n=2, cutoff=0.6)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    there = f" There are: {', '.join(names)}." if len(names) <= _LISTED else f" There are {len(names)}."
    return ValueError(f"unknown {what} {given!r}.{hint}{there}")
