"""What is kept of a run, on numbers that were worked out by hand."""

import math

import numpy as np
import pytest
from tests.reproduce.runs import in_this_process
from tests.train.runs import run_of

import levelhead as lh
from levelhead.compare import compare
from levelhead.reproduce.designs import Design, bed, data_of
from levelhead.reproduce.measured import after_fitting, asked_again, beyond_margin, hull_measures, split_gaps, winning
from levelhead.reproduce.store import Results, Wanted, make
from levelhead.train.execute import execute


def logits_of(*scores):
    """Two classes, the first with these probabilities."""
    return np.array([[math.log(score), math.log(1 - score)] for score in scores])


def test_winning_scores():
    found = winning(logits_of(0.6, 0.8, 0.96, 0.3))  # the last one wins with .7
    assert found["winning_50"] == pytest.approx(0.75)
    assert found["share_95"] == 0.25
    assert found["share_70"] == pytest.approx(0.5, abs=0.26)  # .7 itself is on the edge
    assert found["confidence"] == pytest.approx((0.6 + 0.8 + 0.96 + 0.7) / 4)


def test_logits_beyond_the_margin():
    logits = np.array([[0.0, -7.0, -11.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
    assert beyond_margin(logits) == {"beyond_6": 2 / 8, "beyond_10": 1 / 8}


def test_gaps_above_and_below_seven_tenths_in_25_bins():
    # .90 and .89 share the bin (.88, .92]: one right of two, mean .895; .55 alone is right; .7 belongs to neither
    found = split_gaps(logits_of(0.90, 0.89, 0.55, 0.70), np.array([0, 1, 0, 0]))
    assert found["ece25_above"] == pytest.approx(0.395)
    assert found["ece25_below"] == pytest.approx(0.45)
    assert math.isnan(split_gaps(logits_of(0.9), np.array([0]))["ece25_below"])


def test_leaving_the_hull():
    series = {
        "hull_at": [0.01, 0.1, 1.0],
        "hull_accuracy": [1.0, 0.5, 0.0],
        "hull_confidence_raw": [0.9, 0.4, 0.7],
        "hull_confidence_scaled": [0.9, 0.8, 0.7],
    }
    found = hull_measures(series)
    assert found["hull_rise_raw"] == pytest.approx(0.3)
    assert found["hull_rise_scaled"] == 0
    assert found["hull_drop_raw"] == pytest.approx(0.5)
    assert found["hull_area"] == pytest.approx((0.75 + 0.25) / 2)


def test_the_slope_of_the_spread_counts_from_the_first_epoch_with_everything_right():
    found = after_fitting([9.0, 4.0, 3.0, 2.5, 2.0], [0.5, 0.9, 1.0, 0.99, 1.0])
    assert found["fitted_part"] == 0.6
    assert found["spread_slope"] == pytest.approx(-0.5), "through 3, 2.5 and 2"
    assert after_fitting([2.0, 1.0, 0.5], [0.9, 0.99, 0.999])["fitted_part"] == 0
    assert math.isnan(after_fitting([3.0, 2.0, 1.0], [0.9, 1.0, 1.0])["spread_slope"]), "two epochs are no slope"


def test_the_network_is_asked_again_where_it_looks_and_in_the_plane(tmp_path):
    spiral, digits = lh.data.load("spiral", train_size=100), lh.data.load("digits", train_size=100)
    plane = run_of(spiral, network="mlp(width=8, depth=1)", epochs=1)
    small = run_of(digits, network="small(width=4)", epochs=1)
    flat = run_of(digits, network="mlp(width=8, depth=1)", epochs=1)
    for name, run, data in (("plane", plane, spiral), ("small", small, digits), ("flat", flat, digits)):
        execute(run, data, tmp_path / name, lambda _: None, lambda: False)
    assert set(asked_again(tmp_path / "plane", spiral)) == {"band_width", "band_share"}
    assert 0 < asked_again(tmp_path / "small", digits)["activation_area"] < 1
    assert asked_again(tmp_path / "flat", digits) == {}, "no maps in front of its classifier"


def test_a_bed_of_some_classes_parts_them_behind_its_bottleneck(tmp_path, monkeypatch):
    chosen = Design(
        set="digits", classes=("8", "3", "5"), network="small(width=4, embedding=2)", train_size=60, seeds=1,
        training={"epochs": 4}, record=("embeddings",),
    )  # fmt: skip
    monkeypatch.setattr(compare, "carry_out", in_this_process)
    asked = Wanted("lamix", 1, ("embeddings",))
    assert make("digits", chosen, [asked], store=tmp_path / "runs", results=Results(tmp_path / "results")) == {}
    record = Results(tmp_path / "results").load("digits", chosen)[asked.sentence][0]
    assert record["measures"]["fitted_part"] in (0, 0.25, 0.5, 0.75, 1)
    assert len(record["series"]["spread"]) == len(record["series"]["train_accuracy"]) == 4
    (file, *_) = sorted((tmp_path / "runs").glob("*/runs/*/records/embeddings-0001.npz"))
    with np.load(file) as epoch:
        assert epoch["features"].shape[1] == 2
        assert set(epoch["labels"]) == {0, 1, 2}
    data = data_of(chosen)
    whole = lh.data.load("digits")
    assert data.classes == ("8", "3", "5")
    assert chosen.digest != chosen.model_copy(update={"classes": ()}).digest
    assert sum(data.counts()["test"]) + sum(data.counts()["cal"]) < sum(map(sum, whole.counts().values())) / 2
    with pytest.raises(ValueError, match=r"class of digits '11'"):
        data_of(chosen.model_copy(update={"classes": ("11",)}))


def test_other_data_go_by_their_name_and_the_hull_is_a_curve(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "carry_out", in_this_process)
    elsewhere = tmp_path / "other.npz"
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    arrays = {"test_x": rng.random((40, 1, 8, 8), dtype=np.float32), "test_y": labels}
    np.savez(elsewhere, train_x=arrays["test_x"], train_y=labels, **arrays)
    results = Results(tmp_path / "results")
    asked = Wanted("pls", 1, ("targets",), (str(elsewhere), "leave_hull"))
    assert make("tiny", bed("tiny"), [asked], store=tmp_path / "runs", results=results) == {}
    record = results.load("tiny", bed("tiny"))[asked.sentence][0]
    assert "auroc_raw@other.npz" in record["measures"]
    assert len(record["series"]["hull_at"]) == len(record["series"]["hull_accuracy"]) == 9
    assert not any("leave_hull" in name for name in record["measures"])
    assert 0 < record["measures"]["learned_first"] < 0.24
    assert 0.25 < record["measures"]["true_class_target"] < 0.36
