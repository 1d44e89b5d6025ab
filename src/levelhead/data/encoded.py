"""Parquet of encoded images, as Hugging Face stores them: a column of {bytes, path} and one of labels.

Files are `train.parquet`, `test.parquet` (and `val`/`validation`, `cal`), or shards
`train-00000-of-00003.parquet`, in the folder itself or in its `data/` or `plain_text/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data.broken import all_named, sound
from levelhead.data.checks import check_class_indices, encode_labels
from levelhead.data.columns import SPLITS, label_values
from levelhead.data.decode import Form, decode, survey
from levelhead.data.jpeg import decode_jpeg
from levelhead.data.source import Part, Request, Source

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label", "coarse_label")


@dataclass(frozen=True, eq=False)
class EncodedImages:
    """The rows of one split: the images' bytes (a pyarrow array), labels, and class names if stored."""

    where: str
    images: Any
    labels: np.ndarray
    names: tuple[str, ...]

    def file(self, row: int) -> tuple[str, bytes]:
        """What to call the image of a row in an error, and its bytes."""
        return f"{self.where}, image {int(row)}", self.images[int(row)].as_py() or b""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[str, bytes]:
        return self.file(row)

    def is_jpeg(self) -> bool:
        """Whether the images went through JPEG, which loses detail."""
        return self.file(0)[1].startswith(b"\xff\xd8")

    def decoded(self, rows: np.ndarray, form: Form) -> np.ndarray:
        """These rows as uint8 `(n, C, H, W)`."""
        images = np.empty((len(rows), form.channels, form.height, form.width), dtype=np.uint8)
        for place, row in enumerate(rows):
            where, content = self.file(row)
            quick = decode_jpeg(content, images.shape[1:])
            images[place] = decode(where, content, form) if quick is None else quick
        return images

    def part(self, labels: np.ndarray, form: Form) -> Part:
        """The split as a part of a source, decoded when it is known which rows are wanted."""
        return Part(labels, lambda rows: self.decoded(rows, form))


def shards(folder: Path) -> dict[str, list[Path]]:
    """The parquet files of each role in a folder, in order; empty if there is no train."""
    for place in (folder, folder / "data", folder / "plain_text"):
        found: dict[str, list[Path]] = {}
        for path in sorted(place.glob("*.parquet")):
            role = SPLITS.get(path.name.split(".")[0].split("-")[0])
            if role is not None:
                found.setdefault(role, []).append(path)
        if "train" in found:
            return found
    return {}


def read_split(paths: Sequence[Path], label: str | None = None) -> EncodedImages:
    """Reads the shards of one split without decoding.

    Raises:
        ValueError: not parquet, no image or label column, no rows, a row without a label; with the path.
    """
    import pyarrow as pa
    from pyarrow import parquet

    where = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    try:
        schema = parquet.read_schema(paths[0])
        image_column = _column(where, schema.names, IMAGE_COLUMNS, "images")
        label_column = _column(where, schema.names, (label,) if label else LABEL_COLUMNS, "labels")
        tables = [parquet.read_table(path, columns=[image_column, label_column]) for path in paths]
        table = pa.concat_tables(tables)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{where} cannot be read as parquet ({error}); copy or download it again") from error
    images = table[image_column].combine_chunks()
    if not pa.types.is_struct(images.type) or images.type.get_field_index("bytes") < 0:
        raise ValueError(
            f"{where}: column {image_column!r} must hold {{bytes, path}} of encoded images, got {images.type}"
        )
    if table.num_rows == 0:
        raise ValueError(f"{where} is empty; every split needs at least one example of each class")
    labels = label_values(f"{where}, column {label_column!r}", table[label_column])
    return EncodedImages(where, images.field("bytes"), labels, _class_names(schema, label_column))


def read(request: Request) -> Source:
    """A user's folder of such files: images of one form, classes as stored or from the labels."""
    folder = Path(request.source).expanduser()
    splits = {role: read_split(paths, request.label) for role, paths in shards(folder).items()}
    rows, notes, facts = sound(splits, str(folder), request.skip_broken)
    with all_named(splits.values()):
        files = (split[row] for role, split in splits.items() for row in rows[role])
        form = survey(files, request.image_size, request.fit or "cover")
    stored = splits["train"].names
    if stored:
        for split in splits.values():
            check_class_indices(split.where, split.labels, stored)
        classes, labels = stored, {role: split.labels for role, split in splits.items()}
    else:
        classes, by_place, renumbered = encode_labels({split.where: split.labels for split in splits.values()})
        labels = {role: by_place[split.where] for role, split in splits.items()}
        notes += renumbered
    return Source(
        name=folder.resolve().name,
        kind="image",
        classes=classes,
        parts={
            role: Part(labels[role][rows[role]], partial(_pixels, splits, role, rows[role], form)) for role in splits
        },
        origin=f"parquet of encoded images in {folder}, brought to {form.height}x{form.width}",
        notes=notes,
        facts=facts if form.fit == "cover" else {**facts, "fit": form.fit},
    )


def _pixels(
    splits: Mapping[str, EncodedImages], role: str, rows: np.ndarray, form: Form, positions: np.ndarray
) -> np.ndarray:
    with all_named(splits.values()):
        return splits[role].decoded(rows[positions], form)


def _column(where: str, columns: Sequence[str], wanted: Sequence[str], what: str) -> str:
    for name in wanted:
        if name in columns:
            return name
    raise ValueError(f"{where} has no column of {what} ({' or '.join(wanted)}); its columns are {', '.join(columns)}")


def _class_names(schema: Any, label_column: str) -> tuple[str, ...]:
    """The names that Hugging Face stores beside the columns, or none."""
    try:
        stored = json.loads((schema.metadata or {})[b"huggingface"])
        return tuple(str(name) for name in stored["info"]["features"][label_column]["names"])
    except (KeyError, TypeError, ValueError):
        return ()
