"""What readers of named sets share: finding the files, fetching them where that can be done, and the source's facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from levelhead.data.download import DownloadError, download, instructions, megabytes
from levelhead.data.facts import FACTS, Facts, Layout
from levelhead.data.places import candidates, data_root
from levelhead.data.source import Part, Source


@dataclass(frozen=True)
class Found:
    """A folder that holds a whole set in one layout."""

    folder: Path
    layout: Layout

    def file(self, name: str) -> Path:
        """The file of the layout whose first spelling this is, under the spelling that is there."""
        spellings = next(spellings for spellings in self.layout.files if spellings.split("|")[0] == name)
        found = _spelt(self.folder, spellings)
        assert found is not None
        return found


def locate(name: str, data_dir: str | None) -> Found:
    """Where the files of a named set are, after a download if there is none and it can be downloaded.

    Raises:
        ValueError: a folder holds some of the files and lacks others.
        DownloadError: nothing there, and no download, or one that failed; lists the files and their sizes.
    """
    facts = FACTS[name]
    root = data_root(data_dir)
    found = look(name, root)
    if found is None and facts.remote:
        download(facts, root)
        found = look(name, root)
    if found is None:
        raise DownloadError(
            f"{facts.title} is not in {root}, and is not downloaded. {instructions(facts, root)} "
            f"They are described at {facts.homepage}."
        )
    return found


def look(name: str, root: Path) -> Found | None:
    """The first folder that holds the set whole, or None; folders come before layouts, as the table has them.

    Raises:
        ValueError: no folder holds it whole, but one that is named after it holds a part.
    """
    facts = FACTS[name]
    partial: tuple[Path, list[str]] | None = None
    for folder in candidates(root, facts.folders, _same_files(facts)):
        for layout in facts.layouts:
            missing = [spellings.split("|")[0] for spellings in layout.files if _spelt(folder, spellings) is None]
            if not missing:
                return Found(folder, layout)
            # the data folder itself may hold anything
            if partial is None and folder != root and len(missing) < len(layout.files):
                partial = folder, missing
    if partial is None:
        return None
    folder, missing = partial
    cure = "or remove the others to have all of it downloaded" if facts.remote else f"from {facts.homepage}"
    raise ValueError(f"{facts.title} in {folder} lacks {', '.join(missing)}; add what is missing, {cure}")


def state(name: str, data_dir: str | None = None) -> str:
    """In a few words whether the files of a set are there, for people."""
    facts = FACTS[name]
    if not facts.folders:
        return "embedded"
    root = data_root(data_dir)
    try:
        found = look(name, root)
    except ValueError:
        return "incomplete"
    if found is not None:
        place = found.folder.relative_to(root).as_posix()
        return f"in {place}" if place != "." else "there"
    size = sum(remote.size for remote in facts.remote)
    what = f"{megabytes(size)} are downloaded when asked for" if size else "its files are yours to put there"
    return f"not found ({what})"


def named_source(
    name: str,
    parts: Mapping[str, Part],
    how: str,
    *,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    notes: tuple[str, ...] = (),
    facts: Mapping[str, Any] | None = None,
) -> Source:
    """A source with all that the table knows of it; a copy of another size than the original gets a note.

    Args:
        name: the set's name in the table.
        parts: what was read.
        how: layout and place, the end of the sentence of origin.
        classes: names that the files gave, where the table has only their number.
        title: what this copy is called, if not as the original.
        notes: further sentences.
        facts: what the user decided about the examples.
    """
    known = FACTS[name]
    return Source(
        name=name,
        kind=known.kind,
        classes=known.names if classes is None else tuple(classes),
        parts=parts,
        origin=f"{title or known.title}, {how}",
        augment=known.augment,
        notes=(*notes, *size_note(known, {role: len(part.labels) for role, part in parts.items()})),
        facts=facts or {},
    )


def size_note(facts: Facts, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """A sentence about a copy that has not the original's sizes; none for one that has."""
    if not facts.sizes or dict(sizes) == dict(facts.sizes):
        return ()
    here, original = (" and ".join(f"{size:,}" for size in each.values()) for each in (sizes, facts.sizes))
    return (f"this copy of {facts.title} has {here} examples, not the {original} of the original",)


def _spelt(folder: Path, spellings: str) -> Path | None:
    for spelling in spellings.split("|"):
        if "*" in spelling:
            found = next(iter(folder.glob(spelling)), None)
            if found is not None:
                return found
        elif (folder / spelling).exists():
            return folder / spelling
    return None


def _same_files(facts: Facts) -> list[str]:
    """Folders of other sets whose files are called the same: a data folder of such a name is not this set's."""
    own = {spellings for layout in facts.layouts for spellings in layout.files}
    return [
        folder
        for other in FACTS.values()
        if not set(other.folders) & set(facts.folders)
        and own & {spellings for layout in other.layouts for spellings in layout.files}
        for folder in other.folders
    ]
