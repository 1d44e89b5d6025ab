"""What every word of a sentence has in common: checked arguments, and a text that reads back as itself.

A member of a slot (a mixer, a target rule, a loss, a penalty) is a frozen dataclass whose fields are declared with
``number``, ``whole``, ``wholes``, ``flag``, ``choice``, ``words`` or ``inner``. From these declarations come the range
checks, the error messages and the canonical text.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar


def number(default: float | None, *, low: float = -math.inf, high: float = math.inf, open_low: bool = False) -> Any:
    """A float argument in ``[low, high]``, or ``(low, high]`` with ``open_low``; always finite.

    With a default of ``None`` it may be left undetermined, ``none`` in a sentence.
    """

    def check(value: Any) -> float | None:
        if default is None and value in (None, "none"):
            return None
        sign = ">" if open_low else ">="
        if high == math.inf:
            wanted = f"a finite number {sign} {low:g}" if low > -math.inf else "a finite number"
        else:
            wanted = f"a number in {'(' if open_low else '['}{low:g}, {high:g}]"
        if default is None:
            wanted += ", or none"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be {wanted}")
        if not (math.isfinite(value) and low <= value <= high) or (open_low and value == low):
            raise ValueError(f"must be {wanted}")
        return float(value)

    return field(default=default, metadata={"check": check})


def whole(default: int, *, low: int, high: int | None = None) -> Any:
    """An integer argument, at least ``low`` and at most ``high``."""

    def check(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high and value > high):
            limit = f" and at most {high}" if high else ""
            raise ValueError(f"must be a whole number of at least {low}{limit}")
        return value

    return field(default=default, metadata={"check": check})


def wholes(*default: int, low: int) -> Any:
    """A list of at least one integer, all different and at least ``low``; kept as a tuple."""

    def check(value: Any) -> tuple[int, ...]:
        items = list(value) if isinstance(value, list | tuple) else []
        whole = all(isinstance(item, int) and not isinstance(item, bool) and item >= low for item in items)
        if not items or not whole or len(set(items)) < len(items):
            raise ValueError(f"must be a list of different whole numbers of at least {low}, such as {show(default)}")
        return tuple(items)

    return field(default=default, metadata={"check": check})


def flag(default: bool) -> Any:
    """An argument that is ``true`` or ``false``."""

    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value

    return field(default=default, metadata={"check": check})


def choice(default: str, *options: str) -> Any:
    """An argument that is one of a few words; the default is one of them."""
    words = (default, *options)

    def check(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return field(default=default, metadata={"check": check})


def words(*default: str) -> Any:
    """An argument that is a list of names, for example of a model's modules; numbers stand for their digits."""

    def check(value: Any) -> tuple[str, ...]:
        if isinstance(value, str | int) and not isinstance(value, bool):
            value = [value]
        if not isinstance(value, list | tuple) or any(
            isinstance(v, bool) or not isinstance(v, str | int) for v in value
        ):
            raise ValueError("must be a list of names in [ ]")
        return tuple(map(str, value))

    return field(default=default, metadata={"check": check})


def inner(family: Callable[[], type]) -> Any:
    """An argument that is itself a member of a slot, for example the mixer that ``alternate`` takes."""

    def check(value: Any) -> Any:
        if not isinstance(value, family()):
            raise ValueError(f"must be a {family().__name__.lower()}")
        return value

    return field(metadata={"check": check, "inner": True})


@dataclass(frozen=True)
class Member:
    """Base of all words: checks every argument when built, prints as the sentence's own syntax."""

    word: ClassVar[str]

    def __init_subclass__(cls) -> None:
        # a class from elsewhere is called by its path, which is also how a sentence finds it
        if "word" not in cls.__dict__:
            cls.word = f"{cls.__module__}:{cls.__qualname__}"

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            try:
                object.__setattr__(self, item.name, item.metadata["check"](value))
            except ValueError as error:
                raise ValueError(f"{self.word}: {item.name} {error}, not {show(value)}") from None
        self.check()

    def check(self) -> None:
        """Refuse arguments that are each in range but make no sense together."""

    def moot(self) -> set[str]:
        """Names of arguments that have no effect beside the others: an error when given, never printed."""
        return set()

    def unsaid(self) -> set[str]:
        """Names of arguments left out of the printed text because the text without them means the same."""
        return self.moot()

    def __str__(self) -> str:
        unsaid = self.unsaid()
        said = [
            # what a word wraps reads better without its argument's name: alternate(midpoint)
            ("" if item.metadata.get("inner") else f"{item.name}=") + show(getattr(self, item.name))
            for item in sorted(fields(self), key=lambda item: bool(item.kw_only))
            if item.name not in unsaid
        ]
        if not said:
            return self.word
        return f"{self.word}({', '.join(said)})"


def show(value: Any) -> str:
    """A value in the sentence's syntax: ``true``, ``0.4``, ``3``, a word, or a list in brackets."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(show(item) for item in value)}]"
    return str(value)
