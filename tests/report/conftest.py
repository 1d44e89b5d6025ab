"""A synthetic comparison's folder, in the format that `levelhead compare` writes, made in a blink."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from levelhead import metrics
from levelhead.predictions import Predictions

HOSTILE = "<script>alert(1)</script>"
MEASURES = ("accuracy", "nll", "brier", "gap", "ece", "oe", "mce", "adaptive_ece", "classwise_ece")
METHODS = ("vanilla", "uls", "mixup", "pls", "lamix", "logitmix_cm", "mbls")
# How sharp each method's logits are: above 1 over-confident, below 1 under-confident.
SHARPNESS = (1.9, 0.7, 0.6, 1.1, 0.9, 1.0, 1.4)


def write_comparison(
    folder: Path,
    *,
    methods: Sequence[str] = METHODS,
    seeds: int = 3,
    classes: Sequence[str] = ("cat", "dog & cow", HOSTILE, "naïve ✓"),
    n_test: int = 600,
    n_cal: int = 300,
    epochs: int = 8,
    baseline: str | None = "vanilla",
    recommended: str | None = None,
    kind: str = "logits",
    cal_nll: bool = True,
    failed: Sequence[dict[str, Any]] = (),
    name: str = "pets",
) -> Path:
    """Write a comparison's files. Labels are drawn from softmax(z); a method's logits are its sharpness times z."""
    folder.mkdir(parents=True, exist_ok=True)
    z = {"test": 2.2 * _normal(0, n_test, len(classes)), "cal": 2.2 * _normal(1, n_cal, len(classes))}
    labels = {role: _draw(scores, salt) for salt, (role, scores) in enumerate(z.items())}
    results = []
    for index, method in enumerate(methods):
        for seed in range(seeds):
            run = f"{index:08x}{seed:08x}"
            _write_run(folder / "runs" / run, method, index, seed, run, epochs, cal_nll)
            for role in ("cal", "test"):
                sharpness = SHARPNESS[index % len(SHARPNESS)]
                noise = 0.2 * _normal(100 + 10 * index + seed, len(z[role]), len(classes))
                logits = (sharpness * (z[role] + noise)).astype(np.float32)
                scores = {"logits": logits} if kind == "logits" else {"probs": _softmax(logits)}
                saved = Predictions(labels=labels[role], **scores, role=role, classes=tuple(classes))
                saved.save(folder / "runs" / run / f"{role}.safetensors")
                results.append(_result(method, seed, role, run, logits, labels[role], sharpness, 1 + index % 2))
    _write(folder / "results.json", results)
    _write(folder / "summary.json", _summary(results, methods, seeds, baseline, recommended, n_cal, n_test, failed))
    _write(folder / "comparison.json", _about(name, methods, classes, labels))
    return folder


def _normal(seed: int, rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def _draw(z: np.ndarray, salt: int) -> np.ndarray:
    # argmax of z plus Gumbel noise is a draw from softmax(z)
    return (z + np.random.default_rng(50 + salt).gumbel(size=z.shape)).argmax(1)


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def _write_run(folder: Path, method: str, index: int, seed: int, run: str, epochs: int, cal_nll: bool) -> None:
    history = []
    for epoch in range(1, epochs + 1):
        loss = 0.4 + 0.1 * index + (1.5 + 0.05 * seed) * np.exp(-epoch / 3)
        entry = {"epoch": epoch, "loss": loss, "lr": 0.1, "parts": {"loss": loss}, "seconds": 0.5}
        history.append(entry | ({"cal_nll": loss + 0.2} if cal_nll else {}))
    record = {
        "method": method,
        "sentence": f"{method} | one_hot",
        "seed": seed,
        "hash": run,
        "seconds": 4.0,
        "passes": 1,
    }
    _write(
        folder / "run.json",
        record | {"steps": 80, "parameters": 77690, "history": history, "config": {}, "versions": {}},
    )


def _measured(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return {name: float(getattr(metrics, name)(logits=logits, labels=labels)) for name in MEASURES}


def _result(
    method: str, seed: int, role: str, run: str, logits: np.ndarray, labels: np.ndarray, t: float, passes: int
) -> dict[str, Any]:
    return {
        "method": method,
        "sentence": f"{method} | one_hot",
        "seed": seed,
        "role": role,
        "n": len(labels),
        "raw": _measured(logits, labels),
        "scaled": _measured(logits / np.float32(t), labels),
        "temperature": t,
        "seconds": 40.0 + 7 * seed,
        "passes": passes,
        "run": run,
    }


def _statistics(ours: list[float], theirs: list[float] | None) -> dict[str, float | None]:
    found: dict[str, float | None] = dict.fromkeys(("mean", "lo", "hi", "diff", "diff_lo", "diff_hi"))
    own = metrics.student_t(ours)
    found |= {"mean": own.mean, "lo": own.lo, "hi": own.hi}
    if theirs is not None:
        paired = metrics.paired(ours, theirs)
        found |= {"diff": paired.mean, "diff_lo": paired.lo, "diff_hi": paired.hi}
    return {key: None if value is None or np.isnan(value) else value for key, value in found.items()}


def _summary(
    results: list[dict[str, Any]],
    methods: Sequence[str],
    seeds: int,
    baseline: str | None,
    recommended: str | None,
    n_cal: int,
    n_test: int,
    failed: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    def values(method: str, role: str, state: str, measure: str) -> list[float]:
        return [r[state][measure] for r in results if r["method"] == method and r["role"] == role]

    def statistics(method: str, role: str, state: str, measure: str) -> dict[str, float | None]:
        against = None if baseline is None or method == baseline else values(baseline, role, state, measure)
        return _statistics(values(method, role, state, measure), against)

    rows = []
    for index, method in enumerate(methods):
        gap = np.mean(values(method, "test", "raw", "gap"))
        side = "over" if gap > 0 else "under"
        rows.append(
            {
                "method": method,
                "sentence": f"{method} | one_hot",
                "n_seeds": seeds,
                "seeds": list(range(seeds)),
                "passes": 1 + index % 2,
                "seconds": 40.0 + 20 * index,
                "temperature": SHARPNESS[index % len(SHARPNESS)],
                "recommended": method == recommended,
                "baseline": method == baseline,
                "cal_nll": statistics(method, "cal", "scaled", "nll"),
                "metrics": {
                    f"{measure}_{state}": statistics(method, "test", state, measure)
                    for measure in MEASURES
                    for state in ("raw", "scaled")
                },
                "remark": f"{side}-confident before scaling: mean confidence {abs(100 * gap):.1f} points off accuracy"
                if abs(gap) > 0.02
                else "",
            }
        )
    rows.sort(key=lambda row: row["metrics"]["nll_scaled"]["mean"])
    return {
        "baseline": baseline,
        "recommended": recommended,
        "confidence": 0.95,
        "n_bins": 15,
        "n_cal": n_cal,
        "n_test": n_test,
        "rows": rows,
        "verdict": ["Take the first: its NLL is the lowest.", f"It costs nothing in {HOSTILE} terms."],
        "warnings": ["Few seeds cannot show small differences."],
        "failed": list(failed),
    }


def _about(name: str, methods: Sequence[str], classes: Sequence[str], labels: dict[str, np.ndarray]) -> dict[str, Any]:
    counts = {role: np.bincount(values, minlength=len(classes)).tolist() for role, values in labels.items()}
    return {
        "levelhead": "0.1.0",
        "command": f"levelhead compare --data {name} " + " ".join(f"--method {m!r}" for m in methods),
        "identity": {
            "data": {
                "name": name,
                "fingerprint": "f00d" * 16,
                "kind": "image",
                "shape": [1, 28, 28],
                "num_classes": len(classes),
                "split": {"split_seed": 0, "cut": ["cal"]},
            },
            "network": {"name": "small", "parameters": 77690},
            "recipe": {"epochs": 8, "batch": 128, "lr": 0.1},
            "device": "cpu",
            "precision": "32",
            "threads": 1,
        },
        "data": {
            "origin": "Drawn at random.",
            "classes": list(classes),
            "counts": {"train": [100 + 7 * i for i in range(len(classes))], **counts},
            "notes": ["cal was cut from train"],
        },
        "machine": {"processor": "a processor", "cores": 2, "platform": "Linux"},
        "versions": {"python": "3.11.2", "torch": "2.13.0"},
    }


@pytest.fixture
def comparison(tmp_path: Path) -> Callable[..., Path]:
    """Makes a comparison's folder; see `write_comparison`."""
    return lambda name="comparison", **options: write_comparison(tmp_path / name, **options)


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven methods, three seeds, a hostile class name; not to be changed."""
    return write_comparison(tmp_path_factory.mktemp("usual") / "comparison", recommended="mixup")
