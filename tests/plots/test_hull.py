import numpy as np
import pytest

from levelhead.plots.hull import departures, draw, of_curves
from levelhead.predictions import Predictions
from levelhead.probes.leave_hull import hull_curve


def place(at, **means):
    def metrics(mean):
        return {
            "accuracy_raw": {"mean": mean, "lo": mean - 0.1, "hi": mean + 0.1},
            "entropy_scaled": {"mean": 2 * mean},
        }

    return {"at": at, "rows": [{"method": name, "metrics": metrics(mean)} for name, mean in means.items()]}


TABLES = [place(10.0, vanilla=0.4, mixup=0.3), place(0.1, mixup=0.9, vanilla=0.8), place(1.0, vanilla=0.6)]


def test_a_line_a_method_by_rising_distance():
    vanilla, mixup = departures(TABLES, order=["vanilla"])
    assert (vanilla.method, vanilla.distance.tolist(), vanilla.mean.tolist()) == (
        "vanilla",
        [0.1, 1, 10],
        [0.8, 0.6, 0.4],
    )
    assert mixup.distance.tolist() == [0.1, 10]
    assert vanilla.table()[0] == {"method": "vanilla", "distance": 0.1, "mean": 0.8, "lo": 0.8 - 0.1, "hi": 0.8 + 0.1}
    (entropy, _) = departures(TABLES, quantity="entropy", state="scaled")
    assert entropy.table()[0]["lo"] is None
    assert departures(TABLES, quantity="confidence") == ()
    undefined = {"at": 1.0, "rows": [{"method": "a", "metrics": {"accuracy_raw": {"mean": None}}}]}
    assert departures([undefined]) == ()
    for wrong in ({"quantity": "ece"}, {"state": "cooked"}):
        with pytest.raises(ValueError, match="accuracy, confidence, entropy"):
            departures(TABLES, **wrong)


def test_single_models_come_from_their_predictions():
    logits = np.array([[4.0, 0.0], [0.0, 4.0]])
    labels = np.array([0, 1])
    curve = hull_curve({far: Predictions(labels=labels, logits=logits / (1 + far)) for far in (0.0, 3.0)})
    (found,) = of_curves({"mine": curve}, quantity="confidence")
    assert found.mean == pytest.approx(1 / (1 + np.exp([-4.0, -1.0])))
    with pytest.raises(ValueError, match="quantity is one of"):
        of_curves({"mine": curve}, quantity="distance")


def test_drawing(ax):
    draw(ax, departures(TABLES), baseline="vanilla")
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["vanilla"].get_xydata().tolist() == [[0.1, 0.8], [1, 0.6], [10, 0.4]]
    assert (ax.get_xscale(), ax.get_ylim(), len(ax.collections)) == ("log", (0, 1), 2)
    assert "intervals" in ax.get_title()
    draw(ax, departures([place(0.0, vanilla=0.8), *TABLES], quantity="entropy", state="scaled"))
    assert ax.get_xscale() == "symlog"
    draw(ax, ())
