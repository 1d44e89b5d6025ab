"""What PuzzleMix costs beside its passes: cut, transport and blending over a forward-backward pass.

preact_resnet18 at full width, batch 100, 3x32x32, all cores; the saliency is given, since it is a pass and counted as
one. Every number of blocks is timed, and their mean is what a step costs on average. Wanted: at most 0.3.
Usage: python bench/puzzle_cost.py [repetitions]
"""

import statistics
import sys

import torch
from torch.nn import functional as F

import levelhead as lh
from _common import interleaved, ratios, write
from levelhead.mixing import PuzzleMix, Step

LIMIT = 0.3


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    torch.manual_seed(0)
    model = lh.models.build("preact_resnet18", num_classes=100)
    # smooth images: noise would make every border alike
    inputs = F.interpolate(torch.randn(100, 3, 8, 8), size=32, mode="bicubic")
    labels = torch.randint(100, (100,))
    saliency = F.interpolate(torch.randn(100, 1, 16, 16), size=32, mode="bilinear")[:, 0].abs()
    generator = torch.Generator().manual_seed(0)

    def pass_through() -> None:
        model.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()

    def puzzle(mixer: PuzzleMix) -> None:
        mixer.blend(inputs, mixer.settle(inputs, mixer.draw(Step(inputs.shape), generator), saliency))

    mixers = {n: PuzzleMix(blocks=(n,)) for n in PuzzleMix().blocks}
    jobs = {n: (lambda mixer=mixer: puzzle(mixer)) for n, mixer in mixers.items()}
    seconds = interleaved({"a pass": pass_through} | jobs, repetitions)
    seconds["mean"] = [statistics.mean(each) for each in zip(*(seconds[n] for n in jobs))]
    rows = {}
    for n in (*jobs, "mean"):
        ratio = ratios(seconds[n], seconds["a pass"])
        name = f"{n} x {n} blocks" if n != "mean" else "mean, as drawn"
        rows[name] = {"ratio": ratio, "limit": LIMIT, "met": ratio["median"] <= LIMIT}
        print(f"{name:16s} {ratio['median']:.3f} [{ratio['lo']:.3f}, {ratio['hi']:.3f}]")
    write("puzzle_cost", {"repetitions": repetitions, "pass_seconds": round(min(seconds["a pass"]), 3), "rows": rows})


if __name__ == "__main__":
    main()
