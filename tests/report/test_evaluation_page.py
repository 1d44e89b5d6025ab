"""The page of an evaluation: one file, nothing from outside, text that stays in its place, the JSON's numbers."""

import csv
import hashlib
import json
import re

import numpy as np
import pytest
from PIL import Image

from levelhead.evaluate import evaluate
from levelhead.report.evaluation_page import render, write
from levelhead.report.headline import picture
from levelhead.report.matrix import matrix

HOSTILE = "</script><script>alert(1)</script>"


def outputs(seed, n=400):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3)) * 1.5
    return 2 * z, (z + rng.gumbel(size=z.shape)).argmax(1)


@pytest.fixture
def found(tmp_path):
    logits, labels = outputs(0)
    np.savez(tmp_path / "p.npz", logits=logits, labels=labels, classes=np.array(["cat", HOSTILE, "naïve ✓"]))
    np.savez(tmp_path / "ood.npz", logits=outputs(1)[0] / 2)
    return evaluate([tmp_path / "p.npz"], ood=[tmp_path / "ood.npz"], gates={"max_ece": 0.01, "min_accuracy": 0.1})


@pytest.fixture
def with_sets(tmp_path):
    for name, seed in (("p", 0), ("cal", 2)):
        logits, labels = outputs(seed)
        np.savez(tmp_path / f"{name}.npz", logits=logits, labels=labels, classes=np.array(["cat", HOSTILE, "naïve ✓"]))
    return evaluate([tmp_path / "p.npz"], cal=[tmp_path / "cal.npz"])


def data_of(page):
    return json.loads(re.search(r'id="figure-data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_stands_alone_and_holds_names_as_text(found):
    page = render(found, "levelhead evaluate <p>")
    own = page[: page.index("<script>")]
    assert HOSTILE not in page
    assert "&lt;/script&gt;" in own
    assert "levelhead evaluate &lt;p&gt;" in own
    assert not re.findall(r'(?:src|href)="(?!#|data:)', own)
    assert own.count("NOT MET") == 1
    for sentence in found["verdict"]:
        assert sentence.split("(")[0].strip()[:60].replace("'", "&#39;") in own


def test_every_place_of_a_figure_has_its_data(found):
    page = render(found)
    places = set(re.findall(r'class="plot" id="([^"]+)"', page))
    data = data_of(page)
    assert places == set(data) == {"risk", "reliability-0", "confidence-0"}
    points = next(trace for trace in data["reliability-0"]["states"]["raw"] if "customdata" in trace)
    filled = [row for row in found["reliability"]["raw"] if row["count"] >= 10]
    assert points["y"] == pytest.approx([row["accuracy"] for row in filled], abs=1e-3)
    assert data["reliability-0"]["states"]["scaled"] is not None


def test_several_models_and_top_labels_share_a_page(tmp_path):
    logits, labels = outputs(0)
    np.savez(tmp_path / "a.npz", logits=logits, labels=labels)
    top = logits.argmax(1)
    confidence = np.exp(logits - logits.max(1, keepdims=True))
    np.savez(tmp_path / "b.npz", predicted=top, confidence=1 / confidence.sum(1), labels=labels)
    page = render(evaluate([tmp_path / "a.npz", tmp_path / "b.npz"]))
    assert set(data_of(page)) == {"risk", "reliability-0", "confidence-0", "reliability-1"}
    assert "Only the top label is known" in page
    assert "McNemar p" in page


def test_the_page_is_written_whole_or_not_at_all(found, tmp_path):
    path = write(found, tmp_path / "deep" / "p.html")
    digest = hashlib.sha256((tmp_path / "p.npz").read_bytes()).hexdigest()
    assert path.read_text(encoding="utf-8") == render(found)
    assert found["sha256"] == digest
    assert json.loads((path.parent / "p-metrics.json").read_text(encoding="utf-8")) == found
    assert digest in path.read_text(encoding="utf-8")
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["p-bins.csv", "p-metrics.json", "p.html", "p.png"]


def test_diagrams_stand_before_the_range_of_honest_bins_and_the_isotonic_curve(found):
    for state, traces in data_of(render(found))["reliability-0"]["states"].items():
        steady = [row for row in found["reliability"][state] if row["count"] >= 10]
        low, high, curve, points, *_ = traces
        assert low["y"] == pytest.approx([row["calibrated_lo"] for row in steady], abs=1e-3)
        assert high["y"] == pytest.approx([row["calibrated_hi"] for row in steady], abs=1e-3)
        assert high["fill"] == "tonexty"
        assert curve["y"] == pytest.approx(found["isotonic"][state]["accuracy"], abs=1e-3)
        assert curve["y"] == sorted(curve["y"])
        assert [point[-2] for point in points["customdata"]] == low["y"]


def test_the_order_of_confidence_stands_between_the_best_order_and_none(found):
    best, none, ours = (trace for trace in data_of(render(found))["risk"]["traces"] if "name" in trace)
    assert all(b <= o + 1e-9 for b, o in zip(best["y"], ours["y"], strict=True))
    assert set(none["y"]) == {ours["y"][-1]}
    assert best["y"][-1] == ours["y"][-1]


def test_models_stand_by_accuracy_and_calibration_before_and_after_scaling(tmp_path):
    files = []
    for k in range(2):
        logits, labels = outputs(k)
        np.savez(tmp_path / f"{k}.npz", logits=logits, labels=labels)
        files.append(tmp_path / f"{k}.npz")
    found = evaluate(files)
    traces = {trace["meta"]: trace for trace in data_of(render(found))["tradeoff"]["traces"]}
    assert set(traces) == {"0.npz", "1.npz"}
    for entry in found["files"]:
        errors = [entry[state]["debiased_ece"] for state in ("raw", "scaled")]
        assert traces[entry["name"]]["x"] == pytest.approx(errors, abs=1e-4)
        assert traces[entry["name"]]["y"] == pytest.approx([entry["raw"]["accuracy"]] * 2, abs=1e-4)


def test_sets_have_a_table_and_bars_and_there_is_nothing_of_them_without_cal(found, with_sets):
    page = render(with_sets)
    for row in with_sets["sets"]["rows"]:
        assert f"{100 * row['coverage']:.1f} % [" in page.replace("\u00a0", " ")
    bars = {trace["name"]: trace for trace in data_of(page)["sets-0"]["traces"]}
    assert set(bars) == {"LAC", "APS"}
    for row in with_sets["sets"]["rows"]:
        if row["level"] == 0.9:
            assert sum(bars[row["score"].upper()]["y"]) == pytest.approx(1, abs=1e-3)
            assert [point[0] for point in bars[row["score"].upper()]["customdata"]] == row["sizes"][1:]
    assert 'href="#sets"' in page
    assert "Prediction sets" not in render(found)


def test_groups_whose_long_names_begin_alike_have_places_of_their_own(tmp_path):
    logits, labels = outputs(0)
    names = [f"hospital of Saint Mary, building A, floor {k}" for k in range(50)]
    np.savez(tmp_path / "p.npz", logits=logits, labels=labels, site=np.array(names)[np.arange(400) % 50])
    figure = data_of(render(evaluate([tmp_path / "p.npz"], group=["site"])))["groups-0-0"]
    assert all(trace["x"] == sorted(names) for trace in figure["traces"])
    axis = figure["layout"]["xaxis"]
    assert axis["tickvals"] == sorted(names)[::2]
    assert set(axis["ticktext"]) == {"hospital of Saint Mary,…"}


def test_the_matrix_holds_every_example_and_many_classes_have_the_pairs(found, tmp_path):
    page = render(found)
    body = re.search(r'class="matrix".*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    cells = re.findall(r'<td class="(hit|miss)" style="--shade:([\d.]+)"[^>]*>([\d,·]+)<', body)
    counts = [0 if text == "·" else int(text.replace(",", "")) for _, _, text in cells]
    assert counts == np.array(found["confusion_matrix"]).ravel().tolist()
    assert [kind for kind, *_ in cells] == ["hit", *["miss"] * 3] * 2 + ["hit"]
    assert max(float(shade) for kind, shade, _ in cells if kind == "miss") == 0.45
    logits = np.random.default_rng(0).normal(size=(200, 31))
    np.savez(tmp_path / "many.npz", logits=logits, labels=np.arange(200) % 31)
    page = render(evaluate([tmp_path / "many.npz"]))
    assert 'class="matrix"' not in page
    assert "<details open>" in page


def test_shades_are_shares_of_the_class_by_hand():
    found = matrix([[8, 2, 0], [0, 0, 0], [8, 1, 1]], ["a", "b", "c"])
    assert [cell.text for cell in found.rows[0]] == ["8", "2", "·"]
    # 8 of 10 is right; the largest share of mistakes is .8, so .2 is shaded by its root, one half
    assert [cell.shade for cell in found.rows[0]] == ["0.36", "0.23", "0.00"]
    assert found.rows[2][0].shade == "0.45"
    assert found.rows[2][0].words == "c taken for a: 8 of 10 (80.0 %)"
    assert {cell.shade for cell in found.rows[1]} == {"0.00"}


def test_the_table_of_bins_has_every_bin_of_every_state_at_full_precision(found, tmp_path):
    write(found, tmp_path / "p.html")
    with (tmp_path / "p-bins.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 15
    for state in ("raw", "scaled"):
        mine = [row for row in rows if row["state"] == state]
        assert sum(int(row["count"]) for row in mine) == found["n"]
        for row, known in zip(mine, found["reliability"][state], strict=True):
            assert row["file"] == found["file"]
            assert row["accuracy"] == ("" if known["accuracy"] is None else str(known["accuracy"]))
            assert row["calibrated_hi"] == ("" if known["count"] == 0 else str(known["calibrated_hi"]))


def test_the_headline_is_a_picture_of_a_chat_s_shape_also_for_several_and_odd_names(found, tmp_path):
    files = []
    for k, name in enumerate(("$a_$.npz", "_b<b>.npz", "c" * 90 + ".npz", "d.npz")):
        logits, labels = outputs(k, 60)
        np.savez(tmp_path / name, logits=logits, labels=labels)
        files.append(tmp_path / name)
    for each in (found, evaluate(files)):
        image = Image.open(picture(each, tmp_path / "p.png"))
        assert image.size == (1200, 630)
        assert (tmp_path / "p.png").stat().st_size <= 300_000
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 50
