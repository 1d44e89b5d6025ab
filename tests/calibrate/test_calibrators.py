"""What every calibrator promises, and what is special about each."""

import math

import numpy as np
import pytest
import torch
from sklearn.isotonic import IsotonicRegression as Sklearn
from sklearn.linear_model import LogisticRegression
from tests.metrics.synthetic import overconfident

from levelhead import calibrate, metrics
from levelhead.calibrate import (
    BetaCalibration,
    HistogramBinning,
    IsotonicRegression,
    MatrixScaling,
    PlattScaling,
    TemperatureScaling,
    VectorScaling,
)
from levelhead.predictions import Predictions

EVERY = (
    TemperatureScaling,
    VectorScaling,
    MatrixScaling,
    PlattScaling,
    BetaCalibration,
    IsotonicRegression,
    HistogramBinning,
)
every = pytest.mark.parametrize("kind", EVERY)


@every
def test_it_helps_on_other_data(kind):
    (z, y), (new, truth) = overconfident(5000, 5, seed=1), overconfident(5000, 5, seed=2)
    fitted = kind().fit(z, y)
    assert fitted.status == "optimum"
    for measure in (metrics.nll, metrics.ece):
        assert measure(logits=fitted.apply(new), labels=truth) < measure(logits=new, labels=truth)


@every
@pytest.mark.parametrize("n", [1, 2, 5, 40])
@pytest.mark.parametrize("scale", [0.3, 1.0, 1.8])
def test_the_fitting_data_never_become_less_likely(kind, n, scale):
    for seed in range(5):
        z, y = overconfident(n, 4, scale, seed)
        after = kind().fit(z.double(), y).apply(z.double())
        assert metrics.nll(logits=after, labels=y) <= metrics.nll(logits=z.double(), labels=y) + 1e-12


@every
def test_it_gives_back_what_it_was_given(kind):
    z, y = overconfident(300, 4)
    fitted = kind().fit(z, y)
    array = fitted.apply(z.numpy())
    assert isinstance(array, np.ndarray)
    assert array.dtype == np.float32
    tensor = fitted.apply(z)
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor, array, atol=1e-6)
    new, truth = overconfident(300, 4, seed=1)
    predictions = fitted.apply(Predictions(labels=truth, logits=new, role="test"))
    np.testing.assert_allclose(predictions.logits, fitted.apply(new.numpy()), atol=1e-6)
    assert predictions.role == "test"


@every
def test_fitting_on_test_and_applying_before_fitting_are_refused(kind):
    z, y = overconfident(30, 4)
    with pytest.raises(ValueError, match="role 'test'"):
        kind().fit(Predictions(labels=y, logits=z, role="test"))
    with pytest.raises(ValueError, match="call fit"):
        kind().apply(z)
    with pytest.raises(ValueError, match="call fit"):
        calibrate.save(kind(), "nowhere.safetensors")


@every
def test_nan_and_infinity_are_refused_with_their_place(kind):
    z, y = overconfident(30, 4)
    for bad, reason in ((math.nan, "NaN"), (math.inf, "plus infinity")):
        z[3, 1] = bad
        with pytest.raises(ValueError, match=rf"1 of 30 rows hold {reason}.*the first is row 3"):
            kind().fit(z, y)
    z[3] = -math.inf
    with pytest.raises(ValueError, match="minus infinity for every class"):
        kind().fit(z, y)


@every
def test_saved_and_loaded_it_is_the_same(kind, tmp_path):
    z, y = overconfident(300, 4)
    fitted = kind().fit(z, y)
    path = calibrate.save(fitted, tmp_path / "c.safetensors")
    again = calibrate.load(path)
    assert type(again) is kind
    assert (again.status, again.settings()) == (fitted.status, fitted.settings())
    np.testing.assert_array_equal(again.apply(z.numpy()), fitted.apply(z.numpy()))


def test_files_that_are_no_calibrators_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        calibrate.load(tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match=r"are \.safetensors files"):
        calibrate.load(tmp_path / "c.pkl")
    path = Predictions(labels=np.array([0]), logits=np.zeros((1, 2))).save(tmp_path / "p.safetensors")
    with pytest.raises(ValueError, match="holds no calibrator"):
        calibrate.load(path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ValueError, match="not a complete"):
        calibrate.load(path)


def test_vector_scaling_finds_each_class_its_factor_and_offset():
    z, y = overconfident(40_000, 3, 1.0)
    factor, offset = np.array([0.5, 1.0, 2.0]), np.array([1.0, -1.0, 0.0])
    fitted = VectorScaling(ridge=0).fit((z.double().numpy() - offset) / factor, y)
    np.testing.assert_allclose(np.diag(fitted.weight), factor, rtol=0.06)
    np.testing.assert_allclose(fitted.bias - fitted.bias.mean(), offset - offset.mean(), atol=0.1)
    assert np.count_nonzero(fitted.weight) == 3


def test_matrix_scaling_undoes_a_mixing_of_classes():
    z, y = overconfident(20_000, 3, 1.0)
    mixing = np.array([[1.0, 0.6, 0.0], [0.0, 1.0, 0.6], [0.6, 0.0, 1.0]])
    mixed = z.double().numpy() @ mixing.T
    best = metrics.nll(logits=z, labels=y)
    vector = metrics.nll(logits=VectorScaling().fit(mixed, y).apply(mixed), labels=y)
    matrix = metrics.nll(logits=MatrixScaling(ridge=1e-6).fit(mixed, y).apply(mixed), labels=y)
    assert matrix == pytest.approx(best, abs=2e-3)
    assert vector > best + 0.05


@pytest.mark.parametrize("name", ["cifar10-wideresnet-16-4-cifar-10", "cifar100-densenet-bc-100-cifar-100"])
def test_the_default_ridge_gains_over_the_temperature_on_real_networks(real_data, name):
    # 10,100 numbers from 5,000 examples: with next to no ridge the matrix doubles the NLL of other examples
    file = np.load(real_data / "network-outputs" / f"{name}.npz")
    z, y = np.log(file["probs"].astype(np.float64)), file["labels"]
    rows = np.random.default_rng(0).permutation(len(y))
    cal, test = rows[:5000], rows[5000:]
    nll = {
        kind: metrics.nll(logits=kind().fit(z[cal], y[cal]).apply(z[test]), labels=y[test])
        for kind in (TemperatureScaling, VectorScaling, MatrixScaling)
    }
    assert nll[MatrixScaling] < nll[VectorScaling] < nll[TemperatureScaling]


def test_a_heavy_ridge_leaves_the_temperature():
    z, y = overconfident(1000, 4)
    scaled = TemperatureScaling().fit(z, y).apply(z.double().numpy())
    for kind in (VectorScaling, MatrixScaling):
        np.testing.assert_allclose(kind(ridge=1e9).fit(z, y).apply(z.double().numpy()), scaled, atol=1e-5)
        with pytest.raises(ValueError, match="ridge must be"):
            kind(ridge=-1)


def test_linear_maps_refuse_classes_that_are_ruled_out():
    z, y = overconfident(100, 4)
    z[:, 3] = -math.inf
    for kind in (VectorScaling, MatrixScaling):
        with pytest.raises(ValueError, match="needs finite logits"):
            kind().fit(z, y.clamp(max=2))


def test_isotonic_regression_is_sklearns_a_class_then_normalised():
    z, y = overconfident(400, 3)
    p = z.double().softmax(1).numpy()
    curves = [Sklearn(y_min=0, y_max=1, out_of_bounds="clip").fit(p[:, k], y.numpy() == k) for k in range(3)]
    values = np.stack([c.predict(p[:, k]) for k, c in enumerate(curves)], axis=1)
    values = np.maximum(values, 1 / 403)
    got = IsotonicRegression().fit(z.double(), y).apply(z.double().numpy())
    np.testing.assert_allclose(np.exp(got), values / values.sum(1, keepdims=True), atol=1e-12)


def test_histogram_binning_by_hand():
    # class 0 at .9 (three of four right) and at .3 (none of four); class 1 mirrors it
    p = np.array([0.9] * 4 + [0.3] * 4)
    z = np.log(np.stack([p, 1 - p], axis=1))
    y = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    got = np.exp(HistogramBinning(n_bins=10).fit(z, y).apply(z))
    np.testing.assert_allclose(got[0], [0.75, 0.25])
    np.testing.assert_allclose(got[4], np.array([0.1, 1.0]) / 1.1)  # a frequency of zero counts as one in ten
    # a bin that nobody fell into keeps its centre
    np.testing.assert_allclose(np.exp(HistogramBinning(10).fit(z, y).apply(np.zeros((1, 2)))), [[0.5, 0.5]])


@pytest.mark.parametrize("kind", EVERY[1:])
def test_maps_need_as_many_classes_as_they_were_fitted_on(kind):
    fitted = kind().fit(*overconfident(100, 4))
    with pytest.raises(ValueError, match=r"shape \(N, 4\)"):
        fitted.apply(np.zeros((2, 3)))


@every
def test_each_has_fit_apply_save_and_load_of_its_own(kind, tmp_path):
    z, y = overconfident(300, 4)
    fitted = kind().fit(z, y)
    path = fitted.save(tmp_path / "c.safetensors")
    np.testing.assert_array_equal(kind.load(path).apply(z.numpy()), fitted.apply(z.numpy()))
    other = EVERY[EVERY.index(kind) - 1]
    with pytest.raises(ValueError, match=f"holds a {kind.__name__}, not a {other.__name__}"):
        other.load(path)
    assert path.read_bytes() == fitted.save(tmp_path / "again.safetensors").read_bytes()


def test_settings_are_saved(tmp_path):
    z, y = overconfident(300, 4)
    for fitted in (HistogramBinning(7), VectorScaling(ridge=0.5), TemperatureScaling("ece")):
        path = fitted.fit(z, y).save(tmp_path / "c.safetensors")
        assert calibrate.load(path).settings() == fitted.settings() != type(fitted)().settings()


@pytest.mark.parametrize("kind", [PlattScaling, BetaCalibration])
def test_two_classes_agree_with_scikit_learns_logistic_regression(kind):
    z, y = overconfident(2000, 2)
    z, y = z.double().numpy(), y.numpy()
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    margin = (log_p[:, 1] - log_p[:, 0])[:, None]
    features = margin if kind is PlattScaling else np.stack([log_p[:, 1], -log_p[:, 0]], axis=1)
    # Platt's targets as weighted copies of each row
    hits = y.sum()
    target = np.where(y == 1, (hits + 1) / (hits + 2), 1 / (len(y) - hits + 2))
    twice, copies = np.concatenate([features, features]), np.repeat([1, 0], len(y))
    oracle = LogisticRegression(C=1e12, tol=1e-10, max_iter=10_000)
    oracle.fit(twice, copies, sample_weight=np.concatenate([target, 1 - target]))
    assert (oracle.coef_ > 0).all()
    got = np.exp(kind().fit(z, y).apply(z))[:, 1]
    np.testing.assert_allclose(got, oracle.predict_proba(features)[:, 1], atol=2e-5)


def test_beta_calibration_bends_what_platt_scaling_cannot():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.01, 0.99, 40_000)
    # the truth lies in the family of Kull et al.: a = 2, b = 0.4, c = 0.5
    truth = 1 / (1 + np.exp(-(2 * np.log(p) - 0.4 * np.log1p(-p) + 0.5)))
    y = (rng.random(len(p)) < truth).astype(np.int64)
    z = np.log(np.stack([1 - p, p], axis=1))
    error = {k: np.abs(np.exp(k().fit(z, y).apply(z))[:, 1] - truth).max() for k in (PlattScaling, BetaCalibration)}
    assert error[BetaCalibration] < 0.02
    assert error[PlattScaling] > 0.05
    fitted = BetaCalibration().fit(z, y)
    np.testing.assert_allclose(np.append(fitted.slopes[1], fitted.offsets[1]), [2, 0.4, 0.5], atol=0.1)


@pytest.mark.parametrize("kind", [PlattScaling, BetaCalibration])
def test_logistic_curves_rise_and_stay_finite(kind):
    # labels that scores rank the wrong way round: a slope of zero, never a negative one
    z, y = overconfident(500, 3)
    fitted = kind().fit(-z, y)
    assert (fitted.slopes >= 0).all()
    # told apart without an error, and saturated: Platt's targets keep the curve finite
    sure = 1e4 * torch.eye(3, dtype=torch.float64)[y]
    fitted = kind().fit(sure, y)
    assert np.isfinite(fitted.apply(sure.numpy())).all()
    # a class that is ruled out stays so
    masked = z.clone()
    masked[torch.arange(100), (y[:100] + 1) % 3] = -math.inf
    after = kind().fit(masked, y).apply(masked)
    assert torch.equal(after.isneginf(), masked.isneginf())
    torch.testing.assert_close(after.double().exp().sum(1), torch.ones(500, dtype=torch.float64), atol=1e-5, rtol=0)


def test_identity_is_kept_and_said():
    # perfectly calibrated and tiny: curves from three examples are worse than what is there
    z = np.log(np.array([[0.999, 0.001], [0.001, 0.999], [0.999, 0.001]]))
    y = np.array([0, 1, 0])
    for kind in (PlattScaling, BetaCalibration, HistogramBinning):
        fitted = kind().fit(z, y)
        assert fitted.status == "identity"
        np.testing.assert_array_equal(fitted.apply(z), z)
