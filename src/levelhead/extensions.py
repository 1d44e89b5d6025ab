"""Words that are not ours: members of a slot that a package registers, or that a sentence names by their path.

A package declares entry points in the groups ``levelhead.mixing``, ``levelhead.targets``, ``levelhead.loss`` and
``levelhead.penalty``, whose name is the word of the class; or a sentence says ``package.module:Name``.
"""

import importlib
from collections.abc import Mapping
from dataclasses import fields
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
        except Exception as error:  # whatever the user's own module does when it is imported
            raise ValueError(f"{name!r}: importing {module} failed with {error!r}") from error
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
    plain = [item.name for item in fields(found) if "check" not in item.metadata]
    if plain:
        raise ValueError(
            f"{name!r}: declare {', '.join(plain)} with number, whole, flag, choice or words of levelhead.member, "
            "so that the value is checked and printed"
        )
    if slot == "penalty" and "weight" not in {item.name for item in fields(found)}:
        raise ValueError(f"{name!r} needs a weight: float = number(0.1, low=0), which multiplies the penalty")
    if found.word != name:
        raise ValueError(f"{name!r} calls itself {found.word!r}, so its text would not read back; {cure}")
    return found
