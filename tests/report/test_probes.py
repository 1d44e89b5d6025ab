"""Ensembles and probes as tables: every number in its place, on a terminal and on the page."""

import io
import json
import re

import pytest
from rich.console import Console

from levelhead.report import build, probes
from levelhead.report.terminal import print_grid
from report.conftest import HOSTILE, write_comparison

SENTENCE = "vanilla | one_hot"


def cell(mean, half=None):
    return {"mean": mean} if half is None else {"mean": mean, "lo": mean - half, "hi": mean + half}


def table(name, metrics, *, outside=False, curve=None, at=None, ensemble=None):
    row = {"method": "old spelling", "sentence": SENTENCE, "n_seeds": 3, "metrics": metrics, "ensemble": ensemble}
    return {"name": name, "probe": name, "outside": outside, "curve": curve, "at": at, "n": 1169, "rows": [row]}


ATTACK = {"accuracy_raw": cell(0.711, 0.023), "top5_raw": cell(0.953), "ece_raw": cell(0.292), "oe_raw": cell(None)}
ENSEMBLE = {"members": 3, "temperature": 0.8, "raw": {"accuracy": 0.764, "ece": 0.2}, "scaled": {"nll": 0.845}}
SUMMARY = {
    "rows": [{"method": HOSTILE, "sentence": SENTENCE, "metrics": {"nll_scaled": {"mean": 0.522}}}],
    "ensembles": [
        {"method": "x", "sentence": SENTENCE, "members": 3, "n": 1169, "temperature": 0.29}
        | {"raw": {"nll": 0.84, "ece": 0.368, "accuracy": 0.87}, "scaled": {"nll": 0.423, "ece": None}}
    ],
    "probes": [
        table("noise", {"auroc_raw": cell(0.886, 0.1), "fpr95_scaled": cell(0.5)}, outside=True),
        *(
            table(f"leave_hull(distance={at})", {"accuracy_raw": cell(at / 100)}, curve="leave_hull", at=at)
            for at in (30.0, 3.0)
        ),
        table("fgsm", ATTACK, ensemble=ENSEMBLE),
    ],
}


def test_an_attack_shows_accuracy_and_calibration_with_the_ensemble_below():
    fgsm = probes.probes(SUMMARY)[0]
    assert fgsm.title == "Probe fgsm"
    assert fgsm.rows[0][:5] == (HOSTILE, "71.1 ±2.3", "95.3", "0.292", "–")  # undefined is not zero
    assert fgsm.rows[1][:4] == ("ensemble of 3", "76.4", "–", "0.200")
    assert fgsm.rows[1][-1] == "0.845"
    assert fgsm.inner == (False, True)
    assert "n = 1,169" in fgsm.note


def test_points_of_a_curve_share_a_table_a_quantity_in_order():
    grids = {grid.title: grid for grid in probes.probes(SUMMARY)}
    assert list(grids) == [
        "Probe fgsm",
        "Probe leave_hull: accuracy %",
        "Probe leave_hull: mean confidence %",
        "Probe leave_hull: mean entropy in nats",
        "Probe noise",
    ]
    assert grids["Probe leave_hull: accuracy %"].heads == ("method", "3", "30")
    assert grids["Probe leave_hull: accuracy %"].rows == ((HOSTILE, "3.0", "30.0"),)
    assert grids["Probe noise"].rows[0][:5] == (HOSTILE, "0.886 ±0.100", "–", "–", "0.500")


def test_an_ensemble_stands_beside_one_seed():
    grid = probes.ensembles(SUMMARY)
    assert grid.rows == ((HOSTILE, "3", "0.522", "0.840", "0.423", "0.368", "–", "87.0", "0.29"),)
    assert probes.ensembles({"rows": []}) is None
    assert probes.probes({"rows": []}) == []


def test_a_curve_is_drawn_beside_its_tables(tmp_path):
    folder = write_comparison(tmp_path / "c", methods=("vanilla", HOSTILE), seeds=2, epochs=2)
    summary = json.loads((folder / "summary.json").read_text())
    names = {row["sentence"]: row["method"] for row in summary["rows"]}
    summary["probes"] = []
    for at in (0.1, 10.0):
        metrics = {f"{quantity}_raw": cell(0.5 / (1 + at), 0.01) for quantity in ("accuracy", "confidence", "entropy")}
        rows = [{"method": "?", "sentence": sentence, "n_seeds": 2, "metrics": metrics} for sentence in names]
        name = f"leave_hull(distance={at:g}, seed=1)"
        point = {"name": name, "probe": name, "outside": False, "curve": "leave_hull(a, b)", "at": at, "n": 9}
        summary["probes"].append(point | {"rows": rows})
    (folder / "summary.json").write_text(json.dumps(summary))
    page = build(folder).read_text(encoding="utf-8")
    places = set(re.findall(r'class="plot" id="(departure[^"]*)"', page))
    data = json.loads(re.search(r'id="figure-data">(.*?)</script>', page, re.DOTALL)[1])
    assert places == {f"departure-0-{quantity}" for quantity in ("accuracy", "confidence", "entropy")} <= set(data)
    (line, other) = data["departure-0-accuracy"]["traces"]
    assert line["x"] == [0.1, 10.0]
    assert line["y"] == pytest.approx([0.5 / 1.1, 0.5 / 11], abs=1e-3)
    assert data["departure-0-accuracy"]["layout"]["xaxis"]["type"] == "log"
    assert HOSTILE not in page
    assert other["meta"] != line["meta"]


@pytest.mark.parametrize("width", [110, 80])
def test_every_table_fits_a_terminal(width):
    stream = io.StringIO()
    for grid in [probes.ensembles(SUMMARY), *probes.probes(SUMMARY)]:
        print_grid(grid, Console(file=stream, width=width))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert any("71.1 ±2.3" in line and "0.292" in line for line in lines)
    assert any(line.startswith("  ensemble") for line in lines)


def test_the_page_shows_them_and_escapes_names(tmp_path):
    folder = write_comparison(tmp_path / "c", methods=("vanilla",), seeds=2)
    path = folder / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {k: SUMMARY[k] for k in ("ensembles", "probes")}))
    page = build(folder).read_text()
    assert "What averaging the seeds buys" in page
    assert "71.1 ±2.3" in page
    assert page.count("<h3>Probe ") == 5
    (tmp_path / "d").mkdir()
    assert "Probe" not in build(write_comparison(tmp_path / "d")).read_text().split("<script")[0]
