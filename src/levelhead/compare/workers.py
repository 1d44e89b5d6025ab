"""Many runs at once: processes that each take one run at a time from the parent, over a pipe.

Numbers do not depend on how many there are: a run owns its generators and its thread count. A worker that is killed
costs its own run only; a parent that is killed leaves workers that see the closed pipe, write their checkpoint and go.
"""

import dataclasses
import multiprocessing as mp
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from levelhead.compare.shared import Shared
from levelhead.errors import WorkFailed
from levelhead.train.run import Run

Report = Callable[[str, Run, Any], None]


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    device: str
    run: Run | None = None


class Crew:
    """At most ``jobs`` worker processes that work through a list of runs."""

    def __init__(
        self,
        shared: Shared,
        jobs: int,
        threads: int,
        devices: Sequence[str],
        where: Callable[[Run], Path],
        report: Report,
    ) -> None:
        self.shared, self.jobs, self.threads, self.devices = shared, jobs, threads, devices
        self.where, self.report = where, report
        self.workers: list[_Worker] = []

    def work(self, runs: list[Run]) -> dict[str, str]:
        """Carry out the runs; returns the reasons of those that failed, by hash.

        ``report(event, run, detail)`` hears ``start``, ``progress``, ``probe``, ``done`` and ``failed``. Raises
        ``OSError`` where the disk fails, and passes on ``KeyboardInterrupt`` after every worker has written its
        checkpoint.
        """
        waiting, failed = deque(runs), dict[str, str]()
        try:
            for number in range(min(self.jobs, len(runs))):
                self.workers.append(self._start(self.devices[number % len(self.devices)]))
            for worker in self.workers:
                self._next(worker, waiting)
            while any(worker.run for worker in self.workers):
                for worker in self._ready():
                    self._hear(worker, waiting, failed)
        finally:
            self._dismiss()
        return failed

    def _start(self, device: str) -> _Worker:
        context = mp.get_context("spawn")
        ours, theirs = context.Pipe()
        # no daemon, which may have no processes of its own to decode images; `_dismiss` ends it in any case
        process = context.Process(target=_serve, args=(theirs, self.shared, self.threads))
        with _child_environment(self.threads):
            process.start()
        theirs.close()
        return _Worker(process, ours, device)

    def _next(self, worker: _Worker, waiting: deque[Run]) -> None:
        worker.run = waiting.popleft() if waiting else None
        if worker.run:
            worker.pipe.send((dataclasses.replace(worker.run, device=worker.device), self.where(worker.run)))
            self.report("start", worker.run, None)

    def _ready(self) -> list[_Worker]:
        busy = {worker.pipe: worker for worker in self.workers if worker.run}
        return [busy[pipe] for pipe in wait(list(busy)) if isinstance(pipe, Connection)]

    def _hear(self, worker: _Worker, waiting: deque[Run], failed: dict[str, str]) -> None:
        run = worker.run
        assert run is not None
        try:
            event, detail = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            code = worker.process.exitcode
            event = "failed"
            detail = (
                f"its process died ({f'signal {-code}' if code and code < 0 else f'status {code}'}; out of memory?)"
            )
            self.workers[self.workers.index(worker)] = worker = self._start(worker.device)
        if event == "disk":
            raise OSError(detail)
        self.report(event, run, detail)
        if event == "failed":
            failed[run.hash] = detail
        if event in ("done", "failed"):
            self._next(worker, waiting)

    def _dismiss(self) -> None:
        """Ask every worker to stop, wait until it has written its checkpoint; a second Ctrl-C does not wait."""
        for worker in self.workers:
            try:
                worker.pipe.send(None)
            except OSError:  # it is gone already
                continue
        try:
            for worker in self.workers:
                worker.process.join(timeout=60)
        finally:
            for worker in self.workers:
                if worker.process.is_alive():
                    worker.process.kill()
                worker.pipe.close()


@contextmanager
def _child_environment(threads: int) -> Iterator[None]:
    """Threads are set before the child imports torch, and Ctrl-C is the parent's to handle from its first moment."""
    kept = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if kept is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = kept


def _serve(pipe: Connection, shared: Shared, threads: int) -> None:
    """A worker's life: take a run, carry it out, say how it went."""
    import torch

    from levelhead.compare.pixels import count_pixels
    from levelhead.compare.probing import answer
    from levelhead.train.execute import execute
    from levelhead.train.trainer import Progress, Stopped

    torch.set_num_threads(threads)
    data = shared.open()
    told = 0.0

    def progress(at: Progress) -> None:
        nonlocal told
        # a message a step would cost the parent more than it shows
        if (now := time.monotonic()) - told > 0.2:
            told = now
            _send(pipe, "progress", at)

    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        if order is None:
            return
        run, folder = order
        told = 0.0
        try:
            # whatever arrives during a run means stop: the parent's word, or its death
            execute(run, data, folder, progress, pipe.poll)
            count_pixels(run, data, folder, pipe.poll)
            answer(run, data, folder, shared.probes, pipe.poll, lambda name: _send(pipe, "probe", name))
        except Stopped:
            return
        except WorkFailed as error:
            _send(pipe, "failed", str(error))
        except OSError as error:
            _send(pipe, "disk", f"{error.strerror or error} ({error.filename or folder})")
        except Exception as error:  # one run's trouble is not the others'
            _send(pipe, "failed", f"{type(error).__name__}: {error}")
        else:
            _send(pipe, "done", None)


def _send(pipe: Connection, event: str, detail: Any) -> None:
    try:
        pipe.send((event, detail))
    except OSError:
        raise SystemExit(1) from None  # the parent is gone, and nobody is left to tell
