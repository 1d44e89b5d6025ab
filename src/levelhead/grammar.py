"""The grammar of a sentence, as text: no meaning yet, and nothing is ever evaluated.

sentence := slot { "|" slot } [ "@" term ]      at most four slots
slot     := term { "+" term }
term     := name [ "(" [ argument { "," argument } ] ")" ]
argument := [ name "=" ] value
value    := number | true | false | none | name | "[" [ value { "," value } ] "]" | term
"""

import re
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<name>[A-Za-z_][\w.]*(?::[A-Za-z_]\w*)?)"
    r"|(?P<mark>[|+@(),=\[\]]))"
)
_DEEPEST = 20


@dataclass(frozen=True)
class Term:
    """A name with its arguments, in the order given; the key of a positional argument is ``None``."""

    name: str
    args: tuple[tuple[str | None, Any], ...] = ()
    called: bool = False


def parse_slots(text: str) -> tuple[list[list[Term]], Term | None]:
    """The terms of every slot of a sentence, one slot for a text without ``|``; and the term behind ``@``, if any."""
    reader = _Reader(text)
    slots = [reader.slot()]
    while reader.take("|"):
        slots.append(reader.slot())
    behind = reader.term() if reader.take("@") else None
    if reader.peek() is not None:
        reader.fail(f"unexpected {reader.peek()!r}")
    return slots, behind


def parse_term(text: str) -> Term:
    """One term and nothing after it, for example the name of a network with its arguments."""
    slots, behind = parse_slots(text)
    if len(slots) != 1 or len(slots[0]) != 1 or behind is not None:
        raise ValueError(f"{text!r} must be one name with arguments, such as name(key=value)")
    return slots[0][0]


class _Reader:
    """Reads tokens from left to right; every failure points at its place in the text."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.tokens: list[tuple[str, str, int]] = []
        place = 0
        end = len(text.rstrip())
        while place < end:
            found = _TOKEN.match(text, place)
            if not found:
                start = place + len(text[place:]) - len(text[place:].lstrip())
                raise ValueError(f"cannot read {text!r}: unexpected {text[start]!r} at position {start + 1}")
            kind = found.lastgroup or ""
            self.tokens.append((kind, found.group(kind), found.start(kind)))
            place = found.end()

    def fail(self, reason: str) -> None:
        where = self.tokens[self.at][2] if self.at < len(self.tokens) else len(self.text)
        raise ValueError(f"cannot read {self.text!r}: {reason} at position {where + 1}")

    def peek(self) -> str | None:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def take(self, mark: str) -> bool:
        if self.peek() == mark:
            self.at += 1
            return True
        return False

    def need(self, mark: str) -> None:
        if not self.take(mark):
            self.fail(
                f"expected {mark!r}, found {self.peek()!r}" if self.peek() else f"expected {mark!r}, found the end"
            )

    def slot(self) -> list[Term]:
        terms = [self.term()]
        while self.take("+"):
            terms.append(self.term())
        return terms

    def term(self) -> Term:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != "name":
            self.fail(f"expected a name, found {self.peek()!r}" if self.peek() else "expected a name, found the end")
        name = self.tokens[self.at][1]
        self.at += 1
        if not self.take("("):
            return Term(name)
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"more than {_DEEPEST} parentheses deep")
        args: list[tuple[str | None, Any]] = []
        while not self.take(")"):
            if args:
                self.need(",")
            args.append(self.argument())
        self.depth -= 1
        return Term(name, tuple(args), called=True)

    def argument(self) -> tuple[str | None, Any]:
        following = self.tokens[self.at + 1][1] if self.at + 1 < len(self.tokens) else None
        if following == "=" and self.tokens[self.at][0] == "name":
            key = self.tokens[self.at][1]
            self.at += 2
            return key, self.value()
        return None, self.value()

    def value(self) -> Any:
        if self.at >= len(self.tokens):
            self.fail("expected a value, found the end")
        kind, text, _ = self.tokens[self.at]
        if kind == "number":
            self.at += 1
            return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
        if self.take("["):
            return self.listed()
        if kind != "name":
            self.fail(f"expected a value, found {text!r}")
        term = self.term()
        constants = {"true": True, "false": False, "none": None}
        if not term.called and term.name.lower() in constants:
            return constants[term.name.lower()]
        return term

    def listed(self) -> list[Any]:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"more than {_DEEPEST} brackets deep")
        values: list[Any] = []
        while not self.take("]"):
            if values:
                self.need(",")
            values.append(self.value())
        self.depth -= 1
        return values
