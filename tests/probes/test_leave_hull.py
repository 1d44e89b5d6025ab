"""Distances are what they say, and a curve is hand-worked."""

import math

import numpy as np
import pytest
import torch

import levelhead as lh


def generator():
    return torch.Generator().manual_seed(3)


INPUTS = torch.randn(6, 2, 5, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("distance", [0.0, 0.01, 1.0, 100.0])
def test_every_example_moves_by_the_distance(distance):
    moved = lh.probes.leave_hull(INPUTS, distance, generator=generator())
    travelled = (moved.double() - INPUTS.double()).flatten(1).norm(dim=1)
    torch.testing.assert_close(travelled, torch.full((6,), distance, dtype=torch.float64), atol=1e-5, rtol=1e-5)


def test_directions_are_the_same_at_every_distance_and_one_an_example():
    near, far = (lh.probes.leave_hull(INPUTS, mu, generator=generator()) - INPUTS for mu in (1.0, 10.0))
    torch.testing.assert_close(10 * near, far, atol=1e-4, rtol=0)
    cosine = torch.nn.functional.cosine_similarity(near[0].flatten(), near[1].flatten(), 0)
    assert abs(cosine) < 0.9


def test_the_raw_direction_is_uniform():
    step = lh.probes.leave_hull(torch.zeros(400, 50), 2.0, generator=generator(), direction="raw")
    assert step.abs().max() <= 2
    assert step.var() == pytest.approx(4 / 3, rel=0.05)


def test_a_curve_by_hand():
    labels = np.array([0, 1])
    answers = {
        10.0: lh.Predictions(labels=labels, probs=np.array([[0.5, 0.5], [0.5, 0.5]])),
        1.0: lh.Predictions(labels=labels, probs=np.array([[0.9, 0.1], [0.3, 0.7]])),
    }
    curve = lh.probes.hull_curve(answers)
    np.testing.assert_array_equal(curve.distance, [1.0, 10.0])
    np.testing.assert_array_equal(curve.accuracy, [1.0, 0.5])
    np.testing.assert_allclose(curve.confidence, [0.8, 0.5])
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1) + 0.7 * math.log(0.7) + 0.3 * math.log(0.3)) / 2
    np.testing.assert_allclose(curve.entropy, [entropy, math.log(2)])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"distance": -1.0}, "at least 0"),
        ({"distance": float("inf")}, "at least 0"),
        ({"inputs": torch.ones(2, 3, dtype=torch.int64)}, "floating point"),
        ({"direction": "up"}, "'unit' or 'raw'"),
    ],
)
def test_what_is_refused(given, said):
    given = {"inputs": INPUTS, "distance": 1.0} | given
    with pytest.raises(ValueError, match=said):
        lh.probes.leave_hull(given.pop("inputs"), given.pop("distance"), generator=generator(), **given)
    with pytest.raises(ValueError, match="one distance or more"):
        lh.probes.hull_curve({})
