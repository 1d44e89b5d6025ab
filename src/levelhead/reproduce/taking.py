"""Finished runs of comparisons that are there already, taken into the store in place of training them again.

A run's folder is named by the hash of all that its numbers depend on (data content, sentence, network, recipe, seed,
device, precision, threads), so a run of the same name is the same run.
"""

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from levelhead.compare.folder import Folder, differences
from levelhead.files import read_json, write_whole
from levelhead.train.execute import is_finished
from levelhead.train.run import FINISHED, Run

if TYPE_CHECKING:
    from levelhead.compare.settings import Comparison

#: What belongs to the work in a folder, not to its result.
_PASSING = (".lock", "checkpoint.pt", FINISHED)


def open_comparison(folder: Path) -> Mapping[str, Any]:
    """What a comparison's folder says of itself. Raises ``ValueError`` where it is none."""
    card = Folder(folder).card
    if not card.is_file():
        raise ValueError(f"--from {folder} is no comparison: it has no {card.name}; give the --out of 'compare'")
    return read_json(card)


def why_not(card: Mapping[str, Any], whole: "Comparison") -> list[str]:
    """What of a comparison is not as it is wanted here, in words; empty where its runs are those of ``whole``."""
    return differences(card["identity"], whole.identity())


def take(source: Path, runs: Sequence[Run], folder: Folder) -> list[Run]:
    """Copy those of the runs that ``source`` has finished, with what they are asked to record; returns them."""
    taken = []
    for run in runs:
        there, here = source / "runs" / run.hash, folder.run(run)
        if (
            folder.finished(run)
            or not is_finished(there, run.record)
            or read_json(there / FINISHED)["hash"] != run.hash
        ):
            continue
        shutil.copytree(there, here, ignore=shutil.ignore_patterns(*_PASSING), dirs_exist_ok=True)
        # last, as in training: where it stands, the run is whole
        write_whole(here / FINISHED, partial(shutil.copyfile, there / FINISHED))
        taken.append(run)
    return taken
