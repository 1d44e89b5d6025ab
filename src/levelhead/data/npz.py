"""A user's `.npz`: `train_x train_y test_x test_y [val_x val_y] [cal_x cal_y]`.

Images: `(N, C, H, W)`, `(N, H, W, C)` or `(N, H, W)`, uint8 or float in [0, 1]. Vectors: `(N, D)` numbers.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from levelhead.data.checks import check_finite, check_lengths, check_unit_range, encode_labels
from levelhead.data.records import ROLES, Kind
from levelhead.data.source import Part, Request, Source

CHANNELS = (1, 3, 2, 4)  # what may be an axis of channels, likeliest first


def read(request: Request) -> Source:
    """Reads and checks all arrays; pickled ones are refused.

    Raises:
        ValueError: damaged file, missing arrays, shapes, types, values or labels that cannot be used; with
            file and array.
    """
    path = Path(request.source).expanduser()
    arrays = _read_arrays(path)
    roles = _roles(path, arrays)
    inputs = {role: arrays[f"{role}_x"] for role in roles}
    kind, axis = _layout(f"{path}, train_x", inputs["train"].shape)
    for role in roles:
        _check_like_train(path, role, inputs, kind)
    for role in roles:
        check_lengths(f"{path}, {role}", len(inputs[role]), _length(arrays[f"{role}_y"]))
        inputs[role] = _converted(f"{path}, {role}_x", inputs[role], kind, axis)
    names = {role: f"{path}, {role}_y" for role in roles}
    classes, labels, notes = encode_labels({names[role]: arrays[f"{role}_y"] for role in roles})
    return Source(
        name=path.name,
        kind=kind,
        classes=classes,
        parts={role: Part.of_array(inputs[role], labels[names[role]]) for role in roles},
        origin=f"arrays of {path}",
        notes=notes,
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        # numpy leaves a file that it opened itself open if it is no archive
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            if isinstance(file, np.ndarray):
                raise ValueError("it is a single array, not an archive of several")
            return {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        advice = "save it again with numpy.savez"
        if "allow_pickle" in str(error) or "pickled" in str(error).lower():
            advice = "arrays of Python objects can run code when read and are refused; save plain numbers"
        raise ValueError(f"{path} cannot be read as .npz ({error}); {advice}") from error


def _roles(path: Path, arrays: dict[str, np.ndarray]) -> list[str]:
    wanted = {f"{role}_{axis}" for role in ROLES for axis in "xy"}
    misspelt = [name for name in arrays if name not in wanted and name.endswith(("_x", "_y"))]
    roles = [role for role in ROLES if f"{role}_x" in arrays or f"{role}_y" in arrays]
    missing = [f"{role}_{axis}" for role in {"train": 0, **dict.fromkeys(roles, 0)} for axis in "xy"]
    missing = [name for name in missing if name not in arrays]
    if missing or misspelt:
        what = [f"lacks {', '.join(missing)}"] if missing else []
        what += [f"has {', '.join(misspelt)}, which no split is called"] if misspelt else []
        raise ValueError(
            f"{path} {' and '.join(what)}; it holds {', '.join(arrays) or 'nothing'}, and may hold train_x, "
            "train_y and the same for test, val and cal"
        )
    return roles


def _layout(where: str, shape: tuple[int, ...]) -> tuple[Kind, int | None]:
    """Vectors or images, and where the channels are: an axis, or None if there is none."""
    if len(shape) == 2 and shape[1] > 0:
        return "vector", None
    if len(shape) == 3 and 0 not in shape[1:]:
        return "image", None
    if len(shape) == 4 and 0 not in shape[1:]:
        for channels in (CHANNELS[:2], CHANNELS[2:]):
            for axis in (1, 3):
                if shape[axis] in channels:
                    return "image", axis
    raise ValueError(
        f"{where}: shape {shape} is neither (N, C, H, W), (N, H, W, C) with 1 to 4 channels C, nor (N, H, "
        "W), nor (N, D)"
    )


def _check_like_train(path: Path, role: str, inputs: dict[str, np.ndarray], kind: Kind) -> None:
    array, train = inputs[role], inputs["train"]
    if array.shape[1:] != train.shape[1:]:
        raise ValueError(
            f"{path}: one example of {role}_x has shape {array.shape[1:]}, one of train_x "
            f"{train.shape[1:]}; they must be equal"
        )
    if kind == "image" and (array.dtype == np.uint8) != (train.dtype == np.uint8):
        raise ValueError(f"{path}: {role}_x is {array.dtype} but train_x is {train.dtype}; store both in the same way")


def _converted(where: str, array: np.ndarray, kind: Kind, axis: int | None) -> np.ndarray:
    if kind == "image":
        if array.dtype != np.uint8 and array.dtype.kind != "f":
            raise ValueError(f"{where}: images must be uint8, or float in [0, 1]; got {array.dtype}")
        array = array[:, None] if array.ndim == 3 else np.moveaxis(array, axis or 1, 1)
        if array.dtype == np.uint8:
            return array
    elif array.dtype.kind not in "buif":
        raise ValueError(f"{where}: vectors must be real numbers, got {array.dtype}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is reported as that
        array = array.astype(np.float32)
    check_finite(where, array)
    if kind == "image":
        check_unit_range(where, array)
    return array


def _length(labels: np.ndarray) -> int:
    return len(labels) if labels.ndim else 0
