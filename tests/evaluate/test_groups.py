"""Groups of the examples: their own sums, from a column or a file beside it, and what is refused."""

import json

import numpy as np
import pytest
from scipy.stats import chi2, chi2_contingency

from levelhead import metrics
from levelhead.evaluate import evaluate, groups

from .conftest import call, network, table

SITES = np.array(["north", "south", "sea"])


def two_columns(confidence):
    return np.stack([confidence, 1 - np.asarray(confidence)], axis=1)


@pytest.fixture
def sites(tmp_path):
    """2,000 examples of three sites, of which the sea is answered at random, and its 20 last are too few to judge."""
    logits, labels = network()
    site = SITES[np.arange(2000) % 2]
    site[1980:] = "sea"
    labels[1980:] = np.random.default_rng(1).integers(0, 5, 20)
    np.savez(tmp_path / "p.npz", logits=logits, labels=labels, site=site, level=np.arange(2000) // 500)
    return tmp_path, logits, labels, site


def by(found, index=0):
    return found["groups"][index]


def test_a_group_by_hand(tmp_path):
    # group a: .9 right, .8 wrong; group b: .7 right
    np.savez(tmp_path / "p.npz", probs=two_columns([0.9, 0.8, 0.7]), labels=[0, 1, 0], device=np.array(["a", "a", "b"]))
    found = by(evaluate([tmp_path / "p.npz"], group=["device"]))
    a, b = found["raw"]
    assert (found["by"], found["numeric"], a["group"], a["n"], b["group"], b["n"]) == ("device", False, "a", 2, "b", 1)
    assert (a["accuracy"], b["accuracy"]) == (0.5, 1.0)
    assert a["gap"] == pytest.approx((0.9 + 0.8) / 2 - 0.5)
    assert b["gap"] == pytest.approx(0.7 - 1)
    assert a["ece"] == pytest.approx((0.1 + 0.8) / 2)
    assert a["nll"] == pytest.approx(-(np.log(0.9) + np.log(0.2)) / 2)
    assert (a["p_value"], b["p_value"]) == (None, None)  # too few
    assert (b["accuracy_interval"], b["nll_interval"]) == ([pytest.approx(0.025), 1.0], None)


def test_a_group_is_what_the_measures_say_of_its_rows_alone(sites):
    path, logits, labels, site = sites
    found = by(evaluate([path / "p.npz"], group=["site"]))
    assert [row["group"] for row in found["raw"]] == ["north", "sea", "south"]
    for row in found["raw"]:
        mine = {"logits": logits[site == row["group"]], "labels": labels[site == row["group"]]}
        for name in ("accuracy", "gap", "ece", "debiased_ece", "nll"):
            assert row[name] == pytest.approx(getattr(metrics, name)(**mine), abs=1e-6), name
        test = metrics.calibration_test(**mine)
        assert row["noise_floor"] == pytest.approx(test.floor, abs=1e-6)
    north, sea, _ = found["raw"]
    assert north["p_value"] < 1e-6  # overconfident by construction
    assert sea["p_value"] is None
    assert [row["n"] for row in found["scaled"]] == [row["n"] for row in found["raw"]]
    assert abs(found["scaled"][0]["gap"]) < abs(north["gap"])


def test_the_verdict_tells_groups_apart_and_names_small_ones(sites):
    path, logits, labels, site = sites
    found = evaluate([path / "p.npz"], group=["site", "level"])
    said = found["verdict"]
    right = logits.argmax(1) == labels
    table = [[(right[site == name] == each).sum() for name in ("north", "south")] for each in (True, False)]
    p_value = chi2_contingency(table, correction=False).pvalue  # of the two that are named, and not of the sea
    assert by(found)["p_value"] == pytest.approx(p_value)
    (sentence,) = (each for each in said if each.startswith("By site, of 3 groups: accuracy from"))
    assert f"which could be chance (p = {p_value:.2g})" in sentence
    assert "sea" not in sentence
    assert any("By level, of 4 groups" in sentence and "could be chance" in sentence for sentence in said)
    assert "1 of 3 groups by site (sea), which has fewer than 30 examples" in said[-1]


def counted(path, **groups):
    """The verdict's sentence and p-value of groups of so many right and wrong answers."""
    right = np.concatenate([np.repeat([True, False], each) for each in groups.values()])
    names = np.repeat(list(groups), [sum(each) for each in groups.values()])
    np.savez(path / "p.npz", probs=two_columns(np.full(len(right), 0.9)), labels=1 - right, site=names)
    found = evaluate([path / "p.npz"], group=["site"])
    (said,) = (sentence for sentence in found["verdict"] if sentence.startswith("By site"))
    return said, by(found)["p_value"]


def test_groups_that_differ_are_told_apart_and_equal_ones_are_one(tmp_path):
    said, p_value = counted(tmp_path, a=(190, 10), b=(160, 40))
    # each expects 175 right and 25 wrong, and is 15 off: 2 * 225 / 175 + 2 * 225 / 25
    assert p_value == pytest.approx(chi2.sf(2 * 225 / 175 + 2 * 225 / 25, 1))
    assert "(b, n = 200) to 95.0 %" in said
    assert "which is more than chance (p < 0.001)" in said
    said, p_value = counted(tmp_path, a=(180, 20), b=(180, 20), c=(0, 20))
    assert p_value == 1
    assert said.startswith("By site, of 3 groups: the same accuracy, 90.0 %, in all that hold 30 examples.")


def test_rare_mistakes_follow_no_chi_squared_law(tmp_path):
    # one mistake falls to a with probability 30 / 2030; the law would say p < 1e-15
    said, p_value = counted(tmp_path, a=(29, 1), b=(2000, 0))
    assert p_value == pytest.approx(30 / 2030, abs=0.005)
    assert f"which is more than chance (p = {p_value:.2g})" in said


def test_numbers_are_levels_in_their_own_order(sites):
    path, *_ = sites
    np.save(path / "severity.npy", (np.arange(2000) % 11).astype(np.float32))
    found = by(evaluate([path / "p.npz"], group=[str(path / "severity.npy")]))
    assert (found["by"], found["numeric"]) == ("severity", True)
    assert [row["group"] for row in found["raw"]] == [str(k) for k in range(11)]


@pytest.mark.parametrize(
    ("values", "names", "numeric"),
    [
        ([1.0, 2.0], ["1", "2"], True),
        ([1.0, 2.5], ["1", "2.5"], True),
        ([1.0, np.nan], ["1", "nan"], False),
        ([1e20, 2e20], ["1e+20", "2e+20"], True),
        (["10", "1_2"], ["10", "1_2"], False),
        (["2", "inf"], ["2", "inf"], False),
        (["-.5", "1e-3"], ["-.5", "1e-3"], True),
    ],
)
def test_a_group_is_a_number_by_its_own_value(sites, values, names, numeric):
    path, *_ = sites
    np.save(path / "v.npy", np.array(values)[np.arange(2000) % 2])
    found = by(evaluate([path / "p.npz"], group=[str(path / "v.npy")]))
    assert ([row["group"] for row in found["raw"]], found["numeric"]) == (names, numeric)


def test_values_of_other_blocks_change_no_name(sites, monkeypatch):
    path, *_ = sites
    monkeypatch.setattr(groups, "_ROWS", 500)
    np.savez(path / "v.npz", v=np.append(np.ones(1999), 1.5))
    found = by(evaluate([path / "p.npz"], group=[str(path / "v.npz")]))
    assert [(row["group"], row["n"]) for row in found["raw"]] == [("1", 1999), ("1.5", 1)]


def test_the_same_groups_from_a_column_a_file_and_a_column_of_a_file(sites, monkeypatch):
    path, logits, labels, site = sites
    table(path / "meta.csv", {"id": np.arange(2000), "site": site, "sex": np.where(labels == 0, "f", "m")})
    np.savez(path / "only.npz", site=site)
    np.savez(path / "ids.npz", logits=logits, labels=labels, ids=np.arange(2000))
    own = by(evaluate([path / "p.npz"], group=["site"]))
    monkeypatch.chdir(path)
    for word in (f"{path / 'meta.csv'}:site", str(path / "only.npz"), "./only.npz", f"{path}//only.npz"):
        beside = by(evaluate([path / "ids.npz"], group=[word], memory=0))
        assert {k: v for k, v in beside.items() if k == "raw"} == {"raw": own["raw"]}, word
    table(path / "t.csv", {"label": labels, "site": site} | {f"logits_{k}": logits[:, k] for k in range(5)})
    assert [row["n"] for row in by(evaluate([path / "t.csv"], group=["site"]))["raw"]] == [990, 20, 990]


def test_top_labels_have_groups_before_scaling_only(sites):
    path, logits, labels, site = sites
    weights = np.exp(logits - logits.max(1, keepdims=True))
    top = {"predicted": logits.argmax(1), "confidence": 1 / weights.sum(1), "label": labels, "site": site}
    table(path / "top.parquet", top)
    found, full = (by(evaluate([path / name], group=["site"])) for name in ("top.parquet", "p.npz"))
    assert "scaled" not in found
    for ours, theirs in zip(found["raw"], full["raw"], strict=True):
        assert ours["gap"] == pytest.approx(theirs["gap"], abs=1e-6)
        assert "nll" not in ours


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("place", "unknown column 'place'"),
        ("nowhere.npz", "there is no such file"),
        ("logits", "words or numbers, one a row"),
        ("each", "more than 200 groups"),
        ("short.npy", "holds 1999 rows of groups, and the predictions hold more"),
        ("long.npy", "holds 2001 rows of groups for 2000 examples"),
        ("many.npz", "say which, .*many.npz:COLUMN"),
        ("many.npz:c", "unknown column 'c'"),
        ("other.npz:site", "names other examples than the predictions, or in another order: the first is row 1990"),
    ],
)
def test_what_is_no_group_is_refused(sites, monkeypatch, word, reason):
    path, logits, labels, site = sites
    monkeypatch.chdir(path)
    np.save("short.npy", site[:-1])
    np.save("long.npy", np.append(site, "sea"))
    np.savez("many.npz", a=site, b=site)
    np.savez("other.npz", site=site, ids=np.append(np.arange(1990), np.arange(10)))
    np.savez("q.npz", logits=logits, labels=labels, ids=np.arange(2000), each=np.arange(2000))
    with pytest.raises(ValueError, match=reason):
        evaluate([path / "q.npz"], group=[word])


def test_votes_have_no_groups(sites):
    path, _, labels, _ = sites
    np.save(path / "votes.npy", np.eye(5)[labels])
    with pytest.raises(ValueError, match="votes give shares"):
        evaluate([path / "p.npz"], votes=[path / "votes.npy"], group=["site"])


def test_the_terminal_and_the_files_beside_the_page_say_the_same(sites):
    path, *_ = sites
    status, output, errors = call("p.npz", "--group", "site", "--report", "page.html", cwd=path)
    assert status == 0, errors
    assert "By site, raw, per cent; p of no gap" in output
    assert "20 few" in output
    kept = json.loads((path / "page-metrics.json").read_text())
    status, printed, errors = call("p.npz", "--group", "site", "--json", cwd=path)
    assert status == 0, errors
    assert kept == json.loads(printed)
    assert kept["format"] == {"name": "levelhead evaluation", "version": 1}
    page = (path / "page.html").read_text()
    assert 'id="groups-0-0"' in page
    assert "few examples" in page
