"""Runs that the processes of a group, as torchrun starts them, train together, one run after the other.

The first process plans, asks probes, measures, writes and prints; the others train with it until it says that all is
done. Whatever ends one process ends the group: torchrun sees it, and the others lose their connection.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from levelhead.compare.probing import answer
from levelhead.compare.settings import Comparison
from levelhead.compare.workers import Report
from levelhead.errors import WorkFailed
from levelhead.train.processes import heeded, join, lost
from levelhead.train.run import Run


def lead(runs: Sequence[Run], comparison: Comparison, where: Callable[[Run], Path], report: Report) -> dict[str, str]:
    """Carry out the runs with the other processes; returns the reasons of those whose loss was not finite, by hash.

    ``report`` hears the same events as of workers. Raises ``KeyboardInterrupt`` when all checkpoints are written after
    a signal, ``OSError`` (disk), ``WorkFailed`` for anything else that stops a run.
    """
    from levelhead.train.state import Diverged

    group = join(comparison.device, comparison.precision, comparison.processes)
    torch.set_num_threads(comparison.threads)
    failed: dict[str, str] = {}
    with heeded() as stop:
        for run in runs:
            if stop():
                raise KeyboardInterrupt
            group.broadcast((run, where(run)))
            report("start", run, None)
            try:
                _carry_out(run, comparison, where(run), _now_and_then(report, run), stop)
                answer(
                    run, comparison.data, where(run), comparison.probes, stop,
                    lambda name, run=run: report("probe", run, name),  # type: ignore[misc]
                )  # fmt: skip
            except Diverged as error:
                failed[run.hash] = str(error)
                report("failed", run, str(error))
            else:
                report("done", run, None)
    group.broadcast(None)
    distributed.destroy_process_group()
    return failed


def follow(comparison: Comparison) -> None:
    """Train with the first process what it says, until all is done. Raises as ``lead`` does."""
    from levelhead.train.state import Diverged

    group = join(comparison.device, comparison.precision, comparison.processes)
    torch.set_num_threads(comparison.threads)
    with heeded() as stop:
        while (order := group.broadcast(None)) is not None:
            run, folder = order
            try:
                _carry_out(run, comparison, folder, lambda at: None, stop)
            except Diverged:
                continue  # the first process tells of it
    distributed.destroy_process_group()


def _carry_out(
    run: Run, comparison: Comparison, folder: Path, progress: Callable[[Any], None], stop: Callable[[], bool]
) -> None:
    from levelhead.train.execute import execute
    from levelhead.train.state import Diverged, Stopped

    try:
        execute(run, comparison.data, folder, progress, stop)
    except Stopped:
        raise KeyboardInterrupt from None
    except (Diverged, OSError):
        raise
    except Exception as error:
        if lost(error):
            raise
        raise WorkFailed(f"{run.method} seed {run.seed}: {type(error).__name__}: {error}") from error


def _now_and_then(report: Report, run: Run) -> Callable[[Any], None]:
    told = 0.0

    def progress(at: Any) -> None:
        nonlocal told
        if (now := time.monotonic()) - told > 0.2:
            told = now
            report("progress", run, at)

    return progress
