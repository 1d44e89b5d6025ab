import numpy as np
import pytest

from levelhead.plots.differences import differences, draw


def result(method, seed, nll, role="test"):
    return {"method": method, "seed": seed, "role": role, "raw": {"nll": nll + 1}, "scaled": {"nll": nll}}


BASE = [result("vanilla", seed, value) for seed, value in enumerate([1.0, 1.1, 1.2])]


def test_differences_are_paired_by_seed():
    # Unpaired these overlap widely; paired every difference is near -0.1.
    ours = [result("mixup", seed, value) for seed, value in enumerate([0.9, 1.0, 1.09])]
    (found,) = differences(ours[::-1] + BASE, baseline="vanilla")
    assert found.values == pytest.approx([-0.1, -0.1, -0.11])
    assert found.mean == pytest.approx(-0.31 / 3)
    # t(0.975, 2) = 4.3027 times sd / sqrt(3) = 0.0057735 / 1.7320
    assert found.hi - found.mean == pytest.approx(4.3027 * 0.0057735 / np.sqrt(3), rel=1e-3)
    assert found.told_apart is True
    assert found.table()[2] == {"method": "mixup", "seed": 2, "difference": pytest.approx(-0.11)}


def test_only_seeds_that_both_have():
    ours = [result("mixup", 2, 1.0), result("mixup", 7, 0.0), result("mixup", 0, 0.5, role="cal")]
    (found,) = differences(BASE + ours, baseline="vanilla")
    assert found.seeds == (2,)
    assert np.isnan(found.lo)
    assert found.told_apart is None


def test_an_interval_across_zero_is_not_told_apart():
    ours = [result("mixup", seed, value) for seed, value in enumerate([0.9, 1.2, 1.2])]
    assert differences(BASE + ours, baseline="vanilla")[0].told_apart is False


def test_methods_without_a_common_seed_or_a_number_are_left_out():
    lonely = [
        result("a", 9, 1.0),
        {**result("b", 0, 1.0), "scaled": {"nll": None}},
        {**result("c", 1, 1.0), "scaled": None},
    ]
    assert differences(BASE + lonely, baseline="vanilla") == ()
    assert differences([result("a", 0, 1.0)], baseline="vanilla") == ()


def test_state_and_order():
    ours = [result("b", 0, 1.5), result("a", 0, 2.0)]
    found = differences(BASE + ours, baseline="vanilla", state="raw", order=["a", "vanilla", "b"])
    assert [(d.method, d.mean) for d in found] == [("a", pytest.approx(1.0)), ("b", pytest.approx(0.5))]


def test_drawing_puts_the_first_on_top(ax):
    ours = [result(name, seed, value) for name in ("a", "b") for seed, value in enumerate([0.9, 1.0, 1.09])]
    draw(ax, differences(BASE + ours, baseline="vanilla"), baseline="vanilla")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    low, high = ax.get_ylim()
    assert low > high  # upside down: row 0 on top
    assert ax.get_title() == "3 paired seeds"
    assert "vanilla" in ax.get_xlabel()
