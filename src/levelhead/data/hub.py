"""`hf:NAME[:CONFIG]`: a data set of the Hugging Face hub, its cache, or a local folder, through their `datasets`.

The column of labels is the one of classes, or the one named `label`; the inputs are the one column of images, or the
one of texts. Code that comes with a data set is never run. Images stay in the data set's own Arrow files, or in the
files that it names, where they stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.data import encoded
from levelhead.data.checks import encode_labels
from levelhead.data.download import DownloadError
from levelhead.data.encoded import LABEL_COLUMNS, SPLITS
from levelhead.data.pictures import picture_parts
from levelhead.data.source import Request, Source
from levelhead.data.text import text_source
from levelhead.errors import need

PREFIX = "hf:"
TEXT_COLUMNS = ("text", "sentence", "content", "question", "review")
Splits = dict[str, Any]


def read(request: Request) -> Source:
    """The splits `train`, `validation`, `test`; of labelled examples only.

    Raises:
        ValueError: the package is missing, no columns of labels and of images or texts can be found.
        DownloadError: neither in the cache nor to be had.
    """
    name, _, config = _name_and_config(request.source)
    splits, notes = _labelled(_load(name, config or None), request)
    features = splits["train"].features
    label = _label_column(request, features)
    classes, labels, more = _labels(splits, label, features)
    column = _input_column(request, features, label)
    origin = f"{request.source}, columns {column} and {label}, through Hugging Face datasets"
    short = Path(name).name
    if _kind(features[column]) == "image":
        return _images(short, splits, column, classes, labels, origin, (*notes, *more), request)
    for word, value in (("image_size", request.image_size), ("fit", request.fit), ("skip_broken", request.skip_broken)):
        if value:
            raise ValueError(f"{word}= has no effect here: the data set holds texts; leave it out")
    texts = {role: ([text or "" for text in split[column]], labels[role]) for role, split in splits.items()}
    return text_source(short, classes, texts, origin, max_words=request.max_words, notes=(*notes, *more))


def _name_and_config(source: str) -> tuple[str, str, str]:
    name = source.removeprefix(PREFIX)
    if not name:
        raise ValueError("hf: needs the name of a data set, as in hf:ylecun/mnist or hf:nyu-mll/glue:sst2")
    return (name, "", "") if Path(name).expanduser().exists() else name.partition(":")


def _load(name: str, config: str | None) -> Splits:
    datasets: Any = need("datasets", "hf", f"hf:{name}")
    folder = Path(name).expanduser()
    datasets.disable_progress_bars()
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            found = datasets.load_from_disk(str(folder))
        else:
            found = datasets.load_dataset(str(folder) if folder.exists() else name, config)
    except (datasets.exceptions.DatasetNotFoundError, ConnectionError, FileNotFoundError, OSError) as error:
        raise DownloadError(
            f"hf:{name} is neither a folder, nor in the cache of Hugging Face datasets, nor could it be downloaded: "
            f"{_first_line(error)}\nDownload it where there is a network (datasets.load_dataset({name!r}).save_to_disk("
            "FOLDER)) and give hf:FOLDER."
        ) from error
    except (ValueError, RuntimeError, datasets.exceptions.DatasetGenerationError) as error:
        raise ValueError(f"hf:{name} cannot be read: {_first_line(error)}") from error
    if not isinstance(found, Mapping):
        return {"train": found}
    named = {SPLITS[split]: part for split, part in found.items() if split in SPLITS}
    if "train" not in named:
        raise ValueError(f"hf:{name} has no split called train; it has {', '.join(found)}")
    return named


def _labelled(splits: Splits, request: Request) -> tuple[Splits, tuple[str, ...]]:
    """The splits without those that carry no labels (-1 throughout), as test splits of competitions do."""
    label = _label_column(request, splits["train"].features)
    kept, notes = {}, []
    for role, split in splits.items():
        if len(split) and all(value in (-1, None) for value in split[label]):
            notes.append(f"{role} has no labels and is left out")
        else:
            kept[role] = split
    if "train" not in kept:
        raise ValueError(f"{request.source}: column {label} of train holds no labels; name another with label=")
    return kept, tuple(notes)


def _label_column(request: Request, features: Mapping[str, Any]) -> str:
    if request.label is not None:
        if request.label not in features:
            raise ValueError(f"{request.source} has no column {request.label!r}; its columns are {', '.join(features)}")
        return request.label
    named = [name for name in LABEL_COLUMNS if name in features]
    classes = [name for name, feature in features.items() if hasattr(feature, "names")]
    if named or len(classes) == 1:
        return (named or classes)[0]
    raise ValueError(
        f"{request.source}: which column holds the labels? Name it with --label (label=); there are "
        f"{', '.join(features)}"
    )


def _labels(
    splits: Splits, label: str, features: Mapping[str, Any]
) -> tuple[tuple[str, ...], dict[str, np.ndarray], tuple[str, ...]]:
    values = {role: np.asarray(split[label]) for role, split in splits.items()}
    names = getattr(features[label], "names", None)
    if not names:
        return encode_labels(values)
    for role, part in values.items():
        if part.dtype.kind not in "iu" or part.min() < 0 or part.max() >= len(names):
            raise ValueError(f"{role}: column {label} must be from 0 to {len(names) - 1}; some examples have no label")
    return tuple(names), {role: part.astype(np.int64) for role, part in values.items()}, ()


def _kind(feature: Any) -> str | None:
    if type(feature).__name__ == "Image":
        return "image"
    return "text" if getattr(feature, "dtype", None) in ("string", "large_string") else None


def _input_column(request: Request, features: Mapping[str, Any], label: str) -> str:
    kinds = {name: _kind(feature) for name, feature in features.items() if name != label}
    if request.text is not None:
        if kinds.get(request.text) != "text":
            raise ValueError(
                f"{request.source} has no column of texts {request.text!r}; its columns are {', '.join(features)}"
            )
        return request.text
    for kind in ("image", "text"):
        columns = [name for name, found in kinds.items() if found == kind]
        usual = [name for name in TEXT_COLUMNS if name in columns]
        if len(columns) == 1 or usual:
            return (usual or columns)[0]
        if columns:
            cure = "name one with --text (text=)" if kind == "text" else "keep one of them"
            raise ValueError(f"{request.source} has several columns of {kind}s, {', '.join(columns)}; {cure}")
    raise ValueError(f"{request.source} has no column of images or of texts; its columns are {', '.join(features)}")


def _images(
    name: str,
    splits: Splits,
    column: str,
    classes: tuple[str, ...],
    labels: dict[str, np.ndarray],
    origin: str,
    notes: tuple[str, ...],
    request: Request,
) -> Source:
    """Images whose bytes lie in the data set's Arrow files, or in files of their own that these name."""
    stored = {role: _StoredImages.of(f"{request.source}, {role}", splits[role], column) for role in splits}
    if all(each.elsewhere for each in stored.values()):
        files = {role: each.named_files() for role, each in stored.items()}
        parts, form, more, facts = picture_parts(files, labels, None, replace(request, source=""))
    else:
        encoded_splits = {role: each.encoded(splits[role], labels[role]) for role, each in stored.items()}
        parts, form, more, facts = encoded.parts(encoded_splits, labels, "", request)
    return Source(
        name=name,
        kind="image",
        classes=classes,
        parts=parts,
        origin=f"{origin}, brought to {form.height}x{form.width}",
        notes=(*notes, *more),
        facts=facts,
    )


@dataclass(frozen=True, eq=False)
class _StoredImages:
    """A split's column of images as Arrow has it: `{bytes, path}` each, of which one may be missing."""

    where: str
    column: str
    bytes: Any
    paths: Any

    @classmethod
    def of(cls, where: str, split: Any, column: str) -> _StoredImages:
        from pyarrow import compute

        table = split.select_columns(column).with_format("arrow")[:]
        fields = [compute.struct_field(table[column], field) for field in ("bytes", "path")]
        return cls(where, column, *fields)

    @property
    def elsewhere(self) -> bool:
        """Whether all images are in files of their own."""
        return self.bytes.null_count == len(self.bytes) and self.paths.null_count < len(self.paths)

    def named_files(self) -> list[tuple[str, Path]]:
        """What to call each image, and its file; one without a file is missing under its number."""
        named = enumerate(self.paths.to_pylist())
        return [(path or f"{self.where}, image {row}", Path(path or f"image {row}")) for row, path in named]

    def encoded(self, split: Any, labels: np.ndarray) -> encoded.EncodedImages:
        """The images as those of any Arrow file; they can stream where the split is all of its files."""
        whole = split._indices is None and bool(split.cache_files)  # a selection has rows in an order of its own
        files = tuple(Path(file["filename"]) for file in split.cache_files) if whole else ()
        return encoded.EncodedImages(self.where, self.bytes, labels, (), files, self.column)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
