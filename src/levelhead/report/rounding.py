"""Numbers as people read them. Everything before this room keeps full precision; only here is anything rounded.

`None` and NaN are undefined, and shown as a dash, never as zero.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

DASH = "–"
MINUS = "−"

Number = float | int | None


def undefined(value: Number) -> bool:
    """Whether there is no number to show."""
    return value is None or not math.isfinite(value)


def fixed(value: Number, digits: int = 3, *, sign: bool = False) -> str:
    """A number with so many decimals and a real minus; `sign` puts a plus before what is above zero.

    >>> fixed(-0.01234), fixed(0.5, 2, sign=True), fixed(-0.0001), fixed(None)
    ('−0.012', '+0.50', '0.000', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH
    rounded = round(value, digits)
    text = f"{abs(rounded):,.{digits}f}"
    if rounded < 0:
        return MINUS + text
    return f"+{text}" if sign and rounded > 0 else text


def digits_for(value: Number, lo: Number = None, hi: Number = None) -> int:
    """Decimals that a measure needs: three, or four where its interval (or, without one, itself) is below 0.01."""
    if value is None or not math.isfinite(value):
        return 3
    width = abs(value) if lo is None or hi is None or undefined(lo) or undefined(hi) else hi - lo
    return 4 if width < 0.01 else 3


def number(text: str) -> str:
    """What a shown number is sorted by; empty where it is undefined.

    >>> number("−1,234.5"), number("+0.1"), number("–")
    ('-1234.5', '0.1', '')
    """
    return "" if text == DASH else text.replace(MINUS, "-").replace(",", "").lstrip("+")


def count(value: Number) -> str:
    """A whole number, thousands apart.

    >>> count(10000)
    '10,000'
    """
    return DASH if value is None or not math.isfinite(value) else f"{round(value):,}"


def seconds(value: Number) -> str:
    """A duration in the unit that suits it.

    >>> seconds(0.42), seconds(42.4), seconds(900), seconds(20000)
    ('0.4 s', '42 s', '15.0 min', '5.56 h')
    """
    return durations([value])[0]


def durations(values: Sequence[Number]) -> list[str]:
    """Durations of a column, all in the unit that suits the longest: seconds, minutes from ten, hours from three.

    >>> durations([40.0, None, 700.0])
    ['0.7 min', '–', '11.7 min']
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    longest, shortest = max(known, default=0.0), min(known, default=0.0)
    if longest < 600:
        unit, size, digits = "s", 1, 1 if shortest < 10 else 0
    elif longest < 10_800:
        unit, size, digits = "min", 60, 1
    else:
        unit, size, digits = "h", 3600, 2
    return [DASH if undefined(value) else f"{fixed((value or 0) / size, digits)} {unit}" for value in values]


def times(value: Number) -> str:
    """A multiple, such as forward-backward passes a step: 1, 2, 1.5.

    >>> times(1.0), times(1.5)
    ('1', '1.5')
    """
    return DASH if value is None or not math.isfinite(value) else f"{value:.2f}".rstrip("0").rstrip(".")


def bounds(lo: Number, hi: Number, digits: int, *, sign: bool = False) -> str:
    """An interval in brackets; empty where it is undefined.

    >>> bounds(-0.1, 0.25, 2), bounds(None, None, 2)
    ('[−0.10, 0.25]', '')
    """
    if undefined(lo) or undefined(hi):
        return ""
    return f"[{fixed(lo, digits, sign=sign)}, {fixed(hi, digits, sign=sign)}]"


def half_width(cell: Mapping[str, Any] | None) -> float | None:
    """Half of an interval {"lo", "hi"}; None where it is undefined."""
    if not cell or undefined(cell.get("lo")) or undefined(cell.get("hi")):
        return None
    return float(cell["hi"] - cell["lo"]) / 2


def told_apart(cell: Mapping[str, Any] | None) -> bool | None:
    """Whether a paired difference's interval leaves out zero; None where there is no interval."""
    if not cell or undefined(cell.get("diff_lo")) or undefined(cell.get("diff_hi")):
        return None
    return not cell["diff_lo"] <= 0 <= cell["diff_hi"]
