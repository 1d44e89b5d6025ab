"""Decoding in worker processes, ahead of whoever asks: PyTorch's `DataLoader` with its order, workers and prefetch.

A task says all that its pixels depend on, so any worker gives the same for it, and the answers come in the order of the
tasks. Workers know nothing of data sets: one pool serves all splits and all runs of a process. B images in a batch.
"""

from __future__ import annotations

import functools
import multiprocessing as mp
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from levelhead.data.decode import BrokenImage, File, Files, Window, fault
from levelhead.data.lazy import LazyImages
from levelhead.data.statistics import LEVELS, levels
from levelhead.errors import WorkFailed

TASK = 64  # images that a worker decodes at a time: enough to hide the hand-over, little enough to share a batch
AHEAD = 4  # tasks that wait for each worker


@dataclass(frozen=True)
class Task:
    """Images to decode, with random windows where there is one, or to `look` at."""

    images: LazyImages
    window: Window | None = None
    look: bool = False


@dataclass(frozen=True)
class Check:
    """Files of images of which is asked whether they can be read: what to call each, and its path or content."""

    files: Sequence[tuple[str, File]]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a look at images found.

    Attributes:
        levels: how often each level occurs in each channel of those that can be read, int64 `(C, 256)`; none of files.
        broken: the others: position, what to call it, and the reason.
    """

    levels: np.ndarray
    broken: Sequence[tuple[int, str, str]]


class _Decoding(Dataset[Any]):
    """What a worker does with a task: uint8 `(B, C, H, W)`, what it saw, or the sentence of what is wrong."""

    def __getitem__(self, task: Task | Check) -> Tensor | Seen | str:
        if isinstance(task, Check):
            found = [(row, fault(where, file)) for row, (where, file) in enumerate(task.files)]
            return Seen(
                np.empty((0, LEVELS), np.int64), [(row, bad.where, bad.reason) for row, bad in found if bad is not None]
            )
        if task.look:
            return _look(task.images)
        try:
            images = task.images.read(np.arange(len(task.images)), task.window)
        except ValueError as error:  # as a word, since the loader would put the worker's traceback before it
            return str(error)
        return torch.from_numpy(images)


def _look(images: LazyImages) -> Seen:
    counts, broken = np.zeros((images.form.channels, LEVELS), dtype=np.int64), []
    for row in range(len(images)):
        try:
            counts += levels(images.read(np.array([row])))
        except BrokenImage as error:
            broken.append((row, error.where, error.reason))
    return Seen(counts, broken)


class _Plan:
    """The tasks that the loader takes next."""

    def __init__(self) -> None:
        self.tasks: Iterator[Task | Check] = iter(())

    def __iter__(self) -> Iterator[Task | Check]:
        return self.tasks


class Pool:
    """Worker processes that are started at the first task and live as long as this process, or until `close`."""

    def __init__(self, workers: int) -> None:
        self.workers, self._plan, self._turn = workers, _Plan(), 0
        self._loader: DataLoader[Any] | None = None

    def run(self, tasks: Iterable[Task | Check]) -> Iterator[Any]:
        """The answers, in the order of the tasks. Who asks anew ends what was asked before.

        Raises:
            WorkFailed: an image cannot be read, with its file; a worker died.
        """
        self._turn += 1
        turn, self._plan.tasks = self._turn, iter(tasks)
        answers: Iterator[Any] | None = None
        while turn == self._turn:
            try:
                if answers is None:
                    self._loader = self._start() if self._loader is None else self._loader
                    answers = iter(self._loader)
                answer = next(answers)
            except StopIteration:
                return
            except (RuntimeError, EOFError, OSError) as error:  # the last two: in the middle of handing over a batch
                self.close()
                raise WorkFailed(f"a process that decodes images died (out of memory?): {error}") from error
            if isinstance(answer, str):
                raise WorkFailed(answer)
            yield answer
        raise Superseded

    def close(self) -> None:
        """End the workers; the next task starts others."""
        self._turn += 1
        self._loader = None  # which ends them

    def _start(self) -> DataLoader[Any]:
        # the loader draws a seed for its workers: from here, so that the global random state does not move
        own = torch.Generator()
        if self.workers == 0:
            return DataLoader(_Decoding(), batch_size=None, sampler=self._plan, generator=own)
        # forked from a process without threads that has imported everything once
        context = mp.get_context("forkserver")
        context.set_forkserver_preload([__name__, "PIL.JpegImagePlugin", "torchvision.io"])
        return DataLoader(
            _Decoding(),
            batch_size=None,
            sampler=self._plan,
            generator=own,
            num_workers=self.workers,
            prefetch_factor=AHEAD,
            persistent_workers=True,
            multiprocessing_context=context,
            worker_init_fn=_begin,
        )


class Superseded(RuntimeError):
    """Somebody else has asked the pool meanwhile; ask again."""


def _begin(worker: int) -> None:
    """Leave Ctrl-C to the parent, and go when it goes: the loader itself only sees that the fork server lives."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = mp.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@functools.cache
def pool(workers: int) -> Pool:
    """The pool of this process with so many workers."""
    return Pool(workers)


def tasks(images: LazyImages, parts: Iterable[np.ndarray], task: Task | None = None) -> Iterator[Task]:
    """The images of every part in turn, cut into tasks."""
    like = task or Task(images)
    for rows in parts:
        for start in range(0, len(rows), TASK):
            yield replace(like, images=images.take(rows[start : start + TASK]))


def look_through(splits: Sequence[LazyImages]) -> list[Seen]:
    """Every image of some splits decoded once, whatever is wrong with some."""
    workers = splits[0].workers
    found = []
    for images in splits:
        every = tasks(images, [np.arange(len(images))], Task(images, look=True))
        found.append(_joined(pool(workers).run(every), images.form.channels))
    pool(workers).close()
    return found


def check(parts: Iterable[Files], workers: int) -> list[Seen]:
    """Which of many files cannot be read, part by part, by so many workers."""
    found = []
    for files in parts:
        starts = range(0, len(files), TASK)
        every = (Check([files[row] for row in range(at, min(at + TASK, len(files)))]) for at in starts)
        found.append(_joined(pool(workers).run(every), 0))
    pool(workers).close()
    return found


def _joined(answers: Iterable[Seen], channels: int) -> Seen:
    """What was seen in all tasks of a split, each of `TASK` images but the last."""
    counts, broken = np.zeros((channels, LEVELS), dtype=np.int64), []
    for number, seen in enumerate(answers):
        counts += seen.levels
        broken += [(TASK * number + row, where, reason) for row, where, reason in seen.broken]
    return Seen(counts, broken)


def read_all(images: LazyImages) -> np.ndarray:
    """All images decoded into memory, uint8 `(N, C, H, W)`."""
    whole, done = np.empty(images.shape, dtype=np.uint8), 0
    for answer in pool(images.workers).run(tasks(images, [np.arange(len(images))])):
        whole[done : done + len(answer)] = answer.numpy()
        done += len(answer)
    pool(images.workers).close()
    return whole


class Stream:
    """Batches of a split on disk: those that were announced are decoded ahead, others when they are asked for."""

    def __init__(self, images: LazyImages) -> None:
        self.images = images
        self._parts: deque[np.ndarray] = deque()
        self._window: Window | None = None
        self._answers: Iterator[Tensor] | None = None

    def expect(self, parts: Sequence[Tensor], window: Window | None = None) -> None:
        """Announce what will be taken next, in this order, through random windows if there is one."""
        self._parts = deque(rows.cpu().numpy() for rows in parts)
        self._window, self._answers = window, None

    def take(self, rows: Tensor, *, windows: bool = False) -> Tensor:
        """uint8 `(B, C, H, W)` on the CPU, new memory: random windows if `windows`, which must be announced.

        Raises:
            WorkFailed: an image cannot be read, with its file; a worker died.
        """
        wanted = rows.cpu().numpy()
        announced = bool(self._parts) and np.array_equal(self._parts[0], wanted) and windows == bool(self._window)
        if not announced:
            assert not windows, "random windows depend on the epoch, so they are announced by expect()"
            self.expect([rows])
        while True:
            if self._answers is None:
                self._answers = pool(self.images.workers).run(self._tasks())
            try:
                batch = [next(self._answers) for _ in range(0, len(wanted), TASK)]
            except Superseded:
                self._answers = None
                continue
            self._parts.popleft()
            return batch[0] if len(batch) == 1 else torch.cat(batch)

    def _tasks(self) -> Iterator[Task]:
        return tasks(self.images, list(self._parts), Task(self.images, self._window))
