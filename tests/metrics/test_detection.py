"""In against out of distribution: direction, ties, thresholds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from levelhead import metrics
from levelhead.metrics import Detection, aupr_in, aupr_out, auroc, detecting, fpr95

from .synthetic import overconfident

small = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@given(small, small)
@settings(max_examples=200, deadline=None)
def test_auroc_is_the_share_of_pairs_in_order_with_ties_one_half(inside, outside):
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in inside for b in outside]
    assert auroc(np.array(inside), np.array(outside)) == pytest.approx(np.mean(pairs), abs=1e-15)


@given(small, small)
@settings(max_examples=200, deadline=None)
def test_fpr95_is_the_least_share_of_out_let_in_by_a_threshold_that_keeps_95_per_cent(inside, outside):
    a, b = np.array(inside), np.array(outside)
    shares = [(b >= t).mean() for t in a if (a >= t).sum() * 100 >= 95 * len(a)]
    assert fpr95(a, b) == min(shares)


def test_a_higher_score_means_more_in():
    assert auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert auroc(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 0
    assert fpr95(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 0
    assert fpr95(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1


def test_nineteen_of_twenty_are_kept():
    inside = np.arange(20.0)  # 95 % of twenty is nineteen: the threshold is 1
    assert fpr95(inside, np.array([0.5, 0.9, 1.0, 1.5])) == 0.5


def test_all_equal_is_chance():
    assert auroc(np.ones(5), np.ones(7)) == 0.5
    assert fpr95(np.ones(5), np.ones(7)) == 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_tensors_of_any_floating_type(dtype):
    assert auroc(torch.tensor([2.0, 3.0], dtype=dtype), torch.tensor([1.0, 2.0], dtype=dtype)) == 0.875


def test_infinite_scores_have_a_place():
    assert auroc(np.array([np.inf, 0.0]), np.array([-np.inf])) == 1


@pytest.mark.parametrize("measure", [auroc, fpr95, aupr_in, aupr_out])
def test_nan_and_empty_sides_are_refused(measure):
    with pytest.raises(ValueError, match="out_scores holds 1 NaN of 3, the first at index 1"):
        measure(np.ones(3), np.array([0, np.nan, 1]))
    with pytest.raises(ValueError, match="in_scores must have shape"):
        measure(np.ones(0), np.ones(3))
    with pytest.raises(ValueError, match="out_scores must have shape"):
        measure(np.ones(3), np.ones((3, 1)))


@given(small, small)
@settings(max_examples=200, deadline=None)
def test_aupr_is_sklearns_average_precision_on_either_side(inside, outside):
    truth = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    scores = np.r_[inside, outside]
    assert aupr_in(np.array(inside), np.array(outside)) == pytest.approx(
        average_precision_score(truth, scores), abs=1e-12
    )
    assert aupr_out(np.array(inside), np.array(outside)) == pytest.approx(
        average_precision_score(1 - truth, -scores), abs=1e-12
    )


def test_aupr_of_a_score_that_says_nothing_is_the_share_of_the_positive_side():
    assert aupr_in(np.ones(3), np.ones(9)) == 0.25
    assert aupr_out(np.ones(3), np.ones(9)) == 0.75


MEASURES = {"auroc": auroc, "aupr_in": aupr_in, "aupr_out": aupr_out, "fpr95": fpr95}


def plain(inside, outside):
    return {name: measure(np.asarray(inside), np.asarray(outside)) for name, measure in MEASURES.items()}


def streamed(inside, outside, **made):
    acc = Detection(**made)
    acc.update(scores=np.asarray(inside), inside=True)
    acc.update(scores=np.asarray(outside), inside=False)
    return acc


@given(small, small)
@settings(max_examples=100, deadline=None)
def test_few_distinct_scores_stream_exactly(inside, outside):
    for exact in (False, True):
        assert streamed(inside, outside, exact=exact).compute() == pytest.approx(plain(inside, outside), abs=1e-15)


@given(st.lists(st.tuples(st.floats(-9, 9), st.booleans(), st.integers(0, 3)), min_size=2, max_size=60), st.data())
@settings(max_examples=60, deadline=None)
def test_order_split_and_merge_tree_do_not_matter(rows, data):
    scores, sides = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    owner, order = np.array([r[2] for r in rows]), data.draw(st.permutations(range(len(rows))))
    with pytest.MonkeyPatch.context() as few:
        few.setattr(detecting, "CELLS", 8)  # so few that the grid is halved again and again
        few.setattr(detecting, "PENDING", 3)
        whole = Detection()
        whole.update(scores=scores, inside=sides)
        one_by_one = Detection()
        for i in order:
            one_by_one.update(scores=scores[[i]], inside=bool(sides[i]))
        parts = [Detection() for _ in range(4)]
        for k, part in enumerate(parts):
            part.update(scores=scores[owner == k], inside=sides[owner == k])
        tree = parts[2].merge(parts[0].merge(parts[3])).merge(parts[1])
        want = whole.compute()
        assert len(whole._cells) <= 8
        for other in (one_by_one, tree):
            assert other.compute() == pytest.approx(want, nan_ok=True, abs=0)
            np.testing.assert_array_equal(other._cells, whole._cells)
            np.testing.assert_array_equal(other._counts, whole._counts)


@pytest.mark.parametrize("score", ["max_softmax", "negative_entropy", "energy", "max_logit"])
@pytest.mark.parametrize("scale", [0.05, 1.8, 12.0])
def test_cells_are_fine_enough_for_every_score(score, scale):
    inside, outside = overconfident(150_000, 10, scale)[0], overconfident(120_000, 10, scale / 2, seed=1)[0]
    acc = Detection(score)
    for part in inside.split(50_000):
        acc.update(logits=part, inside=True)
    for part in outside.split(50_000):
        acc.update(logits=part, inside=False)
    got = acc.compute()
    assert len(acc._cells) <= detecting.CELLS < 270_000
    function = getattr(metrics, score)
    assert got == pytest.approx(plain(function(logits=inside), function(logits=outside)), abs=5e-4)


def test_scores_far_from_zero_are_told_apart():
    rng = np.random.default_rng(0)
    inside, outside = 1e6 + rng.normal(1, 1, 100_000), 1e6 + rng.normal(0, 1, 100_000)
    assert streamed(inside, outside).compute() == pytest.approx(plain(inside, outside), abs=5e-4)


def test_ties_of_many_at_one_score_stay_one():
    inside, outside = np.r_[np.ones(60_000), np.linspace(0, 1, 80_000)], np.r_[np.ones(9000), np.linspace(0, 1, 80_000)]
    assert streamed(inside, outside).compute() == pytest.approx(plain(inside, outside), abs=5e-4)


def test_exact_equals_the_functions_on_many():
    rng = np.random.default_rng(1)
    inside, outside = rng.normal(1, 1, 90_000), rng.normal(0, 1, 70_000)
    acc = streamed(inside, outside, exact=True)
    assert acc.compute() == plain(inside, outside)
    again = Detection(exact=True)
    again.load_state_dict(acc.state_dict())
    assert again.merge(Detection(exact=True)).compute() == acc.compute()
    assert again.num_examples == (90_000, 70_000)


def test_a_state_comes_back_and_is_its_own(tmp_path):
    acc = streamed([2.0, 3.0, -0.0], [1.0, 2.0])
    torch.save(acc.state_dict(), tmp_path / "state.pt")
    again = Detection()
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.compute() == acc.compute()
    again.update(scores=np.array([0.0]), inside=False)
    assert acc.num_examples == (3, 2)
    assert again.num_examples == (3, 3)
    with pytest.raises(ValueError, match="of another accumulator"):
        Detection("energy").load_state_dict(acc.state_dict())
    with pytest.raises(ValueError, match="cannot be merged"):
        Detection("energy").merge(acc)


def test_without_one_of_the_sides_nothing_is_said():
    acc = Detection()
    assert all(np.isnan(value) for value in acc.compute().values())
    acc.update(scores=np.array([1.0]), inside=True)
    acc.update(scores=np.zeros(0), inside=False)
    assert set(acc.compute()) == set(MEASURES)
    assert all(np.isnan(value) for value in acc.compute().values())


def test_what_makes_no_sense_is_refused_and_leaves_no_trace():
    acc = Detection()
    acc.update(scores=np.array([1.0, 2.0]), inside=np.array([True, False]))
    before = acc.compute()
    with pytest.raises(ValueError, match="scores holds 1 NaN of 2"):
        acc.update(scores=np.array([1.0, np.nan]), inside=True)
    with pytest.raises(ValueError, match="inside must be one bool or a bool for each of 2"):
        acc.update(scores=np.array([1.0, 2.0]), inside=np.array([True]))
    with pytest.raises(ValueError, match="scores= is missing"):
        acc.update(inside=True)
    with pytest.raises(ValueError, match="takes scores="):
        acc.update(scores=np.array([1.0]), logits=np.zeros((1, 2)), inside=True)
    assert acc.compute() == before
    with pytest.raises(ValueError, match="works out energy itself"):
        Detection("energy").update(scores=np.array([1.0]), inside=True)
    with pytest.raises(ValueError, match="energy needs logits="):
        Detection("energy").update(probs=np.array([[0.5, 0.5]]), inside=True)
    with pytest.raises(ValueError, match="give logits= or probs="):
        Detection("max_softmax").update(inside=True)
    with pytest.raises(ValueError, match="no score is called 'softmax'"):
        Detection("softmax")


def test_twenty_million_scores_count_as_many():
    acc = streamed([1.0, 2.0, 3.0], [0.0, 2.0])
    want = acc.compute()
    for _ in range(23):
        acc.merge(acc)
    assert acc.num_examples == (3 * 2**23, 2 * 2**23)
    assert acc.compute() == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("score", ["max_softmax", "energy"])
def test_a_large_batch_is_worked_in_pieces_and_says_the_same(score, monkeypatch):
    logits = np.random.default_rng(3).normal(size=(1000, 4)).round(1)
    inside = logits[:, 0] > 0.3
    whole = Detection(score)
    whole.update(logits=logits, inside=inside)
    monkeypatch.setattr(detecting, "PENDING", 64)
    pieces = Detection(score)
    pieces.update(logits=logits, inside=inside)
    assert pieces.compute() == whole.compute()
    assert pieces.num_examples == whole.num_examples
    logits[900, 1] = np.nan
    with pytest.raises(ValueError, match="the first is row 900"):
        pieces.update(logits=logits, inside=inside)
    assert pieces.compute() == whole.compute()


@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize("values", [1.0, np.float32(1.0), torch.tensor(1.0)])
def test_a_number_where_rows_are_needed_is_refused(kind, values):
    with pytest.raises(ValueError, match=rf"{kind} must have shape \(N, C\)"):
        Detection("max_softmax").update(inside=True, **{kind: values})


@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize("num_classes", [3, 100])
def test_no_rows_add_nothing(kind, num_classes):
    acc = Detection("max_softmax")
    acc.update(inside=True, **{kind: np.zeros((0, num_classes))})
    assert acc.num_examples == (0, 0)


def test_the_callers_array_of_sides_may_be_used_again():
    acc, inside = Detection(), np.array([True, False])
    acc.update(scores=np.array([2.0, 1.0]), inside=inside)
    inside[:] = False
    assert acc.num_examples == (1, 1)
