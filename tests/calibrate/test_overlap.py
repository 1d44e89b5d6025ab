"""What was fitted on is recognised among what is reported, and chance is not mistaken for it."""

import numpy as np
import pytest
import torch
from tests.metrics.synthetic import overconfident

from levelhead import calibrate
from levelhead.calibrate import HistogramBinning, PlattScaling, TemperatureScaling, VectorScaling, _rows
from levelhead.predictions import Predictions


def predictions(n, num_classes=5, seed=0, role="test") -> Predictions:
    logits, labels = overconfident(n, num_classes, seed=seed)
    return Predictions(labels=labels, logits=logits, role=role)


def part(whole: Predictions, rows, role="test", dtype=None) -> Predictions:
    scores = {kind: values[rows].astype(dtype or values.dtype) for kind, values in whole.scores.items()}
    return Predictions(labels=whole.labels[rows], role=role, **scores)


@pytest.mark.parametrize("kind", [TemperatureScaling, VectorScaling, PlattScaling, HistogramBinning])
@pytest.mark.parametrize("role", ["test", "unknown"])
def test_reporting_what_was_fitted_on_is_refused(kind, role):
    whole = predictions(200)
    fitted = kind().fit(part(whole, slice(0, 100), "cal"))
    with pytest.raises(ValueError, match=r"1 of 101 rows are among those .* the first is row 0"):
        fitted.apply(part(whole, slice(99, 200), role))
    fitted.apply(part(whole, slice(100, 200), role))


def test_examples_that_a_data_set_holds_twice_are_let_pass_and_said():
    whole = predictions(2000)
    fitted = TemperatureScaling().fit(part(whole, slice(0, 1000), "cal"))
    few, many = part(whole, slice(995, 2000)), part(whole, slice(994, 2000))
    assert fitted.apply(few).meta["rows_fitted_on"] == "5"
    assert "rows_fitted_on" not in fitted.apply(part(whole, slice(1000, 2000))).meta
    with pytest.raises(ValueError, match="6 of 1006 rows"):
        fitted.apply(many)


def test_real_repeats_are_no_reason_to_refuse(real_data):
    file = np.load(real_data / "network-outputs" / "cifar100-densenet-bc-100-cifar-100.npz")
    assert len(np.unique(file["probs"], axis=0)) == 9998  # two pairs of equal images
    for seed in range(4):
        rows = np.random.default_rng(seed).permutation(10_000)
        cal, test = (
            Predictions(labels=file["labels"][half], probs=file["probs"][half], role=role)
            for half, role in ((rows[:5000], "cal"), (rows[5000:], "test"))
        )
        assert int(TemperatureScaling().fit(cal).apply(test).meta.get("rows_fitted_on", 0)) <= 2


@pytest.mark.parametrize("role", ["cal", "val", "train"])
def test_the_role_cal_may_be_scaled_by_what_was_fitted_on_it(role):
    # it is not reported, and a threshold or a set is fitted on it next
    cal = predictions(100, role="cal")
    scaled = TemperatureScaling().fit(cal).apply(part(cal, slice(None), role))
    assert scaled.role == role


def test_arrays_and_tensors_are_known_again_too(tmp_path):
    logits, labels = overconfident(100, 5)
    for given in (logits, logits.numpy(), logits.double().numpy()):
        fitted = TemperatureScaling().fit(given, labels)
        assert fitted.overlap(Predictions(labels=labels, logits=logits)).all()
        again = calibrate.load(fitted.save(tmp_path / "t.safetensors"))
        assert again.overlap(Predictions(labels=labels, logits=logits)).all()


def test_order_width_and_labels_do_not_hide_a_row():
    whole = predictions(60)
    fitted = TemperatureScaling().fit(part(whole, slice(0, 40), "cal"))
    shuffled = np.random.default_rng(0).permutation(60)
    other = Predictions(labels=(whole.labels[shuffled] + 1) % 5, logits=whole.logits[shuffled].astype(np.float64))
    np.testing.assert_array_equal(fitted.overlap(other), shuffled < 40)


def test_what_is_left_after_leaving_out_the_marked_rows_passes():
    whole = predictions(300)
    fitted = TemperatureScaling().fit(part(whole, slice(0, 200), "cal"))
    fitted.apply(part(whole, ~fitted.overlap(whole)))


def test_probabilities_are_known_again_as_they_were_held():
    logits, labels = overconfident(100, 5)
    probs = logits.softmax(1).numpy()
    fitted = TemperatureScaling().fit(Predictions(labels=labels, probs=probs, role="cal"))
    with pytest.raises(ValueError, match="100 of 100 rows"):
        fitted.apply(Predictions(labels=labels, probs=probs, role="test"))


@pytest.mark.parametrize("num_classes", [2, 3, 10, 1000])
def test_saturated_rows_are_no_overlap(num_classes):
    rng = np.random.default_rng(0)
    sides = []
    for role in ("cal", "test"):
        labels = rng.integers(num_classes, size=500)
        predicted = np.where(rng.random(500) < 0.9, labels, rng.integers(num_classes, size=500))
        sides.append(Predictions(labels=labels, probs=np.eye(num_classes)[predicted], role=role))
    fitted = TemperatureScaling().fit(sides[0])
    assert not fitted.overlap(sides[1]).any()
    fitted.apply(sides[1])


COARSE = {
    "two digits": lambda z: np.round(z.softmax(1).numpy(), 2).astype(np.float64),
    "float16": lambda z: z.half().float().numpy(),
    "bfloat16": lambda z: z.bfloat16().float().numpy(),
    "one minus p": lambda z: np.stack([1 - z.softmax(1).numpy()[:, 1], z.softmax(1).numpy()[:, 1]], axis=1),
}


@pytest.mark.parametrize("form", COARSE)
@pytest.mark.parametrize("sizes", [(4000, 4000), (300, 20_000), (20_000, 300)])
def test_scores_with_few_values_meet_by_chance_and_are_no_overlap_unless_they_are(form, sizes):
    logits, _ = overconfident(sum(sizes), 2, scale=3)
    scores = torch.from_numpy(COARSE[form](logits))
    cal, test = scores[: sizes[0]], scores[sizes[0] :]
    seen = _rows.kept(cal)
    if form == "two digits":
        assert np.isin(_rows.hashes(test), seen).mean() > 0.5  # the trap is there
    assert not _rows.shared(seen, test).any()


def test_rounded_scores_that_do_overlap_are_found_from_some_twenty_rows_on():
    logits, _ = overconfident(4000, 10)
    probs = torch.from_numpy(np.round(logits.double().softmax(1).numpy(), 4))
    seen = _rows.kept(probs[:2000])
    assert _rows.shared(seen, probs[1000:3000])[:1000].mean() > 0.5
    assert not _rows.shared(seen, probs[2000:]).any()


@pytest.mark.parametrize("num_classes", [3, 4, 10])
@pytest.mark.parametrize("scale", [0.5, 1.8, 5.0])
def test_float32_scores_of_different_examples_never_meet(num_classes, scale):
    logits, _ = overconfident(60_000, num_classes, scale)
    for scores in (logits, logits.softmax(1)):
        assert not _rows.shared(_rows.kept(scores[:30_000]), scores[30_000:]).any()


def test_very_many_rows_are_sampled():
    rows = 4 * _rows.ROWS + 3
    scores = torch.randn(rows, 3, generator=torch.Generator().manual_seed(0))
    seen = _rows.kept(scores)
    assert _rows.ROWS // 2 < len(seen) <= _rows.ROWS
    assert _rows.shared(seen, scores[100:110]).any()  # ten in a row cannot all be between
    assert 0.99 * len(seen) < _rows.shared(seen, scores).sum() <= len(seen)  # some numbers fit half precision


@pytest.mark.parametrize("rows", [10, 3 * _rows.ROWS // 2, 4 * _rows.ROWS + 3])
def test_blocks_are_kept_and_found_as_the_whole_is(rows):
    scores = torch.randn(rows, 3, generator=torch.Generator().manual_seed(0))
    blocks, search = _rows.Kept(), _rows.Search(_rows.kept(scores))
    for block in scores.split(1000):
        blocks.add(_rows.hashes(block))
    np.testing.assert_array_equal(blocks.sorted(), _rows.kept(scores))
    marks = np.concatenate([search.look(block) for block in scores.split(777)])
    np.testing.assert_array_equal(marks >= search.least(), _rows.shared(_rows.kept(scores), scores))


def test_nothing_is_known_before_fitting_and_nothing_can_be_shared_by_nothing():
    assert not TemperatureScaling().overlap(predictions(10)).any()
    assert _rows.shared(_rows.kept(torch.zeros(0, 3)), torch.zeros(4, 3)).tolist() == [False] * 4


def test_minus_zero_is_zero():
    scores = torch.tensor([[0.1234567, 0.7654321, -0.0, 1.2345678]])
    assert _rows.shared(_rows.kept(scores), scores.abs()).all()


def test_ruled_out_classes_do_not_hide_a_row():
    logits, labels = overconfident(50, 6)
    logits[:, 5] = -torch.inf
    fitted = TemperatureScaling().fit(logits, labels.clamp(max=4))
    assert fitted.overlap(Predictions(labels=labels.clamp(max=4), logits=logits)).all()
