"""From a term to what it names: its arguments bound by name, checked, and told what is wrong with them.

One way for every word of levelhead: methods, members of a sentence, probes, schedules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from levelhead.errors import unknown
from levelhead.grammar import Term
from levelhead.member import Member, show

M = TypeVar("M", bound=Member)


def bind(term: Term, names: Sequence[str]) -> dict[str, Any]:
    """The arguments of a term by name, positional ones in the order of ``names``; values as the grammar has them."""
    bound: dict[str, Any] = {}
    if term.args and not names:
        raise ValueError(f"{text(term)}: {term.name} takes no arguments")
    for place, (key, value) in enumerate(term.args):
        if key is None:
            if any(earlier is not None for earlier, _ in term.args[:place]):
                raise ValueError(f"{text(term)}: an argument without a name cannot follow one with a name")
            if place >= len(names):
                raise ValueError(f"{text(term)}: {term.name} takes at most {len(names)} arguments ({', '.join(names)})")
            key = names[place]
        if key not in names:
            raise unknown(f"argument of {term.name}", key, names)
        if key in bound:
            raise ValueError(f"{text(term)}: {key} is given twice")
        bound[key] = value
    return bound


def built(
    cls: type[M], term: Term, *, inner: Callable[[Any], Any] | None = None, told: Mapping[str, Any] | None = None
) -> M:
    """The member ``cls`` with the arguments of ``term``, checked.

    ``inner`` makes the member that an argument is of its own. ``told``: fields that are not for the term to say. What
    a family shares (keyword-only fields) goes by name; all else also by place. Raises ``ValueError`` for an argument
    that is unknown, missing, given twice, out of range, or without effect.
    """
    declared = {item.name: item for item in fields(cls) if item.name not in (told or {})}
    positional = [name for name, item in declared.items() if not item.kw_only]
    by_name = [name for name, item in declared.items() if item.kw_only]
    if sum(key is None for key, _ in term.args) > len(positional):
        raise ValueError(f"{text(term)}: {term.name} takes at most {len(positional)} arguments without a name")
    given = {
        name: inner(value) if inner and declared[name].metadata.get("inner") else plain(value)
        for name, value in bind(term, positional + by_name).items()
    }
    missing = [name for name, item in declared.items() if item.metadata.get("inner") and name not in given]
    if missing:
        raise ValueError(f"{term.name} needs a {missing[0]}, for example {term.name}(midpoint)")
    member = cls(**given, **(told or {}))
    idle = sorted(member.moot() & given.keys())
    if idle:
        raise ValueError(f"{text(term)}: {idle[0]} has no effect there; leave it out")
    return member


def plain(value: Any) -> Any:
    """A value as a member takes it: bare words, ``none`` among them, are text."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return text(value) if isinstance(value, Term) else "none" if value is None else value


def text(term: Term) -> str:
    """A term as it is written."""
    args = ", ".join((f"{key}=" if key else "") + show(plain(value)) for key, value in term.args)
    return f"{term.name}({args})" if term.called else term.name
