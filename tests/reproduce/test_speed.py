"""Times for planning."""

import pytest

from levelhead.reproduce import speed
from levelhead.reproduce.claims import cost, rate
from levelhead.reproduce.designs import Design, bed
from levelhead.reproduce.store import Wanted


def test_a_machine_is_timed_once(tmp_path, monkeypatch):
    first = speed.measured(tmp_path / "speed.json")
    assert 0 < first.multiply_add < 1e-6
    assert 0 < first.vector < 1
    monkeypatch.setattr(speed, "_timed", lambda *_: pytest.fail("timed again"))
    assert speed.measured(tmp_path / "speed.json") == first


def test_an_example_costs_its_fixed_time_and_its_multiply_adds():
    known = speed.Speed("here", image=1e-3, vector=1e-5, multiply_add=1e-10)
    small = speed.seconds(bed("F"), 1000, known)
    assert small == pytest.approx(1000 * (1e-3 + speed.multiply_adds("small", 10, (1, 28, 28)) * 1e-10))
    assert speed.seconds(bed("S"), 1000, known) < small
    assert speed.seconds(Design(set="voc", waits="something"), 1000, known) is None


def test_cost_counts_passes_and_rate_is_the_median_of_runs():
    assert cost(bed("F"), [(Wanted("vanilla", 1), 0), (Wanted("logitmix_cm", 1), 0)]) == 3 * 20 * 10_000
    runs = {
        "x": {0: {"passes": 1, "seconds": 100.0}, 1: {"passes": 2, "seconds": 100.0}, 2: {"passes": 1, "seconds": 50.0}}
    }
    assert rate(bed("F"), runs) == 4000
    assert rate(bed("F"), {}) is None
