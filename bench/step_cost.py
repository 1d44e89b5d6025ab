"""What a training step of every method costs: beside plain training, and beside its own passes through the network.

preact_resnet18(width=16), batch 128, 3x32x32, one process, one thread; forward, backward and SGD step. ``ratio`` is to
plain training. ``overhead`` is what is not passes: the step over a bare loop that takes as many examples through the
same network with cross-entropy (and, where a method needs a saliency, a gradient with respect to the inputs), less 1.
Methods that alternate are timed over pairs of steps. Wanted: overhead of at most 5 % in the median for all but
puzzlemix, whose cut has a bench of its own (puzzle_cost). A prediction by samples is timed against as many passes.
Usage: python bench/step_cost.py [repetitions]
"""

import sys
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from _common import interleaved, ratios, write

torch.set_num_threads(1)

import levelhead as lh  # noqa: E402
from levelhead.network import evaluating  # noqa: E402

STEPS = 4  # even, so that alternating methods are timed over whole pairs
LIMIT = 0.05
# CutMix draws whether it mixes at all; what is timed is the step that does
ALWAYS = {"cutmix": "cutmix(prob=1)", "logitmix_cc": "logitmix_cc(prob=1)"}


def network() -> nn.Module:
    """The same weights every time."""
    torch.manual_seed(0)
    return lh.models.build("preact_resnet18(width=16)", num_classes=10)


def trained(method: str, inputs: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """A function that trains ``STEPS`` steps of a method."""
    objective = lh.objective(method, network(), num_classes=10)
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.01, momentum=0.9)

    def steps() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad()
            objective(inputs, labels).loss.backward()
            optimizer.step()

    return steps


def bare(views: int, saliencies: float, inputs: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """A function that takes ``views`` batches through the network a step, ``saliencies`` of the steps with one more."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    many, truth = torch.cat([inputs] * views), torch.cat([labels] * views)

    def steps() -> None:
        for step in range(STEPS):
            optimizer.zero_grad()
            if step < saliencies * STEPS:
                images = inputs.clone().requires_grad_()
                with evaluating(model):
                    torch.autograd.grad(F.cross_entropy(model(images), labels), images)
            F.cross_entropy(model(many), truth).backward()
            optimizer.step()

    return steps


def predicting(inputs: torch.Tensor, samples: int) -> dict[str, Callable[[], object]]:
    """Predictions of MC-dropout, and as many plain passes."""
    objective = lh.objective(f"mc_dropout(samples={samples})", network(), num_classes=10).eval()

    @torch.inference_mode()
    def passes() -> None:
        for _ in range(samples):
            objective.model(inputs)

    return {"prediction": lambda: objective.predict(inputs), "its passes": passes}


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    inputs, labels = torch.randn(128, 3, 32, 32), torch.randint(10, (128,))
    specs = {name: lh.parse(ALWAYS.get(name, name)) for name in lh.methods()}
    saliencies = {n: spec.mixing.share * spec.mixing.core.needs_saliency for n, spec in specs.items()}
    own = {name: (round(spec.passes - saliencies[name]), saliencies[name]) for name, spec in specs.items()}
    jobs: dict[object, Callable[[], object]] = {
        **{passes: bare(*passes, inputs, labels) for passes in dict.fromkeys(own.values())},
        **{name: trained(ALWAYS.get(name, name), inputs, labels) for name in specs},
        **predicting(inputs, samples=5),
    }
    seconds = interleaved(jobs, repetitions)
    rows = {}
    for name, spec in specs.items():
        ratio, to_own = ratios(seconds[name], seconds["vanilla"]), ratios(seconds[name], seconds[own[name]])
        overhead = {key: round(value - 1, 4) for key, value in to_own.items()}
        limit = {} if spec.mixing.core.needs_saliency else {"limit": LIMIT, "met": overhead["median"] <= LIMIT}
        rows[name] = {"passes": spec.passes, "ratio": ratio, "overhead": overhead} | limit
    sampled = ratios(seconds["prediction"], seconds["its passes"])
    rows["mc_dropout, predicting"] = {
        "passes": 5,
        "ratio": {key: round(5 * value, 4) for key, value in sampled.items()},
        "overhead": {key: round(value - 1, 4) for key, value in sampled.items()},
        "limit": LIMIT,
        "met": sampled["median"] <= 1 + LIMIT,
    }
    for name, row in rows.items():
        cost, over = row["ratio"], row["overhead"]
        print(f"{name:24s} {row['passes']:g} passes  {cost['median']:.3f}  overhead {100 * over['median']:+.1f} %")
    step = min(seconds["vanilla"]) / STEPS
    write("step_cost", {"repetitions": repetitions, "vanilla_step_seconds": round(step, 4), "rows": rows})


if __name__ == "__main__":
    main()
