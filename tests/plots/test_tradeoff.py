import numpy as np
import pytest

from levelhead.plots.tradeoff import draw, tradeoff


def result(method, seed, accuracy, raw, scaled, role="test"):
    return {
        "method": method,
        "seed": seed,
        "role": role,
        "n": 50,
        "raw": {"accuracy": accuracy, "ece": raw},
        "scaled": {"accuracy": accuracy, "ece": scaled},
    }


RESULTS = [
    result("mixup", 1, 0.8, 0.2, 0.02),
    result("mixup", 0, 0.9, 0.1, 0.01),
    result("vanilla", 0, 0.7, 0.3, 0.03),
    result("vanilla", 0, 0.1, 0.9, 0.9, role="cal"),
]


def test_seeds_are_ordered_and_averaged_and_cal_is_left_out():
    found = tradeoff(RESULTS, order=["vanilla", "mixup"])
    assert [p.method for p in found.points] == ["vanilla", "mixup"]
    vanilla, mixup = found.points
    assert vanilla.seeds == (0,)
    assert mixup.seeds == (0, 1)
    assert mixup.accuracy.tolist() == [0.9, 0.8]
    assert mixup.mean("raw") == pytest.approx(0.15)
    assert mixup.mean("scaled") == pytest.approx(0.015)
    assert found.n == 50
    assert found.table()[0] == {"method": "vanilla", "seed": 0, "accuracy": 0.7, "raw": 0.3, "scaled": 0.03}


def test_undefined_numbers_are_none_in_the_table_and_left_out_of_means():
    missing = result("mixup", 2, 0.7, 0.5, None)
    unscaled = {**result("pls", 0, 0.6, 0.4, 0.1), "scaled": None}
    found = tradeoff([*RESULTS, missing, unscaled])
    mixup, pls = found.points[0], found.points[2]
    assert mixup.mean("scaled") == pytest.approx(0.015)
    assert np.isnan(pls.mean("scaled"))
    assert found.table()[-1]["scaled"] is None


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="no results of role 'val'"):
        tradeoff(RESULTS, role="val")
    with pytest.raises(ValueError, match=r"measure 'mse'; there are \['accuracy', 'ece'\]"):
        tradeoff(RESULTS, measure="mse")


def test_scaling_moves_a_method_sideways(ax):
    draw(ax, tradeoff(RESULTS), baseline="vanilla")
    steps = {tuple(np.round(line.get_ydata(), 6)): line.get_xdata() for line in ax.lines}
    np.testing.assert_allclose(steps[(0.85, 0.85)], [0.15, 0.015])
    np.testing.assert_allclose(steps[(0.7, 0.7)], [0.3, 0.03])
    assert {t.get_text() for t in ax.get_legend().get_texts()} == {"mixup", "vanilla"}
    assert ax.get_title() == "n = 50, seeds: 2"
    assert ax.get_xlim()[0] == 0


def test_the_baseline_is_black(ax):
    draw(ax, tradeoff(RESULTS), baseline="vanilla")
    colours = dict(zip(["mixup", "vanilla"], [line.get_color() for line in ax.lines]))
    assert colours["vanilla"] == "#000000"
    assert colours["mixup"] != "#000000"
