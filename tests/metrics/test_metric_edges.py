"""Edges that published implementations get wrong, one named test each."""

import math

import numpy as np
import pytest
import torch

from levelhead import metrics

from .synthetic import overconfident, two_columns

ALL = ("accuracy", "nll", "brier", "gap", "ece", "oe", "mce", "ace", "rmsce", "adaptive_ece")
ALL += ("classwise_ece", "debiased_ece", "aurc", "augrc", "top5")


def every(**given):
    return {name: getattr(metrics, name)(**given) for name in ALL}


def test_confidence_exactly_one_shares_the_last_bin_with_its_neighbours():
    # 1.0 wrong and .95 right: one bin, |.975 - .5|; a phantom bin for 1.0 would give (1 + .05) / 2
    probs, labels = two_columns([1.0, 0.95]), np.array([1, 0])
    assert metrics.ece(probs=probs, labels=labels, n_bins=10) == pytest.approx(0.475)
    assert metrics.reliability(probs=probs, labels=labels, n_bins=10).count[-1] == 2


def test_probability_exactly_zero_is_in_the_first_bin():
    acc = metrics.Calibration(2, n_bins=10)
    acc.update(probs=two_columns([1.0, 0.0]), labels=np.array([1, 1]))
    # class 0 says 1 and 0, class 1 says 0 and 1; both labels are 1: errors 1/2 for class 0 (bin of 1) and for class 1
    assert acc.compute()["classwise_ece"] == pytest.approx(0.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("n_bins", [5, 10, 15, 20, 49, 100])
def test_a_confidence_on_an_edge_belongs_to_the_bin_below_in_every_type(dtype, n_bins):
    edges = torch.tensor([m / n_bins for m in range(1, n_bins + 1)], dtype=torch.float64).to(dtype)
    # three columns, so that a confidence below one half can be the top one
    on = [e.item() for e in edges if e > 0.4]
    rows = [[c, (1 - c) / 2, (1 - c) / 2] for c in on]
    probs = torch.tensor(rows, dtype=torch.float64).to(dtype)
    bins = metrics.reliability(probs=probs, labels=torch.zeros(len(on), dtype=torch.int64), n_bins=n_bins)
    assert bins.count[-len(on) :].tolist() == [1] * len(on)


@pytest.mark.parametrize("n_bins", [7, 10, 15, 49])
def test_the_number_just_above_an_edge_belongs_to_the_bin_above(n_bins):
    edge = np.float32((n_bins - 2) / n_bins)
    probs = two_columns([edge])
    probs[0, 0] = np.nextafter(edge, np.float32(1))
    bins = metrics.reliability(probs=probs.astype(np.float32), labels=np.array([0]), n_bins=n_bins)
    assert bins.count.argmax() == n_bins - 2


def test_equal_logits_of_five_classes_lie_on_the_edge_three_fifteenths():
    bins = metrics.reliability(logits=np.zeros((1, 5), dtype=np.float32), labels=np.array([0]))
    assert bins.count.argmax() == 2


@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_a_nan_row_is_refused_with_count_and_place(kind):
    logits, labels = overconfident(2000, 5)
    scores = logits.softmax(1) if kind == "probs" else logits
    scores[[70, 900], 2] = math.nan
    for name in ALL:
        with pytest.raises(ValueError, match=r"2 of 2000 rows hold NaN, the first is row 70"):
            getattr(metrics, name)(**{kind: scores}, labels=labels)


@pytest.mark.parametrize("num_classes", [5, 100])
def test_plus_infinity_is_refused_and_minus_infinity_rules_a_class_out(num_classes):
    logits, labels = overconfident(500, num_classes)
    labels = labels.clamp(max=num_classes - 2)
    ruled_out = logits.clone()
    ruled_out[:, -1] = -math.inf
    without = every(logits=ruled_out[:, :-1], labels=labels)
    with_it = every(logits=ruled_out, labels=labels)
    for name in ALL:
        factor = (num_classes - 1) / num_classes if name == "classwise_ece" else 1  # a mean over one class more
        assert with_it[name] == pytest.approx(without[name] * factor, abs=1e-7), name
    ruled_out[3, 1] = math.inf
    with pytest.raises(ValueError, match=r"1 of 500 rows hold plus infinity.*the first is row 3"):
        metrics.ece(logits=ruled_out, labels=labels)


def test_a_row_of_only_minus_infinity_is_refused():
    logits = np.zeros((4, 3))
    logits[2] = -np.inf
    with pytest.raises(ValueError, match="1 of 4 rows are minus infinity for every class"):
        metrics.ece(logits=logits, labels=np.zeros(4, dtype=int))


def test_a_label_that_was_ruled_out_costs_infinitely_many_nats():
    assert metrics.nll(probs=two_columns([1.0, 0.5]), labels=np.array([1, 0])) == math.inf
    assert metrics.nll(logits=np.array([[0.0, -np.inf]]), labels=np.array([1])) == math.inf


@pytest.mark.parametrize("name", ALL)
def test_empty_input_is_refused(name):
    with pytest.raises(ValueError, match="there is no example"):
        getattr(metrics, name)(logits=np.zeros((0, 3)), labels=np.zeros(0, dtype=int))


def test_an_accumulator_that_saw_nothing_says_nan_for_everything():
    acc = metrics.Calibration(3)
    acc.update(logits=np.zeros((0, 3)), labels=np.zeros(0, dtype=int))
    assert acc.num_examples == 0
    assert all(math.isnan(value) for value in acc.compute().values())


def test_a_single_example():
    got = every(probs=np.array([[0.7, 0.2, 0.1]]), labels=np.array([0]))
    for name in ("ece", "mce", "ace", "rmsce", "adaptive_ece"):
        assert got[name] == pytest.approx(0.3)
    assert got["gap"] == pytest.approx(-0.3)
    assert got["oe"] == 0
    assert got["aurc"] == 0
    assert got["accuracy"] == got["top5"] == 1


def test_labels_that_show_two_of_three_classes_are_still_three_classes():
    probs = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.7, 0.2, 0.1]])
    labels = np.array([0, 1, 1])
    assert metrics.ece(probs=probs, labels=labels, n_bins=1) == pytest.approx(1.8 / 3 - 1 / 3)
    # class 2 has no label: its error is its mean probability
    assert metrics.classwise_ece(probs=probs, labels=labels, n_bins=1) == pytest.approx(
        (abs(1.5 / 3 - 1 / 3) + abs(0.8 / 3 - 2 / 3) + 0.7 / 3) / 3
    )


@pytest.mark.parametrize("label", [3, -1, 255, -100])
def test_labels_out_of_range_are_refused(label):
    labels = np.array([0, 1, label, label])
    with pytest.raises(ValueError, match=rf"2 of 4 do not, the first is {label} at index 2"):
        metrics.ece(logits=np.zeros((4, 3)), labels=labels)


def test_labels_of_type_uint8_are_labels():
    assert metrics.accuracy(logits=np.eye(3), labels=np.array([0, 1, 1], dtype=np.uint8)) == pytest.approx(2 / 3)


@pytest.mark.parametrize("labels", [np.array([0.0, 1.0]), np.array([True, False])])
def test_labels_that_are_not_integers_are_refused(labels):
    with pytest.raises(ValueError, match="labels must be integers"):
        metrics.ece(logits=np.zeros((2, 3)), labels=labels)


def test_one_hot_labels_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"argmax\(1\)"):
        metrics.ece(logits=np.zeros((2, 3)), labels=np.eye(3, dtype=int)[:2])


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(5,\) to match the 5 rows"):
        metrics.ece(logits=np.zeros((5, 3)), labels=np.zeros(4, dtype=int))


@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 3, 4)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape|columns"):
        metrics.ece(logits=np.zeros(shape), labels=np.zeros(shape[0], dtype=int))


def test_both_or_neither_of_logits_and_probs_is_refused():
    with pytest.raises(ValueError, match="got neither"):
        metrics.ece(labels=np.array([0]))
    with pytest.raises(ValueError, match="got both"):
        metrics.ece(logits=np.zeros((1, 2)), probs=two_columns([0.5]), labels=np.array([0]))


@pytest.mark.parametrize("n_bins", [0, -1, 2.5, True, "15"])
def test_a_number_of_bins_that_is_none_is_refused(n_bins):
    for name in ("ece", "adaptive_ece", "classwise_ece", "reliability"):
        with pytest.raises(ValueError, match="n_bins must be a whole number"):
            getattr(metrics, name)(probs=two_columns([0.5]), labels=np.array([0]), n_bins=n_bins)


def test_logits_that_look_like_probabilities_are_taken_at_the_callers_word():
    scores = two_columns([0.9, 0.8])
    as_logits = metrics.gap(logits=scores, labels=np.array([0, 0]))
    expected = np.exp(scores.max(1)) / np.exp(scores).sum(1)
    assert as_logits == pytest.approx(expected.mean() - 1)
    assert as_logits != pytest.approx(metrics.gap(probs=scores, labels=np.array([0, 0])))


def test_logits_given_as_probabilities_are_refused():
    logits, labels = overconfident(100, 5)
    with pytest.raises(ValueError, match="say logits="):
        metrics.ece(probs=logits, labels=labels)
    with pytest.raises(ValueError, match=r"do not sum to one within 0.001"):
        metrics.ece(probs=logits.abs(), labels=labels)


def test_probabilities_may_miss_one_by_a_thousandth_and_not_by_more():
    assert metrics.accuracy(probs=np.array([[0.6, 0.3995]]), labels=np.array([0])) == 1
    with pytest.raises(ValueError, match="do not sum to one"):
        metrics.accuracy(probs=np.array([[0.6, 0.398]]), labels=np.array([0]))


def test_all_right_and_all_wrong():
    probs = two_columns([0.9, 0.8, 0.7])
    right, wrong = every(probs=probs, labels=np.zeros(3, dtype=int)), every(probs=probs, labels=np.ones(3, dtype=int))
    assert (right["accuracy"], wrong["accuracy"]) == (1, 0)
    assert (right["aurc"], wrong["aurc"]) == (0, 1)
    assert wrong["gap"] == pytest.approx(0.8)
    assert wrong["ece"] == pytest.approx(0.8)
    assert right["oe"] == 0


def test_tied_confidences_give_the_error_rate_as_aurc_in_any_order():
    probs = np.zeros((100, 3))
    probs[:, 0] = 1.0
    labels = np.zeros(100, dtype=int)
    labels[:10] = 1
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert metrics.aurc(probs=probs, labels=rng.permutation(labels)) == pytest.approx(0.1, abs=1e-12)


def test_aurc_from_logits_tells_apart_confidences_that_round_to_one():
    # softmax in float32 is exactly 1 for all four; margins say which are surer
    margin = np.array([40.0, 35.0, 30.0, 25.0], dtype=np.float32)
    logits = np.stack([margin, np.zeros(4, np.float32)], axis=1)
    assert metrics.aurc(logits=logits, labels=np.array([0, 0, 0, 1])) == pytest.approx(1 / 16)
    assert metrics.aurc(logits=logits, labels=np.array([1, 0, 0, 0])) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    probs = torch.from_numpy(logits).softmax(1)
    assert metrics.aurc(probs=probs, labels=np.array([1, 0, 0, 0])) == pytest.approx(1 / 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_worked_in_float32(dtype):
    logits, labels = overconfident(20_000, 10)
    narrow = logits.to(dtype)
    exact, got = every(logits=narrow.double(), labels=labels), every(logits=narrow, labels=labels)
    for name in set(ALL) - {"adaptive_ece", "aurc", "mce", "ace", "ece", "debiased_ece", "oe", "rmsce"}:
        assert got[name] == pytest.approx(exact[name], rel=1e-5), name
    for name in ("ece", "oe", "rmsce", "adaptive_ece", "aurc"):
        assert got[name] == pytest.approx(exact[name], abs=2e-4), name


def test_half_precision_probabilities_are_accepted_as_they_come():
    logits, labels = overconfident(5000, 100)
    reference = metrics.ece(logits=logits, labels=labels)
    for dtype, close in ((torch.float16, 1e-3), (torch.bfloat16, 1e-2)):
        assert metrics.ece(probs=logits.softmax(1).to(dtype), labels=labels) == pytest.approx(reference, abs=close)


def test_a_tie_predicts_the_first_class():
    logits = np.zeros((2, 3))
    assert metrics.accuracy(logits=logits, labels=np.array([0, 2])) == 0.5
    assert metrics.accuracy(probs=np.full((2, 2), 0.5), labels=np.array([0, 1])) == 0.5


def test_scores_that_differ_by_less_than_softmax_can_show_are_no_tie():
    # exp(-1e-9) is 1 in float32: the prediction is still the larger logit, the second
    logits = np.array([[1e-9, 2e-9]], dtype=np.float32)
    assert metrics.accuracy(logits=logits, labels=np.array([1])) == 1
    assert metrics.accuracy(logits=logits, labels=np.array([0])) == 0


def test_huge_logits_are_finite():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], dtype=np.float32)
    assert every(logits=logits, labels=np.array([0, 1]))["ece"] == 0
    assert metrics.nll(logits=logits, labels=np.array([1, 1])) == pytest.approx(1e4)


def test_inputs_are_left_as_they_were_and_read_only_arrays_will_do():
    logits, labels = (t.numpy() for t in overconfident(300, 4))
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    before = logits.copy(), probs.copy(), labels.copy()
    for array in (logits, probs, labels):
        array.flags.writeable = False
    every(logits=logits, labels=labels)
    every(probs=probs, labels=labels)
    for array, was in zip((logits, probs, labels), before, strict=True):
        np.testing.assert_array_equal(array, was)


def test_lists_reversed_views_columns_and_foreign_byte_order_are_read_right():
    logits, labels = (t.numpy() for t in overconfident(50, 4))
    reference = metrics.ece(logits=logits, labels=labels)
    assert metrics.ece(logits=logits[::-1], labels=labels[::-1]) == pytest.approx(reference, abs=1e-7)
    assert metrics.ece(logits=np.asfortranarray(logits), labels=labels) == pytest.approx(reference, abs=1e-7)
    assert metrics.ece(logits=logits.astype(">f4"), labels=labels) == pytest.approx(reference, abs=1e-7)
    assert metrics.ece(logits=logits.tolist(), labels=labels.tolist()) == pytest.approx(reference, abs=1e-6)


def test_a_tensor_that_wants_gradients_is_read():
    logits, labels = overconfident(50, 4)
    assert metrics.ece(logits=logits.requires_grad_(), labels=labels) >= 0
    assert logits.grad is None


def test_global_random_state_does_not_move():
    logits, labels = overconfident(100, 4)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    every(logits=logits, labels=labels)
    assert torch.equal(torch_state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])
