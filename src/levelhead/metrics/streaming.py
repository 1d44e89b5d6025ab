"""All measures in one pass and constant memory: feed batches in any split, merge, read.

Counts are int64 and sums float64, so 1e9 examples are as exact as ten. The plain functions of this room are
this accumulator, run once.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from levelhead.metrics import _cells, _class_bins, _masses, _pointwise, _ranked, _top_label
from levelhead.metrics._bins import Bins
from levelhead.metrics._blocks import rows_together
from levelhead.metrics._distributions import are_distributions, rows
from levelhead.metrics._edges import check_n_bins
from levelhead.metrics._masses import MassSamples
from levelhead.metrics._measures import READERS, accuracy_at_coverage, bins_of, class_ece, covered
from levelhead.metrics._pointwise import State
from levelhead.metrics._samples import Samples
from levelhead.metrics._sharing import gathered, reduced
from levelhead.metrics._side_by_side import side_by_side
from levelhead.metrics.chunks import Chunk, chunks
from levelhead.metrics.given import Array, Given, as_tensor, check_dense, check_scores, one_of

#: A state is made of ordinary tensors, also inside `torch.inference_mode`: outside they could not be added to.
_ordinary = torch.inference_mode(False)


class _Part(NamedTuple):
    """Some sums: how they begin; what adds a chunk's rows, or collects from its blocks; what a chunk must have."""

    zeros: Callable[[int, int], State]
    add: Callable[[State, Chunk], None] | None = None
    collector: Callable[[State], _class_bins.Collector] | None = None
    needs: tuple[str, ...] = ()


class _Outcomes:
    """What the parts for the top label read from a chunk."""

    def __init__(self, confidence: Tensor, correct: Tensor) -> None:
        if confidence.ndim != 1 or correct.shape != confidence.shape or correct.dtype != torch.bool:
            raise ValueError(
                f"confidence (N,) and correct (N,), booleans, must go together, got {tuple(confidence.shape)} and "
                f"{correct.dtype} {tuple(correct.shape)}"
            )
        if not bool(((confidence >= 0) & (confidence <= 1)).all()):
            raise ValueError("confidence must lie in [0, 1]: it is the probability of the predicted class")
        self.confidence = confidence.float() if confidence.itemsize < 4 else confidence
        self.stored_as = confidence.dtype
        self.correct = correct
        self.rest = 1 - confidence.double()


_PARTS: Mapping[str, _Part] = {
    "correct": _Part(_pointwise.zeros_correct, _pointwise.add_correct),
    "top5": _Part(_pointwise.zeros_top5, _pointwise.add_top5, needs=("top5",)),
    "nll": _Part(_pointwise.zeros_nll, _pointwise.add_nll),
    "brier": _Part(_pointwise.zeros_brier, _pointwise.add_brier, needs=("brier",)),
    "top_label": _Part(_top_label.zeros, _top_label.add),
    "class_bins": _Part(_class_bins.zeros, collector=_class_bins.Collector),
    "cells": _Part(_cells.zeros, _cells.add, needs=("rest",)),
}


class Calibration:
    """Streaming accumulator of every measure of one model on one set of examples.

    `num_classes`: columns of the scores. `n_bins`: bins of ECE and its relatives, fixed here. `parts` restricts what
    is computed; the default is everything. Accuracy, NLL, Brier, gap, ECE, OE, MCE, class-wise ECE and what is read
    from the same bins equal the plain functions; adaptive ECE, AURC, AUGRC and accuracy at coverage come from fine
    cells (`_cells.py`), within 5e-4 of them. The size does not depend on the number of examples: about 840 KB and
    24 bytes a class and bin. `exact=True` keeps 4 bytes an example (8 from float64 scores) beside it, for which those
    are exact.

    Labels equal to `ignore_index` are left out with their scores, and with `ignore_background` those equal to 0;
    both are meant for segmentation, where every pixel counts as an example and all are pooled.

    The state is where the scores are: scores on a GPU are summed there and only `compute` brings numbers back.

    >>> import numpy as np
    >>> acc = Calibration(num_classes=2)
    >>> acc.update(probs=np.array([[0.9, 0.1]]), labels=np.array([0]))
    >>> acc.update(probs=np.array([[0.2, 0.8]]), labels=np.array([0]))
    >>> round(acc.compute()["gap"], 6)
    0.35
    """

    def __init__(
        self,
        num_classes: int,
        n_bins: int = 15,
        *,
        parts: Iterable[str] | None = None,
        exact: bool = False,
        ignore_index: int | None = None,
        ignore_background: bool = False,
    ) -> None:
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
            raise ValueError(f"num_classes must be a whole number of at least 2, got {num_classes!r}")
        self.num_classes = num_classes
        self.n_bins = check_n_bins(n_bins)
        self._parts = tuple(_PARTS) if parts is None else tuple(parts)
        unknown = [p for p in self._parts if p not in _PARTS]
        if unknown:
            raise ValueError(f"no part is called {unknown[0]!r}; there are {', '.join(_PARTS)}")
        self.exact = exact
        self._ignored = (() if ignore_index is None else (int(ignore_index),)) + ((0,) if ignore_background else ())
        self._clear(distributions=False)

    @_ordinary
    def _clear(self, distributions: bool) -> None:
        self.num_examples = 0
        self._distributions = distributions
        self._samples: Samples | MassSamples = MassSamples() if distributions else Samples()
        self._state: State = {}
        if distributions:
            self._state = _masses.zeros(self._parts, self.num_classes, self.n_bins)
        else:
            for part in self._parts:
                self._state |= _PARTS[part].zeros(self.num_classes, self.n_bins)

    def update(self, *, logits: Array | None = None, probs: Array | None = None, labels: Array | None = None) -> None:
        """Add a batch: `logits` or `probs` (N, C) with C = num_classes, and `labels` (N,) integers in [0, C).

        Or dense ones: (N, C, H, W) with (N, H, W), each pixel an example. Or `labels` (N, C) that are distributions, as
        in the plain functions; one accumulator takes either the one or the other kind of labels. NumPy arrays and
        tensors on any device, of any floating type; nothing is copied as a whole. N = 0 adds nothing. Raises
        ValueError, and leaves the state as it was, for NaN, plus infinity, a row of only minus infinity, probabilities
        that are negative or do not sum to one within 1e-3 (1e-2 in bfloat16), or wrong labels.
        """
        if labels is None:
            raise ValueError("labels= is missing: one integer class for each row of scores")
        if are_distributions(labels):
            self._add_distributions(logits, probs, labels)
            return
        given = check_dense(logits, probs, labels, self._ignored)
        if given.scores.shape[1] != self.num_classes:
            raise ValueError(
                f"{given.kind} have {given.scores.shape[1]} columns, but this accumulator was made for "
                f"num_classes={self.num_classes}"
            )
        self._add(given)

    def update_outcomes(self, *, confidence: Array, correct: Array) -> None:
        """Add examples of which only the predicted class's probability (N,) and whether it was right (N,) are known.

        For an accumulator made with no other parts than "correct", "top_label" and "cells", which need nothing else.
        Raises ValueError, and leaves the state as it was, for other parts, shapes, or confidences outside [0, 1].
        """
        cannot = sorted(set(self._parts) - {"correct", "top_label", "cells"})
        if cannot or self.exact or self._distributions:
            why = f"part {cannot[0]!r}" if cannot else "exact=True" if self.exact else "distributions"
            raise ValueError(f"{why} needs the scores of all classes; give update() logits= or probs=")
        outcomes = _Outcomes(as_tensor(confidence, "confidence"), as_tensor(correct, "correct"))
        self._to(outcomes.confidence.device)
        for part in self._parts:
            add = _PARTS[part].add
            assert add is not None
            add(self._state, outcomes)  # type: ignore[arg-type]  # what these parts read of a chunk
        self.num_examples += len(outcomes.correct)

    def _add(self, given: Given) -> None:
        # one block is refused before anything of it is added; more, or another kind of labels, go through fresh ones
        if given.num_rows <= rows_together(given.scores) and not self._distributions:
            self._take(given)
            return
        for part in side_by_side(self._only, given.shares()):
            self._absorb(part)

    def _only(self, given: Given) -> "Calibration":
        """An accumulator like this one that has seen nothing but `given`."""
        fresh = type(self)(self.num_classes, self.n_bins, parts=self._parts, exact=self.exact)
        fresh._take(given)
        return fresh

    def _take(self, given: Given) -> None:
        self._to(given.scores.device)
        parts = [_PARTS[name] for name in self._parts]
        needs = {need for part in parts for need in part.needs} | ({"rest"} if self.exact else set())
        collectors = [part.collector(self._state) for part in parts if part.collector]
        for chunk in chunks(given, tuple(needs), tuple(collector.visit for collector in collectors)):
            for part in parts:
                if part.add:
                    part.add(self._state, chunk)
            if self.exact and isinstance(self._samples, Samples):
                self._samples.add(chunk)
            self.num_examples += len(chunk)
        for collector in collectors:
            collector.flush()

    def _add_distributions(self, logits: Array | None, probs: Array | None, labels: Array) -> None:
        scores = check_scores(*one_of(logits, probs))
        if scores.shape[1] != self.num_classes:
            raise ValueError(f"scores have {scores.shape[1]} columns, not num_classes={self.num_classes}")
        if len(scores) == 0:
            return
        fresh = type(self)(self.num_classes, self.n_bins, parts=self._parts, exact=self.exact)
        fresh._clear(distributions=True)
        fresh._to(scores.device)
        for block in rows(logits, probs, labels):
            _masses.add(fresh._state, block, self._parts)
            if isinstance(fresh._samples, MassSamples) and self.exact:
                fresh._samples.add(block)
            fresh.num_examples += len(block.chunk)
        self._absorb(fresh)

    def _to(self, device: torch.device) -> None:
        self._state = {name: value.to(device) for name, value in self._state.items()}

    @_ordinary
    def _absorb(self, other: "Calibration") -> None:
        if other.num_examples == 0:
            return
        if self._distributions != other._distributions:
            if self.num_examples:
                raise ValueError(
                    "one accumulator cannot hold examples with integer labels and examples with distributions: "
                    "a mean over both means neither; use two"
                )
            self._clear(other._distributions)
        for name, value in other._state.items():
            self._state[name] = self._state[name] + value.to(self._state[name].device)
        self._samples.merge(other._samples)  # type: ignore[arg-type]  # both of one kind
        self.num_examples += other.num_examples

    def merge(self, other: "Calibration") -> Self:
        """Add everything `other` has seen; `other` stays as it is. Returns self."""
        if self._made != other._made:
            raise ValueError(f"accumulators cannot be merged: made with {self._made} and {other._made}")
        self._absorb(other)
        return self

    @property
    def _made(self) -> dict[str, Any]:
        """What it was made with; only equals can be merged."""
        return {
            "num_classes": self.num_classes,
            "n_bins": self.n_bins,
            "parts": list(self._parts),
            "exact": self.exact,
            "ignored": list(self._ignored),
        }

    def compute(self) -> dict[str, float]:
        """Every measure by name, as the plain functions define them; NaN for all before the first example."""
        state = self._here()
        values = {
            name: read(state, self.num_examples, self.n_bins)
            for part in self._parts
            if not (self._distributions and part == "top_label")
            for name, read in READERS[part].items()
        }
        if self._distributions and "top_label" in self._parts:
            values |= _masses.from_bins(state)
        if self.exact and "cells" in self._parts:
            rest, wrong = self._samples.ranked()
            confidence = 1 - rest[::-1].astype(np.float64)
            right = 1.0 - wrong[::-1]
            values["adaptive_ece"] = _ranked.equal_mass_ece(confidence, confidence, right, None, self.n_bins)
            groups = self._samples.groups()
            values |= {"aurc": _ranked.aurc(*groups), "augrc": _ranked.augrc(*groups)}
        return values

    def _here(self) -> State:
        """The state on the CPU, where it is read."""
        return {name: value.cpu() for name, value in self._state.items()}

    def bins(self) -> Bins:
        """The reliability diagram's numbers of everything seen so far."""
        return (_masses.bins_of if self._distributions else bins_of)(self._here())

    def cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Examples, right ones and sum of confidence of each fine cell, by rising confidence (`_cells.py`)."""
        if "cells" not in self._parts:
            raise ValueError("this accumulator was made without its part 'cells'")
        state = self._here()
        count, correct, confidence = (
            state[f"cell_{name}"].numpy().copy() for name in ("count", "correct", "confidence")
        )
        return count, correct, confidence

    def accuracy_at_coverage(self, coverage: float) -> float:
        """Accuracy of the most confident share `coverage` of everything seen; NaN before the first example."""
        if self.exact and self.num_examples:
            k = covered(self.num_examples, coverage)
            return 1 - _ranked.wrong_among(*self._samples.groups(), k) / k
        return accuracy_at_coverage(self._here(), self.num_examples, coverage)

    def class_ece(self) -> Tensor:
        """(C,) float64: the calibration error of each class's probability; `classwise_ece` is its mean."""
        return torch.from_numpy(class_ece(self._here()))

    def state_dict(self) -> dict[str, Any]:
        """Everything seen so far as numbers and tensors on the CPU, for `load_state_dict` or `torch.save`."""
        return self._made | {
            "distributions": self._distributions,
            "num_examples": self.num_examples,
            "state": {name: value.to("cpu", copy=True) for name, value in self._state.items()},
            "samples": torch.from_numpy(self._samples.joined().copy()),
        }

    @_ordinary
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Replace everything seen so far by what `state_dict` gave; ValueError if it is of another shape."""
        theirs = {name: state_dict.get(name) for name in self._made}
        if self._made != theirs:
            raise ValueError(f"the state is of another accumulator: made with {theirs}, not {self._made}")
        self._clear(bool(state_dict["distributions"]))
        self._state = {name: state_dict["state"][name].clone() for name in self._state}
        self._samples.keys.append(state_dict["samples"].numpy().copy())
        self.num_examples = int(state_dict["num_examples"])

    def sums(self) -> dict[str, Tensor]:
        """Counts and sums by name, where they are, `num_examples` among them: added up, they are those of a merge."""
        return {**self._state, "num_examples": torch.tensor(self.num_examples)}

    @_ordinary
    def load_sums(self, sums: Mapping[str, Tensor]) -> None:
        """Replace counts and sums by those of `sums`; samples stay as they are."""
        self._state = {name: sums[name].clone() for name in self._state}
        self.num_examples = int(sums["num_examples"])

    def all_reduce(self, group: Any = None) -> Self:
        """Add up what all processes of `group` (default: all) have seen, in every one of them. Returns self.

        Counts and sums are added, never averages of batches, so two processes equal one: two collective calls of fixed
        size beside one that says who saw what, and with `exact` one that gathers the samples. Without
        `torch.distributed` nothing happens; called twice, it counts everything twice.
        """
        kinds = gathered(self._distributions if self.num_examples else None, group)
        if self.num_examples == 0 and any(kinds):  # this process saw nothing, the others distributions
            self._clear(distributions=True)
        self.load_sums(reduced(self.sums(), group))
        if self.exact:
            self._samples.keys = gathered(self._samples.joined(), group)
        return self
