"""Words that are not ours: members of a slot that a package registers, or that a sentence names by their path.

A package declares entry points in the groups ``levelhead.mixing``, ``levelhead.targets``, ``levelhead.loss`` and
``levelhead.penalty``, whose name is the word of the class; or a sentence says ``package.module:Name``.
"""

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from levelhead.errors import unknown
from levelhead.member import Member


def find(slot: str, family: Mapping[str, type[Member]], bases: tuple[type, ...], name: str) -> type[Any]:
    """The class that ``name`` stands for in a slot: one of ours, a registered one, or the one at a path.

    Raises ``ValueError`` for a name that is unknown, cannot be imported or is no member of this slot.
    """
    if name in family:
        return family[name]
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise ValueError(f"{name!r}: cannot import {error.name}; is it installed, or in this folder?") from None
        except AttributeError:
            raise ValueError(f"{name!r}: the module {module} has no {attribute}") from None
        cure = "leave its `word` away, so that it is called by its path"
    else:
        registered = {point.name: point for point in entry_points(group=f"levelhead.{slot}")}
        if name not in registered:
            raise unknown(f"word of the {slot} slot", name, [*family, *registered])
        found = registered[name].load()
        cure = f"set its `word` to {name!r}"
    if not isinstance(found, type) or not issubclass(found, bases) or not issubclass(found, Member):
        kinds = " or ".join(f"levelhead's {base.__name__}" for base in bases)
        raise ValueError(f"{name!r} must be a class derived from {kinds} to stand in the {slot} slot")
    if found.word != name:
        raise ValueError(f"{name!r} calls itself {found.word!r}, so its text would not read back; {cure}")
    return found
