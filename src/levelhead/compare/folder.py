"""The folder of a comparison: whose it is, who works in it, and where its files are."""

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from levelhead._version import __version__
from levelhead.compare.settings import Comparison
from levelhead.files import read_json, write_json
from levelhead.train.execute import is_finished
from levelhead.train.run import FINISHED, Run, versions


class Folder:
    """One comparison's folder. More methods and seeds extend it; anything else differing is refused."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def card(self) -> Path:
        """The file that says whose folder it is."""
        return self.path / "comparison.json"

    def run(self, run: Run) -> Path:
        """The folder of one run."""
        return self.path / "runs" / run.hash

    def finished(self, run: Run) -> bool:
        """Whether a run's files are all there, with what it was asked to record."""
        return is_finished(self.run(run), run.record)

    @contextmanager
    def claimed(self, comparison: Comparison, command: str) -> Iterator[None]:
        """Take the folder for this comparison alone while the block runs.

        Raises ``ValueError`` where it belongs to another comparison, holds somebody else's files, or is in use.
        """
        self._check_place()
        known = read_json(self.card) if self.card.exists() else None
        if known is not None:
            self._refuse_other(known.get("identity", {}), comparison.identity())
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(
                    f"another comparison is at work in {self.path}; wait for it or choose another --out"
                ) from None
            write_json(self.card, self._card(comparison, command, known or {}))
            yield

    def version_warnings(self) -> list[str]:
        """One sentence for every package that changed since the first of the finished runs was made."""
        now, warnings = versions(), []
        for path in sorted(self.path.glob(f"runs/*/{FINISHED}")):
            then = read_json(path).get("versions", {})
            warnings += [
                f"{name} was {then[name]} when some runs were made and is {now[name]} now: numbers may differ"
                for name in now
                if name in then and then[name] != now[name]
            ]
        return sorted(set(warnings))

    def _check_place(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"--out {self.path} is a file; give a folder")
        if self.path.is_dir() and not self.card.exists():
            strangers = [entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")]
            if strangers:
                raise ValueError(
                    f"--out {self.path} holds files that are no comparison ({', '.join(sorted(strangers)[:3])}); "
                    "give a new or empty folder"
                )

    def _refuse_other(self, then: dict[str, Any], now: dict[str, Any]) -> None:
        different = differences(then, now)
        if different:
            raise ValueError(
                f"{self.path} belongs to another comparison: {'; '.join(different[:4])}. "
                "Give the same settings to extend it, or another --out"
            )

    def _card(self, comparison: Comparison, command: str, known: dict[str, Any]) -> dict[str, Any]:
        data = comparison.data
        earlier = known.get("commands") or [known["command"]] if known else []
        return {
            "levelhead": __version__,
            "command": command,
            # a folder that was extended is made again by all of them, in this order
            "commands": list(dict.fromkeys([*earlier, command])),
            "identity": comparison.identity(),
            "data": {
                "origin": data.origin,
                "classes": list(data.classes),
                "counts": data.counts(),
                "notes": list(data.notes),
            },
            "machine": {
                "processor": processor(),
                "cores": os.cpu_count(),
                "platform": platform.platform(terse=True),
            },
            "versions": versions(),
        }


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What of a comparison's identity is another, in words: empty where they are the same."""
    return [f"{name} ({_short(before)} there, {_short(after)} here)" for name, before, after in _differences(then, now)]


def _differences(then: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in {**then, **now}:
            yield from _differences(then.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif then != now:
        yield name, then, now


def _short(value: Any) -> str:
    text = "not said" if value is None else str(value)
    return text if len(text) <= 16 else f"{text[:12]}..."


def processor() -> str:
    """The name of this machine's processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def default_folder(comparison: Comparison) -> Path:
    """Where a comparison goes that was given no ``--out``: a folder of its own for every identity."""
    identity = json.dumps(comparison.identity(), sort_keys=True).encode()
    return Path("levelhead-runs") / f"{comparison.data.name}-{hashlib.sha256(identity).hexdigest()[:8]}"
