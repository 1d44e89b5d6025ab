"""Temperature scaling finds the optimum, says so, and says when there is none."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from tests.metrics.synthetic import overconfident

from levelhead import metrics
from levelhead.calibrate import TemperatureScaling, _likelihood
from levelhead.calibrate._solve import _newton
from levelhead.metrics.given import check
from levelhead.predictions import Predictions


def best_by_scipy(logits, labels) -> float:
    z = torch.as_tensor(logits).double()
    nll = lambda t: torch.nn.functional.cross_entropy(z * math.exp(-t), torch.as_tensor(labels)).item()  # noqa: E731
    return math.exp(minimize_scalar(nll, bounds=(-9, 12), method="bounded", options={"xatol": 1e-11}).x)


def test_two_classes_by_hand():
    # three of four right at a margin of 4: sigmoid(4 / T) = 3/4
    logits = np.array([[4.0, 0.0]] * 4)
    scaling = TemperatureScaling().fit(logits, np.array([0, 0, 0, 1]))
    assert scaling.temperature == pytest.approx(4 / math.log(3), rel=1e-9)
    assert scaling.status == "optimum"


@pytest.mark.parametrize("true", [1e-3, 0.2, 0.7, 1.0, 1.8, 6.0, 1000.0])
@pytest.mark.parametrize("num_classes", [2, 10, 100])
def test_the_optimum_is_found_wherever_it_lies(true, num_classes):
    # the common L-BFGS snippet returns 1.59 for 1.8, 1.88 for 6 and 1.41 for 0.2
    logits, labels = overconfident(5000, num_classes, true)
    scaling = TemperatureScaling().fit(logits, labels)
    assert scaling.temperature == pytest.approx(best_by_scipy(logits, labels), rel=1e-5)
    assert scaling.temperature == pytest.approx(true, rel=0.1)
    assert scaling.status == "optimum"


def test_many_rows_start_from_a_sample_and_end_at_the_optimum_of_all():
    logits, labels = overconfident(60_000, 5)
    logits[::20] *= 3  # the sample is every twentieth row: mislead it
    got = TemperatureScaling().fit(logits, labels).temperature
    assert got == pytest.approx(best_by_scipy(logits, labels), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_large_inputs_are_read_once_and_their_optimum_is_exact(seed, monkeypatch):
    logits, labels = overconfident(60_000, 5, seed=seed)
    logits, seen, curve = logits.double(), [], _likelihood.curve
    monkeypatch.setattr(_likelihood, "curve", lambda data, beta: seen.append(len(data.labels)) or curve(data, beta))
    beta = 1 / TemperatureScaling().fit(logits, labels).temperature
    assert seen.count(60_000) == 1
    assert seen.count(3_000) == len(seen) - 1 < 10
    at = curve(check(logits, None, labels), beta)
    assert abs(at.slope / (beta * at.curvature)) < 2e-7  # how far the optimum is, relative to beta


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_any_floating_type(dtype):
    logits, labels = overconfident(5000, 10)
    narrow = logits.to(dtype)
    assert TemperatureScaling().fit(narrow, labels).temperature == pytest.approx(
        best_by_scipy(narrow, labels), rel=1e-5
    )


# on a grid of 2^-40: a logit of 5e-324 divided by anything is 0, and a tie where none was
LOGIT = st.floats(-30, 30).map(lambda value: round(value * 2**40) / 2**40)


@given(
    st.lists(st.lists(LOGIT, min_size=3, max_size=3), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_whatever_comes_the_temperature_is_positive_and_the_likelihood_no_worse(rows, random):
    logits = np.array(rows)
    labels = np.array([random.randrange(3) for _ in rows])
    scaling = TemperatureScaling().fit(logits, labels)
    assert 0 < scaling.temperature < math.inf
    assert scaling.status in ("optimum", "separable", "hopeless", "identity")
    before, after = metrics.nll(logits=logits, labels=labels), metrics.nll(logits=scaling.apply(logits), labels=labels)
    assert after <= before + 1e-9
    assert metrics.accuracy(logits=scaling.apply(logits), labels=labels) == metrics.accuracy(
        logits=logits, labels=labels
    )


@given(st.floats(-4, 4))
@settings(max_examples=25, deadline=None)
def test_logits_times_a_number_give_the_temperature_times_that_number(power):
    factor = 10.0**power
    logits, labels = (t.numpy() for t in overconfident(500, 4))
    logits = logits.astype(np.float64)
    once = TemperatureScaling().fit(logits, labels).temperature
    assert TemperatureScaling().fit(logits * factor, labels).temperature == pytest.approx(once * factor, rel=1e-6)


@pytest.mark.parametrize("power", [-28, 20, 36])
def test_float32_logits_whose_cubes_float32_cannot_hold_have_their_temperature_too(power):
    logits, labels = (t.numpy() for t in overconfident(500, 4))
    once = TemperatureScaling().fit(logits, labels)
    far = TemperatureScaling().fit((logits * 10.0**power).astype(np.float32), labels)
    assert (far.temperature, far.status) == (pytest.approx(once.temperature * 10.0**power, rel=1e-6), once.status)


def test_data_without_an_error_stop_where_half_an_error_is_expected():
    logits, _ = overconfident(1000, 5, 0.3)
    labels = logits.argmax(1)
    scaling = TemperatureScaling().fit(logits, labels)
    assert scaling.status == "separable"
    assert 0 < scaling.temperature < 1
    confidence = scaling.apply(logits).double().softmax(1).amax(1)
    assert (1 - confidence).sum().item() == pytest.approx(0.5, rel=1e-4)


def test_data_without_an_error_that_are_sharp_enough_stay_as_they_are():
    scaling = TemperatureScaling().fit(20.0 * np.eye(4), np.arange(4))
    assert (scaling.temperature, scaling.status) == (1.0, "separable")


def test_data_worse_than_chance_are_made_almost_uniform_and_never_turned_round():
    logits, _ = overconfident(1000, 5)
    labels = logits.argmin(1)
    scaling = TemperatureScaling().fit(logits, labels)
    assert scaling.status == "hopeless"
    assert scaling.temperature > 1000
    assert torch.equal(scaling.apply(logits).argmax(1), logits.argmax(1))


def test_equal_logits_have_nothing_to_scale():
    scaling = TemperatureScaling().fit(np.zeros((5, 3)), np.array([0, 1, 2, 0, 1]))
    assert (scaling.temperature, scaling.status) == (1.0, "identity")


@pytest.mark.parametrize("factor", [1e-22, 1e-6, 1e12])
def test_a_bound_never_makes_the_fitting_data_less_likely(factor):
    # nearly equal logits are flatter than the bound for hopeless data already, huge ties sharper than the other
    logits = np.array([[-1.0, 0.0, 0.0]]) * factor
    for label in range(3):
        scaling = TemperatureScaling().fit(logits, np.array([label]))
        labels = np.array([label])
        before = metrics.nll(logits=logits, labels=labels)
        assert metrics.nll(logits=scaling.apply(logits), labels=labels) <= before + 1e-12


def test_a_single_example():
    assert TemperatureScaling().fit(np.array([[0.0, 1.0]]), np.array([0])).status == "hopeless"
    assert TemperatureScaling().fit(np.array([[0.0, 1.0]]), np.array([1])).status == "separable"


def test_classes_that_are_ruled_out_do_not_matter():
    logits, labels = overconfident(3000, 6)
    masked = logits.clone()
    masked[torch.arange(3000), (labels + 1) % 6] = -math.inf
    got = TemperatureScaling().fit(masked, labels).temperature
    assert got == pytest.approx(best_by_scipy(masked.masked_fill(masked == -math.inf, -1e9), labels), rel=1e-5)


def test_a_label_that_is_ruled_out_says_nothing_about_the_temperature():
    logits, labels = overconfident(3000, 6)
    masked = logits.clone()
    masked[torch.arange(100), labels[:100]] = -math.inf
    got = TemperatureScaling().fit(masked, labels).temperature
    assert got == pytest.approx(TemperatureScaling().fit(logits[100:], labels[100:]).temperature, rel=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("criterion", ["nll", "ece"])
def test_nan_and_infinity_are_refused_with_their_place(bad, criterion):
    logits, labels = overconfident(3000, 6)
    logits[1234, 2] = bad
    with pytest.raises(ValueError, match=r"1 of 3000 rows hold .*the first is row 1234"):
        TemperatureScaling(criterion).fit(logits, labels)


def test_wrong_labels_and_shapes_are_refused():
    with pytest.raises(ValueError, match="labels must lie in"):
        TemperatureScaling().fit(np.zeros((2, 3)), np.array([0, -100]))
    with pytest.raises(ValueError, match="no example"):
        TemperatureScaling().fit(np.zeros((0, 3)), np.zeros(0, dtype=int))
    with pytest.raises(ValueError, match="labels are missing"):
        TemperatureScaling().fit(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="criterion must be"):
        TemperatureScaling("brier")


def test_fitting_on_test_is_refused():
    logits, labels = overconfident(300, 4)
    with pytest.raises(ValueError, match="role 'test'"):
        TemperatureScaling().fit(Predictions(labels=labels, logits=logits, role="test"))


@pytest.mark.parametrize("role", ["cal", "val", "train", "unknown"])
def test_predictions_bring_their_labels(role):
    logits, labels = overconfident(300, 4)
    expected = TemperatureScaling().fit(logits, labels).temperature
    predictions = Predictions(labels=labels, logits=logits, role=role)
    assert TemperatureScaling().fit(predictions).temperature == expected
    with pytest.raises(ValueError, match="bring their own labels"):
        TemperatureScaling().fit(predictions, labels)


def test_probabilities_are_scaled_through_their_logarithm():
    logits, labels = overconfident(2000, 4)
    expected = TemperatureScaling().fit(logits, labels).temperature
    predictions = Predictions(labels=labels, probs=logits.double().softmax(1), role="cal")
    assert TemperatureScaling().fit(predictions).temperature == pytest.approx(expected, rel=1e-4)


def test_apply_divides_and_returns_what_it_was_given():
    scaling = TemperatureScaling().fit(np.array([[4.0, 0.0]] * 4), np.array([0, 0, 0, 1]))
    for dtype in (np.float32, np.float64):
        array = scaling.apply(np.ones((2, 3), dtype=dtype))
        assert isinstance(array, np.ndarray)
        assert array.dtype == dtype
        np.testing.assert_allclose(array, math.log(3) / 4, rtol=1e-6)
    tensor = scaling.apply(torch.ones(2, 3, 5, requires_grad=True))
    assert tensor.requires_grad
    assert tensor.dtype == torch.float32


def test_apply_on_predictions_keeps_everything_else():
    scaling = TemperatureScaling().fit(*overconfident(30, 4, seed=1))
    logits, labels = overconfident(30, 4)
    test = Predictions(labels=labels, logits=logits, ids=np.arange(30), role="test", classes=tuple("abcd"))
    scaled = scaling.apply(test)
    np.testing.assert_allclose(scaled.logits, logits.numpy() / scaling.temperature, rtol=1e-6)
    assert (scaled.role, scaled.classes, scaled.ids.tolist()) == ("test", tuple("abcd"), list(range(30)))
    assert float(scaled.meta["temperature"]) == scaling.temperature


def test_nothing_is_known_before_fitting():
    scaling = TemperatureScaling()
    assert scaling.status == "not fitted"
    with pytest.raises(ValueError, match="call fit"):
        scaling.apply(np.zeros((1, 2)))


def test_ece_criterion_takes_the_first_best_of_the_papers_grid():
    logits, labels = overconfident(3000, 10)
    got = TemperatureScaling("ece").fit(logits, labels).temperature
    grid = [k / 10 for k in range(1, 101)]
    errors = [metrics.ece(logits=logits / t, labels=labels, n_bins=15) for t in grid]
    assert got == grid[int(np.argmin(errors))]
    assert got == pytest.approx(1.8, abs=0.2)


def test_the_grid_keeps_the_papers_answer_and_says_where_it_costs_likelihood():
    # calibrated already and few: ECE then prefers some temperature by chance
    rng = np.random.default_rng(5)
    worse = 0
    for _ in range(20):
        logits = rng.standard_normal((40, 3)) * 2
        labels = np.array([rng.choice(3, p=p) for p in np.exp(logits) / np.exp(logits).sum(1, keepdims=True)])
        scaling = TemperatureScaling("ece").fit(logits, labels)
        before = metrics.nll(logits=logits, labels=labels)
        after = metrics.nll(logits=logits / scaling.temperature, labels=labels)
        assert (scaling.status == "nll worse") == (after > before * (1 + 1e-6))
        worse += scaling.status == "nll worse"
    assert 0 < worse < 20


@pytest.mark.parametrize("start", [1e-3, 0.3, 1.0, 7.0, 500.0])
def test_the_answer_does_not_depend_on_the_starting_point(start):
    logits, labels = overconfident(2000, 5)
    seen = check(logits, None, labels)
    beta = math.exp(_newton(seen, math.log(1 / start), math.log(1e-6), math.log(1e6)))
    assert 1 / beta == pytest.approx(best_by_scipy(logits, labels), rel=1e-5)


def test_ece_criterion_takes_the_first_of_equal_ones():
    # one example that is always right at 1e4: every temperature up to 10 gives ECE 0
    assert TemperatureScaling("ece").fit(np.array([[1e5, 0.0]]), np.array([0])).temperature == 0.1


def test_scaling_removes_overconfidence_on_other_data():
    cal, test = overconfident(5000, 10, seed=1), overconfident(5000, 10, seed=2)
    scaling = TemperatureScaling().fit(*cal)
    before = metrics.ece(logits=test[0], labels=test[1])
    after = metrics.ece(logits=scaling.apply(test[0]), labels=test[1])
    assert after < before / 4


def test_input_and_random_state_stay_as_they_were():
    logits, labels = overconfident(300, 4)
    before, state = logits.clone(), torch.get_rng_state()
    TemperatureScaling().fit(logits, labels)
    assert torch.equal(before, logits)
    assert torch.equal(state, torch.get_rng_state())
