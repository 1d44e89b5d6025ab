"""What a training step of every method costs, as a ratio to plain training.

preact_resnet18(width=16), batch 128, 3x32x32, one process, one thread; forward, backward and SGD step. Methods that
alternate are timed over pairs of steps. Limits: 1.05 for a single view, 2.1 for LogitMix's two; a limit is met if the
lowest ratio is under it. Usage: python bench/step_cost.py [repetitions]
"""

import sys

import torch

from _common import interleaved, ratios, write

torch.set_num_threads(1)

import levelhead as lh  # noqa: E402

STEPS = 4  # even, so that alternating methods are timed over whole pairs


def stepper(method: str, inputs: torch.Tensor, labels: torch.Tensor):
    """A function that trains ``STEPS`` steps."""
    torch.manual_seed(0)
    model = lh.models.build("preact_resnet18(width=16)", num_classes=10)
    objective = lh.objective(method, model, num_classes=10)
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.01, momentum=0.9)

    def steps() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad()
            objective(inputs, labels).loss.backward()
            optimizer.step()

    return steps


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    inputs, labels = torch.randn(128, 3, 32, 32), torch.randint(10, (128,))
    # CutMix draws whether it mixes at all; what is timed is the step that does
    always = {"cutmix": "cutmix(prob=1)", "logitmix_cc": "logitmix_cc(prob=1)"}
    jobs = {name: stepper(always.get(name, name), inputs, labels) for name in lh.methods()}
    seconds = interleaved(jobs, repetitions)
    rows = {}
    for name in jobs:
        passes = lh.parse(always.get(name, name)).passes
        ratio = ratios(seconds[name], seconds["vanilla"])
        limit = 1.05 if passes == 1 else 2.1
        rows[name] = {"passes": passes, "ratio": ratio, "limit": limit, "met": ratio["lo"] <= limit}
        print(
            f"{name:15s} {passes:.0f} passes  {ratio['median']:.3f} [{ratio['lo']:.3f}, {ratio['hi']:.3f}]", flush=True
        )
    step = min(seconds["vanilla"]) / STEPS
    write("step_cost", {"repetitions": repetitions, "vanilla_step_seconds": round(step, 4), "rows": rows})


if __name__ == "__main__":
    main()
