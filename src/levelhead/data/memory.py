"""Whether a data set is kept in memory, and how much of that there is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

WORDS = ("auto", "always", "never")
MOST_WORKERS = 4  # unless the user asks for more
MANY = 20_000  # files from which it pays to start workers that look into them


@dataclass(frozen=True)
class Streaming:
    """Whether images stay on disk, and who decodes them.

    Attributes:
        word: `always`, `never`, or `auto`: where all pixels would take more than half of the free memory.
        workers: processes that decode; None is one a core, at most four.
    """

    word: str = "auto"
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.word not in WORDS:
            raise ValueError(f"stream must be one of {', '.join(WORDS)}, not {self.word!r}")

    def wanted(self, nbytes: int) -> bool:
        """Whether so many bytes stay on disk."""
        return self.word == "always" or (self.word == "auto" and nbytes > free_memory() // 2)

    @property
    def decoders(self) -> int:
        """How many processes decode."""
        return min(MOST_WORKERS, os.cpu_count() or 1) if self.workers is None else self.workers

    def checkers(self, number: int) -> int:
        """How many processes look into so many files before the set is read; 0 for none but this."""
        asked = self.workers is not None or self.word == "always"
        return self.decoders if asked or (number > MANY and self.word == "auto") else 0


def free_memory() -> int:
    """Bytes that this process may still take: what the system has, or its control group allows if that is less."""
    return min([_of_the_system(), *_of_the_groups()])


def _of_the_system() -> int:
    lines = _lines(Path("/proc/meminfo"))
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # systems that do not say what is free


def _of_the_groups() -> list[int]:
    """What containers leave, in both versions of control groups; nothing where there is no limit."""
    group = Path("/sys/fs/cgroup")
    left = []
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        numbers = [line for name in (limit, used) for line in _lines(group / name)[:1]]
        if len(numbers) == 2 and all(number.isdecimal() for number in numbers):
            left.append(max(0, int(numbers[0]) - int(numbers[1])))
    return left


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
