"""Calibrators on files of predictions: fitted on one, applied to others, with what that changed."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from levelhead import metrics
from levelhead.binding import bind, plain
from levelhead.calibrate._fitted import Calibrator
from levelhead.calibrate.files import KINDS, checked_path, load
from levelhead.errors import unknown
from levelhead.grammar import parse_term
from levelhead.predictions import Predictions

#: What maps scores to scores, by the word that names it.
CALIBRATORS = {word: kind for word, kind in KINDS.items() if issubclass(kind, Calibrator)}
_SHOWN = {"nll": metrics.nll, "ece": metrics.ece, "gap": metrics.gap, "accuracy": metrics.accuracy}


def named(text: str) -> Calibrator:
    """A calibrator that is yet to be fitted: ``temperature``, ``temperature(criterion=ece)``, ``matrix(ridge=50)``.

    Raises ValueError for an unknown word, an argument that it does not take, or one out of range.
    """
    term = parse_term(text)
    if term.name not in CALIBRATORS:
        raise unknown("calibrator", term.name, CALIBRATORS)
    given = bind(term, list(CALIBRATORS[term.name]().settings()))
    return CALIBRATORS[term.name](**{key: plain(value) for key, value in given.items()})


def calibrate_files(
    files: Sequence[Path],
    *,
    cal: Path | None = None,
    calibrator: str = "temperature",
    fitted: Path | None = None,
    out: Path | None = None,
    save: Path | None = None,
) -> dict[str, Any]:
    """Fit on one file of predictions, or load what was fitted, and apply it to others.

    Args:
        files: predictions to calibrate, in any format of `Predictions.load`.
        cal: predictions to fit on.
        calibrator: which one, as `named` reads it.
        fitted: a calibrator that `Fitted.save` wrote, in place of `cal`.
        out: where the calibrated predictions go: a file for one of `files`, a folder for several.
        save: where the calibrator goes (.safetensors).

    Returns:
        `calibrator`, its `status` and `settings`, `temperature` where it has one; under `cal` and under `files` an
        object each with `path`, `n` and the measures `before` and `after`: of predictions without labels the mean
        confidence alone. Those on `cal` flatter: it was fitted there.

    Raises:
        ValueError: neither or both of `cal` and `fitted`; nothing to do; a file that cannot be read or was fitted on;
            an `out` that is one of the inputs. Nothing is written then.
    """
    if (cal is None) == (fitted is None):
        raise ValueError("give exactly one of --cal FILE, to fit on, and --fitted FILE, a calibrator saved before")
    if not files and save is None:
        raise ValueError("nothing to do: give files to calibrate with --out, or --save for the calibrator")
    if files and out is None:
        raise ValueError("--out is missing: a file for one FILE, a folder for several")
    if out is not None and not files:
        raise ValueError("--out has no effect without files to calibrate")
    if fitted is not None and save is not None:
        raise ValueError(f"--save has no effect with --fitted: {fitted} is saved already")
    if save is not None:
        checked_path(save)
    targets = _targets(files, out, (cal, fitted, save))
    if fitted is None:
        assert cal is not None
        given = Predictions.load(cal)
        what = named(calibrator)
        try:
            what.fit(given)
        except ValueError as error:
            raise ValueError(f"{cal}: {error}") from None
        on_cal = _compared(cal, given, what.apply(given))
    else:
        loaded = load(fitted)
        if not isinstance(loaded, Calibrator):
            raise ValueError(f"{fitted} holds a {type(loaded).__name__}, which maps no scores to scores")
        what, on_cal = loaded, None
    results = []
    for path in files:
        before = Predictions.load(path)
        try:
            results.append((_compared(path, before, after := what.apply(before)), after))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    for target, (_, after) in zip(targets, results, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        after.save(target)
    if save is not None:
        what.save(save)
    return {
        "calibrator": what.name,
        "settings": what.settings(),
        "status": what.status,
        "temperature": getattr(what, "temperature", None),
        "cal": on_cal,
        "files": [entry | {"out": str(target)} for target, (entry, _) in zip(targets, results, strict=True)],
    }


def _targets(files: Sequence[Path], out: Path | None, inputs: Sequence[Path | None]) -> list[Path]:
    """Where each file's calibrated predictions go, none of them in the place of what is read or of another."""
    if out is None:
        return []
    if len(files) == 1:
        targets = [out / files[0].name if out.is_dir() else out]
    elif out.suffix or out.is_file():
        raise ValueError(f"--out {out} must be a folder: there are {len(files)} files to calibrate")
    else:
        targets = [out / path.name for path in files]
    taken = {path.resolve() for path in (*files, *inputs) if path is not None}
    for target in targets:
        if target.resolve() in taken:
            raise ValueError(f"--out would put {target} in the place of a file that is read; choose another")
        taken.add(target.resolve())
    return targets


def _compared(path: Path, before: Predictions, after: Predictions) -> dict[str, Any]:
    def measured(predictions: Predictions) -> dict[str, float | None]:
        if not predictions.has_labels:
            return {"confidence": float(metrics.max_softmax(**predictions.scores).mean())}
        values = {name: float(f(**predictions.scores, labels=predictions.labels)) for name, f in _SHOWN.items()}
        return {name: value if math.isfinite(value) else None for name, value in values.items()}

    return {
        "path": str(path),
        "role": before.role,
        "n": before.num_examples,
        "before": measured(before),
        "after": measured(after),
    }
