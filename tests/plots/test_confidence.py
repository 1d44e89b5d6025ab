from itertools import pairwise

import numpy as np
import pytest

from levelhead.plots.confidence import TOP, axis, draw, histogram, log_odds, pool, probability


def test_hand_worked_counts():
    # confidences 0.9 (log-odds 2.197), 0.6 (0.405), 0.6; right, right, wrong
    probs = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4]])
    found = histogram(probs=probs, labels=np.array([0, 1, 1]))
    at = {k: (int(r), int(w)) for k, (r, w) in enumerate(zip(found.right, found.wrong)) if r or w}
    first, second = np.searchsorted(found.edges, [0.405, 2.197]) - 1
    assert at == {first: (1, 1), second: (1, 0)}
    assert found.n == 3
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.mean_confidence == pytest.approx(0.7)


def test_logits_and_probs_agree():
    rng = np.random.default_rng(0)
    logits, labels = 3 * rng.normal(size=(500, 5)), rng.integers(0, 5, 500)
    weights = np.exp(logits)
    ours = histogram(logits=logits, labels=labels)
    theirs = histogram(probs=weights / weights.sum(1, keepdims=True), labels=labels)
    np.testing.assert_array_equal(ours.right, theirs.right)
    np.testing.assert_array_equal(ours.wrong, theirs.wrong)
    assert ours.mean_confidence == pytest.approx(theirs.mean_confidence)


def test_log_odds_do_not_cancel_near_one():
    odds, predicted = log_odds(np.array([[50.0, 0.0], [0.0, 300.0]]), given_logits=True)
    assert odds == pytest.approx([50.0, 300.0])  # 1 - c is zero in float64 long before
    assert predicted.tolist() == [0, 1]


def test_certainty_falls_into_the_last_bin():
    probs = np.array([[1.0, 0.0], [1.0, 0.0]])
    found = histogram(probs=probs, labels=np.array([0, 1]))
    assert (found.right[-1], found.wrong[-1]) == (1, 1)
    assert found.mean_confidence == 1.0
    ruled_out = histogram(logits=np.array([[3.0, -np.inf]]), labels=np.array([0]))
    assert ruled_out.right[-1] == 1


def test_least_confidence_falls_into_the_first_bin():
    found = histogram(logits=np.zeros((4, 10)), labels=np.array([0, 0, 1, 2]))
    assert (found.right[0], found.wrong[0]) == (2, 2)
    assert found.mean_confidence == pytest.approx(0.1)


def test_every_example_is_counted_in_blocks_too():
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(5000, 200)), rng.integers(0, 200, 5000)  # more than one block
    found = histogram(logits=logits, labels=labels)
    assert found.n == 5000
    assert found.accuracy == pytest.approx((logits.argmax(1) == labels).mean())


def test_axis_spans_from_one_over_classes_to_nearly_one():
    for classes in (2, 10, 1000):
        edges = axis(classes)
        assert probability(edges[0]) <= 1 / classes + 1e-12
        assert edges[-1] == pytest.approx(TOP)
        np.testing.assert_allclose(np.diff(edges), 0.5)
    with pytest.raises(ValueError, match="at least 2 classes"):
        axis(1)


def test_pooling():
    one = histogram(probs=np.array([[0.9, 0.1]]), labels=np.array([0]))
    two = histogram(probs=np.array([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4]]), labels=np.array([0, 1, 1]))
    both = pool([one, two])
    assert (both.n, both.runs) == (4, 2)
    assert both.mean_confidence == pytest.approx((0.9 + 3 * 0.6) / 4)
    with pytest.raises(ValueError, match="at least one run"):
        pool([])
    with pytest.raises(ValueError, match="same axis"):
        pool([one, histogram(logits=np.zeros((1, 10)), labels=np.array([0]))])


def test_table_covers_all_confidences():
    rows = histogram(probs=np.array([[0.9, 0.1]]), labels=np.array([0])).table()
    assert rows[0]["from"] == 0.0
    assert rows[-1]["to"] == 1.0
    assert all(a["to"] == b["from"] for a, b in pairwise(rows))
    assert sum(row["right"] + row["wrong"] for row in rows) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"labels": np.array([0])}, "got neither"),
        ({"logits": np.zeros((1, 2)), "probs": np.zeros((1, 2)), "labels": np.array([0])}, "got both"),
        ({"logits": np.zeros(3), "labels": np.array([0])}, r"got \(3,\) and \(1,\)"),
        ({"logits": np.zeros((3, 2)), "labels": np.array([0])}, r"got \(3, 2\) and \(1,\)"),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        histogram(**given)


def test_drawing_stacks_wrong_on_right_and_marks_two_lines(ax):
    probs = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.6, 0.4]])
    draw(ax, histogram(probs=probs, labels=np.array([0, 1, 1, 0])))
    assert sum(patch.get_height() for patch in ax.patches) == pytest.approx(1.0)
    labels = {line.get_label(): line.get_xdata()[0] for line in ax.lines}
    assert labels["accuracy"] == pytest.approx(np.log(3))  # log-odds of 0.75
    assert labels["mean confidence"] == pytest.approx(np.log(0.675 / 0.325))
    assert ax.get_title() == "n = 4"


def test_drawing_where_all_are_right_and_where_there_is_nothing(ax):
    draw(ax, histogram(probs=np.array([[1.0, 0.0]]), labels=np.array([0])))
    assert all(np.isfinite(line.get_xdata()).all() for line in ax.lines)
    draw(ax, histogram(probs=np.empty((0, 3)), labels=np.empty(0, np.int64)))
    assert ax.get_title() == "n = 0"
