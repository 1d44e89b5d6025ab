"""The sentence that names a method: ``mixing | targets | loss | penalty [@ predict]``, read and printed.

``parse(str(spec)) == spec`` always holds, and the printed sentence says every argument that has an effect, so it can
stand for the method in a file, a table or a hash.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from levelhead.binding import bind, built, plain
from levelhead.catalogue import METHODS
from levelhead.errors import unknown
from levelhead.extensions import find
from levelhead.grammar import Term, parse_slots
from levelhead.losses import LOSSES, PENALTIES, Consistency, CrossEntropy, Loss, Penalty
from levelhead.member import show
from levelhead.mixing import MIXERS, Mixer
from levelhead.prediction import Predict
from levelhead.targets import RULES, Rule

SLOTS = ("mixing", "targets", "loss", "penalty")
_FAMILIES: dict[str, tuple[Mapping[str, type[Any]], tuple[type, ...]]] = {
    "mixing": (MIXERS, (Mixer,)),
    "targets": (RULES, (Rule,)),
    "loss": (LOSSES, (Loss,)),
    "penalty": (PENALTIES, (Penalty, Consistency)),
}


@dataclass(frozen=True)
class Spec:
    """A method: one member of each slot, and any number of penalties. Prints as its sentence."""

    mixing: Mixer
    targets: Rule
    loss: Loss
    penalties: tuple[Penalty | Consistency, ...] = ()
    predict: Predict = Predict()

    def __post_init__(self) -> None:
        _refuse_nonsense(self)

    def __str__(self) -> str:
        penalties = " + ".join(map(str, self.penalties)) or "none"
        sentence = f"{self.mixing} | {self.targets} | {self.loss} | {penalties}"
        return sentence if self.predict == Predict() else f"{sentence} @ {self.predict}"

    @property
    def compares_views(self) -> bool:
        """Whether some penalty needs the clean and the mixed view of the same batch."""
        return any(isinstance(penalty, Consistency) for penalty in self.penalties)

    @property
    def needs_clean(self) -> bool:
        """Whether the originals go through the network in a step that mixes."""
        return self.compares_views or self.loss.clean > 0

    @property
    def needs_mixed(self) -> bool:
        """Whether the mixed view goes through the network in a step that mixes."""
        return self.compares_views or self.loss.mixed > 0

    @property
    def separate(self) -> bool:
        """Whether the two views go through the network one after the other."""
        return any(isinstance(penalty, Consistency) and penalty.separate for penalty in self.penalties)

    @property
    def updates(self) -> int:
        """Training steps that each batch of the data is used for."""
        return self.mixing.updates

    @property
    def passes(self) -> float:
        """Expected forward-backward passes that a batch costs in training; plain training is 1."""
        share, views = self.mixing.share, self.needs_clean + self.needs_mixed
        step = self.loss.repeats * (1 - share + share * views) + share * self.mixing.core.needs_saliency
        return self.updates * step


@dataclass(frozen=True)
class Card:
    """What there is to know of a named method before using it.

    ``passes`` is what a batch costs in training, ``predict_passes`` what a prediction costs.
    """

    name: str
    usage: str
    sentence: str
    idea: str
    equation: str
    paper: str
    defaults: str
    deviations: str
    switches: str
    passes: float
    predict_passes: int


def parse(text: str) -> Spec:
    """Read a named method (``"mixup(alpha=0.4)"``) or a sentence (``"mixup(alpha=0.4) | one_hot"``).

    Raises ``ValueError`` with the reason for a text that does not parse, a name that is unknown, an argument out of
    range or without effect, and a combination that makes no sense.

    >>> str(parse("uls"))
    'identity | smooth(smoothing=0.1) | cross_entropy | none'
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            "a method is a name such as 'mixup', or a sentence such as 'mixup | one_hot'; got an empty text"
        )
    slots, behind = parse_slots(text)
    spec = _named(text, slots[0]) if len(slots) == 1 else _sentence(text, slots)
    if behind is None:
        return spec
    if spec.predict != Predict():
        raise ValueError(f"{text!r}: {slots[0][0].name} already says how it predicts; give it arguments instead")
    if behind.name != Predict.word:
        raise ValueError(f"{text!r}: behind '@' stands how to predict, predict(dropout=0.3, samples=10)")
    return replace(spec, predict=built(Predict, behind))


def _sentence(text: str, slots: list[list[Term]]) -> Spec:
    if len(slots) > len(SLOTS):
        raise ValueError(f"{text!r} has {len(slots)} slots; a sentence has at most four: {' | '.join(SLOTS)}")
    for slot, terms in zip(SLOTS[:3], slots):
        if len(terms) > 1:
            twice = " (labels are smoothed once)" if slot == "targets" else ""
            raise ValueError(f"{text!r}: only penalties are joined with '+'; the {slot} slot takes one word{twice}")
    mixing = _member("mixing", slots[0][0])
    targets = _member("targets", slots[1][0])
    loss = _member("loss", slots[2][0]) if len(slots) > 2 else CrossEntropy()
    penalties = _penalties(slots[3]) if len(slots) > 3 else ()
    return Spec(mixing, targets, loss, penalties)


@cache
def methods() -> Mapping[str, Card]:
    """The named methods: name -> card, with the full sentence, the paper and the passes a batch costs."""
    cards = {}
    for name, entry in METHODS.items():
        spec = parse(name)
        cards[name] = Card(
            name,
            entry.usage,
            str(spec),
            entry.idea,
            entry.equation,
            entry.paper,
            entry.defaults,
            entry.deviations,
            entry.switches,
            spec.passes,
            spec.predict.samples,
        )
    return cards


def _named(text: str, terms: list[Term]) -> Spec:
    term = terms[0]
    if len(terms) > 1:
        raise ValueError(f"{text!r}: a named method stands alone; to join penalties write a whole sentence with '|'")
    entry = METHODS.get(term.name)
    if entry is None:
        for slot, (family, _) in _FAMILIES.items():
            if term.name in family or ":" in term.name:
                of = "a slot" if ":" in term.name else f"the {slot} slot"
                raise ValueError(
                    f"{term.name!r} is no method but a word of {of}; "
                    f"write a sentence: {' | '.join(SLOTS)}, for example 'mixup(alpha=0.4) | one_hot'"
                )
        raise unknown("method", term.name, METHODS)
    names = list(inspect.signature(entry.expand).parameters)
    given = {name: plain(value) for name, value in bind(term, names).items()}
    try:
        sentence = entry.expand(**given)
        spec = parse(sentence)
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from None
    return spec


def _member(slot: str, term: Term) -> Any:
    """The member of a slot that a term names, with its arguments checked."""
    family, bases = _FAMILIES[slot]
    return built(find(slot, family, bases, term.name), term, inner=lambda value: _member("mixing", _as_term(value)))


def _as_term(value: Any) -> Term:
    if not isinstance(value, Term):
        raise ValueError(f"expected a mixer such as midpoint, not {show(value)}")
    return value


def _penalties(terms: list[Term]) -> tuple[Penalty | Consistency, ...]:
    if len(terms) == 1 and terms[0] == Term("none"):
        return ()
    found = tuple(_member("penalty", term) for term in terms)
    words = [penalty.word for penalty in found]
    for word in words:
        if words.count(word) > 1:
            raise ValueError(f"the penalty {word} is given twice; give it once, with the weight you want")
    return found


def _refuse_nonsense(spec: Spec) -> None:
    """Refuse a combination in which some word could have no effect, or the opposite of its purpose."""
    if spec.mixing.share == 0:
        if spec.compares_views:
            raise ValueError("logit_match compares a mixed view with its originals, but nothing is mixed; add a mixer")
        if not spec.loss.says_default_views:
            raise ValueError(
                f"{spec.loss} weighs two views, but nothing is mixed and there is one; drop clean= and mixed="
            )
        if spec.targets.lam == "uniform":
            raise ValueError("lam=uniform mixes labels, but no inputs are mixed; add a mixer such as midpoint")
        if spec.targets.word == "nearest":
            raise ValueError("nearest rounds the weights of mixed labels, but nothing is mixed; use one_hot")
    if spec.loss.mixed == 0 and not spec.compares_views:
        raise ValueError("the mixed view has no weight and no penalty looks at it; use identity as the mixing")
    if spec.loss.mixed == 0 and (spec.targets.lam == "uniform" or spec.targets.word == "nearest"):
        raise ValueError(f"{spec.targets} changes the labels of the mixed view, which has no weight here")
