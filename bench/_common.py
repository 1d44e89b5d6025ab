"""What the bench scripts share: interleaved repetitions, ratios within one run, and where and how they ran.

A machine's speed drifts, so everything that is compared is timed in turn, again and again, and only ratios within one
repetition are kept: median, lowest and highest.
"""

import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def interleaved(jobs: dict[str, Callable[[], Any]], repetitions: int) -> dict[str, list[float]]:
    """Seconds of each job, in turn, ``repetitions`` times after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for repetition in range(repetitions + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            if repetition:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratios(seconds: list[float], to: list[float]) -> dict[str, float]:
    """Median, lowest and highest of the ratios, repetition by repetition."""
    each = [a / b for a, b in zip(seconds, to)]
    return {
        "median": round(statistics.median(each), 4),
        "lo": round(min(each), 4),
        "hi": round(max(each), 4),
    }


def write(name: str, result: dict[str, Any]) -> None:
    """Keep a result with the command, the machine and the commit that made it."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    import torch

    about = {
        "command": shlex.join(["python", *sys.argv]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip() or "unknown",
        "machine": f"{os.cpu_count()} cores, {_processor()}",
        "torch": str(torch.__version__),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(about | result, indent=1) + "\n")
    print(f"written: {path}")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
