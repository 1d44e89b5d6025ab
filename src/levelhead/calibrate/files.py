"""What was fitted, on disk: a safetensors file with the numbers, and in its header what they are of.

Beside the numbers lie the hashes of the rows that it was fitted on (`_rows.py`), so that a loaded calibrator still
knows them: at most half a megabyte.
"""

import json
import os
from pathlib import Path

from levelhead._prediction_files import write_whole
from levelhead.calibrate._fitted import Fitted
from levelhead.calibrate.abstention import Abstention
from levelhead.calibrate.conformal import ConformalSets
from levelhead.calibrate.linear import MatrixScaling, VectorScaling
from levelhead.calibrate.logistic import BetaCalibration, PlattScaling
from levelhead.calibrate.per_class import HistogramBinning, IsotonicRegression
from levelhead.calibrate.temperature import TemperatureScaling

#: Everything that is fitted, by the word in its file.
KINDS: dict[str, type[Fitted]] = {
    "temperature": TemperatureScaling,
    "vector": VectorScaling,
    "matrix": MatrixScaling,
    "platt": PlattScaling,
    "beta": BetaCalibration,
    "isotonic": IsotonicRegression,
    "histogram": HistogramBinning,
    "abstention": Abstention,
    "conformal": ConformalSets,
}
_SEEN = "fitted_on"


def save(fitted: Fitted, path: str | os.PathLike[str]) -> Path:
    """Write what was `fitted` to `path` (.safetensors), whole or not at all; returns it. ValueError before `fit`."""
    from safetensors.numpy import save as to_bytes

    path = checked_path(path)
    header = {"kind": fitted.name, "status": fitted.status, "settings": fitted.settings()}
    arrays = {**fitted.arrays(), _SEEN: fitted._seen}
    # under one key: safetensors writes several in a random order, and equal calibrators should be equal files
    write_whole(path, to_bytes(arrays, {"levelhead": json.dumps(header)}))
    return path


def load(path: str | os.PathLike[str]) -> Fitted:
    """What `save` wrote. Raises ValueError for a file that is missing, cut short or something else."""
    from safetensors import SafetensorError, safe_open

    path = checked_path(path)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("levelhead", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a complete safetensors file: {error}") from None
    kind = header.get("kind")
    if kind not in KINDS:
        raise ValueError(f"{path}: holds no calibrator; there are {', '.join(KINDS)}")
    try:
        fitted = KINDS[kind](**header["settings"])
        fitted.restore(arrays)
        fitted.status, fitted._seen = header["status"], arrays[_SEEN]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a {kind} calibrator as this version writes them: {error}") from None
    return fitted


def checked_path(path: str | os.PathLike[str]) -> Path:
    """`path`, if its ending is that of calibrators; else ValueError."""
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise ValueError(f"{path}: calibrators are .safetensors files")
    return path
