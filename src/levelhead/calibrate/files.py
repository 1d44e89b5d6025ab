"""Fitted calibrators on disk: a safetensors file with the numbers, and in its header which calibrator they are of."""

import os
from pathlib import Path

from levelhead._prediction_files import write_whole
from levelhead.calibrate.linear import MatrixScaling, VectorScaling
from levelhead.calibrate.per_class import HistogramBinning, IsotonicRegression
from levelhead.calibrate.temperature import TemperatureScaling

Calibrator = TemperatureScaling | VectorScaling | MatrixScaling | IsotonicRegression | HistogramBinning

_KINDS: dict[str, type[Calibrator]] = {
    "temperature": TemperatureScaling,
    "vector": VectorScaling,
    "matrix": MatrixScaling,
    "isotonic": IsotonicRegression,
    "histogram": HistogramBinning,
}


def save(calibrator: Calibrator, path: str | os.PathLike[str]) -> Path:
    """Write a fitted `calibrator` to `path` (.safetensors), whole or not at all. Returns the path."""
    from safetensors.numpy import save as to_bytes

    path = _checked(path)
    kind = next(name for name, cls in _KINDS.items() if type(calibrator) is cls)
    write_whole(path, to_bytes(calibrator.arrays(), {"calibrator": kind, "status": calibrator.status}))
    return path


def load(path: str | os.PathLike[str]) -> Calibrator:
    """The calibrator that `save` wrote. Raises ValueError for a file that is missing, cut short or something else."""
    from safetensors import SafetensorError, safe_open

    path = _checked(path)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a complete safetensors file: {error}") from None
    kind = header.get("calibrator")
    if kind not in _KINDS:
        raise ValueError(f"{path}: holds no calibrator; there are {', '.join(_KINDS)}")
    try:
        return _KINDS[kind].from_arrays(arrays, header.get("status", "optimum"))
    except KeyError as error:
        raise ValueError(f"{path}: a {kind} calibrator without its {error}") from None


def _checked(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise ValueError(f"{path}: calibrators are .safetensors files")
    return path
