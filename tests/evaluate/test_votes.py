"""People's votes instead of labels: from the file itself or another, judged like the functions judge distributions."""

import json

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from scipy.optimize import minimize_scalar

from levelhead import metrics
from levelhead.evaluate import evaluate
from levelhead.predictions import Predictions
from levelhead.report.evaluation_page import render

from .conftest import call, network, softmax, table


def voted(n=600, classes=4, people=20, seed=0):
    """Logits, and how many of so many people said each class: their shares scatter around softmax(logits / 1.7)."""
    logits, _ = network(n, classes, seed=seed)
    rng = np.random.default_rng(seed)
    return logits, np.stack([rng.multinomial(people, p / p.sum()) for p in softmax(logits / 1.7).astype(np.float64)])


def equals_the_functions(found, scores, votes, exact=1e-9, cells=5e-4):
    for name in (
        "accuracy",
        "nll",
        "brier",
        "gap",
        "ece",
        "oe",
        "mce",
        "ace",
        "rmsce",
        "debiased_ece",
        "classwise_ece",
    ):
        assert found["raw"][name] == pytest.approx(getattr(metrics, name)(**scores, labels=votes), abs=exact), name
    for name in ("adaptive_ece", "aurc", "augrc", "smooth_ece"):
        assert found["raw"][name] == pytest.approx(getattr(metrics, name)(**scores, labels=votes), abs=cells), name
    split = metrics.nll_decomposition(**scores, labels=votes)
    assert found["raw"]["nll_others"] == pytest.approx(split.others, abs=1e-6)
    assert found["raw"]["nll_refinement"] == pytest.approx(split.refinement, abs=1e-3)
    brier = metrics.brier_decomposition(**scores, labels=votes)
    assert found["raw"]["brier_calibration"] == pytest.approx(brier.calibration, abs=exact)


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("form", ["own.npz", "own.parquet", "other.npy", "other.npz", "other.parquet", "other.csv"])
def test_votes_in_every_form_give_the_measures_of_the_library(tmp_path, form, counts):
    logits, said = voted()
    shares = said / said.sum(1, keepdims=True)
    votes = said if counts else shares
    where, ending = form.split(".")
    path, other = tmp_path / f"p.{ending}", tmp_path / f"votes.{ending}"
    if where == "own" and ending == "npz":
        np.savez(path, logits=logits, labels=votes)
    elif where == "own":
        lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(votes.ravel()), votes.shape[1])
        columns = {f"logits_{k}": logits[:, k] for k in range(4)}
        parquet.write_table(pyarrow.table({"label": lists, **columns}), path)
    else:
        path = tmp_path / "p.npz"
        np.savez(path, logits=logits)
        if ending == "npy":
            np.save(other, votes)
        elif ending == "npz":
            np.savez(other, votes=votes, labels=votes.argmax(1))
        elif ending == "parquet":
            table(other, {"id": np.arange(len(votes)), "votes": votes.tolist()})
        else:
            table(other, {f"class {k}": votes[:, k] for k in range(4)})
    found = evaluate([path], votes=[other] if where == "other" else [])
    equals_the_functions(found, {"logits": logits}, shares)
    assert found["per_class"] == {}
    assert found["votes"]["agreement"] is None
    assert "votes give shares" in found["verdict"][-1]
    json.dumps(found, allow_nan=False)


def test_streamed_votes_are_the_held_ones(tmp_path):
    logits, said = voted(40_000, 3)
    np.savez(tmp_path / "p.npz", probs=softmax(logits), labels=said.argmax(1))
    table(tmp_path / "votes.csv", {f"votes_{k}": said[:, k] for k in range(3)})
    held, streamed = (
        evaluate([tmp_path / "p.npz"], votes=[tmp_path / "votes.csv"], memory=memory) for memory in (1 << 28, 0)
    )
    assert (held["streamed"], streamed["streamed"]) == (False, True)
    for name, value in held["raw"].items():
        assert streamed["raw"][name] == pytest.approx(
            value, abs=5e-4 if name in ("adaptive_ece", "aurc", "augrc") else 1e-9
        )
    assert streamed["temperature"] == pytest.approx(held["temperature"], rel=1e-6)
    assert held["votes"]["agreement"] == 1


def test_the_temperature_is_the_one_with_the_least_cross_entropy(tmp_path):
    logits, said = voted(3000)
    shares = said / said.sum(1, keepdims=True)
    np.savez(tmp_path / "p.npz", logits=logits, labels=said)
    found = evaluate([tmp_path / "p.npz"])
    best = minimize_scalar(
        lambda t: metrics.nll(logits=logits / t, labels=shares),
        bounds=(0.5, 5),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert found["temperature"] == pytest.approx(best.x, rel=1e-5)
    lo, hi = found["scaling"]["interval"]
    assert lo < 1.7 < hi
    assert found["scaled"]["nll"] == pytest.approx(best.fun, abs=1e-4)


@pytest.mark.parametrize("sense", [1, -1])
def test_votes_that_every_sharpening_or_none_would_suit(tmp_path, sense):
    logits = np.eye(3)[np.arange(60) % 3]
    np.savez(tmp_path / "p.npz", logits=sense * logits, labels=logits)
    found = evaluate([tmp_path / "p.npz"])
    assert found["scaling"]["status"] == ("separable" if sense == 1 else "hopeless")
    assert any("all its votes on one class" in note for note in found["notes"])
    json.dumps(found, allow_nan=False)


def test_two_models_are_compared_by_shares(tmp_path):
    logits, said = voted(1500)
    noisy = logits + np.random.default_rng(5).normal(size=logits.shape).astype(np.float32)
    np.save(tmp_path / "votes.npy", said)
    for name, scores in (("a", logits), ("b", noisy)):
        Predictions(labels=said.argmax(1), logits=scores).save(tmp_path / f"{name}.npz")
    found = evaluate([tmp_path / "a.npz", tmp_path / "b.npz"], votes=[tmp_path / "votes.npy"])
    (pair,) = found["comparisons"]
    assert "mcnemar" not in pair
    shares = said / said.sum(1, keepdims=True)
    wanted = metrics.accuracy(logits=noisy, labels=shares) - metrics.accuracy(logits=logits, labels=shares)
    assert pair["accuracy"]["difference"] == pytest.approx(wanted)
    assert "the share of votes differs by" in found["verdict"][0]
    assert "Votes are neither right nor wrong" in render(found)


def test_votes_that_do_not_fit_are_refused(tmp_path):
    logits, said = voted(30)
    path = Predictions(labels=said.argmax(1), logits=logits, ids=np.arange(30)).save(tmp_path / "p.npz")
    shares = said / 20
    for votes, words in (
        (said[:29], "29 rows of votes"),
        (said[:, :3], r"each of 4 classes, \(N, 4\), not \(N, 3\)"),
        (said[:, 0], "needs votes"),
        (np.where(said == said[4, 0], -1, said), "negative"),
        (np.where(np.arange(30)[:, None] == 7, 0, said), "1 rows hold no vote at all, the first is row 7"),
        (np.where(np.arange(30)[:, None] == 7, np.nan, shares), "NaN or infinity, the first is row 7"),
        (shares * 0.9, "fractions that do not sum to one"),
    ):
        np.save(tmp_path / "votes.npy", votes)
        with pytest.raises(ValueError, match=words):
            evaluate([path], votes=[tmp_path / "votes.npy"])
    table(tmp_path / "short.csv", {f"votes_{k}": said[:29, k] for k in range(4)})
    with pytest.raises(ValueError, match="29 rows of votes, and the predictions hold more"):
        evaluate([path], votes=[tmp_path / "short.csv"])
    table(tmp_path / "long.csv", {f"votes_{k}": np.append(said[:, k], 1) for k in range(4)})
    with pytest.raises(ValueError, match="31 rows of votes for 30 examples"):
        evaluate([path], votes=[tmp_path / "long.csv"])
    np.savez(tmp_path / "votes.npz", votes=said, ids=np.arange(30)[::-1])
    with pytest.raises(ValueError, match="names other examples than the predictions, or in another order"):
        evaluate([path], votes=[tmp_path / "votes.npz"])
    np.save(tmp_path / "votes.npy", np.array([{}, {}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        evaluate([path], votes=[tmp_path / "votes.npy"])
    with pytest.raises(ValueError, match="no such file"):
        evaluate([path], votes=[tmp_path / "none.npy"])
    np.savez(tmp_path / "own.npz", logits=logits, labels=said)
    with pytest.raises(ValueError, match="has label distributions of its own: --votes has no effect"):
        evaluate([tmp_path / "own.npz"], votes=[tmp_path / "votes.npz"])
    table(tmp_path / "top.csv", {"true": [0, 1], "predicted": [0, 0], "confidence": [0.6, 0.7]})
    with pytest.raises(ValueError, match="--votes has no effect"):
        evaluate([tmp_path / "top.csv"], votes=[tmp_path / "votes.npz"])


def test_people_on_cifar_10(real_data, tmp_path):
    """The command, on a real network and real votes: overconfident against people, and more than against labels."""
    file = real_data / "network-outputs" / "cifar10-wideresnet-16-4-cifar-10.npz"
    votes = real_data / "cifar10h" / "cifar10h-probs.npy"
    status, output, errors = call(file, "--votes", votes, "--report", tmp_path / "p.html", "--max-gap", "0.05")
    assert status == 3, errors
    assert "overconfident by 8.5 points" in output
    assert "in 99.2 % of the examples" in output
    with np.load(file) as arrays:
        found = evaluate([file], votes=[votes])
        equals_the_functions(found, {"probs": arrays["probs"]}, np.load(votes), exact=1e-6)
