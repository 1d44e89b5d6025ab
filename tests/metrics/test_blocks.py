"""Both layouts of a block say the same, and what they are counted with counts."""

import warnings

import numpy as np
import pytest
import torch

from levelhead.metrics import Calibration, _counting
from levelhead.metrics._blocks import ClassMajor, Rows, Workspace, true_places
from levelhead.metrics._counting import COPIES, SMALL, histogram
from levelhead.metrics._edges import bin_index
from levelhead.metrics.chunks import Chunk

ASKED = ("sums", "sums_below_top", "sums_of_squares")


def block(layout, scores, labels, kind):
    return layout(scores, labels, kind, Workspace(scores.device, torch.float32))


def plain(value):
    return np.asarray(value)


@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize("shape", [(1, 2), (64, 5), (100, 6), (333, 21), (129, 63)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_layouts_agree(kind, shape, dtype):
    g = torch.Generator().manual_seed(sum(shape))
    # whole numbers, so that classes tie
    scores = torch.randint(-6, 7, shape, generator=g).float()
    scores = (scores if kind == "logits" else scores.softmax(1)).to(dtype)
    labels = torch.randint(shape[1], shape[:1], generator=g)
    ours, theirs = (block(layout, scores, labels, kind) for layout in (ClassMajor, Rows))
    np.testing.assert_array_equal(plain(ours.own), plain(theirs.own))
    np.testing.assert_array_equal(plain(ours.in_top5()), plain(theirs.in_top5()))
    for each in (ours, theirs):
        each.exponentiate()
    for name in ASKED:
        got, wanted = plain(getattr(ours, name)()), plain(getattr(theirs, name)())
        np.testing.assert_allclose(got, wanted, rtol=2e-6)
    total = theirs.sums()
    assert ours.is_bad(total.numpy()) == theirs.is_bad(total)
    ours.normalize(total.numpy())
    theirs.normalize(total)
    np.testing.assert_allclose(ours.probs_by_class(), plain(theirs.probs_by_class()), rtol=1e-6)
    for got, wanted in zip(ours.label_probs(), theirs.label_probs(), strict=True):
        np.testing.assert_allclose(plain(got), plain(wanted), rtol=1e-6)
    found = [sorted(zip(*map(plain, each.other_probs_above(0.2)), strict=True)) for each in (ours, theirs)]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    sides = scores.double().softmax(1) if kind == "logits" else scores.double()
    assert len(found[0]) == int((sides > 0.2).scatter_(1, labels[:, None], False).sum())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("layout", [ClassMajor, Rows])
def test_a_bad_score_anywhere_is_seen(layout, bad):
    scores = torch.zeros(70, 3)
    scores[69, 2] = bad
    with np.errstate(all="ignore"):
        found = block(layout, scores, torch.zeros(70, dtype=torch.int64), "logits")
        found.exponentiate()
        assert found.is_bad(found.sums())


@pytest.mark.parametrize("size", [3, SMALL, SMALL + 1])
@pytest.mark.parametrize("n", [0, 1, COPIES + 1, 1000])
def test_histogram_is_numpys(size, n):
    rng = np.random.default_rng(size + n)
    cells, weights = rng.integers(size, size=n), rng.normal(size=n)
    counts, sums = histogram(torch.from_numpy(cells), size, torch.from_numpy(weights))
    assert (counts.dtype, sums.dtype) == (torch.int64, torch.float64)
    np.testing.assert_array_equal(counts, np.bincount(cells, minlength=size))
    np.testing.assert_allclose(sums, np.bincount(cells, weights, minlength=size), atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("n", [0, 7, 8, 1001])
def test_true_places_are_numpys(share, n):
    mask = np.random.default_rng(n).random(n) < share
    np.testing.assert_array_equal(true_places(mask), np.flatnonzero(mask))


@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize("num_classes", [10, 63, 64])
def test_a_row_alone_is_added_up_as_among_others(kind, num_classes):
    scores = 3 * torch.randn(200, num_classes, generator=torch.Generator().manual_seed(num_classes))
    scores = scores if kind == "logits" else scores.softmax(1)
    labels = torch.arange(200) % num_classes
    whole, single = Calibration(num_classes), Calibration(num_classes)
    whole.update(**{kind: scores}, labels=labels)
    for row, label in zip(scores.split(1), labels.split(1), strict=True):
        single.update(**{kind: row}, labels=label)
    for name, value in whole.sums().items():
        torch.testing.assert_close(single.sums()[name], value, rtol=1e-12, atol=1e-12, msg=name)


def test_a_second_look_at_logits_far_apart_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chunk = Chunk(torch.tensor([[3e38, -3e38, 0.0]]), torch.tensor([0]), "logits", torch.float32)
        assert float(chunk.rest) == 0.0
        assert bool(chunk.top5)


@pytest.mark.parametrize("num_classes", [7, 70])
def test_scores_that_tie_only_less_the_highest_are_no_tie(num_classes):
    logits = torch.full((1, num_classes), -5.0)
    logits[0, :6] = torch.tensor([1e-10, 2e-10, 1.0, 1.0, 1.0, 1.0])
    assert [in_top5(logits, label) for label in (0, 1)] == [0, 1]


def in_top5(logits, label):
    acc = Calibration(logits.shape[1], parts=["top5"])
    acc.update(logits=logits, labels=torch.tensor([label]))
    return int(acc.sums()["top5"])


def test_a_view_that_is_negated_when_read_is_read_right():
    logits = torch.randn(5, 3, dtype=torch.complex64).conj().imag
    lazy, plainly = Calibration(3), Calibration(3)
    lazy.update(logits=logits, labels=torch.zeros(5, dtype=torch.int64))
    plainly.update(logits=logits.clone().resolve_neg(), labels=torch.zeros(5, dtype=torch.int64))
    assert lazy.compute() == plainly.compute()


def test_counting_keeps_no_memory_that_grows_with_the_entries(monkeypatch):
    monkeypatch.setattr(_counting, "PIECE", 64)
    _counting._copy_of_each.cache_clear()
    cells = torch.arange(1000) % 3
    counts, sums = histogram(cells, 3, torch.ones(1000))
    assert counts.tolist() == sums.tolist() == [334, 333, 333]
    assert len(_counting._copy_of_each(COPIES, 3)) == 64
    _counting._copy_of_each.cache_clear()


def test_counting_is_where_the_numbers_are_whatever_the_default_device_is():
    cells = torch.tensor([0, 1, 1, 4])
    values = torch.tensor([0.1, 0.5, 1.0])
    with torch.device("meta"):
        inside = histogram(cells, 5)[0], bin_index(values, 11, torch.float32)
    assert inside[0].tolist() == histogram(cells, 5)[0].tolist() == [1, 2, 0, 0, 1]
    assert inside[1].tolist() == [1, 5, 10]
