"""Parts of an objective that ``torch.compile`` should leave alone: random draws, and hooks that come and go."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

F = TypeVar("F", bound=Callable[..., Any])


def eager(*, recursive: bool = True) -> Callable[[F], F]:
    """``torch.compiler.disable``, put off until the first call: it imports the compiler, which takes a second.

    With ``recursive=False`` only the function itself is left alone, and what it calls is compiled.
    """

    def decorate(function: F) -> F:
        kept: list[Callable[..., Any]] = []

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not kept:
                kept.append(torch.compiler.disable(function, recursive=recursive))
            return kept[0](*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate
