"""Data for the page: numbers at four significant digits, long traces thinned, and text that cannot leave its place."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SIGNIFICANT = 4
MAX_POINTS = 2_000
# Characters with a meaning in HTML, and the two line ends that JSON allows in a string and old JavaScript does not.
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def significant(value: float, digits: int = SIGNIFICANT) -> float | int | None:
    """A number at so many significant digits; None for NaN and infinities, which JSON has no word for."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def compact(value: Any) -> Any:
    """The same nested value for JSON: arrays as lists, floats at four significant digits. Whole numbers stay exact."""
    if isinstance(value, Mapping):
        return {str(key): compact(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [compact(item) for item in value.tolist()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [compact(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return significant(value) if isinstance(value, float) else value


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: no text in it can close the element or open a comment."""
    text = json.dumps(compact(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def thinned(length: int, limit: int = MAX_POINTS) -> np.ndarray:
    """Indices of at most `limit` of `length` points, evenly spaced, the first and the last among them."""
    if length <= limit:
        return np.arange(length)
    return np.unique(np.linspace(0, length - 1, limit).round().astype(np.int64))
