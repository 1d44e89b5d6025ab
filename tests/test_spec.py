"""Sentences: read, printed, refused; and nothing is ever evaluated."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import levelhead as lh
from levelhead.grammar import parse_slots
from levelhead.spec import Spec

SENTENCES = [
    "mixup(alpha=0.4) | smooth(0.1) | cross_entropy | margin(m=10, weight=0.1)",
    "cutmix(alpha=1) | smooth(0.05) | focal(gamma=2) | margin(m=6, weight=0.1) + negative_entropy(weight=0.05)",
    "mixup(alpha=3)|one_hot|cross_entropy(clean=1,mixed=1)|logit_match",
    "alternate(midpoint) | learned_smooth(weight=0.5, lam=uniform) | cross_entropy | none",
    "alternate(mixup(alpha=1, per=sample)) | smooth(smoothing=0.2, over=others) | focal",
    "identity | one_hot",
]


@pytest.mark.parametrize("text", [*SENTENCES, *lh.methods()])
def test_printing_and_reading_are_inverse(text):
    spec = lh.parse(text)
    assert lh.parse(str(spec)) == spec
    assert str(lh.parse(str(spec))) == str(spec)


numbers = st.floats(0, 50, allow_nan=False).filter(lambda x: x == 0 or x > 1e-300)
shares = st.floats(0.01, 1)
MIXING = st.one_of(
    numbers.map(lambda a: f"mixup(alpha={a!r})"),
    st.tuples(numbers, shares).map(lambda a: f"cutmix(alpha={a[0]!r}, prob={a[1]!r})"),
    st.just("midpoint"),
    numbers.map(lambda a: f"alternate(mixup(alpha={a!r}))"),
)
TARGETS = st.one_of(
    st.just("one_hot"),
    shares.map(lambda s: f"smooth({s!r})"),
    shares.map(lambda w: f"learned_smooth(weight={w!r}, lam=uniform)"),
)
LOSSES = st.one_of(st.just("cross_entropy"), st.floats(1, 9).map(lambda g: f"focal(gamma={g!r}, clean=0.5)"))
PENALTY = st.one_of(
    st.just("none"),
    shares.map(lambda w: f"logit_match(weight={w!r})"),
    st.tuples(numbers, shares).map(lambda a: f"margin(m={a[0]!r}, weight={a[1]!r}) + negative_entropy"),
)


@given(MIXING, TARGETS, LOSSES, PENALTY)
def test_whatever_parses_prints_as_itself(mixing, targets, loss, penalty):
    spec = lh.parse(f"{mixing} | {targets} | {loss} | {penalty}")
    assert lh.parse(str(spec)) == spec


@given(st.text(max_size=60))
def test_any_text_is_a_method_or_a_value_error(text):
    with contextlib.suppress(ValueError):  # anything else is a failure
        assert isinstance(lh.parse(text), Spec)


@given(st.text(alphabet="mixup cutmix|()=,.+[]@:0123456789e-_alph", max_size=60))
def test_nearly_sentences_are_a_method_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert isinstance(lh.parse(text), Spec)


@pytest.mark.parametrize("text", ["mixup(" * 500, "[" * 500, "a(" + "[" * 100, "x" * 100_000, "1", "|", "mixup |"])
def test_deep_long_and_odd_texts(text):
    with pytest.raises(ValueError, match=r"."):
        lh.parse(text)


def test_nothing_is_evaluated():
    for text in ("__import__('os').system('true')", "mixup(alpha=1+1)", "mixup(alpha=2*3)", "lambda: 0"):
        with pytest.raises(ValueError, match=r"cannot read|unknown|expected"):
            lh.parse(text)


@pytest.mark.parametrize("name", lh.methods())
def test_usage_defaults_are_the_bare_name(name):
    usage = re.sub(r"=(\w+)(\|\w+)+", r"=\1", lh.methods()[name].usage)  # of a choice, the first is the default
    assert lh.parse(usage) == lh.parse(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mixupp", "Did you mean 'mixup'"),
        ("mixup(alpah=1)", "Did you mean 'alpha'"),
        ("mixup(alpha=-1)", "alpha must be a finite number >= 0, not -1"),
        ("mixup(alpha=1e400)", "not inf"),
        ("mixup(alpha=true)", "not true"),
        ("mixup(alpha=[1, 2])", "must be a finite number"),
        ("mixup(1, batch, 2, 3)", "at most 3 arguments"),
        ("mixup(alpha=1, alpha=2)", "given twice"),
        ("vanilla(x=1)", "takes no arguments"),
        ("uls(smoothing=1.5)", r"in \[0, 1\]"),
        ("focal(gamma=0.5)", "gamma must be 0 or at least 1"),
        ("mbls(m=-1)", "m must be"),
        ("mbls(weight=0)", "weight must be"),
        ("cutmix(prob=0)", r"prob must be a number in \(0, 1\]"),
        ("pls(weight=2)", "weight must be"),
        ("pls(learned=some)", "learned must be one of"),
        ("pls(learned=none, weight=0.3)", "weight has no effect"),
        ("pls(learned=coefficient, weight=0.3)", "weight has no effect"),
        ("pls(learned=uniform, detach=true)", "detach has no effect"),
        ("pls(originals=3)", "originals must be one of true, false"),
        ("lamix(beta=2)", r"beta must be a number in \[0, 1\]"),
        ("lamix(local=none)", "local must be one of"),
        ("margin", "no method but a word of the penalty slot"),
        ("mixup + erl", "stands alone"),
        ("", "empty"),
        ("mixup(alpha=0.4", "the end"),
        ("mixup | one_hot | cross_entropy | none | none", "at most four"),
        ("mixup | one_hot + smooth(0.1)", "smoothed once"),
        ("mixup | margin", "unknown word of the targets slot"),
        ("identity | one_hot | cross_entropy | logit_match", "nothing is mixed"),
        ("identity | one_hot | cross_entropy(clean=1)", "there is one"),
        ("identity | smooth(lam=uniform)", "no inputs are mixed"),
        ("identity | nearest", "nothing is mixed"),
        ("mixup | one_hot | cross_entropy(clean=1, mixed=0)", "has no weight"),
        ("mixup | one_hot | cross_entropy(clean=0, mixed=0)", "would learn nothing"),
        ("mixup | nearest(lam=uniform)", "lam has no effect"),
        ("mixup | nearest | cross_entropy(clean=1, mixed=0) | logit_match", "no weight here"),
        ("mixup | smooth(lam=uniform) | cross_entropy(clean=1, mixed=0) | logit_match", "no weight here"),
        ("mbls(growth=multiply)", "needs by= above 1"),
        ("mixup | one_hot | cross_entropy | margin + margin", "given twice"),
        ("alternate | one_hot", "needs a mixer"),
        ("alternate(identity) | one_hot", "a mixer that mixes"),
        ("alternate(alternate(midpoint)) | one_hot", "a mixer that mixes"),
        ("alternate(3) | one_hot", "expected a mixer"),
        ("identity | one_hot @ predict(samples=3)", "all samples are the same pass"),
        ("identity | one_hot @ dropout(0.3)", "behind '@' stands how to predict"),
        ("mc_dropout @ predict(dropout=0.1)", "already says how it predicts"),
        ("mixup | one_hot @", "expected a name"),
        ("mixup(k=1)", "whole number of at least 2"),
        ("pls(weight_on=both)", "weight_on must be one of"),
        ("pls(originals=false, alternation=coin)", "alternation has no effect"),
        ("pls(halved=true)", "halved has no effect"),
        ("lamix(local=average, per=sample)", "per has no effect"),
        ("mbls(by=2)", "by has no effect"),
        ("manifold_mixup(layers=true)", "list of names"),
        ("manifold_mixup(loss=focal)", "loss must be one of"),
        ("mixup | no.such.module:Thing", "cannot import no"),
        ("mixup | levelhead.targets:Missing", "has no Missing"),
        ("mixup | levelhead.losses:Focal", "must be a class derived from levelhead's Rule"),
        ("mixup | levelhead.targets:Smooth", "calls itself 'smooth'"),
        ("levelhead.targets:Smooth", "a word of a slot"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(text, said):
    with pytest.raises(ValueError, match=said):
        lh.parse(text)


def test_failures_point_at_the_place():
    with pytest.raises(ValueError, match="at position 7"):
        parse_slots("mixup(?)")


def test_cards_say_where_a_method_comes_from():
    for name, card in lh.methods().items():
        assert card.name == name
        assert card.paper
        assert card.equation
        assert card.idea
        assert card.sentence == str(lh.parse(name))
