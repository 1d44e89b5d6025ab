"""What the measures cost, as ratios to one ``torch.softmax`` over the same array, beside the libraries people use.

(100,000 x 10), (50,000 x 1000) and (2,000,000 x 21) float32 logits, overconfident by construction (labels drawn from
softmax(z), logits 1.8 z). Every job goes from logits in memory to the final number. Time: in turn with the softmax,
median [lowest, highest] of the ratios. Memory: the highest resident size beyond what stood before the call, in a fresh
process after a call on 3,000 rows. Limits: ratios on two threads, met if the lowest is under it; 64 MB for whatever
streams. Peers that are not installed are left out.
Usage: python bench/metrics.py [--quick] [--threads 2] [--repetitions 7] [--only NAME]
"""

import argparse
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from _common import ratios, write
from levelhead import metrics
from levelhead.calibrate import TemperatureScaling

SHAPES = {"100,000 x 10": (100_000, 10), "50,000 x 1000": (50_000, 1000), "2,000,000 x 21": (2_000_000, 21)}
LIMITS = {"ece": 1.2, "classwise_ece": 1.6, "adaptive_ece": 2.0, "auroc": 2.0, "temperature": 3.0, "all streaming": 4.0}
STREAMS = ("ece", "classwise_ece", "all streaming", "auroc streaming")
MEGABYTES = 64

Job = Callable[[torch.Tensor, torch.Tensor], Any]


def data(rows: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels with a known answer: the best temperature is 1.8."""
    g = torch.Generator().manual_seed(0)
    z = torch.randn(rows, classes, generator=g)
    z[torch.arange(rows), torch.randint(classes, (rows,), generator=g)] += 4 if classes < 100 else 9
    labels = torch.cat([torch.multinomial(part.softmax(1), 1, generator=g).flatten() for part in z.split(100_000)])
    return z.mul_(1.8), labels


def streamed(z: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    acc = metrics.Calibration(z.shape[1])
    acc.update(logits=z, labels=y)
    return acc.compute()


def auroc(z: torch.Tensor, y: torch.Tensor) -> float:
    half = len(z) // 2
    return metrics.auroc(metrics.max_softmax(logits=z[:half]), metrics.max_softmax(logits=z[half:]))


def streamed_auroc(z: torch.Tensor, y: torch.Tensor) -> float:
    acc, half = metrics.Detection("max_softmax"), len(z) // 2
    acc.update(logits=z[:half], inside=True)
    acc.update(logits=z[half:], inside=False)
    return acc.compute()["auroc"]


OURS: dict[str, Job] = {
    "ece": lambda z, y: metrics.ece(logits=z, labels=y),
    "classwise_ece": lambda z, y: metrics.classwise_ece(logits=z, labels=y),
    "adaptive_ece": lambda z, y: metrics.adaptive_ece(logits=z, labels=y),
    "all streaming": streamed,
    "temperature": lambda z, y: TemperatureScaling().fit(z, y).temperature,
    "auroc": auroc,
    "auroc streaming": streamed_auroc,
}


def torchmetrics_jobs() -> dict[str, Job]:
    from torchmetrics.functional import classification as tm

    def classwise(z: torch.Tensor, y: torch.Tensor) -> float:
        p = z.softmax(1)
        each = [tm.binary_calibration_error(p[:, k], (y == k).int(), n_bins=15) for k in range(z.shape[1])]
        return float(torch.stack(each).mean())

    def half_auroc(z: torch.Tensor, y: torch.Tensor) -> float:
        inside = torch.arange(len(z)) < len(z) // 2
        return float(tm.binary_auroc(z.softmax(1).amax(1), inside.int()))

    return {
        "ece": lambda z, y: float(tm.multiclass_calibration_error(z, y, num_classes=z.shape[1], n_bins=15)),
        "classwise_ece": classwise,
        "auroc": half_auroc,
    }


def sklearn_jobs() -> dict[str, Job]:
    from sklearn.calibration import CalibratedClassifierCV, calibration_curve
    from sklearn.frozen import FrozenEstimator
    from sklearn.metrics import roc_auc_score

    def curve(strategy: str) -> Job:
        def job(z: torch.Tensor, y: torch.Tensor) -> float:
            confidence, prediction = z.softmax(1).max(1)
            got = calibration_curve((prediction == y).numpy(), confidence.numpy(), n_bins=15, strategy=strategy)
            return float(np.abs(got[0] - got[1]).mean())

        return job

    def half_auroc(z: torch.Tensor, y: torch.Tensor) -> float:
        return float(roc_auc_score(np.arange(len(z)) < len(z) // 2, z.softmax(1).amax(1).numpy()))

    def temperature(z: torch.Tensor, y: torch.Tensor) -> float:
        frozen = CalibratedClassifierCV(FrozenEstimator(_Logits(z.shape[1])), method="temperature", ensemble=False)
        fitted = frozen.fit(z.numpy(), y.numpy())
        return float(1 / fitted.calibrated_classifiers_[0].calibrators[0].beta_)

    return {"ece": curve("uniform"), "adaptive_ece": curve("quantile"), "auroc": half_auroc, "temperature": temperature}


class _Logits:
    """A classifier for scikit-learn whose inputs are its logits."""

    def __init__(self, classes: int = 2) -> None:
        self.classes_ = np.arange(classes)
        self.n_features_in_ = classes

    def fit(self, z: np.ndarray, y: np.ndarray) -> "_Logits":
        return self

    def decision_function(self, z: np.ndarray) -> np.ndarray:
        return z

    def predict(self, z: np.ndarray) -> np.ndarray:
        return z.argmax(1)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags("classifier", TargetTags(required=True), None, ClassifierTags(), None, InputTags())


def netcal_jobs() -> dict[str, Job]:
    from netcal.metrics import ECE

    def error(equal: bool) -> Job:
        measure = ECE(15, equal_intervals=equal)
        return lambda z, y: float(measure.measure(z.softmax(1).numpy(), y.numpy()))

    return {"ece": error(True), "adaptive_ece": error(False)}


def probmetrics_jobs() -> dict[str, Job]:
    from probmetrics.calibrators import TemperatureScalingCalibrator
    from probmetrics.distributions import CategoricalLogits

    def temperature(z: torch.Tensor, y: torch.Tensor) -> Any:
        return TemperatureScalingCalibrator(opt="bisection").fit_torch(CategoricalLogits(z), y)

    return {"temperature": temperature}


MAKERS = {
    "torchmetrics": torchmetrics_jobs,
    "sklearn": sklearn_jobs,
    "netcal": netcal_jobs,
    "probmetrics": probmetrics_jobs,
}


def jobs(peers: Iterable[str] = MAKERS) -> dict[str, Job]:
    """All jobs by name, ours first; a peer's name is behind the measure."""
    found = dict(OURS)
    for peer in peers:
        try:
            found |= {f"{name}, {peer}": job for name, job in MAKERS[peer]().items()}
        except ImportError as error:
            print(f"{peer} is left out: {error}")
    return found


def timed(todo: dict[str, Job], z: torch.Tensor, y: torch.Tensor, repetitions: int) -> dict[str, dict[str, Any]]:
    """Ratios to the softmax of the same repetition."""
    seconds: dict[str, list[float]] = {name: [] for name in ("softmax", *todo)}
    all_todo: dict[str, Job] = {"softmax": lambda z, y: z.softmax(1)} | todo
    values = {}
    for repetition in range(repetitions + 1):
        for name, job in all_todo.items():
            started = time.perf_counter()
            value = job(z, y)
            took = time.perf_counter() - started
            if not isinstance(value, torch.Tensor):
                values[name] = value
            del value
            if repetition:
                seconds[name].append(took)
    return {
        name: {"ratio": ratios(seconds[name], seconds["softmax"])}
        | ({"value": round(values[name], 6)} if isinstance(values.get(name), float) else {})
        for name in todo
    } | {"softmax": {"seconds": round(float(np.median(seconds["softmax"])), 5)}}


def resident(field: str) -> float:
    """Megabytes of this process: VmRSS now, VmHWM at its highest."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def peak(name: str, rows: int, classes: int) -> float:
    """Megabytes beyond the input that a job needs at its highest, in this process."""
    job = jobs(name.split(", ")[1:])[name]
    z, y = data(rows, classes)
    job(z[:3000].clone(), y[:3000].clone())
    Path("/proc/self/clear_refs").write_text("5")  # the highest size starts again from now
    before = resident("VmRSS")
    job(z, y)
    return max(0.0, resident("VmHWM") - before)


def peak_elsewhere(name: str, rows: int, classes: int, threads: int) -> float | None:
    """``peak`` in a fresh process; None where the system does not say, or the job fails there."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    call = [sys.executable, __file__, "--peak", name, str(rows), str(classes), "--threads", str(threads)]
    ran = subprocess.run(call, capture_output=True, text=True, check=False)
    # the call on few rows may lack a class, which some peers refuse
    return round(float(ran.stdout.split()[-1]), 1) if ran.returncode == 0 else None


def judged(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row of ours with its limits."""
    if name in LIMITS:
        row |= {"limit": LIMITS[name], "met": row["ratio"]["lo"] <= LIMITS[name]}
    if name in STREAMS and row.get("peak_mb") is not None:
        row |= {"memory_limit_mb": MEGABYTES, "memory_met": row["peak_mb"] <= MEGABYTES}
    return row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, three repetitions, nothing written")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--only", help="jobs whose name holds this")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")  # the peers'
    if options.peak:
        name, rows, classes = options.peak
        print(peak(name, int(rows), int(classes)))
        return
    todo = {
        name: job
        for name, job in (OURS if options.no_peers else jobs()).items()
        if options.only is None or options.only in name
    }
    result = {}
    for title, (rows, classes) in SHAPES.items():
        rows = rows // 10 if options.quick else rows
        z, y = data(rows, classes)
        table = timed(todo, z, y, 3 if options.quick else options.repetitions)
        del z, y
        softmax = table.pop("softmax")["seconds"]
        print(f"{title}{' / 10' if options.quick else ''}: softmax {softmax * 1e3:.1f} ms")
        for name, row in table.items():
            row["peak_mb"] = peak_elsewhere(name, rows, classes, options.threads)
            result[f"{title}: {name}"] = judged(name, row)
            ratio, limit = row["ratio"], f"limit {row['limit']}" if "limit" in row else ""
            print(
                f"  {name:28s} {ratio['median']:8.2f} [{ratio['lo']:.2f}, {ratio['hi']:.2f}]"
                f" {row['peak_mb']} MB {limit}",
                flush=True,
            )
        if not options.quick and options.only is None and not options.no_peers:
            # shape by shape: a run that is cut short keeps what it has
            about = {"repetitions": options.repetitions, "threads": options.threads}
            write("metrics", about | {"rows": result})


if __name__ == "__main__":
    main()
