"""The examples of a file that were answered wrongly with the most confidence: hard ones, and labels that are wrong."""

import heapq
from typing import Any

import numpy as np

from levelhead.evaluate.source import Rows
from levelhead.evaluate.tally import Examples
from levelhead.evaluate.top_label import Answers

#: How many are kept.
MOST = 20


class Mistakes:
    """The most confident mistakes of all blocks so far, in constant memory; of equal confidence the first rows."""

    def __init__(self, classes: tuple[str, ...] = (), most: int = MOST) -> None:
        self._classes, self._most = classes, most
        self._kept: list[tuple[float, int, dict[str, Any]]] = []

    def add(self, before: Examples, after: Examples, rows: Rows) -> None:
        """Take a block as it came and after scaling. Label distributions have no mistakes."""
        if rows.votes is not None:
            return
        # one minus the confidence tells those apart that round to one
        for at in self._surest(np.flatnonzero(before.correct < 1), before.rest):
            found = self._found(rows.start + at, None if rows.ids is None else rows.ids[at], before.confidence[at])
            found |= {
                "label": self._named(int(rows.labels[at])),
                "predicted": self._named(int(before.predicted[at])),
                "confidence_scaled": float(after.confidence[at]),
            }
            self._keep(float(before.rest[at]), found)

    def add_answers(self, block: Answers, start: int) -> None:
        """Take a block of which only the top label is known."""
        rest = 1 - block.confidence.astype(np.float64)
        for at in self._surest(np.flatnonzero(~block.correct), rest):
            found = self._found(start + at, None if block.ids is None else block.ids[at], block.confidence[at])
            found |= {"label": _plain(block.truth[at]), "predicted": _plain(block.predicted[at])}
            self._keep(float(rest[at]), found)

    def listed(self) -> list[dict[str, Any]]:
        """The most confident first: row, id (None without), label, predicted, confidence before and after scaling."""
        return [found for *_, found in sorted(self._kept, key=lambda kept: (-kept[0], -kept[1]))]

    def _surest(self, wrong: np.ndarray, rest: np.ndarray) -> list[int]:
        return wrong[np.argsort(rest[wrong], kind="stable")[: self._most]].tolist()

    def _keep(self, rest: float, found: dict[str, Any]) -> None:
        heapq.heappush(self._kept, (-rest, -found["row"], found))
        if len(self._kept) > self._most:
            heapq.heappop(self._kept)

    def _found(self, row: int, name: Any, confidence: Any) -> dict[str, Any]:
        return {"row": row, "id": None if name is None else _plain(name), "confidence": float(confidence)}

    def _named(self, label: int) -> str:
        return self._classes[label] if self._classes else str(label)


def _plain(value: Any) -> int | str:
    """What JSON can hold: a whole number as one, all else as text."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else value.decode() if isinstance(value, bytes) else str(value)
