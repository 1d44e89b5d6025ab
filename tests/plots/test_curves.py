import numpy as np
import pytest

from levelhead.plots.curves import curves, draw


def run(method, losses, **more):
    history = [{"epoch": i, "loss": loss, **{k: v[i - 1] for k, v in more.items()}} for i, loss in enumerate(losses, 1)]
    return {"method": method, "history": history}


def test_mean_and_range_over_seeds():
    (found,) = curves([run("mixup", [2.0, 1.0]), run("mixup", [4.0, 2.0])])
    assert found.method == "mixup"
    assert found.epochs.tolist() == [1, 2]
    assert found.mean.tolist() == [3.0, 1.5]
    assert (found.low.tolist(), found.high.tolist()) == ([2.0, 1.0], [4.0, 2.0])
    assert found.seeds.tolist() == [2, 2]
    assert found.table()[1] == {"method": "mixup", "epoch": 2.0, "mean": 1.5, "low": 1.0, "high": 2.0, "seeds": 2}


def test_shorter_runs_and_broken_losses_count_where_they_are():
    (found,) = curves([run("mixup", [2.0, float("nan"), 1.0]), run("mixup", [4.0])])
    assert found.epochs.tolist() == [1, 3]
    assert found.seeds.tolist() == [2, 1]


def test_order_and_quantities():
    runs = [run("b", [1.0], cal_nll=[0.5]), run("a", [2.0])]
    assert [c.method for c in curves(runs, order=["a", "b"])] == ["a", "b"]
    (only,) = curves(runs, quantity="cal_nll")
    assert (only.method, only.mean.tolist()) == ("b", [0.5])
    assert curves(runs, quantity="cal_accuracy") == ()
    assert curves([{"method": "a"}]) == ()
    assert curves([{"method": "a", "history": None}]) == ()


def test_drawing(ax):
    draw(ax, curves([run("vanilla", [2.0, 1.0]), run("a", [3.0, 2.0]), run("a", [5.0, 2.0])]), baseline="vanilla")
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["a"].get_ydata(), [4.0, 2.0])
    assert lines["vanilla"].get_color() == "#000000"
    assert ax.get_ylabel() == "training loss"
    assert ax.get_title() == "mean over 2 seeds"


def test_one_epoch_is_a_point_and_nothing_is_no_error(ax):
    draw(ax, curves([run("a", [3.0])]))
    assert ax.lines[0].get_marker() == "o"
    assert ax.get_title() == "1 seed"
    ax.clear()
    draw(ax, [])
    assert not ax.lines


@pytest.mark.parametrize("name", ["$x$", "_hidden", "a & b <c>"])
def test_names_are_shown_as_they_are(ax, name):
    draw(ax, curves([run(name, [2.0, 1.0])]))
    ax.figure.canvas.draw()
    (shown,) = ax.get_legend().get_texts()
    assert shown.get_text().replace("\\$", "$").strip("\u200b") == name
