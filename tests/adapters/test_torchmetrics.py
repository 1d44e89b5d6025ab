"""The adapter under torchmetrics' own machinery: what comes out is the accumulator's, whatever is done to it."""

import math
import pickle

import pytest
import torch
import torchmetrics
from torch import distributed, multiprocessing

from levelhead import metrics
from levelhead.adapters.torchmetrics import CalibrationMetric

G = torch.Generator().manual_seed(0)
LOGITS = 2 * torch.randn(600, 6, generator=G)
LABELS = torch.multinomial((LOGITS / 2).softmax(1), 1, generator=G).flatten()


def plain(rows=slice(None)):
    acc = metrics.Calibration(6)
    acc.update(logits=LOGITS[rows], labels=LABELS[rows])
    return acc.compute()


def values(computed):
    return {name: float(value) for name, value in computed.items()}


def test_update_compute_and_reset():
    metric = CalibrationMetric(6, kind="logits")
    for part in (slice(0, 100), slice(100, 600)):
        metric.update(LOGITS[part], LABELS[part])
    assert values(metric.compute()) == pytest.approx(plain(), abs=1e-12)
    metric.reset()
    metric.update(LOGITS[:50], LABELS[:50])
    assert values(metric.compute()) == pytest.approx(plain(slice(0, 50)), abs=1e-12)


def test_forward_gives_the_batch_and_keeps_the_whole():
    metric = CalibrationMetric(6, kind="logits")
    metric.update(LOGITS[:100], LABELS[:100])
    assert values(metric(LOGITS[100:], LABELS[100:])) == pytest.approx(plain(slice(100, None)), abs=1e-12)
    assert values(metric.compute()) == pytest.approx(plain(), abs=1e-12)


def test_one_measure_of_probabilities_in_a_collection():
    made = {name: CalibrationMetric(6, kind="probs", measure=name) for name in ("ece", "nll")}
    collection = torchmetrics.MetricCollection(made)
    collection.update(LOGITS.double().softmax(1), LABELS)
    got = collection.compute()
    assert set(got) == {"ece", "nll"}
    assert float(got["nll"]) == pytest.approx(plain()["nll"], abs=1e-6)
    assert got["ece"].dtype == torch.float64


def test_a_clone_a_pickle_and_a_state_dict_carry_on():
    metric = CalibrationMetric(6, kind="logits")
    metric.persistent(True)
    metric.update(LOGITS[:300], LABELS[:300])
    loaded = CalibrationMetric(6, kind="logits")
    loaded.persistent(True)
    loaded.load_state_dict(metric.state_dict())
    for copy in (metric.clone(), pickle.loads(pickle.dumps(metric)), loaded):
        copy.update(LOGITS[300:], LABELS[300:])
        assert values(copy.compute()) == pytest.approx(plain(), abs=1e-12)
    assert values(metric.compute()) == pytest.approx(plain(slice(0, 300)), abs=1e-12)


def test_pixels_and_their_background():
    logits, labels = LOGITS.t().reshape(1, 6, 20, 30), LABELS.view(1, 20, 30)
    metric = CalibrationMetric(6, kind="logits", ignore_background=True)
    metric.update(logits, labels)
    keep = LABELS > 0
    acc = metrics.Calibration(6)
    acc.update(logits=LOGITS[keep], labels=LABELS[keep])
    assert values(metric.compute()) == pytest.approx(acc.compute(), abs=1e-12)


def _process(rank, store, results):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    metric = CalibrationMetric(6, kind="logits")
    mine = slice(0, 170) if rank == 0 else slice(170, 600)
    metric.update(LOGITS[mine], LABELS[mine])
    torch.save(values(metric.compute()), f"{results}/{rank}.pt")  # compute synchronises
    distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    multiprocessing.spawn(_process, args=(str(tmp_path / "store"), str(tmp_path)), nprocs=2)
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt", weights_only=True) == pytest.approx(plain(), abs=1e-12)


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
def test_nothing_is_guessed_and_nothing_is_zero():
    with pytest.raises(TypeError, match="kind"):
        CalibrationMetric(6)
    with pytest.raises(ValueError, match="kind must be"):
        CalibrationMetric(6, kind="scores")
    with pytest.raises(ValueError, match="no measure is called 'ecee'"):
        CalibrationMetric(6, kind="logits", measure="ecee")
    assert math.isnan(CalibrationMetric(6, kind="logits", measure="ece").compute())
