"""A threshold keeps what it promises, on examples that it did not see, or says that it cannot."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import beta
from tests.metrics.synthetic import overconfident

from levelhead import calibrate, metrics
from levelhead.calibrate import Abstention, Answered, TemperatureScaling
from levelhead.predictions import Predictions


def split(n_cal, n_test, num_classes=5, seed=0):
    logits, labels = overconfident(n_cal + n_test, num_classes, seed=seed)
    return (logits[:n_cal], labels[:n_cal]), (logits[n_cal:], labels[n_cal:])


def test_by_hand():
    # confidences fall from left to right; the errors are the 3rd and the 6th
    margin = np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    logits, labels = np.stack([margin, np.zeros(6)], axis=1), np.array([0, 0, 1, 0, 0, 1])
    fitted = Abstention(accuracy=0.75, certainty=None).fit(logits, labels)
    assert (fitted.chosen.answered, fitted.chosen.correct) == (5, 4)  # 4/5; 4/6 would be too little
    assert fitted.confidence == pytest.approx(1 / (1 + math.exp(-2)))
    fitted = Abstention(coverage=0.5, certainty=None).fit(logits, labels)
    assert (fitted.chosen.answered, fitted.chosen.correct) == (3, 2)
    assert fitted.accepts(logits).tolist() == [True] * 3 + [False] * 3


def test_the_report_has_exact_intervals():
    answered = Answered(n=100, answered=80, correct=76)
    for got, k, n in ((answered.coverage, 80, 100), (answered.accuracy, 76, 80)):
        assert got.mean == k / n
        assert got.n == n
        assert got.lo == pytest.approx(beta.ppf(0.025, k, n - k + 1))
        assert got.hi == pytest.approx(beta.ppf(0.975, k + 1, n - k))
    assert str(answered).startswith("answers 80 of 100 examples (0.800 [0.708, 0.873]) with accuracy 0.950 [")


@pytest.mark.parametrize("certainty", [None, 0.95])
@pytest.mark.parametrize("wanted", [0.8, 0.9, 0.95])
def test_accuracy_is_kept_on_other_examples_and_coverage_is_what_it_costs(certainty, wanted):
    cal, test = split(4000, 4000)
    fitted = Abstention(accuracy=wanted, certainty=certainty).fit(*cal)
    assert fitted.status == "reached"
    assert fitted.chosen.accuracy.mean >= wanted
    report = fitted.report(*test)
    assert report.accuracy.hi >= wanted
    assert report.answered == fitted.accepts(test[0]).sum() < 4000
    correct = test[0].argmax(1) == test[1]
    assert report.correct == int(correct[torch.from_numpy(fitted.accepts(test[0]))].sum())


def test_the_threshold_is_the_one_that_answers_most():
    cal, _ = split(500, 0)
    fitted = Abstention(accuracy=0.85, certainty=None).fit(*cal)
    for more in range(fitted.chosen.answered + 1, 501):
        assert metrics.accuracy_at_coverage(more / 500, logits=cal[0], labels=cal[1]) < 0.85


@pytest.mark.parametrize("n", [200, 1000])
def test_a_certain_accuracy_fails_no_more_often_than_promised(n):
    population, labels = overconfident(60_000, 3, seed=9)
    rest = np.sort(1 - population.double().softmax(1).amax(1).numpy())
    order = np.argsort(1 - population.double().softmax(1).amax(1).numpy())
    right = np.cumsum((population.argmax(1) == labels).numpy()[order]) / np.arange(1, 60_001)
    rng, failures, reached, runs = np.random.default_rng(0), 0, 0, 300
    for _ in range(runs):
        rows = torch.from_numpy(rng.integers(60_000, size=n))
        fitted = Abstention(accuracy=0.9, certainty=0.8).fit(population[rows], labels[rows])
        if fitted.status == "reached":
            reached += 1
            answered = np.searchsorted(rest, 1 - fitted.confidence + 1e-7)
            failures += right[answered - 1] < 0.9
    assert reached > runs / 2
    # promised: at most 0.2 of the runs; the binomial leaves 4 standard errors of room
    assert failures / runs <= 0.2 + 4 * math.sqrt(0.2 * 0.8 / runs)


@pytest.mark.parametrize("n", [30, 400])
def test_a_certain_coverage_fails_as_often_as_the_beta_law_says(n):
    rng, failures, runs = np.random.default_rng(0), 0, 800
    fitted = Abstention(coverage=0.7, certainty=0.9)
    k = next(k for k in range(1, n + 1) if beta.sf(0.7, k, n + 1 - k) >= 0.9)
    for _ in range(runs):
        margin = rng.exponential(size=n)
        fitted.fit(np.stack([margin, np.zeros(n)], axis=1), np.zeros(n, dtype=np.int64))
        assert fitted.chosen.answered == k
        failures += math.exp(-math.log(fitted.confidence / (1 - fitted.confidence))) < 0.7
    expected = beta.cdf(0.7, k, n + 1 - k)
    assert expected <= 0.1
    assert failures / runs == pytest.approx(expected, abs=4 * math.sqrt(expected / runs))


def test_coverage_as_seen_is_kept_on_other_examples():
    cal, test = split(4000, 4000)
    report = Abstention(coverage=0.6, certainty=None).fit(*cal).report(*test)
    assert report.coverage.lo - 0.02 < 0.6 < report.coverage.hi + 0.02


def test_what_cannot_be_had_is_said():
    logits, labels = overconfident(300, 4)
    wrong = (logits.argmax(1) + 1) % 4
    never = Abstention(accuracy=0.9, certainty=None).fit(logits, wrong)
    assert never.status == "unreachable"
    assert never.statement == "accuracy 0.9 cannot be had: the most confident of 300 examples fall short of it"
    assert never.confidence == math.inf
    assert not never.accepts(logits).any()
    report = never.report(logits, labels)
    assert (report.answered, report.coverage.mean) == (0, 0.0)
    assert math.isnan(report.accuracy.mean)
    assert "answers none of 300 examples, so there is no accuracy" in str(report)
    statements = {
        Abstention(accuracy=0.9): "at every threshold there are too many errors among too few answers",
        Abstention(accuracy=0.999): "it takes 4786 answers without an error",
        Abstention(coverage=0.995): "coverage 0.995 cannot be promised with certainty 0.95 from 300 examples: it takes",
    }
    for kind, statement in statements.items():
        assert kind.fit(logits, wrong).status == "unreachable"
        assert statement in kind.statement


def test_as_many_examples_as_the_statement_asks_for_are_enough():
    for kind, n in ((Abstention(accuracy=0.9), 46), (Abstention(coverage=0.9), 29)):
        margin = np.arange(1.0, n + 1)
        logits, labels = np.stack([margin, np.zeros(n)], axis=1), np.zeros(n, dtype=np.int64)
        assert kind.fit(logits, labels).status == "reached"
        assert kind.fit(logits[1:], labels[1:]).status == "unreachable"
        assert f"it takes {n}" in kind.statement


def test_ties_are_answered_together():
    logits = np.array([[3.0, 0.0]] * 4 + [[1.0, 0.0]] * 6)
    labels = np.array([0, 0, 0, 1] + [1] * 6)
    assert Abstention(coverage=0.1, certainty=None).fit(logits, labels).chosen.answered == 4
    assert Abstention(accuracy=0.7, certainty=None).fit(logits, labels).chosen.answered == 4
    # three right among the first three, if ties were broken: not to be had
    assert Abstention(accuracy=0.9, certainty=None).fit(logits, labels).status == "unreachable"


def test_confidences_that_round_to_one_are_told_apart():
    margin = np.arange(60.0, 40.0, -1.0, dtype=np.float32)
    logits, labels = np.stack([margin, 0 * margin], axis=1), np.r_[np.zeros(15, int), np.ones(5, int)]
    fitted = Abstention(accuracy=0.9, certainty=None).fit(logits, labels)
    assert fitted.chosen.answered == 16
    assert fitted.accepts(logits).sum() == 16


def test_reporting_what_it_was_chosen_on_is_refused_and_a_scaled_pipeline_works():
    (z, y), (new, truth) = split(300, 300)
    cal = Predictions(labels=y, logits=z, role="cal")
    test = Predictions(labels=truth, logits=new, role="test")
    scaling = TemperatureScaling().fit(cal)
    fitted = Abstention(accuracy=0.8).fit(scaling.apply(cal))
    assert fitted.report(scaling.apply(test)).n == 300
    with pytest.raises(ValueError, match="300 of 300 rows"):
        fitted.report(scaling.apply(cal))
    with pytest.raises(ValueError, match="role 'test'"):
        fitted.fit(test)


@pytest.mark.parametrize("wanted", [0.8, 0.999999])
def test_saved_and_loaded_it_is_the_same(tmp_path, wanted):
    cal, test = split(500, 500)
    fitted = Abstention(accuracy=wanted, certainty=0.9).fit(*cal)
    again = calibrate.load(fitted.save(tmp_path / "a.safetensors"))
    assert (again.statement, again.settings(), again.chosen) == (fitted.statement, fitted.settings(), fitted.chosen)
    np.testing.assert_array_equal(again.accepts(test[0]), fitted.accepts(test[0]))


def test_wrong_words_are_refused():
    for words, reason in (
        ({}, "give one of accuracy= and coverage=, got neither"),
        ({"accuracy": 0.9, "coverage": 0.9}, "got both"),
        ({"accuracy": 1.0}, "accuracy must lie between 0 and 1"),
        ({"coverage": 90}, "coverage must lie between 0 and 1"),
        ({"accuracy": 0.9, "certainty": 1}, "certainty must lie between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=reason):
            Abstention(**words)
    for call in ("accepts", "report"):
        with pytest.raises(ValueError, match="call fit"):
            getattr(Abstention(accuracy=0.9), call)(np.zeros((1, 2)))
    for name in ("confidence", "statement"):
        with pytest.raises(ValueError, match="call fit"):
            getattr(Abstention(accuracy=0.9), name)
    logits, labels = overconfident(50, 3)
    fitted = Abstention(accuracy=0.9).fit(logits, labels)
    with pytest.raises(ValueError, match="labels are missing: report"):
        fitted.report(logits)
    logits[7, 1] = math.nan
    for call in (lambda: fitted.accepts(logits), lambda: fitted.fit(logits, labels)):
        with pytest.raises(ValueError, match="1 of 50 rows hold NaN, the first is row 7"):
            call()


@pytest.mark.parametrize("name", ["cifar10-lenet-5-cifar-10", "cifar100-wideresnet-16-4-cifar-100"])
def test_real_networks(real_data, name):
    file = np.load(real_data / "network-outputs" / f"{name}.npz")
    rows = np.random.default_rng(0).permutation(10_000)
    cal, test = (
        Predictions(labels=file["labels"][part], probs=file["probs"][part], role=role)
        for part, role in ((rows[:5000], "cal"), (rows[5000:], "test"))
    )
    fitted = Abstention(accuracy=0.8).fit(cal)
    report = fitted.report(test)
    assert report.accuracy.lo < 0.85
    assert report.accuracy.hi > 0.8
    assert 0.05 < report.coverage.mean < 0.99
