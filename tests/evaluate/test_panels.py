"""What the panels of the page show, as the evaluation computes it: by hand, and by the library."""

import numpy as np
import pytest

import levelhead as lh
from evaluate.conftest import network
from levelhead.evaluate import evaluate
from levelhead.evaluate.entry import shifted
from levelhead.evaluate.sets import described, promised


def write(path, probs, labels, **more):
    np.savez(path, probs=np.asarray(probs), labels=np.asarray(labels), **more)
    return path


def two(*shares):
    return [[p, 1 - p] for p in shares]


@pytest.fixture
def by_hand(tmp_path):
    """Nine calibration examples whose labels have probabilities of .3 and above, and three others."""
    cal = write(tmp_path / "cal.npz", two(0.9, 0.91, 0.8, 0.81, 0.7, 0.71, 0.6, 0.61, 0.3), [0] * 9)
    test = write(tmp_path / "p.npz", two(0.62, 0.8, 0.75), [1, 1, 0])
    return evaluate([test], cal=[cal])


def test_sets_by_hand(by_hand):
    found = {(row["score"], row["level"]): row for row in by_hand["sets"]["rows"]}
    # the 9th smallest of nine scores is that of .3: all classes with as much are named, so 62:38 names both
    lac = found["lac", 0.9]
    assert lac["sizes"] == [0, 2, 1]
    assert lac["coverage"] == pytest.approx(2 / 3)
    assert lac["mean_size"] == pytest.approx(4 / 3)
    assert lac["worst"] is None  # two examples of a class say nothing
    # nine examples cannot show what one in twenty misses
    all_classes = found["lac", 0.95]
    assert all_classes["promised"] is None
    assert all_classes["sizes"] == [0, 0, 3]
    assert all_classes["coverage"] == 1


def test_a_set_is_never_empty_and_promises_are_those_of_the_beta_law(tmp_path):
    # 19 sure and right examples: at 90 % the 18th smallest score, p = .98; .6 has less and still names its class
    cal = write(tmp_path / "cal.npz", two(*np.linspace(0.97, 0.99, 19)), [0] * 19)
    row = evaluate([write(tmp_path / "p.npz", two(0.6, 0.985), [0, 0])], cal=[cal])["sets"]["rows"][0]
    assert row["sizes"] == [0, 2]
    # of one example and alpha = 1/2, k = 1: coverage is Beta(1, 1), uniform
    assert promised(1, 0.5) == pytest.approx([0.025, 0.975])
    assert promised(1, 0.1) is None


def test_the_worst_class_has_enough_examples_and_an_interval_for_the_worst():
    found = described(
        np.array([0, 90, 45]), np.array([95, 30, 0]), np.array([100, 32, 3]), ("often", "seldom", "hardly ever")
    )
    assert found["worst"]["class"] == "seldom"
    assert found["worst"]["coverage"] == pytest.approx(30 / 32)
    lo, hi = lh.metrics.evidence.clopper_pearson(np.array([30]), np.array([32]), level=0.975)
    assert found["worst"]["interval"] == pytest.approx([lo[0], hi[0]])


@pytest.mark.parametrize("memory", [1 << 28, 1000])
def test_sets_are_those_of_the_library_in_memory_and_streaming(tmp_path, memory):
    logits, labels = network(n=3000)
    paths = {}
    for role, rows in (("cal", slice(0, 1000)), ("test", slice(1000, None))):
        paths[role] = lh.Predictions(labels=labels[rows], logits=logits[rows], role=role).save(tmp_path / f"{role}.npz")
    found = evaluate([paths["test"]], cal=[paths["cal"]], memory=memory)["sets"]
    assert found["n"] == 1000
    for row in found["rows"]:
        sets = lh.calibrate.ConformalSets(row["score"], alpha=round(1 - row["level"], 9)).fit(
            lh.Predictions.load(paths["cal"])
        )
        report = sets.report(lh.Predictions.load(paths["test"]))
        assert row["coverage"] == report.coverage.mean
        assert row["mean_size"] == pytest.approx(report.mean_size)
        assert row["sizes"] == np.trim_zeros(report.sizes, "b").tolist()
        assert row["interval"][0] < row["promised"][1]
        assert row["promised"][0] < row["interval"][1]


def test_sets_on_a_real_network_hold_what_they_promise(real_data, tmp_path):
    held = np.load(real_data / "network-outputs" / "cifar100-wideresnet-16-4-cifar-100.npz")
    parts = {"cal": slice(0, 5000), "test": slice(5000, None)}
    paths = {role: write(tmp_path / f"{role}.npz", *(held[k][rows] for k in ("probs", "labels")), role=role)
             for role, rows in parts.items()}  # fmt: skip
    found = evaluate([paths["test"]], cal=[paths["cal"]])
    lac = found["sets"]["rows"][0]
    assert lac["coverage"] == pytest.approx(0.8996)
    assert lac["mean_size"] == pytest.approx(2.1514)
    assert any(sentence.startswith("Sets of 2.15 classes") for sentence in found["verdict"])


def test_sets_fitted_on_other_data_are_said_to_hold_less(tmp_path):
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.95, 0.99, 2000)
    cal = write(tmp_path / "cal.npz", two(*sure[:1000]), np.zeros(1000, int))
    test = write(tmp_path / "p.npz", two(*sure[1000:]), np.arange(1000) % 2)
    found = evaluate([test], cal=[cal])
    assert any("hold only 50.0 %" in sentence for sentence in found["verdict"])
    shift = found["label_shift"]
    assert (shift["here"], shift["there"]) in ((0.5, 1.0), (0.5, 0.0))
    assert shift["distance"] == pytest.approx(0.5)
    assert any("other shares" in note for note in found["notes"])


def test_no_sets_without_a_calibration_file_and_that_is_said(tmp_path):
    found = evaluate([write(tmp_path / "p.npz", two(0.6, 0.7, 0.8), [0, 1, 0])])
    assert "sets" not in found
    assert "prediction sets (no --cal given)" in found["verdict"][-1]


def test_other_shares_of_classes_are_told_from_chance():
    same = shifted(np.array([50, 50]), np.array([100, 100]), ("a", "b"))
    assert same["p_value"] == pytest.approx(1)
    # (60, 40) against (40, 60): chi-squared = 4 * 10^2 / 50 = 8 with one degree of freedom
    other = shifted(np.array([60, 40]), np.array([40, 60]), ("a", "b"))
    assert other["p_value"] == pytest.approx(0.004678, abs=1e-6)
    assert other["distance"] == pytest.approx(0.2)
    assert shifted(np.array([3, 0]), np.array([9, 0]), ()) is None


def test_order_matrix_and_curves_by_hand(tmp_path):
    # confidence .9 right, .8 wrong and right, .6 wrong: of four pairs three and a half are in order
    path = write(tmp_path / "p.npz", two(0.9, 0.8, 0.8, 0.4), [0, 1, 0, 0], classes=np.array(["yes", "no"]))
    found = evaluate([path])
    selective = found["selective"]["raw"]
    assert selective["auroc"] == pytest.approx(3.5 / 4)
    assert selective["curve"]["coverage"] == [0.25, 0.75, 1.0]
    assert selective["curve"]["oracle"] == pytest.approx([0, 1 / 3, 1 / 2])
    assert found["confusion_matrix"] == [[2, 1], [1, 0]]
    # the relabelling rises: .6 is wrong, .8 right half of the time, .9 right
    curve = found["isotonic"]["raw"]
    assert curve["confidence"] == pytest.approx([0.6, 0.8, 0.9], abs=1e-6)
    assert curve["accuracy"] == pytest.approx([0, 0.5, 1])


def test_where_an_honest_bin_falls_by_hand(tmp_path):
    # ten examples at one half: fewer than 2 or more than 8 right has a probability of 22/1024, 3 or 7 would be too near
    path = write(tmp_path / "p.npz", [[0.5, 0.3, 0.2]] * 10, [0] * 10)
    row = next(row for row in evaluate([path])["reliability"]["raw"] if row["count"])
    assert row["calibrated_lo"] == pytest.approx(0.2)
    assert row["calibrated_hi"] == pytest.approx(0.8)
    assert row["accuracy"] == 1.0


def test_a_matrix_of_many_classes_is_left_to_the_pairs(tmp_path):
    logits, labels = network(n=400, classes=31)
    path = write(tmp_path / "p.npz", np.full((400, 31), 1 / 31) + 0 * logits, labels)
    assert evaluate([path])["confusion_matrix"] is None
    logits, labels = network(n=400, classes=30)
    np.savez(tmp_path / "q.npz", logits=logits, labels=labels)
    matrix = np.array(evaluate([tmp_path / "q.npz"])["confusion_matrix"])
    assert matrix.sum() == 400
    assert np.diag(matrix).sum() == (logits.argmax(1) == labels).sum()
    assert matrix.sum(1).tolist() == np.bincount(labels, minlength=30).tolist()


def test_votes_have_no_sets_and_no_range_of_honest_bins_and_it_is_said(tmp_path):
    votes = np.array([[3, 1], [1, 3], [2, 2]])
    shares = {"p": (0.6, 0.7, 0.8), "c": (0.5, 0.9, 0.7)}
    paths = [write(tmp_path / f"{name}.npz", two(*each), votes) for name, each in shares.items()]
    for cal in ((), paths[1:]):
        found = evaluate(paths[:1], cal=cal)
        assert "sets" not in found
        assert "and prediction sets (they count" in found["verdict"][-1]
        assert "no --cal given" not in found["verdict"][-1]
        assert {row["calibrated_lo"] for row in found["reliability"]["raw"]} == {None}
        assert found["confusion_matrix"] is None
