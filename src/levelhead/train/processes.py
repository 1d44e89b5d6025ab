"""Processes that train one run together, as torchrun starts them: who we are, and what all of us know.

One process is a group of one: everything here works there, and costs nothing.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, distributed, nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")

#: How long one process waits for the others, for example while the first reads a large data set. torchrun itself sees
#: at once when a process is gone.
_PATIENCE = timedelta(hours=12)
_PRECISIONS: dict[str, Any] = {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def started() -> int:
    """How many processes torchrun started; 1 where it did not.

    >>> started()
    1
    """
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def number() -> int:
    """The number of this process among those that torchrun started; 0 leads: it alone writes and prints."""
    return int(os.environ.get("RANK", "0")) if started() > 1 else 0


def joined() -> bool:
    """Whether this process has met the others."""
    return distributed.is_available() and distributed.is_initialized()


def join(device: str, precision: str, processes: int) -> "Fabric":
    """The group, which is joined by the first call in a process; or a group of one, on its own.

    Raises ``ValueError`` where a machine has fewer devices than processes.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    kind, _, index = device.partition(":")
    if processes == 1:
        return Fabric(accelerator=kind, devices=[int(index)] if index else 1, precision=_PRECISIONS[precision])
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    if kind == "cuda" and torch.cuda.device_count() < local:
        raise ValueError(
            f"torchrun started {local} processes on a machine with {torch.cuda.device_count()} GPUs, and each needs "
            "one: give --nproc_per_node that number, or levelhead --devices cpu"
        )
    # what it says about the group is said by the one who asked for it
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=kind,
        devices=local,
        num_nodes=processes // local,
        strategy=DDPStrategy(timeout=_PATIENCE),
        precision=_PRECISIONS[precision],
    )
    fabric.launch()
    return fabric


@contextmanager
def first_alone(device: str, precision: str) -> Iterator[None]:
    """The first process of the group does what is inside before the others, who find what it downloaded."""
    if started() == 1:
        yield
        return
    group = join(device, precision, started())
    if not group.is_global_zero:
        group.barrier()
    yield
    if group.is_global_zero:
        group.barrier()


@contextmanager
def heeded() -> Iterator[Callable[[], bool]]:
    """Whether somebody pressed Ctrl-C or ended the process, as a question in place of an interruption.

    Asked again and again it stays one wish: torchrun passes on to every process what the terminal sent to them all.
    """
    heard: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, lambda number, _: heard.append(number)) for each in signals]
    try:
        yield lambda: bool(heard)
    finally:
        for each, handler in zip(signals, before):
            signal.signal(each, handler)


def lost(error: BaseException) -> bool:
    """Whether an error says that another process of the group is gone."""
    said = str(error).lower()
    return isinstance(error, distributed.DistError) or "gloo" in said or "connection closed by peer" in said


def gathered(fabric: "Fabric", mine: T) -> list[T]:
    """What every process says, in their order."""
    if fabric.world_size == 1:
        return [mine]
    said: list[Any] = [None] * fabric.world_size
    distributed.all_gather_object(said, mine)
    return said


def summed(fabric: "Fabric", values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sums over the processes, by name; a name that some do not have counts as zero there."""
    total: dict[str, Tensor] = {}
    for each in gathered(fabric, values):
        for name, value in each.items():
            total[name] = total[name] + value if name in total else value
    return total


def share_buffers(fabric: "Fabric", *modules: nn.Module | None) -> None:
    """Give everybody the first process's buffers, batch norm's running averages among them."""
    if fabric.world_size > 1:
        for module in modules:
            for buffer in module.buffers() if module is not None else ():
                distributed.broadcast(buffer, 0)
