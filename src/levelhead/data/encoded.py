"""Parquet or Arrow of encoded images, as Hugging Face stores them: a column of {bytes, path} and one of labels.

Files are `train.parquet`, `test.parquet` (and `val`/`validation`, `cal`), or shards
`train-00000-of-00003.parquet`, or the same ending in `.arrow`, in the folder itself or in its `data/` or `plain_text/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data import arrow
from levelhead.data.blobs import Blobs
from levelhead.data.broken import all_named, named_at_once, sound
from levelhead.data.checks import check_class_indices, encode_labels
from levelhead.data.columns import SPLITS, label_values
from levelhead.data.decode import Form, spaced, survey
from levelhead.data.source import Part, Request, Source

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label", "coarse_label")


@dataclass(frozen=True, eq=False)
class EncodedImages:
    """The rows of one split: the images' bytes, labels, and class names if stored.

    `images` is a chunked array of pyarrow, or says where they lie in mapped files. `paths` and `column` are where they
    came from.
    """

    where: str
    images: Any
    labels: np.ndarray
    names: tuple[str, ...]
    paths: Sequence[Path]
    column: str

    def file(self, row: int) -> tuple[str, bytes]:
        """What to call the image of a row in an error, and its bytes."""
        where = f"{self.where}, image {int(row)}"
        if isinstance(self.images, Blobs):
            return where, self.images.content(int(row)) if self.images.length[int(row)] else b""
        return where, self.images[int(row)].as_py() or b""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[str, bytes]:
        return self.file(row)

    def is_jpeg(self) -> bool:
        """Whether the images went through JPEG, which loses detail."""
        return self.file(0)[1].startswith(b"\xff\xd8")

    def part(self, labels: np.ndarray, form: Form, rows: np.ndarray | None = None) -> Part:
        """The split, or these rows of it, as a part of a source, decoded when it is known which are wanted."""
        rows = np.arange(len(labels)) if rows is None else rows
        return Part.of_encoded(_Formed(self, form, rows), labels[rows])


@dataclass(frozen=True, eq=False)
class _Formed:
    """Some rows of a split's images and what they are brought to: what a part of a source is made of."""

    split: EncodedImages
    form: Form
    rows: np.ndarray

    @property
    def length(self) -> np.ndarray:
        """Bytes of each, int64 `(N,)`."""
        from pyarrow import compute

        images = self.split.images
        if isinstance(images, Blobs):
            return images.length[self.rows]
        return compute.fill_null(compute.binary_length(images), 0).to_numpy().astype(np.int64)[self.rows]

    def where(self, row: int) -> str:
        """What to call one in an error."""
        return f"{self.split.where}, image {int(self.rows[row])}"

    def content(self, row: int) -> bytes:
        """The bytes of one."""
        return self.split.file(self.rows[row])[1]

    def on_disk(self) -> Blobs:
        """Where they lie in Arrow files, unpacked if they are in parquet."""
        images = self.split.images
        if not isinstance(images, Blobs) and not self.split.paths:
            raise ValueError(
                f"{self.split.where} is a selection of rows, which cannot stream; write it anew with "
                "flatten_indices().save_to_disk(FOLDER), or leave out stream=always"
            )
        blobs = images if isinstance(images, Blobs) else arrow.blobs(self.split.paths, self.split.column)
        return blobs if len(self.rows) == len(blobs) else blobs.take(self.rows)


def shards(folder: Path) -> dict[str, list[Path]]:
    """The parquet or Arrow files of each role in a folder, in order; empty if there is no train."""
    for place in (folder, folder / "data", folder / "plain_text"):
        found: dict[str, list[Path]] = {}
        for path in sorted(path for path in place.glob("*") if path.suffix in (".parquet", ".arrow")):
            role = SPLITS.get(path.name.split(".")[0].split("-")[0])
            if role is not None:
                found.setdefault(role, []).append(path)
        if "train" in found:
            return found
    return {}


def read_split(paths: Sequence[Path], label: str | None = None, *, mapped: bool = False) -> EncodedImages:
    """Reads the shards of one split without decoding; `mapped` leaves the images on disk.

    Raises:
        ValueError: not parquet or Arrow, no image or label column, no rows, a row without a label; with the path.
    """
    import pyarrow as pa
    from pyarrow import compute

    where = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    try:
        schema = arrow.read_schema(paths[0])
        image_column = _column(where, schema.names, IMAGE_COLUMNS, "images")
        label_column = _column(where, schema.names, (label,) if label else LABEL_COLUMNS, "labels")
        columns = [label_column] if mapped else [image_column, label_column]
        table = pa.concat_tables([arrow.read_columns(path, columns) for path in paths])
    except (pa.ArrowException, OSError) as error:
        kind = arrow.kind(paths[0])
        raise ValueError(f"{where} cannot be read as {kind} ({error}); copy or download it again") from error
    stored = schema.field(image_column).type
    if not pa.types.is_struct(stored) or stored.get_field_index("bytes") < 0:
        raise ValueError(f"{where}: column {image_column!r} must hold {{bytes, path}} of encoded images, got {stored}")
    images = arrow.blobs(paths, image_column) if mapped else compute.struct_field(table[image_column], "bytes")
    if table.num_rows == 0:
        raise ValueError(f"{where} is empty; every split needs at least one example of each class")
    labels = label_values(f"{where}, column {label_column!r}", table[label_column])
    return EncodedImages(where, images, labels, _class_names(schema, label_column), tuple(paths), image_column)


def read(request: Request) -> Source:
    """A user's folder of such files: images of one form, classes as stored or from the labels."""
    folder = Path(request.source).expanduser()
    found = shards(folder)
    mapped = request.streaming.wanted(sum(path.stat().st_size for paths in found.values() for path in paths))
    splits = {role: read_split(paths, request.label, mapped=mapped) for role, paths in found.items()}
    stored = splits["train"].names
    notes: tuple[str, ...] = ()
    if stored:
        for split in splits.values():
            check_class_indices(split.where, split.labels, stored)
        classes, labels = stored, {role: split.labels for role, split in splits.items()}
    else:
        classes, by_place, notes = encode_labels({split.where: split.labels for split in splits.values()})
        labels = {role: by_place[split.where] for role, split in splits.items()}
    made, form, left_out, facts = parts(splits, labels, str(folder), request)
    return Source(
        name=folder.resolve().name,
        kind="image",
        classes=classes,
        parts=made,
        origin=f"{arrow.kind(found['train'][0])} of encoded images in {folder}, brought to {form.height}x{form.width}",
        notes=(*left_out, *notes),
        facts=facts,
    )


def parts(
    splits: Mapping[str, EncodedImages],
    labels: Mapping[str, np.ndarray],
    root: str,
    request: Request,
    form: Form | None = None,
) -> tuple[dict[str, Part], Form, tuple[str, ...], dict[str, Any]]:
    """The splits as parts of a source, their images' form, and notes and facts: as `pictures.picture_parts` has it.

    Args:
        splits: a role.
        labels: int64 `(N,)`, a role.
        root: the front of the images' names that notes leave out.
        request: says the size, how it is reached, and whether broken images are left out.
        form: what they are brought to, where that is known; else the headers say it.
    """
    rows, notes, facts = sound(splits, root, request.skip_broken, request.streaming)
    with all_named(splits.values(), request.streaming):
        if form is None:
            kept = [(split, row) for role, split in splits.items() for row in rows[role]]
            form = survey((split[row] for split, row in spaced(kept)), request.image_size, request.fit or "cover")
    made = {
        role: named_at_once(split.part(labels[role], form, rows[role]), splits.values())
        for role, split in splits.items()
    }
    return made, form, notes, facts if form.fit == "cover" else {**facts, "fit": form.fit}


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
