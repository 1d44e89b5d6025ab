"""Data with roles: `load` a name or a path, get train, cal and test (and val if the source has one).

A new source is one file with a function from `Request` to `Source`, and one line of a table below.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from levelhead.data import (
    cifar,
    cub,
    digits,
    encoded,
    folder,
    hub,
    idx,
    imagenet,
    notmnist,
    npz,
    own,
    pairs,
    path_table,
    scenes,
    shards,
    spiral,
    stl10,
    svhn,
    table,
    text_sets,
    text_table,
    tiny_imagenet,
)
from levelhead.data.assemble import assemble
from levelhead.data.decode import FITS
from levelhead.data.download import DownloadError
from levelhead.data.memory import Streaming
from levelhead.data.records import Augment, Dataset, Split
from levelhead.data.source import Request, Source

if TYPE_CHECKING:
    from levelhead.data.batches import Batches

__all__ = ["Augment", "Batches", "Dataset", "DownloadError", "Split", "load", "names"]

NAMED: dict[str, Callable[[Request], Source]] = {
    "digits": digits.read,
    "spiral": spiral.read,
    "fashion-mnist": idx.fashion_mnist,
    "mnist": idx.mnist,
    "notmnist": notmnist.read,
    "svhn": svhn.read,
    "cifar10": cifar.cifar10,
    "cifar100": cifar.cifar100,
    "stl10": stl10.read,
    "tiny-imagenet": tiny_imagenet.original,
    "tiny-imagenet-32": tiny_imagenet.at_32,
    "tiny-imagenet-32-small": tiny_imagenet.at_32_small,
    "imagenet": imagenet.imagenet,
    "imagenet-a": imagenet.imagenet_a,
    "imagenet-a-tiny": imagenet.imagenet_a_tiny,
    "cub-200-2011": cub.read,
    "trec": text_sets.trec,
    "trec-50": text_sets.trec_fine,
    "mr": text_sets.mr,
    "sst5": text_sets.sst5,
    "imdb": text_sets.imdb,
    "20newsgroups": text_sets.newsgroups,
    "20newsgroups-raw": text_sets.newsgroups_raw,
    "20news-19997": text_sets.newsgroups_all,
    "camvid": scenes.camvid,
    "voc": scenes.voc,
}
FILES: dict[str, Callable[[Request], Source]] = {
    ".npz": npz.read,
    ".csv": table.read,
    ".parquet": table.read,
    ".jsonl": table.read,
}
#: What a folder may hold other than class folders, and how to tell.
FOLDERS: tuple[tuple[Callable[[Path], Any], Callable[[Request], Source]], ...] = (
    (encoded.shards, encoded.read),
    (shards.tar_shards, shards.read),
    (pairs.fits, pairs.read),
)
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".cloudpickle")
TABLES = (table.read, text_table.read, path_table.read)
TAKE_LABEL = (*TABLES, encoded.read, hub.read)
TEXTS = (text_table.read, hub.read, *(read for read in NAMED.values() if read.__module__ == text_sets.__name__))
IMAGES = (folder.read, encoded.read, path_table.read, shards.read)
PHOTOGRAPHS = tuple(
    read for read in NAMED.values() if read.__module__ in {each.__name__ for each in (tiny_imagenet, imagenet, cub)}
)
TAKE_FIT = (*IMAGES, hub.read, *PHOTOGRAPHS)
MASKED = (pairs.read, scenes.camvid, scenes.voc)
TAKE_SKIP_BROKEN = (*TAKE_FIT, *MASKED, notmnist.read)
TAKE_IMAGE_SIZE = (*TAKE_FIT, *MASKED)


def __getattr__(name: str) -> Any:
    """Imports `Batches`, and torch with it, when it is asked for: listing names must not need torch."""
    if name == "Batches":
        from levelhead.data.batches import Batches

        return Batches
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def names() -> tuple[str, ...]:
    """The data sets that `load` knows by name."""
    return tuple(NAMED)


def load(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    label: str | None = None,
    train_size: int | None = None,
    cal_size: int | None = None,
    test_size: int | None = None,
    split_seed: int = 0,
    image_size: int | tuple[int, int] | None = None,
    text: str | None = None,
    max_words: int | None = None,
    stream: str = "auto",
    workers: int | None = None,
    val_size: int | None = None,
    needs_val: bool = False,
    image: str | None = None,
    split: str | None = None,
    group: str | None = None,
    group_pattern: str | None = None,
    fit: str | None = None,
    skip_broken: bool = False,
) -> Dataset:
    """Loads a data set and gives every example exactly one role.

    What the source does not give (`cal`, `test`) is cut from its train part, stratified: a tenth, at least
    300, never more than a quarter of what is there. `digits` and `spiral` have sizes of their own.

    Args:
        source: a name of `names()`; a folder with `train/ [val/] [cal/] test/` of class folders, or of class
            folders alone, or with `train.parquet` and `test.parquet` (or `.arrow`) of encoded images, or with
            `train-000000.tar` shards, or with images and masks (`levelhead.data.pairs` says how); an `.npz` with
            `train_x train_y test_x test_y` (and `val_`, `cal_`); a `.csv`, `.parquet` or `.jsonl` of numbers, with
            `text=` of texts, with `image=` of paths of images; `hf:NAME[:CONFIG]` of the Hugging Face hub;
            `package.module:function` of your own.
        data_dir: the folder where sets known by name lie, or are downloaded to; else the environment's
            LEVELHEAD_DATA, else a cache folder. Sets that need no files ignore it.
        label: the column of labels in a table.
        train_size: how many examples of train are used, a stratified part taken after cal and test were cut.
        cal_size: how many are cut for cal.
        test_size: how many are cut for test.
        split_seed: decides what is cut and taken, from 0.
        image_size: height and width (or both in one number) that a user's images are brought to; images with masks
            are scaled to fit into it, the rest is ignored. By default the most common size, its longer side at most
            64, with masks 256.
        text: the column of texts in a table.
        max_words: how many words of a text are used, by default 400.
        stream: whether encoded images stay on disk and are decoded when they are used: `always`, `never`, or
            `auto`, where all of them would take more than half of the free memory. No number depends on it.
        workers: processes that decode, 0 for none; by default one a core and at most four, and those only to
            stream.
        val_size: how many are cut for val, which is not cut otherwise.
        needs_val: cut val, as many as of the others, where the source has none and `val_size` does not say.
        image: the column of paths of images in a table, relative to the table's folder.
        split: the column of a table that says each row's role: train, val, cal or test.
        group: the column of a table that says what a row belongs to (an object, an author). A group never lies in
            two roles: those cut from train take whole groups, and given ones that share a group are refused.
        group_pattern: the same for a folder of images: a regular expression that finds the group in an image's path
            below the folder, in its first bracketed part or in all it matches.
        fit: how images of other proportions are brought to size: "cover" (the default) scales until the size is
            covered and cuts at the centre, "central" likewise to 8/7 of the size and cuts out the centre (the default
            of ImageNet and ImageNet-A), "letterbox" scales until they lie inside, on black, "stretch" distorts (the
            default of CUB).
            With masks "letterbox" is the default, and "central" is refused.
        skip_broken: whether images that cannot be read are left out, with a note, instead of refused; with masks also
            pairs whose sizes differ.

    Raises:
        ValueError: unknown name, missing or damaged file, contents or arguments that cannot be used; the
            sentence says what came, what is needed and where.
        DownloadError: a set known by name is not there and could not be downloaded.
        WorkFailed: a process that decodes images died.

    Example:
        >>> load("spiral", train_size=100).split_info["sizes"]
        {'train': 100, 'cal': 500, 'test': 1000}
    """
    _check_option("split_seed", split_seed, lowest=0)
    for name, size in (
        ("train_size", train_size),
        ("cal_size", cal_size),
        ("test_size", test_size),
        ("val_size", val_size),
    ):
        if size is not None:
            _check_option(name, size, lowest=1)
    if workers is not None:
        _check_option("workers", workers, lowest=0)
    streaming = Streaming(stream, workers)
    found = read_source(
        source,
        data_dir=data_dir,
        label=label,
        image_size=image_size,
        text=text,
        max_words=max_words,
        streaming=streaming,
        image=image,
        split=split,
        group=group,
        group_pattern=group_pattern,
        fit=fit,
        skip_broken=skip_broken,
    )
    return assemble(
        found,
        train_size=train_size,
        cal_size=cal_size,
        test_size=test_size,
        val_size=val_size,
        needs_val=needs_val,
        split_seed=split_seed,
        streaming=streaming,
    )


def read_source(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    label: str | None = None,
    image_size: int | tuple[int, int] | None = None,
    text: str | None = None,
    max_words: int | None = None,
    streaming: Streaming = Streaming(),  # noqa: B008 (frozen)
    image: str | None = None,
    split: str | None = None,
    group: str | None = None,
    group_pattern: str | None = None,
    fit: str | None = None,
    skip_broken: bool = False,
) -> Source:
    """The parts of a data set as they came, for those who need no roles; arguments and errors as for `load`."""
    read = _reader_of_columns(str(source), text, image)
    if max_words is not None:
        _check_option("max_words", max_words, lowest=1)
    if fit is not None and fit not in FITS:
        raise ValueError(f"fit must be one of {', '.join(FITS)}; got {fit!r}")
    tables = "tables (.csv, .parquet, .jsonl)"
    images = "folders of images, and tables with image="
    request = Request(
        source=str(source),
        data_dir=None if data_dir is None else str(data_dir),
        label=_only_for(read, TAKE_LABEL, "label", label, tables),
        image_size=_only_for(
            read, TAKE_IMAGE_SIZE, "image_size", _height_width(image_size), f"{images}, and sets of photographs"
        ),
        text=text,
        max_words=_only_for(read, TEXTS, "max_words", max_words, "texts"),
        streaming=streaming,
        image=image,
        split=_only_for(read, TABLES, "split", split, tables),
        group=_only_for(read, TABLES, "group", group, f"{tables}; folders of images take group_pattern="),
        group_pattern=_only_for(
            read, (folder.read,), "group_pattern", group_pattern, "folders of images; tables take group="
        ),
        fit=_only_for(read, (*TAKE_FIT, *MASKED), "fit", fit, f"{images}, hf: and sets of photographs"),
        skip_broken=bool(
            _only_for(
                read, TAKE_SKIP_BROKEN, "skip_broken", skip_broken or None, f"{images}, hf: and sets of photographs"
            )
        ),
    )
    return read(request)


def read_alike(
    source: str | Path,
    *,
    shape: tuple[int, ...],
    fit: str,
    text: str | None = None,
    image: str | None = None,
    **options: Any,
) -> Source:
    """`read_source`, with images of files brought to the `shape (C, H, W)` and by the `fit` of other images.

    What has one size and way of its own keeps it.
    """
    alike = brought_alike(source, shape=shape, fit=fit, text=text, image=image)
    return read_source(source, text=text, image=image, **options, **alike)


def brought_alike(
    source: str | Path, *, shape: tuple[int, ...], fit: str, text: str | None = None, image: str | None = None
) -> dict[str, Any]:
    """The arguments of `load` that bring images of files to the `shape (C, H, W)` and by the `fit` of other images."""
    read = _reader_of_columns(str(source), text, image)
    alike: dict[str, Any] = {"image_size": shape[1:]} if len(shape) == 3 and read in TAKE_IMAGE_SIZE else {}
    if alike and read in TAKE_FIT:
        alike["fit"] = fit
    return alike


def _reader_of_columns(source: str, text: str | None, image: str | None) -> Callable[[Request], Source]:
    read = _reader(source)
    if text is not None and image is not None:
        raise ValueError(f"text={text!r} and image={image!r} exclude each other: which column holds the inputs?")
    for name, column, takes in (("text", text, text_table.read), ("image", image, path_table.read)):
        if column is not None and not (read is hub.read and name == "text"):
            if read not in TABLES:
                raise ValueError(
                    f"{name}= has no effect here: it names a column of a .csv, .parquet or .jsonl"
                    f"{' or hf: data set' if name == 'text' else ''}; leave it out"
                )
            read = takes
    return read


def _reader(source: str) -> Callable[[Request], Source]:
    if source in NAMED:
        return NAMED[source]
    path = Path(source).expanduser()
    if source.startswith(hub.PREFIX):
        return hub.read
    if own.is_path(source) and not path.exists():
        return own.read
    if not source or not path.exists():
        close = difflib.get_close_matches(source.lower().replace("_", "-"), NAMED, n=1, cutoff=0.5)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"there is no data set called {source!r}, nor a file or folder {path.absolute()}.{meant} Names: "
            f"{', '.join(NAMED)}; or give the path of a folder, .npz, .csv, .parquet or .jsonl, "
            "hf:NAME, or your package.module:function."
        )
    if path.is_dir():
        return next((read for fits, read in FOLDERS if fits(path)), folder.read)
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        raise ValueError(
            f"{path}: {suffix} files are pickles, which can run any code when they are read, so they are "
            "refused; save the arrays with numpy.savez(..., train_x=, train_y=, test_x=, test_y=)"
        )
    if suffix not in FILES:
        raise ValueError(
            f"{path}: files ending in {suffix or 'nothing'} are not read; use {', '.join(FILES)} or a folder"
        )
    return FILES[suffix]


def _only_for(read: Any, takers: tuple[Any, ...], name: str, value: Any, what: str) -> Any:
    if value is not None and read not in takers:
        raise ValueError(f"{name}= has no effect here: it is for {what}; leave it out")
    return value


def _check_option(name: str, value: object, *, lowest: int) -> None:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < lowest:
        raise ValueError(f"{name} must be a whole number, {lowest} or more; got {value!r}")


def _height_width(image_size: Any) -> tuple[int, int] | None:
    if image_size is None:
        return None
    pair = tuple(image_size) if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(pair) != 2:
        raise ValueError(f"image_size must be one number or (height, width); got {image_size!r}")
    for side in pair:
        _check_option("image_size", side, lowest=1)
    return int(pair[0]), int(pair[1])
