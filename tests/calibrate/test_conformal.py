"""Prediction sets cover as often as promised: by simulation, and over random splits of real networks' outputs."""

import math

import numpy as np
import pytest
import torch
from tests.metrics.synthetic import overconfident

from levelhead import calibrate
from levelhead.calibrate import ConformalSets, TemperatureScaling
from levelhead.calibrate.conformal import conformal_quantile, lac, raps
from levelhead.predictions import Predictions

WAYS = [("lac", False), ("aps", False), ("aps", True), ("raps", False), ("raps", True)]
P = np.array([[0.5, 0.3, 0.2], [0.2, 0.7, 0.1]])


def aps(z, u):
    return raps(z, u, penalty=0.0, k_reg=0)


def test_scores_by_hand():
    z = np.log(P)
    np.testing.assert_allclose(lac(z), np.log((1 - P) / P), atol=1e-12)
    # the sum down to the class, less one
    np.testing.assert_allclose(aps(z, np.ones(2)) + 1, [[0.5, 0.8, 1.0], [0.9, 0.7, 1.0]])
    np.testing.assert_allclose(aps(z, np.array([0.5, 0.0])) + 1, [[0.25, 0.65, 0.9], [0.7, 0.0, 0.9]], atol=1e-12)
    np.testing.assert_allclose(
        raps(z, np.ones(2), penalty=0.1, k_reg=1) + 1, [[0.5, 0.9, 1.2], [1.0, 0.7, 1.2]], atol=1e-12
    )


def test_scores_agree_with_the_sums_of_the_papers():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 8)) * 2
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    u = rng.random(50)
    got = raps(z, u, penalty=0.05, k_reg=3) + 1
    for i in range(50):
        for y in range(8):
            above = p[i][p[i] > p[i, y]]
            expected = above.sum() + u[i] * p[i, y] + 0.05 * max(0, len(above) + 1 - 3)
            assert got[i, y] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "alpha", "rank"), [(9, 0.1, 9), (10, 0.1, 10), (19, 0.05, 19), (99, 0.1, 90), (100, 0.1, 91), (7, 0.3, 6)]
)
def test_the_quantile_has_the_finite_sample_rank(n, alpha, rank):
    scores = np.random.default_rng(0).permutation(n) + 1.0
    assert conformal_quantile(scores, alpha) == rank == math.ceil(round((n + 1) * (1 - alpha), 9))


def test_too_few_examples_leave_only_sets_of_everything():
    logits, labels = overconfident(8, 4)
    sets = ConformalSets(alpha=0.1).fit(logits, labels)
    assert (sets.status, sets.quantile) == ("all classes", math.inf)
    assert sets.predict_sets(torch.randn(5, 4)).all()
    assert ConformalSets(alpha=0.1).fit(*overconfident(9, 4)).status == "fitted"


def expected_and_error(n, alpha, n_test, runs):
    """Mean coverage where scores do not tie, k / (n + 1), and the standard error of its mean over runs."""
    k = math.ceil(round((n + 1) * (1 - alpha), 9))
    mean = k / (n + 1)
    between = mean * (1 - mean) / (n + 2)  # the variance of Beta(k, n + 1 - k)
    within = mean * (1 - mean) / n_test
    return mean, math.sqrt((between + within) / runs)


@pytest.mark.parametrize(("score", "randomised"), WAYS)
@pytest.mark.parametrize(("n", "alpha"), [(19, 0.1), (60, 0.25)])
def test_coverage_by_simulation(score, randomised, n, alpha):
    runs, n_test = 400, 100
    logits, labels = overconfident(runs * (n + n_test), 4, seed=3)  # overconfident: the promise holds for any model
    covered = []
    for run, (z, y) in enumerate(zip(logits.split(n + n_test), labels.split(n + n_test), strict=True)):
        sets = ConformalSets(score, alpha, randomised=randomised, allow_empty=True, seed=run).fit(z[:n], y[:n])
        covered.append(sets.report(z[n:], y[n:]).coverage.mean)
    expected, error = expected_and_error(n, alpha, n_test, runs)
    assert 1 - alpha <= expected < 1 - alpha + 1 / (n + 1)
    if score == "lac" or randomised:  # no ties: exact
        assert np.mean(covered) == pytest.approx(expected, abs=4 * error)
    else:  # the least likely class always scores the same
        assert np.mean(covered) > expected - 4 * error


@pytest.mark.parametrize("name", ["cifar10-wideresnet-16-4-cifar-10", "cifar100-densenet-bc-100-cifar-100"])
@pytest.mark.parametrize(("score", "randomised"), WAYS)
def test_coverage_on_real_networks(real_data, name, score, randomised):
    file = np.load(real_data / "network-outputs" / f"{name}.npz")
    rng, runs, n, n_test, alpha = np.random.default_rng(0), 12, 1000, 2000, 0.1
    covered, sizes = [], []
    for run in range(runs):
        rows = rng.permutation(10_000)
        cal, test = (
            Predictions(labels=file["labels"][part], probs=file["probs"][part], role=role)
            for part, role in ((rows[:n], "cal"), (rows[n : n + n_test], "test"))
        )
        sets = ConformalSets(score, alpha, randomised=randomised, allow_empty=True, seed=run).fit(cal)
        report = sets.report(test)
        covered.append(report.coverage.mean)
        sizes.append(report.mean_size)
    expected, error = expected_and_error(n, alpha, n_test, runs)
    assert np.mean(covered) > expected - 4 * error
    if randomised:
        assert np.mean(covered) == pytest.approx(expected, abs=4 * error)
    if randomised or score == "lac":
        assert 0.8 < np.mean(sizes) < 8


def test_the_predicted_class_stays_in_unless_empty_sets_are_allowed():
    cal, test = overconfident(500, 4, seed=1), overconfident(500, 4, seed=2)
    empty, kept = (ConformalSets("lac", 0.6, allow_empty=allowed).fit(*cal) for allowed in (True, False))
    assert empty.report(*test).sizes[0] > 0
    report = kept.report(*test)
    assert report.sizes[0] == 0
    assert kept.predict_sets(test[0])[torch.arange(500), test[0].argmax(1)].all()
    assert report.covered >= empty.report(*test).covered


def test_classes_do_not_tie_where_forward_sums_all_round_to_one():
    z = -60.0 * np.arange(6.0)[None]
    forward = np.cumsum(np.exp(z) / np.exp(z).sum())
    assert (forward == 1).all()  # with these scores every class would be as good as the first
    for scores in (lac(z), aps(z, np.ones(1)), aps(z, np.full(1, 0.5))):
        assert (np.diff(scores[0]) > 0).all()
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=400)
    logits = rng.normal(size=(400, 10)) * 10
    logits[np.arange(400), labels] += 200  # always right, always sure
    for score, randomised in WAYS:
        sets = ConformalSets(score, 0.1, randomised=randomised).fit(logits[:200], labels[:200])
        report = sets.report(logits[200:], labels[200:])
        assert report.coverage.hi > 0.9
        assert report.mean_size == 1 if randomised or score == "lac" else report.mean_size < 10


def test_a_penalty_cuts_long_tails():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 50))
    y = (z + rng.gumbel(size=z.shape)).argmax(1)
    ways = {penalty: ConformalSets("raps", 0.1, randomised=False, penalty=penalty, k_reg=2) for penalty in (0.0, 0.5)}
    size = {k: sets.fit(z[:1000], y[:1000]).report(z[1000:], y[1000:]) for k, sets in ways.items()}
    plain = ConformalSets("aps", 0.1, randomised=False).fit(z[:1000], y[:1000]).report(z[1000:], y[1000:])
    assert size[0.0].mean_size == plain.mean_size
    longest = {penalty: int(np.flatnonzero(report.sizes)[-1]) for penalty, report in size.items()}
    assert longest[0.5] < longest[0.0]


def test_what_nobody_says_is_randomised_and_so_keeps_its_sets_small(real_data):
    # as the README, the docstring and the decision say; lac draws nothing
    data = np.load(real_data / "network-outputs" / "cifar100-densenet-bc-100-cifar-100.npz")
    cal, test = (Predictions(labels=data["labels"][r], probs=data["probs"][r]) for r in (slice(500), slice(500, 2500)))
    assert {score: ConformalSets(score).randomised for score in ("lac", "aps", "raps")} == {
        "lac": False,
        "aps": True,
        "raps": True,
    }
    said, plain = (ConformalSets("aps", 0.1, **way).fit(cal).report(test) for way in ({}, {"randomised": False}))
    assert said.mean_size < 4 < 15 < plain.mean_size
    assert said.coverage.lo <= 0.91
    assert plain.coverage.mean > 0.98


def test_randomised_sets_repeat_and_can_be_drawn_anew():
    cal, test = overconfident(300, 4, seed=1), overconfident(300, 4, seed=2)
    sets = ConformalSets("aps", randomised=True).fit(*cal)
    np.testing.assert_array_equal(sets.predict_sets(test[0]), sets.predict_sets(test[0]))
    other = sets.predict_sets(test[0], rng=np.random.default_rng(5))
    assert (other != sets.predict_sets(test[0])).any()
    assert ConformalSets("aps", randomised=True, seed=1).fit(*cal).quantile != sets.quantile
    # never larger than without: the quantile aside, a class enters at its own probability's share
    fixed = ConformalSets("aps", randomised=False).fit(*cal).report(*test)
    assert sets.report(*test).mean_size < fixed.mean_size


def test_blocks_of_rows_do_not_matter(monkeypatch):
    cal, test = overconfident(300, 4, seed=1), overconfident(300, 4, seed=2)
    for score, randomised in WAYS:
        whole = ConformalSets(score, randomised=randomised).fit(*cal)
        with monkeypatch.context() as patch:
            patch.setattr("levelhead.calibrate.conformal._BLOCK", 4 * 7)
            parts = ConformalSets(score, randomised=randomised).fit(*cal)
            assert parts.quantile == whole.quantile
            np.testing.assert_array_equal(parts.predict_sets(test[0]), whole.predict_sets(test[0]))


def test_the_report_counts_classes_and_sizes():
    cal, test = overconfident(500, 4, seed=1), overconfident(300, 4, seed=2)
    sets = ConformalSets("aps", randomised=False).fit(*cal)
    member, y = sets.predict_sets(test[0]), test[1].numpy()
    report = sets.report(*test)
    assert report.n == report.sizes.sum() == report.class_n.sum() == 300
    assert report.covered == report.class_covered.sum() == member[np.arange(300), y].sum()
    assert report.mean_size == pytest.approx(member.sum(1).mean())
    np.testing.assert_array_equal(report.class_covered, [member[y == k, k].sum() for k in range(4)])
    assert str(report).startswith(f"{report.coverage.mean:.3f} [")


def test_ruled_out_classes_stay_out():
    logits, labels = overconfident(300, 5)
    logits[:, 4] = -math.inf
    labels = labels.clamp(max=3)
    for score, randomised in WAYS:
        sets = ConformalSets(score, 0.02, randomised=randomised).fit(logits, labels)
        assert not sets.predict_sets(logits)[:, 4].any()


def test_reporting_what_was_fitted_on_is_refused_and_a_scaled_pipeline_works():
    (z, y), (new, truth) = overconfident(300, 4, seed=1), overconfident(300, 4, seed=2)
    cal, test = Predictions(labels=y, logits=z, role="cal"), Predictions(labels=truth, logits=new, role="test")
    scaling = TemperatureScaling().fit(cal)
    sets = ConformalSets("raps").fit(scaling.apply(cal))
    assert sets.report(scaling.apply(test)).n == 300
    with pytest.raises(ValueError, match="300 of 300 rows"):
        sets.report(scaling.apply(cal))
    with pytest.raises(ValueError, match="role 'test'"):
        sets.fit(test)


@pytest.mark.parametrize(("score", "randomised"), WAYS)
@pytest.mark.parametrize("n", [5, 300])
def test_saved_and_loaded_it_is_the_same(tmp_path, score, randomised, n):
    fitted = ConformalSets(score, randomised=randomised, seed=3).fit(*overconfident(n, 4, seed=1))
    again = calibrate.load(fitted.save(tmp_path / "s.safetensors"))
    assert (again.settings(), again.status, again.quantile) == (fitted.settings(), fitted.status, fitted.quantile)
    test, _ = overconfident(50, 4, seed=2)
    np.testing.assert_array_equal(again.predict_sets(test), fitted.predict_sets(test))


def test_wrong_words_and_numbers_are_refused():
    for words, reason in (
        ({"score": "thr"}, "score must be one of lac, aps, raps"),
        ({"alpha": 0}, "alpha must lie between 0 and 1"),
        ({"alpha": 90}, "alpha must lie between 0 and 1"),
        ({"randomised": True}, "lac draws nothing"),
        ({"score": "aps", "penalty": 0.1}, "are for raps, not for aps"),
        ({"k_reg": 5}, "are for raps, not for lac"),
        ({"score": "raps", "penalty": -1}, "penalty must be"),
        ({"score": "raps", "k_reg": 1.5}, "k_reg must be"),
    ):
        with pytest.raises(ValueError, match=reason):
            ConformalSets(**words)
    for call in ("predict_sets", "report"):
        with pytest.raises(ValueError, match="call fit"):
            getattr(ConformalSets(), call)(np.zeros((1, 2)))
    logits, labels = overconfident(50, 3)
    sets = ConformalSets().fit(logits, labels)
    with pytest.raises(ValueError, match=r"shape \(N, 3\), got \(2, 4\)"):
        sets.predict_sets(np.zeros((2, 4)))
    logits[7, 1] = math.nan
    for call in (lambda: sets.predict_sets(logits), lambda: sets.fit(logits, labels)):
        with pytest.raises(ValueError, match="1 of 50 rows hold NaN, the first is row 7"):
            call()
