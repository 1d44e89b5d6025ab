"""The script behind ``make claims``."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from levelhead.cli import app
from levelhead.reproduce.store import Results

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(BENCH))
    try:
        spec = importlib.util.spec_from_file_location("claims_script", BENCH / "claims.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCH))
    return module


def test_what_is_planned_asks_for_each_run_once_with_all_that_anybody_wants_of_it(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "missing", lambda design: design.waits)
    plan = script.planned([], Results(tmp_path), ())
    assert [claim for claim, _, _ in plan][:4] == ["M1", "M1", "M1", "M2"]
    asked = {(name, each.sentence) for _, name, every in plan for each in every}
    assert len(asked) > 100
    by_method = {each.method: each for _, name, every in plan if name == "F" for each in every}
    assert "leave_hull" in by_method["vanilla"].probes, "M13 wants it of the runs that M1 makes"
    assert by_method["pls"].record == ("targets",)
    assert "leave_hull" not in by_method["pls"].probes


def test_chosen_claims_on_chosen_beds(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "missing", lambda design: design.waits)
    plan = script.planned(["M1"], Results(tmp_path), ("F2",))
    assert [(claim, name) for claim, name, _ in plan] == [("M1", "F2")]
    script.show(plan, 2, Results(tmp_path))
    assert "M1   on F2         10 runs" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no claim M99"):
        script.planned(["M99"], Results(tmp_path), ())


def test_a_group_of_beds_finds_its_member_by_the_data(script, tmp_path):
    (tmp_path / "comparison.json").write_text(json.dumps({"identity": {"data": {"name": "mr"}}}))
    assert script.bed_of(tmp_path, "T") == "T-mr"
    assert script.bed_of(tmp_path, "F") == "F"


def test_the_earlier_study_counts_until_it_is_run_again(script, tmp_path):
    results = Results(tmp_path)
    assert script.study(results) == 75
    records = results.load("F", script.bed("F"))
    assert {len(seeds) for seeds in records.values()} == {3}
    one = records[str(script.parse("vanilla"))][0]
    results.add("F", script.bed("F"), one | {"complete": True})
    assert script.study(results) == 74, "a whole run stays"


def test_a_comparison_is_kept_whole_without_places_and_only_when_it_is_finished(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    kept = importlib.import_module("comparison")
    folder = tmp_path / "out"
    options = ["--model", "mlp(width=4,depth=1)", "--epochs", "1", "--jobs", "1", "--out", str(folder)]
    run = CliRunner().invoke(
        app, ["compare", "--data", "spiral", "-m", "vanilla", "-m", "uls", "--seeds", "2", *options]
    )
    assert run.exit_code == 0, run.output
    found = kept.kept(folder, "abc", "spiral")
    entries = [entry for entry in json.loads((folder / "results.json").read_text()) if entry["role"] == "test"]
    assert {(name, run["seed"], run["ece_raw"]) for name, runs in found["runs"].items() for run in runs} == {
        (entry["method"], entry["seed"], round(entry["raw"]["ece"], 5)) for entry in entries
    }
    assert (found["n_seeds"], found["recipe"]["epochs"], found["commit"]) == (2, 1, "abc")
    assert str(tmp_path) not in json.dumps(found)
    with pytest.raises(ValueError, match="is a comparison on spiral, not on cifar10"):
        kept.kept(folder, "abc", "cifar10")
    (folder / "results.json").write_text(json.dumps(entries[1:]))
    with pytest.raises(ValueError, match="is not finished"):
        kept.kept(folder, "abc", "spiral")


def test_what_names_a_place_of_this_machine_is_cut_to_its_last_part(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    placeless = importlib.import_module("comparison").placeless
    command = "levelhead compare --model 'gpcn(vectors='\"'\"'/data/glove/g.npz'\"'\"')' --data cifar10"
    assert placeless(command) == "levelhead compare --model 'gpcn(vectors=g.npz)' --data cifar10"
    assert placeless("CIFAR-10 (JPEG copy), parquet in /data/cifar10-jpeg") == (
        "CIFAR-10 (JPEG copy), parquet in cifar10-jpeg"
    )
    assert placeless("train/images and 1/2") == "train/images and 1/2"
