"""Segmentation sets known by name: `camvid` and `voc`, in the layouts that they are copied in.

They are looked for in the data folder; nobody serves them in a form that could be checked, so there is no download.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from levelhead.data.facts import CAMVID, FACTS, VOC
from levelhead.data.masks import Pair, read_pairs
from levelhead.data.named import locate
from levelhead.data.pairs import find_pairs
from levelhead.data.source import Request, Source

CAMVID_VOID = 11
VOC_LISTS = {"train": "train", "test": "val"}


def camvid(request: Request) -> Source:
    """CamVid (Brostow et al. 2009) in eleven classes: 367 street scenes to train on, 101 for cal, 233 to test.

    The source's val is `cal`: temperatures are fitted there, as in MbLS, and no epoch is selected. Class 11 (void) is
    ignored. Layouts: `train/ trainannot/ val/ valannot/ test/ testannot/`, or NAME.jpg with NAME_label.png.
    """
    folder, usual = locate("camvid", request.data_dir).folder, FACTS["camvid"].sizes
    masked = read_pairs(find_pairs(folder), folder, len(CAMVID), request, CAMVID_VOID)
    sizes = {role: len(masked.pairs[role]) for role in usual}
    notes = ["the val part of CamVid is used as cal, where temperatures are fitted; no epoch is selected on it"]
    if sizes != usual:
        notes.append(f"this copy has {_listed(sizes)} images, not the {_listed(usual)} of the usual one")
    if any(pair.image.suffix.lower() in (".jpg", ".jpeg") for pair in masked.pairs["train"]):
        notes.append(f"the images of {folder.name} are lossy: numbers on it are not those of the published benchmark")
    return Source(
        name="camvid",
        kind="segmentation",
        classes=CAMVID,
        parts={role: masked.parts[own] for role, own in (("train", "train"), ("cal", "val"), ("test", "test"))},
        origin=f"CamVid in {folder}, {masked.form.words}; void is ignored",
        augment=masked.form.augment,
        notes=(*notes, *masked.notes),
        facts=masked.facts,
    )


def voc(request: Request) -> Source:
    """PASCAL VOC 2012 (Everingham et al.), 21 classes: 1,464 images to train on, cal cut from them; val is `test`.

    The labels of its test part are not public, so that all papers report val (MbLS, too). 255 (void) is ignored.
    """
    folder, lists = locate("voc", request.data_dir).folder, Path("ImageSets/Segmentation")
    found = {role: _listed_pairs(folder, folder / lists / f"{name}.txt") for role, name in VOC_LISTS.items()}
    masked = read_pairs(found, folder, len(VOC), request)
    sizes, usual = (
        {role: len(pairs) for role, pairs in masked.pairs.items()},
        {role: FACTS["voc"].sizes[name] for role, name in VOC_LISTS.items()},
    )
    notes = ["the val part of VOC 2012 is used as test (labels of its own test part are not public)"]
    if sizes != usual:
        notes.append(f"this copy has {_listed(sizes)} images, not the {_listed(usual)} of the original")
    return Source(
        name="voc",
        kind="segmentation",
        classes=VOC,
        parts=masked.parts,
        origin=f"PASCAL VOC 2012 in {folder}, {masked.form.words}; void is ignored",
        # 512 of 640, as in MbLS
        augment=replace(FACTS["voc"].augment, size=4 * max(masked.form.form.height, masked.form.form.width) // 5),
        notes=(*notes, *masked.notes),
        facts=masked.facts,
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


def _listed(sizes: Mapping[str, int]) -> str:
    return " / ".join(f"{size:,}" for size in sizes.values())
