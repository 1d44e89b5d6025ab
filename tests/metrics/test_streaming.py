"""The accumulator: any order, any split and any merge tree say the same, and say what the functions say."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from levelhead import metrics
from levelhead.metrics.given import check_dense

from .synthetic import overconfident

EXACT = ("accuracy", "top5", "nll", "brier", "gap", "ece", "oe", "mce", "ace", "rmsce", "debiased_ece", "classwise_ece")
FROM_CELLS = ("adaptive_ece", "aurc", "augrc", "smooth_ece")


def accumulated(logits, labels, splits=1, n_bins=15):
    acc = metrics.Calibration(logits.shape[1], n_bins)
    for part in np.array_split(np.arange(len(labels)), splits):
        acc.update(logits=logits[part], labels=labels[part])
    return acc


@pytest.mark.parametrize("num_classes", [2, 10, 100])
@pytest.mark.parametrize("n_bins", [10, 15])
def test_it_says_what_the_functions_say(num_classes, n_bins):
    logits, labels = overconfident(5000, num_classes)
    got = accumulated(logits, labels, splits=7, n_bins=n_bins).compute()
    assert set(got) == set(EXACT) | set(FROM_CELLS)
    for name in EXACT:
        binned = name not in ("accuracy", "top5", "nll", "brier", "gap")
        options = {"n_bins": n_bins} if binned else {}
        exact = getattr(metrics, name)(logits=logits, labels=labels, **options)
        assert got[name] == pytest.approx(exact, abs=1e-13), name
    assert got["adaptive_ece"] == pytest.approx(
        metrics.adaptive_ece(logits=logits, labels=labels, n_bins=n_bins), abs=5e-4
    )
    assert got["aurc"] == pytest.approx(metrics.aurc(logits=logits, labels=labels), abs=5e-4)
    assert got["augrc"] == pytest.approx(metrics.augrc(logits=logits, labels=labels), abs=5e-4)


@pytest.mark.parametrize("scale", [0.05, 0.5, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("num_classes", [2, 10, 1000])
def test_cells_are_fine_enough_from_doubt_to_saturation(scale, num_classes):
    logits, labels = overconfident(20_000 if num_classes < 1000 else 2000, num_classes, scale)
    got = accumulated(logits, labels).compute()
    assert got["adaptive_ece"] == pytest.approx(metrics.adaptive_ece(logits=logits, labels=labels), abs=5e-4)
    assert got["aurc"] == pytest.approx(metrics.aurc(logits=logits, labels=labels), abs=5e-4)
    assert got["augrc"] == pytest.approx(metrics.augrc(logits=logits, labels=labels), abs=5e-4)


scores = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.integers(-6, 6).map(float), min_size=3, max_size=3), min_size=n, max_size=n),
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        st.permutations(range(n)),
    )
)


@given(scores)
@settings(max_examples=40, deadline=None)
def test_order_split_and_merge_do_not_matter(drawn):
    rows, labels, owner, order = drawn
    logits, labels = np.array(rows, dtype=np.float32), np.array(labels)
    whole = accumulated(logits, labels).compute()
    shuffled = accumulated(logits[list(order)], labels[list(order)]).compute()
    parts = []
    for k in range(4):
        mine = np.array(owner) == k
        parts.append(accumulated(logits[mine], labels[mine]))
    tree = parts[3].merge(parts[1]).merge(parts[0].merge(parts[2])).compute()
    one_by_one = accumulated(logits, labels, splits=len(labels)).compute()
    for name, value in whole.items():
        for other in (shuffled, tree, one_by_one):
            assert other[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


@given(scores)
@settings(max_examples=80, deadline=None)
def test_overconfidence_error_is_never_above_ece_and_bins_hold_everybody(drawn):
    rows, labels, _, _ = drawn
    acc = accumulated(np.array(rows), np.array(labels))
    got, bins = acc.compute(), acc.bins()
    assert got["oe"] <= got["ece"] + 1e-12
    assert abs(got["gap"]) <= got["ece"] + 1e-12
    assert got["debiased_ece"] <= got["ece"] + 1e-12
    assert got["ece"] <= got["rmsce"] + 1e-12
    assert got["ece"] <= got["mce"] + 1e-12
    assert bins.count.sum() == len(labels)
    assert (acc._state["class_count"].sum(1) == len(labels)).all()
    assert int(acc._state["cell_count"].sum()) == len(labels)


def test_batches_of_one_decide_alike_about_logits_and_probabilities():
    # an implementation that guesses per batch turns small rows into probabilities
    logits = np.array([[0.2, 0.7], [0.1, 0.9], [3.0, -1.0]])
    labels = np.array([1, 0, 0])
    whole = metrics.ece(logits=logits, labels=labels)
    assert accumulated(logits, labels, splits=3).compute()["ece"] == pytest.approx(whole)


def test_a_refused_batch_leaves_no_trace():
    logits, labels = overconfident(50_000, 10)  # several chunks: the bad row is in the last
    acc = accumulated(logits[:100], labels[:100])
    before = acc.compute()
    bad = logits.clone()
    bad[-1] = math.nan
    with pytest.raises(ValueError, match="the first is row 49999"):
        acc.update(logits=bad, labels=labels)
    assert acc.compute() == before
    assert acc.num_examples == 100


def test_merging_leaves_the_other_alone_and_the_same_accumulator_may_be_merged_twice():
    logits, labels = overconfident(200, 4)
    one, two = accumulated(logits[:100], labels[:100]), accumulated(logits[100:], labels[100:])
    before = two.compute()
    one.merge(two).merge(two)
    assert one.num_examples == 300
    assert two.compute() == before
    one.merge(one)
    assert one.num_examples == 600


def test_accumulators_that_differ_cannot_be_merged():
    with pytest.raises(ValueError, match="cannot be merged"):
        metrics.Calibration(3).merge(metrics.Calibration(4))
    with pytest.raises(ValueError, match="cannot be merged"):
        metrics.Calibration(3).merge(metrics.Calibration(3, n_bins=10))


def test_wrong_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="4 columns, but this accumulator was made for num_classes=3"):
        metrics.Calibration(3).update(logits=np.zeros((1, 4)), labels=np.array([0]))


@pytest.mark.parametrize("num_classes", [1, 0, 2.0, True])
def test_a_number_of_classes_that_is_none_is_refused(num_classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number"):
        metrics.Calibration(num_classes)


def test_only_what_was_asked_for_is_computed():
    acc = metrics.Calibration(3, parts=["nll", "correct"])
    acc.update(logits=np.zeros((2, 3)), labels=np.array([0, 1]))
    assert acc.compute() == {"nll": pytest.approx(math.log(3)), "accuracy": 0.5}
    with pytest.raises(ValueError, match="no part is called 'ecee'"):
        metrics.Calibration(3, parts=["ecee"])


def test_the_state_does_not_grow():
    acc = accumulated(*overconfident(10, 10))
    size = sum(value.numel() for value in acc._state.values())
    acc.update(**dict(zip(("logits", "labels"), overconfident(30_000, 10), strict=True)))
    assert sum(value.numel() for value in acc._state.values()) == size


def test_twenty_million_examples_in_one_bin_do_not_drift():
    # float32 counts stop at 2^24 = 16.8 million; doubling by merging is exact and fast
    probs = np.tile([[0.96, 0.04]], (1000, 1))
    labels = (np.arange(1000) >= 940).astype(int)
    acc = metrics.Calibration(2)
    acc.update(probs=probs, labels=labels)
    for _ in range(15):
        acc.merge(acc)
    assert acc.num_examples == 1000 * 2**15 > 2e7
    got = acc.compute()
    assert got["ece"] == pytest.approx(0.02, abs=1e-9)
    assert got["gap"] == pytest.approx(0.02, abs=1e-9)
    assert got["adaptive_ece"] == pytest.approx(0.02, abs=1e-9)
    assert got["aurc"] == pytest.approx(0.06, abs=1e-9)


def test_twenty_million_pixels_in_one_call_do_not_drift():
    n = 20_000_000
    logits = torch.zeros(n, 2)
    logits[:, 0] = math.log(0.96 / 0.04)
    labels = torch.zeros(n, dtype=torch.int64)
    labels[: n * 6 // 100] = 1
    assert metrics.ece(logits=logits, labels=labels) == pytest.approx(0.02, abs=1e-6)


@given(scores, st.floats(0.05, 20))
@settings(max_examples=50, deadline=None)
def test_a_temperature_does_not_change_accuracy(drawn, temperature):
    rows, labels, _, _ = drawn
    logits, labels = np.array(rows), np.array(labels)
    same = metrics.accuracy(logits=logits / temperature, labels=labels)
    assert same == metrics.accuracy(logits=logits, labels=labels)


def test_ece_of_a_calibrated_source_shrinks_to_its_known_bias():
    g = torch.Generator().manual_seed(0)
    seen = {}
    for n in (500, 8000):
        errors = []
        for _ in range(20):
            logits = 2 * torch.randn(n, 2, generator=g, dtype=torch.float64)
            labels = torch.multinomial(logits.softmax(1), 1, generator=g).flatten()
            errors.append(metrics.ece(logits=logits, labels=labels))
        bins = metrics.reliability(logits=logits, labels=labels)
        full = bins.count > 0
        # each bin's |gap| has mean sqrt(2 / pi) sqrt(v / n) when the model is calibrated
        known = np.sqrt(2 / np.pi * bins.variance[full] * bins.count[full]).sum() / n
        seen[n] = np.mean(errors)
        assert seen[n] == pytest.approx(known, rel=0.2)
    assert seen[8000] == pytest.approx(seen[500] / 4, rel=0.25)  # one over the root of n


VOTES = torch.rand(1500, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
VOTES /= VOTES.sum(1, keepdim=True)


@pytest.mark.parametrize("exact", [False, True])
def test_distributions_stream_as_the_functions_have_them(exact):
    logits, _ = overconfident(1500, 6)
    acc = metrics.Calibration(6, exact=exact)
    for part in np.array_split(np.arange(1500), 4):
        acc.update(logits=logits[part], labels=VOTES[part])
    got = acc.compute()
    for name in EXACT:
        assert got[name] == pytest.approx(getattr(metrics, name)(logits=logits, labels=VOTES), abs=1e-12), name
    for name in FROM_CELLS:
        near = 1e-12 if exact and name != "smooth_ece" else 5e-4
        assert got[name] == pytest.approx(getattr(metrics, name)(logits=logits, labels=VOTES), abs=near), name
    bins = acc.bins()
    assert bins.total == 1500
    np.testing.assert_allclose(bins.outcomes.sum(1), bins.count)


def test_distributions_and_integers_are_not_added_up():
    logits, labels = overconfident(1500, 6)
    votes, integers = metrics.Calibration(6), metrics.Calibration(6)
    votes.update(logits=logits, labels=VOTES)
    integers.update(logits=logits, labels=labels)
    before = votes.compute()
    with pytest.raises(ValueError, match="integer labels and examples with distributions"):
        votes.update(logits=logits, labels=labels)
    with pytest.raises(ValueError, match="integer labels and examples with distributions"):
        integers.merge(votes)
    assert votes.compute() == before
    assert votes.merge(metrics.Calibration(6)).compute() == before  # of nothing there is no kind
    assert metrics.Calibration(6).merge(votes).compute() == before


def test_one_hot_distributions_are_their_integers():
    logits, labels = overconfident(700, 6)
    votes, integers = metrics.Calibration(6), metrics.Calibration(6)
    votes.update(logits=logits, labels=torch.nn.functional.one_hot(labels, 6).double())
    integers.update(logits=logits, labels=labels)
    assert votes.compute() == pytest.approx(integers.compute(), abs=1e-6)  # one is worked in float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_keeps_what_ranking_needs(dtype):
    logits, labels = overconfident(3000, 5, 20.0)
    logits = logits.to(dtype)
    parts = [metrics.Calibration(5, exact=True) for _ in range(3)]
    for k, part in enumerate(parts):
        part.update(logits=logits[k::3], labels=labels[k::3])
    acc = parts[2].merge(parts[0]).merge(parts[1])
    got = acc.compute()
    assert got["adaptive_ece"] == pytest.approx(metrics.adaptive_ece(logits=logits, labels=labels), abs=1e-13)
    assert got["aurc"] == pytest.approx(metrics.aurc(logits=logits, labels=labels), abs=1e-13)
    assert got["augrc"] == pytest.approx(metrics.augrc(logits=logits, labels=labels), abs=1e-13)
    for coverage in (0.1, 0.5):
        want = metrics.accuracy_at_coverage(coverage, logits=logits, labels=labels)
        assert acc.accuracy_at_coverage(coverage) == pytest.approx(want, abs=1e-13)
    again = metrics.Calibration(5, exact=True)
    again.load_state_dict(acc.state_dict())
    assert again.compute() == got
    with pytest.raises(ValueError, match="cannot be merged"):
        again.merge(metrics.Calibration(5))


def pictures(images=3, height=5, width=7, num_classes=6, seed=0):
    logits, labels = overconfident(images * height * width, num_classes, seed=seed)
    logits = logits.view(images, height, width, num_classes).permute(0, 3, 1, 2).contiguous()
    labels = labels.view(images, height, width).clone()
    labels[0, 0, :3] = 255
    return logits, labels


@pytest.mark.parametrize("height", [5, 300])  # small images are put side by side, large ones cut
@pytest.mark.parametrize("background", [False, True])
def test_every_pixel_that_is_not_ignored_is_an_example(height, background):
    logits, labels = pictures(height=height, width=height + 2)
    acc = metrics.Calibration(6, ignore_index=255, ignore_background=background)
    acc.update(logits=logits, labels=labels)
    keep = (labels != 255) & ((labels != 0) | (not background))
    rows = logits.permute(0, 2, 3, 1)[keep]
    assert acc.num_examples == int(keep.sum())
    assert acc.compute() == pytest.approx(accumulated(rows, labels[keep]).compute(), abs=1e-12)


def test_pixels_come_as_arrays_bytes_and_probabilities_too():
    logits, labels = pictures()
    whole = metrics.Calibration(6, ignore_index=255)
    whole.update(logits=logits, labels=labels)
    arrays = metrics.Calibration(6, ignore_index=255)
    arrays.update(logits=logits.numpy(), labels=labels.to(torch.uint8).numpy())
    assert arrays.compute() == whole.compute()
    probs = metrics.Calibration(6, ignore_index=255)
    probs.update(probs=logits.double().softmax(1), labels=labels.int())
    assert probs.compute() == pytest.approx(whole.compute(), abs=1e-4)


def test_rows_may_be_ignored_as_well():
    logits, labels = overconfident(100, 4)
    labels[::3] = -100
    acc = metrics.Calibration(4, ignore_index=-100)
    acc.update(logits=logits, labels=labels)
    keep = labels >= 0
    assert acc.compute() == pytest.approx(accumulated(logits[keep], labels[keep]).compute(), abs=1e-12)
    labels[:] = -100
    nothing = metrics.Calibration(4, ignore_index=-100)
    nothing.update(logits=logits, labels=labels)
    assert nothing.num_examples == 0
    assert math.isnan(nothing.compute()["ece"])


def test_a_bad_pixel_counts_only_where_it_is_not_ignored():
    logits, labels = pictures()
    logits[0, 2, 0, 1] = math.nan  # ignored
    acc = metrics.Calibration(6, ignore_index=255)
    acc.update(logits=logits, labels=labels)
    seen = acc.compute()
    logits[1, 0, 0, 2] = math.inf
    with pytest.raises(ValueError, match=r"of 1 of 105 rows hold plus infinity.*the first is row 37 "):
        acc.update(logits=logits, labels=labels)
    labels[2, 4, 6] = 6
    with pytest.raises(ValueError, match=r"1 of 105 do not, the first is 6 at index 104"):
        acc.update(logits=logits, labels=labels)
    with pytest.raises(ValueError, match=r"labels must have shape \(3, 5, 7\)"):
        acc.update(logits=logits, labels=labels[:, :2])
    assert acc.compute() == seen


def test_a_mean_over_batches_weighs_each_by_its_pixels():
    # what the code of MbLS reports: metric of a batch, averaged by the number of pixels that count
    logits, labels = pictures()
    logits = logits / 1.8  # calibrated, so that what a batch shows is mostly chance
    mean = metrics.BatchMean(6, ignore_index=255, ignore_background=True)
    total, n = dict.fromkeys(EXACT, 0.0), 0
    for image in range(3):
        mean.update(logits=logits[[image]], labels=labels[[image]])
        keep = (labels[image] != 255) & (labels[image] != 0)
        rows, own = logits[image].permute(1, 2, 0)[keep], labels[image][keep]
        n += len(own)
        for name in EXACT:
            total[name] += len(own) * getattr(metrics, name)(logits=rows, labels=own)
    mean.update(logits=logits[:1], labels=torch.full_like(labels[:1], 255))  # nothing counts: no weight
    got = mean.compute()
    for name in EXACT:
        assert got[name] == pytest.approx(total[name] / n, abs=1e-12), name
    pooled = metrics.Calibration(6, ignore_index=255, ignore_background=True)
    pooled.update(logits=logits, labels=labels)
    assert got["accuracy"] == pytest.approx(pooled.compute()["accuracy"])
    assert got["ece"] > pooled.compute()["ece"] + 0.01  # gaps of batches do not cancel: more bias
    halves = [metrics.BatchMean(6, ignore_index=255, ignore_background=True) for _ in range(2)]
    halves[0].update(logits=logits[:1], labels=labels[:1])
    for image in (1, 2):
        halves[1].update(logits=logits[[image]], labels=labels[[image]])
    assert halves[0].merge(halves[1]).compute() == pytest.approx(got, abs=1e-12)
    assert math.isnan(metrics.BatchMean(6).compute()["ece"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_worked_in_float32(dtype):
    logits, labels = overconfident(2000, 12)
    half = logits.to(dtype)
    assert accumulated(half, labels).compute() == pytest.approx(accumulated(half.float(), labels).compute(), abs=0)


def test_counts_are_whole_and_sums_are_double():
    acc = accumulated(*overconfident(50, 4))
    kinds = {name: value.dtype for name, value in acc.sums().items()}
    whole = {
        "correct",
        "top5",
        "bin_count",
        "class_count",
        "class_correct",
        "cell_count",
        "cell_correct",
        "num_examples",
    }
    assert {name for name, dtype in kinds.items() if dtype == torch.int64} == whole
    assert {dtype for name, dtype in kinds.items() if name not in whole} == {torch.float64}


def test_arrays_are_read_where_they_lie():
    logits = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    logits.flags.writeable = False  # as a memory map is
    before = logits.copy()
    acc = metrics.Calibration(4)
    acc.update(logits=logits, labels=np.zeros(300, dtype=np.int32))
    np.testing.assert_array_equal(logits, before)
    given = check_dense(logits, None, np.zeros(300, dtype=np.int32))
    assert given.scores.data_ptr() == logits.ctypes.data


def test_outcomes_alone_give_what_scores_give():
    generator = np.random.default_rng(0)
    top = generator.uniform(0.5, 1, 500).astype(np.float32)
    probs = np.stack([top, 1 - top], 1)
    labels = (generator.random(500) > top).astype(np.int64)
    parts = ["correct", "top_label", "cells"]
    whole, alone = (metrics.Calibration(num_classes=2, parts=parts) for _ in range(2))
    whole.update(probs=probs, labels=labels)
    for rows in np.array_split(np.arange(500), 7):
        alone.update_outcomes(confidence=top[rows], correct=labels[rows] == 0)
    assert alone.compute() == pytest.approx(whole.compute(), abs=1e-12)
    with pytest.raises(ValueError, match="part 'brier' needs the scores of all classes"):
        metrics.Calibration(num_classes=2).update_outcomes(confidence=top, correct=labels == 0)
    for confidence, correct, said in ((top + 1, labels == 0, r"in \[0, 1\]"), (top, labels, "booleans")):
        with pytest.raises(ValueError, match=said):
            alone.update_outcomes(confidence=confidence, correct=correct)


def test_cells_are_the_callers_own():
    acc = accumulated(*overconfident(50, 3))
    acc.cells()[0][:] = 0
    assert acc.cells()[0].sum() == 50
