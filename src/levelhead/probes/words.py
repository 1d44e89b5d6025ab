"""From a text to probes: a word with arguments, or the name or path of another data set."""

import re
from pathlib import Path

from levelhead.binding import built
from levelhead.data import NAMED
from levelhead.errors import unknown
from levelhead.grammar import parse_term
from levelhead.probes.fgsm import Fgsm
from levelhead.probes.gaussian_noise import GaussianNoise
from levelhead.probes.leave_hull import DISTANCES, LeaveHull
from levelhead.probes.mc_dropout import McDropout
from levelhead.probes.natural_adversarial import NaturalAdversarial
from levelhead.probes.other_data import OtherData, place
from levelhead.probes.probe import Probe
from levelhead.probes.uniform_noise import UniformNoise

#: Every probe that is a word; whatever else is given is the name or path of a data set.
WORDS: dict[str, type[Probe]] = {
    probe.word: probe for probe in (Fgsm, GaussianNoise, UniformNoise, LeaveHull, McDropout, NaturalAdversarial)
}
_TABLES = (".csv", ".parquet")
_FRACTION = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*([1-9]\d*(?:\.\d+)?)")


def parse(text: str, data_dir: str | Path | None = None, label: str | None = None) -> tuple[Probe, ...]:
    """The probes that a text asks for: one, or one at each distance for ``leave_hull`` without a distance.

    ``fgsm``, ``fgsm(eps=4/255)``, ``gaussian_noise(clip=true)``, ``leave_hull(distance=10)``,
    ``natural_adversarial:PATH``, or the name or path of another data set. ``data_dir`` is where named sets lie,
    ``label`` the column of labels in a table.

    Raises ``ValueError`` for an unknown word, an argument out of range, and a data set that is not there.

    >>> parse("fgsm(eps=4/255)")[0].name
    'fgsm(eps=4/255)'
    """
    head, source = re.match(r"\s*([A-Za-z_]\w*)?", text).group(1), None  # type: ignore[union-attr]
    where = None if data_dir is None else str(data_dir)
    if head == NaturalAdversarial.word and ":" in text:
        text, source = (part.strip() for part in text.split(":", 1))
    elif head not in WORDS or _is_path(text):
        return (_other(text.strip(), where, label),)
    probe = _word(text, source, where)
    if isinstance(probe, LeaveHull) and probe.distance is None:
        return tuple(LeaveHull(distance, probe.direction, probe.seed) for distance in DISTANCES)
    return (probe,)


def _word(text: str, source: str | None, data_dir: str | None) -> Probe:
    term = parse_term(_FRACTION.sub(lambda found: repr(float(found[1]) / float(found[2])), text))
    kind = WORDS[term.name]
    if kind is not NaturalAdversarial:
        return built(kind, term)
    if not source:
        raise ValueError(f"{text} needs a data set: natural_adversarial:NAME, or :PATH of a folder of class folders")
    return built(kind, term, told={"source": source, "data_dir": data_dir})


def _other(text: str, data_dir: str | None, label: str | None) -> Probe:
    where = place(text, data_dir)
    if where not in NAMED and (not text or not Path(where).expanduser().exists()):
        error = unknown("probe", text, [*WORDS, *NAMED])
        raise ValueError(f"{error} A path to other data is a probe too, but {Path(where).absolute()} is not there.")
    return OtherData(text, data_dir, label if Path(text).suffix in _TABLES else None)


def _is_path(text: str) -> bool:
    return "/" in text.split("(")[0] or Path(text).suffix in (".npz", *_TABLES)
