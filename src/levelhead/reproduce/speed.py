"""How fast this machine trains, and so how long a plan takes: three networks are timed once, the others by their cost.

A training image takes a fixed time and one for its multiply-adds; timing a small and a large network gives both. What
is no image takes the fixed time of a vector. An estimate for planning, within a factor of about two on a machine that
is as busy as when it was timed; runs of the same design that are there are the better clock (`claims.rate`).
"""

import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from levelhead.files import read_json, write_json
from levelhead.reproduce.designs import Design, bed
from levelhead.reproduce.store import machine

#: What is timed: network, input shape, batch.
_TIMED: tuple[tuple[str, tuple[int, ...], int], ...] = (
    ("small", (1, 28, 28), 128),
    ("preact_resnet18", (3, 32, 32), 4),
    ("mlp", (64,), 64),
)


@dataclass(frozen=True)
class Speed:
    """Seconds of an image and of a vector beside its multiply-adds, and of one of these; one core, or one device."""

    machine: str
    image: float
    vector: float
    multiply_add: float


def measured(cache_file: Path, device: str = "cpu") -> Speed:
    """The speed of this machine, timed once and kept in a file."""
    here = machine(device)
    if cache_file.exists() and (known := read_json(cache_file)).get("machine") == here:
        return Speed(**known)
    (small, cheap), (large, dear), (vector, _) = (_timed(*what, device) for what in _TIMED)
    each = max((large - small) / (dear - cheap), 1e-15)
    found = Speed(here, max(small - cheap * each, 0.0), vector, each)
    write_json(cache_file, asdict(found))
    return found


def _timed(network: str, shape: tuple[int, ...], batch: int, device: str) -> tuple[float, int]:
    """Seconds an example in a step of plain training, and the network's multiply-adds."""
    import torch

    from levelhead import models

    with torch.random.fork_rng(devices=[]):
        model = models.build(network, num_classes=10, input_shape=shape).to(device)
        inputs, labels = torch.randn(batch, *shape, device=device), torch.zeros(batch, dtype=torch.long, device=device)
    seconds = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(4):
            started = time.perf_counter()
            torch.nn.functional.cross_entropy(model(inputs), labels).backward()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
    return min(seconds[1:]) / batch, models.card(network, 10, shape).multiply_adds


@cache
def multiply_adds(network: str, classes: int, shape: tuple[int, ...]) -> int | None:
    """Of one input; None for a network that cannot be built here."""
    from levelhead import models

    try:
        return models.card(network, classes, shape).multiply_adds
    except (ValueError, ImportError, RuntimeError, AssertionError):
        return None


def seconds(design: Design, example_passes: float, speed: Speed) -> float | None:
    """How long so many example passes of a design take on one core (or the device that was timed)."""
    about = design.about
    fixed = speed.image if about.kind in ("image", "segmentation") else speed.vector
    cost = None if design.waits else multiply_adds(design.network, about.classes, about.shape)
    return None if cost is None else example_passes * (fixed + cost * speed.multiply_add)


#: Example passes a second of one process where nothing was timed: images under the small network of bed F (others by
#: their multiply-adds, small ones at most ten times as fast) and texts, two cores of 2026.
_RATES = {"image": 3000.0, "text": 400.0}
_FASTER = 10.0


def nominal(design: Design) -> float:
    """Example passes a second of one run of a design that nobody has timed, without timing it."""
    if design.about.kind == "text":
        return _RATES["text"]
    usual, here = (
        multiply_adds(each.network, each.about.classes, each.about.shape) or 1 for each in (bed("F"), design)
    )
    return _RATES["image"] * min(usual / here, _FASTER)


def words(amount: float | None) -> str:
    """A time for people.

    >>> words(40), words(5400), words(200000), words(4e7), words(None)
    ('1 min', '1.5 h', '2.3 days', '1.3 years', 'unknown')
    """
    if amount is None:
        return "unknown"
    for limit, unit, name in ((5400, 60, "min"), (129600, 3600, "h"), (31536000, 86400, "days")):
        if amount < limit:
            return f"{max(1, round(amount / unit)) if unit == 60 else round(amount / unit, 1):g} {name}"
    return f"{amount / 31536000:.1f} years"
