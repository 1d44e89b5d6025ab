"""What goes wrong, said the same way everywhere.

``ValueError``: words, arguments or data are wrong (exit status 2). ``WorkFailed`` and ``OSError``: the work itself
failed (exit status 1).
"""

import difflib
from collections.abc import Iterable


class WorkFailed(RuntimeError):
    """The request was sound but the work could not be finished, for example a loss that became NaN."""


def unknown(what: str, given: str, options: Iterable[str]) -> ValueError:
    """A ``ValueError`` for a name that is in no table: what came, the nearest names, all there are."""
    names = sorted(options)
    near = difflib.get_close_matches(given, names, n=2, cutoff=0.6)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return ValueError(f"unknown {what} {given!r}.{hint} There are: {', '.join(names)}.")
