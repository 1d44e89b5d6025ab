"""A network's name as text: ``name(argument=value)``, with a prefix for other packages' networks.

The grammar is the sentences' own, and two things more: what stands between a prefix and the parenthesis is taken as it
is (``hf:owner/name``, ``smp:Unet/resnet18``), and a value may be a text in quotes, for the path of a file.
"""

import inspect
import re
from collections.abc import Callable
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from levelhead.errors import unknown
from levelhead.grammar import Term, parse_term

PREFIXES = ("torchvision", "timm", "hf", "smp")
_PREFIXED = re.compile(rf"\s*({'|'.join(PREFIXES)}):([^\s()]+)\s*(\(.*\))?\s*", re.DOTALL)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def read_name(text: str, what: str = "network") -> tuple[str | None, str, dict[str, Any]]:
    """The prefix of another package or ``None``, the name, and the arguments by name; ``what`` it is, for errors.

    Raises ``ValueError`` for what cannot be read, and for arguments without names or given twice.
    """
    quoted: list[str] = []

    def keep(found: re.Match[str]) -> str:
        quoted.append(found[1] if found[1] is not None else found[2])
        return f"quoted__{len(quoted) - 1}"

    found = _PREFIXED.fullmatch(text)
    prefix, name, rest = found.groups() if found else (None, "", None)
    try:
        term = parse_term(_QUOTED.sub(keep, text if found is None else f"network{rest or ''}"))
    except ValueError as error:
        raise ValueError(f"the {what} {text!r}: {error}") from None
    given: dict[str, Any] = {}
    for key, value in term.args:
        if key is None:
            raise ValueError(f"{text}: give a {what}'s arguments by name, such as width=16")
        if key in given:
            raise ValueError(f"{text}: {key} is given twice")
        given[key] = _plain(value, quoted)
    return prefix, name or term.name, given


def with_pretrained(text: str, pretrained: str | None) -> str:
    """The network's name with the weights that it starts from among its arguments.

    >>> with_pretrained("timm:vit_tiny(img_size=32)", "vit.safetensors")
    "timm:vit_tiny(img_size=32, pretrained='vit.safetensors')"

    Raises ``ValueError`` where the name says already which.
    """
    if pretrained is None:
        return text
    if "pretrained" in read_name(text)[2]:
        raise ValueError(f"{text} says pretrained= itself; leave --pretrained out")
    quote = '"' if "'" in pretrained else "'"
    head, _, rest = text.rstrip().partition("(")
    given = rest.removesuffix(")").strip()
    return f"{head}({given}{', ' if given else ''}pretrained={quote}{pretrained}{quote})"


def is_pretrained(text: str) -> bool:
    """Whether the network's name says that it starts from weights that somebody trained before."""
    return read_name(text)[2].get("pretrained", False) not in (False, None, "none")


_PRETRAINED = re.compile(r"""(\bpretrained)\s*=\s*(?:'[^']*'|"[^"]*"|\w+)""")


def without_file(text: str) -> str:
    """The network's name without saying where the weights lie that it starts from: a digest says which they are.

    >>> without_file("timm:vit_tiny(img_size=32, pretrained='vit.safetensors')")
    'timm:vit_tiny(img_size=32, pretrained)'
    """
    return _PRETRAINED.sub(r"\1", text)


def without_weights(text: str) -> str:
    """The name of the same network with drawn weights, for weights that are put into it afterwards.

    >>> without_weights("timm:vit_tiny(pretrained='vit.safetensors', img_size=32)")
    'timm:vit_tiny(img_size=32)'
    """
    if text.startswith("hf:"):
        return text  # its configuration depends on it, and lies beside its weights
    bare = re.sub(r"\bpretrained\b\s*,?\s*", "", without_file(text)).rstrip()
    return re.sub(r"(,\s*)?\)$", ")", bare).removesuffix("()")


def _plain(value: Any, quoted: list[str]) -> Any:
    """A quoted text as it was, a bare word as text, a list likewise."""
    if isinstance(value, list):
        return [_plain(item, quoted) for item in value]
    if isinstance(value, Term):
        if value.called or ":" in value.name:
            raise ValueError(f"{value.name}: a network's argument is a number, a word or a text in quotes")
        number = value.name.removeprefix("quoted__")
        return quoted[int(number)] if number != value.name else value.name
    return value


def arguments(builder: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments that a user may give to a builder of the table: its keyword-only ones."""
    return {key: item for key, item in inspect.signature(builder).parameters.items() if item.kind == item.KEYWORD_ONLY}


def usage(name: str, builder: Callable[..., Any]) -> str:
    """``name(argument=default)``; a choice shows all its words, the default first."""
    shown = []
    for key, item in arguments(builder).items():
        options = [str(option) for option in _options(item.annotation)]
        default = str(item.default).lower()
        shown.append(f"{key}={'|'.join([default, *(option for option in options if option != default)])}")
    return f"{name}({', '.join(shown)})" if shown else name


def check_arguments(name: str, builder: Callable[..., Any], given: dict[str, Any]) -> None:
    """Raises ``ValueError`` for an argument that the builder has not, or a value that its annotation does not allow."""
    allowed = arguments(builder)
    for key, value in given.items():
        if key not in allowed:
            if not allowed:
                raise ValueError(f"{name} takes no arguments, but {key} was given")
            raise unknown(f"argument of {name}", key, allowed)
        said = _refusal(key, value, allowed[key].annotation)
        if said:
            raise ValueError(f"{name}: {key} must be {said}, not {value}")


def _options(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _refusal(key: str, value: Any, annotation: Any) -> str | None:
    """What the value should have been, or ``None`` where it is."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return None if value is None else _refusal(key, value, kinds[0])
    if options := _options(annotation):
        return None if value in options and not isinstance(value, bool) else f"one of {', '.join(map(str, options))}"
    if annotation is bool:
        return None if isinstance(value, bool) else "true or false"
    if annotation is str:
        return None if isinstance(value, str) else "a text in quotes"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return None if number and isinstance(value, int) and value >= 1 else "a whole number of at least 1"
    if key == "dropout":
        return None if number and 0 <= value < 1 else "a number in [0, 1)"
    return None if number and value > 0 else "a positive number"
