"""Where the NLL turned: only what rose again, by more than chance, over several seeds."""

import pytest

from levelhead.plots.turning import turns


def run(method, nll, accuracy=None):
    history = [{"epoch": k + 1, "cal_nll": value} for k, value in enumerate(nll)]
    for entry, right in zip(history, accuracy or (), strict=False):
        entry["cal_accuracy"] = right
    return {"method": method, "history": history}


def test_a_rise_by_hand():
    runs = [
        run("sure", [0.6, 0.4, 0.5], [0.7, 0.8, 0.82]),
        run("sure", [0.6, 0.42, 0.54], [0.7, 0.82, 0.84]),
        run("sure", [0.6, 0.41, 0.52], [0.7, 0.81, 0.83]),
        run("falls", [0.6, 0.5, 0.4]),
        run("falls", [0.6, 0.5, 0.41]),
        *[run("small", [0.6, 0.400, 0.405 + k / 1e4]) for k in range(3)],
        run("chance", [0.6, 0.4, 0.7]),
        run("chance", [0.6, 0.4, 0.39]),
        run("chance", [0.6, 0.4, 0.5]),
        run("alone", [0.6, 0.4, 0.9]),
    ]
    (turn,) = turns(runs, order=["falls", "sure"])
    assert (turn.method, turn.epoch, turn.seeds) == ("sure", 2, 3)
    assert turn.nll == pytest.approx((0.41, 0.52))
    assert turn.accuracy == pytest.approx((0.81, 0.83))
    # rises of .10, .12 and .11: their mean, and 4.303 times .01 / sqrt(3)
    assert (turn.lo, turn.hi) == pytest.approx((0.11 - 0.02484, 0.11 + 0.02484), abs=1e-5)
    assert turn.table()["nll"] == pytest.approx([0.41, 0.52])


def test_without_accuracy_the_turn_stands_alone():
    (turn,) = turns([run("a", nll) for nll in ([0.6, 0.4, 0.6], [0.6, 0.41, 0.61], [0.6, 0.405, 0.605])])
    assert (turn.epoch, turn.accuracy) == (2, None)
    assert turn.nll == pytest.approx((0.405, 0.605))
    assert turns([{"method": "a"}, {"method": "a", "history": [{"epoch": 1, "cal_nll": None}]}]) == ()


def test_the_last_epoch_is_each_runs_own():
    stopped = run("a", [0.6, 0.4, 0.5])
    risen, fallen = [0.6, 0.41, 0.52, 0.51], [0.6, 0.41, 0.52, 0.4, 0.3, 0.2]
    (turn,) = turns([stopped, run("a", risen), run("a", risen)])
    assert (turn.epoch, turn.nll) == (2, pytest.approx((1.22 / 3, 1.52 / 3)))
    assert turns([stopped, run("a", fallen), run("a", fallen)]) == ()
