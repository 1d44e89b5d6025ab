"""`notmnist`: letters in many typefaces (Bulatov 2011), as IDX files like MNIST's or the original folders of PNG.

The original small set has a folder a letter with 18,726 images, of which two, known to everybody who read it, hold no
bytes: these are left out and said. One part, no split.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from levelhead.data import idx
from levelhead.data.decode import Form, fault
from levelhead.data.facts import LETTERS, NOTMNIST_FOLDERS
from levelhead.data.named import locate, named_source
from levelhead.data.pictures import NamedFiles, named_pictures
from levelhead.data.source import Request, Source

#: Democratic Bold Oldstyle and Crossover Bold Oblique, in base64 as all names of the set.
KNOWN_BROKEN = (
    "A/RGVtb2NyYXRpY0JvbGRPbGRzdHlsZSBCb2xkLnR0Zg==.png",
    "F/Q3Jvc3NvdmVyIEJvbGRPYmxpcXVlLnR0Zg==.png",
)


def read(request: Request) -> Source:
    """Letters A to J, uint8 `(N, 1, 28, 28)`; where there is one part only, it is split."""
    found = locate("notmnist", request.data_dir)
    if found.layout != NOTMNIST_FOLDERS:
        if request.skip_broken:
            raise ValueError(f"skip_broken= has no effect on the IDX files in {found.folder}; leave it out")
        return idx.notmnist(request)
    folder = found.folder
    every = {letter: sorted((folder / letter).glob("*.png")) for letter in LETTERS}
    known = [path for name in KNOWN_BROKEN if (path := folder / name).is_file() and fault(name, path) is not None]
    paths = {letter: [path for path in each if path not in known] for letter, each in every.items()}
    labels = np.repeat(np.arange(len(LETTERS)), [len(each) for each in paths.values()])
    files = NamedFiles([path for each in paths.values() for path in each], labels)
    parts, notes, facts = named_pictures({"train": files}, Form(1, 28, 28), folder, request)
    if known:
        names = " and ".join(path.relative_to(folder).as_posix() for path in known)
        notes = (f"{names}, broken in the original too, {'are' if len(known) > 1 else 'is'} left out", *notes)
    return named_source("notmnist", parts, f"{found.layout.name} in {Path(folder)}", notes=notes, facts=facts)
