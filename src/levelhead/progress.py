"""How a comparison shows that it is alive: bars on a terminal, a line a run elsewhere."""

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn


class Display:
    """Hears the events of a comparison and shows run i of n, epoch, loss, images per second and the time left.

    ``weights`` is the expected cost of each run in any unit, by hash; the time left is judged by it.
    """

    def __init__(self, console: Console, weights: dict[str, float]) -> None:
        self.console, self.weights = console, weights
        self.total = len(weights)
        self.begun = 0
        self.ended = 0
        self.part: dict[str, float] = {}
        self.started = time.monotonic()
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[text]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self.bars.start()
        self.all = self.bars.add_task("all runs", total=1.0, text="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def __call__(self, event: str, run: Any, detail: Any) -> None:
        """``start``, ``progress``, ``probe``, ``done`` or ``failed`` of a run."""
        name = f"{run.method} seed {run.seed}"
        if event == "start":
            self.begun += 1
            label = f"run {self.begun} of {self.total}: {name}"
            self.tasks[run.hash] = self.bars.add_task(label, total=1.0, text="starting")
        elif event == "progress":
            self.part[run.hash] = detail.done
            text = f"epoch {detail.epoch}/{detail.epochs}  loss {detail.loss:.4f}  {detail.rate:,.0f} examples/s"
            self.bars.update(self.tasks[run.hash], completed=detail.done, text=text)
        elif event == "probe":
            self.bars.update(self.tasks[run.hash], completed=1.0, text=f"probe {detail}")
        else:
            self.ended += 1
            self.part[run.hash] = 1.0
            self.bars.remove_task(self.tasks.pop(run.hash))
            said = "done" if event == "done" else f"FAILED: {detail}"
            self.console.print(
                f"[{self.ended}/{self.total}] {name}: {said}, {self._left()}", markup=False, highlight=False
            )
        self.bars.update(self.all, completed=self._share(), text=self._left())

    def _share(self) -> float:
        total = sum(self.weights.values())
        return sum(self.weights[key] * part for key, part in self.part.items()) / total if total else 1.0

    def _left(self) -> str:
        share = self._share()
        if share <= 0:
            return "time left unknown"
        left = (time.monotonic() - self.started) * (1 - share) / share
        return f"{int(left // 60)}:{int(left % 60):02d} left"
