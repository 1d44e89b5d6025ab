"""Which column of a file means what. Logits and probabilities are told apart by name or by the caller, not by value.

Clear names, in capitals or not: `logits`, `probs` (or `prob`, `proba`, `probability`, `softmax`), alone or as a word of
a name such as `test_logits`; as an array (N, C), a column of lists, columns `probs_0`... or `probs_cat`..., or one
column for class 1 of two; `label` (`labels`, `target`, `y`, `y_true`, `true`); `id`. Without scores: `predicted` and
`confidence` beside the label. Where several names would do, those of our own files go first: `logits` or `probs`,
`labels` and `ids` of arrays, `label` and `id` of tables.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from levelhead.errors import unknown
from levelhead.prediction_files.store import Column, Store

Kind = Literal["logits", "probs"]
Labels = Literal["needed", "welcome", "ignored"]

_WORDS: dict[str, Kind] = {
    **dict.fromkeys(("logits", "logit"), "logits"),
    **dict.fromkeys(("probs", "prob", "proba", "probas", "probability", "probabilities", "softmax"), "probs"),
}
LABEL = ("label", "labels", "target", "targets", "y", "y_true", "true", "truth", "ground_truth")
PREDICTED = ("predicted", "prediction", "pred", "y_pred")
CONFIDENCE = ("confidence", "confidences", "conf")
IDS = ("id", "ids")
# how the caller says it: on the command line, and to `Predictions.load` and `evaluate`
_KIND_WORDS = "--logits or --probs (in Python kind='logits' or kind='probs')"
_SCORES_WORDS = "--scores NAME (scores='NAME')"
_LABEL_WORDS = "--label NAME (label='NAME')"
#: Columns that hold names, in a format that does not say what it holds.
TEXT = frozenset((*LABEL, *PREDICTED, *IDS, "role"))


@dataclass(frozen=True)
class Layout:
    """The columns to read. `scores`: one that is wide, or one a class; empty where only the top label is known."""

    kind: Literal["logits", "probs", "top_label"]
    scores: tuple[str, ...]
    label: str | None
    ids: str | None
    predicted: str | None = None
    confidence: str | None = None
    classes: tuple[str, ...] = ()  # names that the columns' own names give

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        named = (self.predicted, self.confidence, self.label, self.ids)
        return (*self.scores, *(name for name in named if name))


def find(store: Store, kind: Kind | None, scores: str | None, label: str | None, labels: Labels) -> Layout:
    """Decide on the columns of `store`. ValueError where a name is missing or unclear: it says which option tells.

    `kind`, `scores`, `label`: what the caller said (``--logits`` or ``--probs``, ``--scores``, ``--label``).
    """
    names = store.columns
    own_label = _label(store, label, labels == "needed")
    ids = _ids(store, own_label)
    taken = {own_label, ids, "role"}
    untaken = {name: column for name, column in names.items() if name not in taken}
    wordy = [name for name, column in untaken.items() if column.kind not in "fiub" and kind_of(name)]
    try:
        groups = _groups(untaken, scores)
    except ValueError as error:
        raise _no_numbers(store, wordy[0]) if wordy else ValueError(f"{store.path}: {error}") from None
    if not groups and wordy:
        raise _no_numbers(store, wordy[0])
    chosen = _choose(store, groups, kind, scores)
    if chosen is not None:
        found, name, members = chosen
        odd = [each for each in wordy if name and each.startswith(name)]
        if odd:  # one class of the group, for all that its name says: without it the others would be renumbered
            raise _no_numbers(store, odd[0])
        return Layout(found, members.columns, None if labels == "ignored" else own_label, ids, classes=members.classes)
    predicted, confidence = _one_of(names, PREDICTED), _one_of(names, CONFIDENCE)
    if confidence is not None and predicted is not None and own_label is not None:
        return Layout("top_label", (), own_label, ids, predicted, confidence)
    loose = [name for name, column in names.items() if name not in taken and column.kind in "fiu" and not column.width]
    if kind is not None and scores is None and len(loose) >= 2:
        return Layout(kind, tuple(loose), None if labels == "ignored" else own_label, ids, classes=tuple(loose))
    raise ValueError(_what_is_missing(store, loose))


def _no_numbers(store: Store, name: str) -> ValueError:
    return ValueError(f"{store.path}: column {name} must hold numbers, but holds words or something else")


@dataclass(frozen=True)
class _Group:
    columns: tuple[str, ...]
    classes: tuple[str, ...] = ()


def _groups(columns: Mapping[str, Column], wanted: str | None) -> dict[str, _Group]:
    """Scores by name: wide columns, and columns that a common name and the classes' numbers or names make."""
    groups = {name: _Group((name,)) for name, c in columns.items() if c.kind in "fiub" and c.width != 0}
    flat = [name for name, column in columns.items() if column.kind in "fiu" and column.width == 0]
    numbered: dict[str, dict[int, str]] = {}
    for name in flat:
        match = re.fullmatch(r"(.*?)[_.\- ]?(\d+)", name)
        if match:
            numbered.setdefault(match[1], {})[int(match[2])] = name
    for prefix, members in numbered.items():
        if len(members) >= 2 and (prefix == "" or kind_of(prefix) or prefix == wanted or 0 in members):
            missing = sorted(set(range(len(members))) - set(members))
            if missing and (kind_of(prefix) or prefix == wanted):
                raise ValueError(
                    f"{len(members)} columns are called {prefix}_K, but {prefix}_{missing[0]} is missing; "
                    "classes are counted from 0"
                )
            if not missing:
                groups[prefix] = _Group(tuple(members[k] for k in range(len(members))))
    named: dict[str, list[str]] = {}
    for name in flat:
        prefix = name.split("_", 1)[0]
        if "_" in name and prefix not in groups and (kind_of(prefix) or prefix == wanted):
            named.setdefault(prefix, []).append(name)
    for prefix, found in named.items():
        if len(found) >= 2:
            groups[prefix] = _Group(tuple(found), tuple(name.split("_", 1)[1] for name in found))
    # a single column is that of class 1 of two, where its name says what it is and nothing else does
    grouped = {name for group in groups.values() for name in group.columns}
    alone = [name for name in flat if name not in grouped and (_ends_in_kind(name) or name == wanted)]
    if len(alone) == 1 and not groups and not _one_of(columns, PREDICTED):
        groups[alone[0]] = _Group((alone[0],))
    return groups


def _ends_in_kind(name: str) -> bool:
    """Whether a name ends in what its numbers are: `test_prob`, but not `prob_0` or `prob_cat`, one class of many."""
    return kind_of(re.split(r"[^A-Za-z0-9]", name)[-1]) is not None and not name[-1].isdecimal()


def kind_of(name: str) -> Kind | None:
    """What a name says about its numbers; None where it says nothing, or both."""
    kinds = {_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS}
    return kinds.pop() if len(kinds) == 1 else None


def _choose(
    store: Store, groups: dict[str, _Group], kind: Kind | None, wanted: str | None
) -> tuple[Kind, str, _Group] | None:
    if wanted is not None:
        if wanted not in groups:
            raise ValueError(f"{store.path}: {unknown('array or group of columns', wanted, groups)}")
        groups = {wanted: groups[wanted]}
    clear = {name: said for name in groups if (said := kind_of(name))}
    if len(set(clear.values())) > 1 and kind is not None:
        clear = {name: said for name, said in clear.items() if said == kind}
    clear = {name: said for name, said in clear.items() if name == said} or clear
    if len(set(clear.values())) > 1:
        raise ValueError(f"{store.path} holds both logits and probabilities ({', '.join(clear)}): say {_KIND_WORDS}")
    if len(clear) > 1:
        raise ValueError(f"{store.path} holds {' and '.join(clear)}: say which with {_SCORES_WORDS}")
    if clear:
        name, said = next(iter(clear.items()))
        if kind is not None and said != kind:
            raise ValueError(
                f"{store.path} calls its scores {name!r}, but was told that they are {kind}: rename them, or leave "
                "that unsaid"
            )
        return said, name, groups[name]
    if not groups:
        return None
    listed = " and ".join(repr(name or "0, 1, 2...") for name in groups)
    if kind is None:
        if _one_of(store.columns, PREDICTED) and _one_of(store.columns, CONFIDENCE):
            return None  # clear names for the top label, beside numbers that nobody named
        raise ValueError(
            f"{store.path}: are the numbers in {listed} logits or probabilities? Say {_KIND_WORDS}; it is never "
            "guessed from the values"
        )
    if len(groups) > 1:
        raise ValueError(f"{store.path} holds {listed}: say which are the {kind} with {_SCORES_WORDS}")
    return kind, *next(iter(groups.items()))


def _label(store: Store, wanted: str | None, needed: bool) -> str | None:
    if wanted is not None and (needed or wanted in store.columns):
        if wanted not in store.columns:
            raise ValueError(f"{store.path}: {unknown('column', wanted, store.columns)}")
        return wanted
    found = [name for name in store.columns if name.lower() in LABEL]
    if store.own[0] in found:
        return store.own[0]
    if len(found) > 1:
        raise ValueError(f"{store.path} has {' and '.join(found)}: say which is the label with {_LABEL_WORDS}")
    if not found and needed:
        raise ValueError(
            f"{store.path} needs labels, but holds {', '.join(store.columns) or 'nothing'}; name the column "
            f"{store.own[0]}, or say {_LABEL_WORDS}"
        )
    return found[0] if found else None


def _ids(store: Store, label: str | None) -> str | None:
    """Ours by name; another's where it could name examples at all."""
    if store.own[1] in store.columns:
        return store.own[1]
    rows = store.columns[label].rows if label else None
    able = {
        name: column
        for name, column in store.columns.items()
        if column.kind in "iuU" and column.width == 0 and rows in (None, column.rows)
    }
    return _one_of(able, IDS)


def _one_of(names: Mapping[str, Column], known: Sequence[str]) -> str | None:
    return next((name for name in names if name.lower() in known), None)


def _what_is_missing(store: Store, loose: list[str]) -> str:
    holds = ", ".join(store.columns) or "nothing"
    if len(loose) >= 2:
        return (
            f"{store.path}: are the columns {', '.join(loose[:4])}{'...' if len(loose) > 4 else ''} logits or "
            f"probabilities? Say {_KIND_WORDS}; it is never guessed from the values"
        )
    return (
        f"{store.path} needs `logits` or `probs`, one column a class, or `predicted` and `confidence` beside the "
        f"label, but holds {holds}"
    )
