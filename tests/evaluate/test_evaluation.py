"""What is said of one model: known answers, words that keep to the tests, temperatures, gates, other inputs."""

import json
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from levelhead import metrics
from levelhead.evaluate import evaluate, gates, verdict
from levelhead.evaluate.entry import holm
from levelhead.evaluate.tally import Mean

from .conftest import call, network, softmax

KNOWN = {  # file: ECE with 15 bins, accuracy
    "cifar10-lenet-5-cifar-10": (0.1079, 0.5308),
    "cifar10-wideresnet-16-4-cifar-10": (0.0537, 0.9109),
    "cifar100-lenet-5-cifar-100": (0.0149, 0.1246),
    "cifar100-wideresnet-16-4-cifar-100": (0.0581, 0.7543),
    "cifar100-densenet-bc-100-cifar-100": (0.1422, 0.7541),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_answers_of_real_networks(real_data, name):
    found = evaluate([real_data / "network-outputs" / f"{name}.npz"])
    ece, accuracy = KNOWN[name]
    assert round(found["raw"]["ece"], 4) == ece
    assert found["raw"]["accuracy"] == accuracy
    assert "overconfident by" in found["verdict"][0]
    assert found["scaled"]["accuracy"] == accuracy
    assert found["scaled"]["nll"] < found["raw"]["nll"]


def test_real_networks_are_compared_with_their_own_temperatures(real_data):
    files = [
        real_data / "network-outputs" / f"cifar100-{n}-cifar-100.npz" for n in ("densenet-bc-100", "wideresnet-16-4")
    ]
    found = evaluate(files)
    (pair,) = found["comparisons"]
    # the wider network looks better by its NLL, and is not: the other one only lacks a temperature
    assert pair["nll_raw"]["interval"][1] < 0 < pair["nll_scaled"]["interval"][0]
    assert "contrary to what it looks like" in found["verdict"][1]
    assert "could be chance" in found["verdict"][0]


def saved(path, logits, labels, **more):
    np.savez(path, logits=logits, labels=labels, **more)
    return path


# ---- the verdict


@pytest.mark.parametrize(
    ("sharpness", "word"),
    [(2.0, "overconfident by"), (0.5, "underconfident by"), (1.0, "neither over- nor underconfident")],
)
def test_the_direction_is_said_where_it_can_be_told(tmp_path, sharpness, word):
    found = evaluate([saved(tmp_path / "p.npz", *network(4000, 4, sharpness))])
    assert word in found["verdict"][0]
    lo, hi = found["intervals"]["raw"]["gap"]
    assert lo < found["raw"]["gap"] < hi
    seen = found["test"]["raw"]["p_value"] < 0.05
    assert seen == (sharpness != 1)
    assert ("No calibration error can be seen" in found["verdict"][1]) == (not seen)
    said = "A temperature would mend nothing" if sharpness == 1 else "Dividing logits by"
    assert found["verdict"][2].startswith(said)
    assert found["temperature"] == pytest.approx(sharpness, rel=0.1)
    lo, hi = found["scaling"]["interval"]
    assert lo < sharpness < hi


def test_three_right_answers_show_little_and_it_is_said(tmp_path):
    few = evaluate([saved(tmp_path / "few.npz", np.tile([4.0, 0.0, 0.0], (3, 1)), np.zeros(3, int))])
    assert "neither over- nor underconfident" in few["verdict"][0]
    assert few["intervals"]["raw"]["gap"][1] > 0.6
    assert "an ECE below 0.632 could not have been told" in few["verdict"][1]
    assert "aurc" not in few["intervals"]["raw"]
    assert "Only 0 of 3 predictions are wrong" in few["notes"][0]
    enough = evaluate([saved(tmp_path / "enough.npz", *network(400, 3))])
    assert enough["few"] == {"raw": None, "scaled": None}
    assert not enough["notes"]


def test_the_coverage_of_an_error_is_assured_only_where_the_bound_is_below_it(tmp_path):
    # fifty right answers: no error was seen, and one in fourteen is within what sampling hides (1 - .025 ** (1 / 50))
    found = evaluate([saved(tmp_path / "p.npz", np.tile([4.0, 0.0, 0.0], (50, 1)), np.zeros(50, int))])
    rows = {row["risk"]: row for row in found["selective"]["raw"]["at_risk"]}
    assert {risk: row["coverage"] for risk, row in rows.items()} == {0.01: 1, 0.02: 1, 0.05: 1, 0.1: 1}
    assert {risk: row["coverage_assured"] for risk, row in rows.items()} == {0.01: 0, 0.02: 0, 0.05: 0, 0.1: 1}
    assert rows[0.05]["threshold_assured"] is None


def test_a_gap_that_shows_is_not_denied_by_an_ece_that_does_not(tmp_path):
    found = evaluate([saved(tmp_path / "p.npz", *network(50, 1000))])
    assert "overconfident by" in found["verdict"][0]
    assert found["verdict"][1].startswith("Beyond this gap no calibration error can be seen")


def test_a_split_that_only_logarithms_can_hold_is_finite(tmp_path):
    logits, labels = network(300, 4)
    far = evaluate([saved(tmp_path / "far.npz", logits * np.float32(1e4), labels)])
    assert not far["undefined"]["raw"]
    parts = sum(far["raw"][f"nll_{part}"] for part in ("calibration", "refinement", "others"))
    assert parts == pytest.approx(far["raw"]["nll"], rel=1e-9)


def test_errors_that_cancel_are_not_called_calibrated(tmp_path):
    # 0.6 sure and always right, 0.9 sure and right six times in ten: no gap, and a large error
    top = np.repeat([0.6, 0.9], [3000, 4000])
    right = np.concatenate([np.arange(3000) % 10 < 9, np.arange(4000) % 40 < 27])
    np.savez(tmp_path / "p.npz", probs=np.stack([top, 1 - top], 1), labels=np.where(right, 0, 1))
    found = evaluate([tmp_path / "p.npz"])
    assert abs(found["raw"]["gap"]) < 0.01
    assert "too sure at some confidences and not sure enough at others" in found["verdict"][1]


def test_the_interval_of_a_temperature_covers_it(tmp_path):
    covered = 0
    for seed in range(40):
        found = evaluate([saved(tmp_path / "p.npz", *network(300, 3, 1.5, seed))])
        lo, hi = found["scaling"]["interval"]
        covered += lo <= 1.5 <= hi
    assert covered >= 33  # of 40 at 95 %: fewer than 34 have a chance below one in two thousand


def test_what_cannot_be_judged_is_said(tmp_path):
    logits, labels = network(500, 6)
    rare = labels != 5
    rare[np.flatnonzero(labels == 5)[:3]] = True
    found = evaluate([saved(tmp_path / "p.npz", logits[rare], labels[rare])])
    assert "1 of 6 classes (class 5), which has fewer than 30 examples" in found["verdict"][-1]
    assert "no --ood given" in found["verdict"][-1]


def test_a_label_of_probability_zero_makes_nll_undefined_and_says_so(tmp_path):
    probs = np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8], [0.6, 0.4]])
    np.savez(tmp_path / "p.npz", probs=probs, labels=np.array([1, 0, 1, 1]))
    found = evaluate([tmp_path / "p.npz"])
    assert found["raw"]["nll"] is None
    assert "1 of 4 labels were given probability exactly 0" in found["undefined"]["raw"]["nll"]
    assert "nll (infinite" in found["verdict"][-1]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        ([[2.0, 0.0]], [0]),
        ([[2.0, 0.0]] * 5, [0] * 5),
        ([[2.0, 0.0]] * 5, [1] * 5),
        ([[0.0, 0.0]] * 5, [0, 1, 0, 1, 1]),
        ([[800.0, 0.0], [0.0, 800.0]] * 9, [0, 1] * 9),
        ([[0.0, -math.inf], [1.0, 0.0]] * 9, [0, 1] * 9),
        ([[1e300, 0.0], [0.0, 1e300]] * 9, [0, 0] * 9),
        ([[1.0, 0.0], [0.0, 1.0]], [0, 0]),
    ],
    ids=["one", "all right", "all wrong", "all equal", "saturated", "a class ruled out", "squares overflow", "two"],
)
def test_odd_files_get_an_answer(tmp_path, logits, labels):
    found = evaluate([saved(tmp_path / "p.npz", np.array(logits), np.array(labels))])
    json.dumps(found, allow_nan=False)
    assert found["raw"]["accuracy"] == metrics.accuracy(logits=np.array(logits), labels=np.array(labels))
    assert all("nan" not in sentence for sentence in found["verdict"])
    for intervals in found["intervals"].values():
        for name, (lo, hi) in intervals.items():
            assert -1 <= lo <= hi <= (math.inf if name == "nll" else 2 if name == "brier" else 1), name
            assert name == "gap" or lo >= 0


def test_a_class_that_is_off_is_named_and_a_sound_one_is_not(tmp_path):
    logits, labels = network(6000, 4, 1.0)
    logits[:, 2] += 0.7  # predicted too often, and too surely
    found = evaluate([saved(tmp_path / "p.npz", logits, labels, classes=np.array(["ant", "bee", "cat", "dog"]))])
    rows = {row["class"]: row for row in found["per_class"]["raw"]}
    assert rows["cat"]["p_value"] < 1e-3
    assert rows["cat"]["gap"] > 0.03
    assert rows["cat"]["n"] == int((labels == 2).sum())
    assert rows["cat"]["recall"] == pytest.approx(float((logits.argmax(1) == 2)[labels == 2].mean()))
    assert "cat (+" in " ".join(found["verdict"])
    top = found["confusions"][0]
    wrong = (logits.argmax(1) == ["ant", "bee", "cat", "dog"].index(top["predicted"])) & (
        labels == ["ant", "bee", "cat", "dog"].index(top["true"])
    )
    assert top["count"] == int(wrong.sum())


@pytest.mark.parametrize("n", [4, 40])
def test_a_class_whose_predictions_are_all_right_has_an_interval_that_says_how_few_they_are(tmp_path, n):
    # class 1 is predicted n times at 0.9, always rightly: outcomes without spread, which are still only n
    probs = np.array([[0.1, 0.9]] * n + [[0.8, 0.2]] * 200)
    labels = np.array([1] * n + [0] * 160 + [1] * 40)
    found = evaluate([saved(tmp_path / "p.npz", np.log(probs), labels)])
    row = found["per_class"]["raw"][1]
    assert (row["predicted"], row["precision"]) == (n, 1)
    least = 0.025 ** (1 / n)
    np.testing.assert_allclose(row["gap_interval"], [-0.1, 0.9 - least], atol=1e-6)
    if n == 4:
        assert row["p_value"] is None
    else:  # Holm over two classes; the other one is calibrated
        assert row["p_value"] == pytest.approx(2 * binomtest(n, n, 0.9).pvalue, rel=1e-4)


def test_holm_adjusts_upwards_in_order():
    assert holm([0.01, 0.04, 0.03, math.nan])[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(holm([math.nan])[0])


def test_a_running_mean_is_that_of_all_values():
    values = 1e6 + np.random.default_rng(0).normal(size=1000)
    mean = Mean()
    for block in np.array_split(values, 7):
        mean.add(block)
    mean.add(np.array([np.inf]))
    found = mean.interval(0.95)
    assert (mean.infinite, found.n) == (1, 1000)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.hi - found.mean == pytest.approx(1.959964 * values.std(ddof=1) / math.sqrt(1000), rel=1e-5)


# ---- the temperature's data


def test_cal_that_shares_examples_is_refused(tmp_path):
    logits, labels = network(400, 3)
    test = saved(tmp_path / "test.npz", logits[:300], labels[:300])
    fine = saved(tmp_path / "cal.npz", logits[300:], labels[300:])
    found = evaluate([test], cal=[fine])
    assert (found["scaling"]["origin"], found["scaling"]["n"]) == ("cal", 100)
    leak = saved(tmp_path / "leak.npz", logits[250:], labels[250:])
    with pytest.raises(ValueError, match="share 50 examples by scores"):
        evaluate([test], cal=[leak])
    with pytest.raises(ValueError, match="is the file to be evaluated"):
        evaluate([test], cal=[test])
    other = saved(tmp_path / "other.npz", *network(50, 4))
    with pytest.raises(ValueError, match="has 4 classes"):
        evaluate([test], cal=[other])
    named = saved(tmp_path / "named.npz", logits[300:], labels[300:], role=np.array("test"))
    with pytest.raises(ValueError, match="role 'test'"):
        evaluate([test], cal=[named])


@pytest.mark.parametrize("memory", [1 << 28, 0])
def test_examples_of_the_file_are_known_again_whatever_their_labels_ids_and_width(tmp_path, memory):
    # by the rule of the calibrators (calibrate/_rows.py), which a file's ids only add to
    logits, labels = network(1000, 5)
    test = saved(tmp_path / "test.npz", logits, labels, ids=np.arange(1000))
    changed = {
        "labels": {"labels": (labels[:300] + 1) % 5},
        "order": {"logits": logits[:300][::-1], "labels": labels[:300][::-1]},
        "width": {"logits": logits[:300].astype(np.float64), "labels": labels[:300]},
        "other ids": {"labels": labels[:300], "ids": np.array([f"image-{k}" for k in range(300)])},
    }
    for name, arrays in changed.items():
        cal = saved(tmp_path / f"{name}.npz", **{"logits": logits[:300], **arrays})
        with pytest.raises(ValueError, match="share 300 examples by scores"):
            evaluate([test], cal=[cal], memory=memory)
    fresh, known = network(1000, 5, seed=1)
    twice = saved(tmp_path / "twice.npz", np.concatenate([logits[:5], fresh]), np.concatenate([labels[:5], known]))
    found = evaluate([test], cal=[twice], memory=memory)
    assert "5 of 1000 rows are also in" in " ".join(found["notes"])
    numbered = saved(tmp_path / "numbered.npz", fresh, known, ids=np.arange(1000))
    with pytest.raises(ValueError, match=r"share 1000 examples by id; .* Where ids only number the rows"):
        evaluate([test], cal=[numbered], memory=memory)


def test_equal_rows_of_a_model_with_few_outputs_are_no_overlap(tmp_path):
    rows = np.array([[2.0, 0.0], [0.0, 1.0], [0.5, 0.0]])
    rng = np.random.default_rng(0)
    pick = rng.integers(0, 3, 400)
    labels = rng.integers(0, 2, 400)
    test = saved(tmp_path / "test.npz", rows[pick[:300]], labels[:300])
    cal = saved(tmp_path / "cal.npz", rows[pick[300:]], labels[300:])
    assert evaluate([test], cal=[cal])["scaling"]["origin"] == "cal"


# ---- gates


def test_gates_are_judged_on_raw_or_scaled_values(tmp_path):
    path = saved(tmp_path / "p.npz", *network(3000, 4, 2.0))
    limits = {"max_ece": 0.05, "min_accuracy": 0.3, "max_nll": None, "max_gap": 0.01}
    raw = {g["gate"]: g for g in evaluate([path], gates=limits)["gates"]}
    assert {name: g["met"] for name, g in raw.items()} == {
        "--max-ece": False,
        "--min-accuracy": True,
        "--max-gap": False,
    }
    scaled = {
        g["gate"]: g["met"] for g in evaluate([path], gates=limits | {"max_gap": 0.05}, gate_on="scaled")["gates"]
    }
    assert all(scaled.values())


def test_a_gap_is_judged_by_its_size_and_the_undefined_meets_nothing():
    entry = {"file": "p", "name": "p", "raw": {"gap": -0.2, "nll": None}, "undefined": {"raw": {"nll": "infinite"}}}
    found = gates.judged(gates.gates({"max_gap": 0.1, "max_nll": 5.0}), entry, "raw")
    assert [g["met"] for g in found] == [False, False]
    assert found[1]["reason"] == "infinite"
    for limits, words in (
        ({"min_accuracy": 91}, "0.9 is 90 %"),
        ({"max_ece": -1}, "at least 0"),
        ({"max_ece": math.nan}, "at least 0"),
    ):
        with pytest.raises(ValueError, match=words):
            gates.gates(limits)


# ---- other inputs


def test_out_of_distribution_measures_are_those_of_the_library(tmp_path):
    logits, labels = network(500, 4)
    other = network(300, 4, 0.6, seed=1)[0]
    np.savez(tmp_path / "ood.npz", logits=other)
    found = evaluate([saved(tmp_path / "p.npz", logits, labels)], ood=[tmp_path / "ood.npz"])["ood"]
    for name in ("max_softmax", "negative_entropy", "energy", "max_logit"):
        ours, theirs = (getattr(metrics, name)(logits=scores) for scores in (logits, other))
        row = found["scores"][name]
        assert row["auroc"] == metrics.auroc(ours, theirs)
        assert row["fpr95_in_positive"] == metrics.fpr95(ours, theirs)
        assert row["fpr95_out_positive"] == metrics.fpr95(-theirs, -ours)
        assert row["aupr_in_positive"] == metrics.aupr_in(ours, theirs)
        assert row["aupr_out_positive"] == metrics.aupr_out(ours, theirs)
        # DeLong et al. 1988: the share of the other side that each example is above, and how it varies on either side
        above = (ours[:, None] > theirs) + 0.5 * (ours[:, None] == theirs)
        half = 1.959964 * math.sqrt(above.mean(1).var(ddof=1) / 500 + above.mean(0).var(ddof=1) / 300)
        assert row["auroc_interval"] == pytest.approx([row["auroc"] - half, row["auroc"] + half], abs=1e-6)
    np.savez(tmp_path / "probs.npz", probs=softmax(logits), labels=labels)
    np.savez(tmp_path / "ood.npz", probs=softmax(other))
    found = evaluate([tmp_path / "probs.npz"], ood=[tmp_path / "ood.npz"])["ood"]
    assert set(found["scores"]) == {"max_softmax", "negative_entropy"}
    assert set(found["cannot"]) == {"energy", "max_logit"}
    with pytest.raises(ValueError, match=r"holds logits and .* probs"):
        evaluate([tmp_path / "p.npz"], ood=[tmp_path / "ood.npz"])


# ---- the command


def test_the_command_end_to_end(tmp_path):
    path = saved(tmp_path / "p.npz", *network(800, 3, 2.0))
    status, output, errors = call(path, "--max-ece", "0.01", "--min-accuracy", "0.1", "--report", tmp_path / "p.html")
    assert status == 3, errors
    assert "overconfident by" in output
    assert "GATE NOT MET: --max-ece 0.01" in output
    assert "Gate met: --min-accuracy 0.1" in output
    assert output.index("class-wise ECE") < output.index("GATE NOT MET")
    assert "1 of 2 gates not met" in errors
    assert "overconfident by" in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_words_that_make_no_sense_are_exit_2_and_write_nothing(tmp_path):
    path = saved(tmp_path / "p.npz", *network(50, 3))
    page = tmp_path / "p.html"
    for words, reason in (
        ((path, "--gate-on", "scaled"), "no effect"),
        ((path, path, "--gate-on", "scaled", "--not-worse", "accuracy"), "no effect"),
        ((path, "--max-ece", "0.1", "--gate-on", "both"), "raw or scaled"),
        ((path, path), "given twice"),
        ((path, tmp_path / "none.npz", "--report", page), "no such file"),
    ):
        status, _, errors = call(*words)
        assert status == 2, errors
        assert reason in errors
        assert "Traceback" not in errors
    assert not page.exists()
    with pytest.raises(ValueError, match="2 times for 1 file"):
        evaluate([path], cal=[path, path])


def test_verdict_numbers_are_words_without_a_sign_twice():
    pair = {"first_name": "a", "second_name": "b", "cannot": "they hold 3 and 4 examples"}
    assert verdict.compared_words(pair) == ["b against a: not compared as a pair, because they hold 3 and 4 examples."]


def test_answers_to_inputs_of_no_class_have_no_accuracy(tmp_path):
    from levelhead.predictions import Predictions

    logits, labels = network(200, 4)
    test = Predictions(labels=labels, logits=logits, role="test").save(tmp_path / "test.safetensors")
    meta = {"labels": "none", "name": "gaussian_noise", "outside": "true"}
    noise = Predictions(labels=np.zeros(200, int), logits=logits / 3, role="test", meta=meta)
    table = noise.save(tmp_path / "probe.csv")  # no room for the note, so the zeros are left out
    with pytest.raises(ValueError, match="label"):
        evaluate([table])
    assert evaluate([test], ood=[table])["ood"]["n_out"] == 200
    for ending in (".safetensors", ".npz", ".parquet"):
        path = noise.save(tmp_path / f"probe{ending}")
        for files in ({"files": [path]}, {"files": [test], "cal": [path]}):
            with pytest.raises(ValueError, match=r"no label of these classes \(gaussian_noise\).*Give it as --ood"):
                evaluate(**files)
        assert evaluate([test], ood=[path])["ood"]["n_out"] == 200


def test_the_parts_of_nll_and_brier_add_up_and_are_those_of_the_library(tmp_path):
    logits, labels = network(3000, 5, 2.5)
    for kind, scores in (("logits", logits), ("probs", softmax(logits))):
        np.savez(tmp_path / "p.npz", **{kind: scores}, labels=labels)
        raw = evaluate([tmp_path / "p.npz"])["raw"]
        nll = metrics.nll_decomposition(**{kind: scores}, labels=labels)
        brier = metrics.brier_decomposition(**{kind: scores}, labels=labels)
        parts = [raw[f"nll_{part}"] for part in ("calibration", "refinement", "others")]
        assert parts == pytest.approx([nll.calibration, nll.refinement, nll.others], abs=2e-4)
        assert sum(parts) == pytest.approx(raw["nll"], abs=1e-9)
        parts = [raw[f"brier_{part}"] for part in ("calibration", "refinement", "within")]
        assert parts == pytest.approx([brier.calibration, brier.refinement, brier.within], abs=1e-9)
        assert sum(parts) == pytest.approx(raw["brier"], abs=1e-9)
    # probabilities that saturate in float32: what the other classes hold is not lost
    sure = softmax(4 * logits)
    assert (sure.max(1) == 1).any()
    np.savez(tmp_path / "p.npz", probs=sure, labels=labels)
    raw = evaluate([tmp_path / "p.npz"])["raw"]
    assert raw["nll_calibration"] == pytest.approx(
        metrics.nll_decomposition(probs=sure, labels=labels).calibration, abs=0.01
    )


def test_the_most_confident_mistakes_are_named(tmp_path):
    rng = np.random.default_rng(3)
    logits = 3 * rng.normal(size=(500, 4))
    labels = rng.integers(0, 4, 500)
    ids = np.array([f"image {row}.png" for row in range(500)])
    np.savez(tmp_path / "p.npz", logits=logits, labels=labels, ids=ids, classes=np.array(list("abcd")))
    found = evaluate([tmp_path / "p.npz"])["mistakes"]
    weights = np.exp(logits)
    confidence = (weights / weights.sum(1, keepdims=True)).max(1)
    wrong = np.flatnonzero(logits.argmax(1) != labels)
    expected = wrong[np.argsort(-confidence[wrong])][:20]
    assert [row["row"] for row in found] == expected.tolist()
    assert [row["id"] for row in found] == ids[expected].tolist()
    assert [row["label"] for row in found] == ["abcd"[k] for k in labels[expected]]
    assert [row["predicted"] for row in found] == ["abcd"[k] for k in logits.argmax(1)[expected]]
    np.testing.assert_allclose([row["confidence"] for row in found], confidence[expected], rtol=1e-6)
    assert all(row["confidence_scaled"] < row["confidence"] for row in found)  # noise wants a high temperature
    streamed = evaluate([tmp_path / "p.npz"], memory=1000)["mistakes"]
    assert [row["row"] for row in streamed] == expected.tolist()


def test_mistakes_of_top_labels_and_none_where_none_is_wrong(tmp_path):
    np.savez(
        tmp_path / "top.npz",
        true=np.array(["cat", "dog", "cat"]),
        predicted=np.array(["dog", "dog", "dog"]),
        confidence=np.array([0.7, 0.99, 0.9]),
    )
    found = evaluate([tmp_path / "top.npz"])["mistakes"]
    assert [(row["row"], row["id"], row["label"], row["confidence"]) for row in found] == [
        (2, None, "cat", 0.9),
        (0, None, "cat", 0.7),
    ]
    np.savez(tmp_path / "right.npz", logits=9 * np.eye(3), labels=np.arange(3))
    assert evaluate([tmp_path / "right.npz"])["mistakes"] == []
