"""Every table and figure of the papers is in a plan, can be read, and is shown beside what was published."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from levelhead.cli import app
from levelhead.compare import compare
from levelhead.compare.probing import answer
from levelhead.figures import KINDS
from levelhead.reproduce import speed
from levelhead.reproduce.computed import label_entropy, proposition
from levelhead.reproduce.designs import Design, beds, comparison
from levelhead.reproduce.items import cells
from levelhead.reproduce.plans import number, plans, read, requests
from levelhead.reproduce.reproduce import find, listing
from levelhead.reproduce.store import Results
from levelhead.spec import parse
from levelhead.train.execute import execute

#: The papers' own lists of tables and figures.
ITEMS = {
    "logitmix": ["Figure 1", "Table 1", "Table 2", "Table 3", "Table S1", "Figure S1"],
    "pls": [*(f"Figure {n}" for n in range(1, 8)), *(f"Table {n}" for n in range(1, 5))],
    "lamix": [*(f"Figure {n}" for n in range(1, 9)), *(f"Table {n}" for n in range(1, 9))],
    "mixup-calibration": [
        *("Figure 1", "Figure 2 a-d", "Figure 2, middle", "Figure 2 e, f", "Figure 2 h-j"),
        *(f"Figure {n}" for n in range(3, 11)),
        *("Table 1", "Table 2a", "Table 2b", "Table 3"),
    ],
    "mbls": ["Table 1", "Table 2", "Figure 1", "Figure 2", "Figure 3", "Proposition 1"],
}
ALL = [(paper, item) for paper, plan in plans().items() for item in plan.item]


def test_the_plans_are_the_papers_items():
    assert {paper: sorted(item.where for item in plan.item) for paper, plan in plans().items()} == {
        paper: sorted(items) for paper, items in ITEMS.items()
    }


@pytest.mark.parametrize(("paper", "item"), ALL, ids=lambda part: getattr(part, "id", part))
def test_an_item_asks_for_what_can_be_trained(paper, item):
    plan = plans()[paper]
    assert {each.kind for each in item.figures} <= set(KINDS)
    if item.drawing or item.computed:
        assert not item.rows
        return
    assert item.small, "nothing stands for it on two cores"
    assert item.columns
    assert item.measures
    assert set(item.small.values()) <= set(beds())
    for scale in ("paper", "small"):
        for column, wanted in requests(plan, item, scale).items():
            _, design = plan.design_of(item, column, scale)
            assert design.epochs >= 1  # its recipe can be made
            for each in wanted:
                assert parse(each.method).passes > 0


def test_published_numbers_are_those_of_the_papers():
    """Spot checks against the papers' text: a transposed row shows here."""
    pls, lamix, mbls = plans()["pls"], plans()["lamix"], plans()["mbls"]
    best = {column: min(values, key=number) for column, values in pls.find("table-1").published["error"].items()}
    assert set(best.values()) == {".47±.03", "3.96±.05", "2.68±.09", "3.63±.10", "19.14±.20", "35.26±.10"}
    assert lamix.find("table-6").published["error"]["tiny-r50"][-1] == "28.85±.15"
    for column, before in mbls.find("table-1").published["ece_raw"].items():
        assert min(before, key=number) == before[-1], f"{column}: MbLS has the least ECE before scaling"
    ece, oe = (plans()["logitmix"].find("table-2").published[name] for name in ("ece_raw", "oe_raw"))
    wrong = {(c, i) for c in ece for i in range(5) if number(oe[c][i]) > number(ece[c][i])}
    assert wrong == {("ilsvrc-r50", 3), ("ilsvrc-r50", 4)}, "the two that cannot be right are known"


def test_a_plan_that_is_wrong_is_refused_with_its_place():
    head = 'title = "t"\nidea = "i"\nsentence = "pls"\nselection = "last epoch"\n'
    body = '[[item]]\nid = "a"\nwhere = "Table 1"\nshows = "s"\nmeasures = ["error"]\n'
    design = '[design]\nd = {set = "digits"}\n'
    with pytest.raises(ValueError, match=r"my.toml: a names the design 'e'"):
        read(head + design + body + 'columns = ["e"]\n', "my.toml")
    with pytest.raises(ValueError, match="1 rows, but 2 published"):
        read(
            head + design + body + 'columns = ["d"]\nrows = [["x", "pls"]]\npublished = {error = {d = ["1", "2"]}}', "m"
        )
    with pytest.raises(ValueError, match="is not TOML"):
        read("= 1", "m")
    with pytest.raises(ValueError, match=r"item\.0\.colums"):
        read(head + design + body + "colums = []\n", "m")


def test_what_is_shown_beside_the_published_number(tmp_path):
    paper, plan, item = find(plans(), "pls/table-1")
    results = Results(tmp_path)
    for seed, accuracy in enumerate((0.90, 0.92)):
        record = {"method": "pls", "sentence": str(parse("pls")), "seed": seed, "series": {}, "complete": True}
        record |= {"record": [], "probes": [], "measures": {"accuracy_raw": accuracy}}
        results.add("F", beds()["F"], record)
    shown = [cell for cell in cells(paper, plan, item, "small", results) if cell.n]
    assert len(shown) == 1
    cell = shown[0]
    assert (cell.label, cell.published, cell.n) == ("PLS", "3.96±.05", 2)
    assert cell.ours == pytest.approx(9.0)
    assert cell.difference == pytest.approx(5.04)
    assert cell.hi - cell.ours == pytest.approx(12.7062 * math.sqrt(2) / math.sqrt(2), rel=1e-4)


def test_best_test_epoch_is_a_column_of_its_own_where_curves_are_there(tmp_path):
    paper, plan, item = find(plans(), "mixup-calibration/table-2a")
    series = {"accuracy": [0.5, 0.9, 0.8], "ece": [0.3, 0.2, 0.1]}
    record = {"method": "vanilla", "sentence": str(parse("vanilla")), "seed": 0, "series": series, "complete": True}
    record |= {"record": [], "probes": [], "measures": {"accuracy_raw": 0.8, "ece_raw": 0.1}}
    Results(tmp_path).add("C", beds()["C"], record)
    shown = {cell.measure: cell for cell in cells(paper, plan, item, "small", Results(tmp_path)) if cell.n}
    assert (shown["accuracy_raw"].ours, shown["accuracy_raw"].best) == (80, 90)
    assert (shown["ece_raw"].ours, shown["ece_raw"].best) == (0.1, 0.2)


@pytest.fixture
def here(monkeypatch):
    """Runs in this process, and a speed that need not be timed."""

    def in_this_process(whole, folder, runs, *, jobs, report):
        for run in runs:
            report("start", run, None)
            execute(run, whole.data, folder.run(run), lambda _: None, lambda: False)
            answer(run, whole.data, folder.run(run), whole.probes, lambda: False, lambda _: None)
            report("done", run, None)
        return {}

    monkeypatch.setattr(compare, "carry_out", in_this_process)
    monkeypatch.setattr(speed, "measured", lambda *_: speed.Speed("here", 1e-5, 1e-5, 1e-11))


OWN = """
title = "A study of mine"
idea = "i"
sentence = "mixup"
selection = "last epoch"
[design]
d = {set = "digits", network = "mlp(width=16, depth=1)", training = {epochs = 2}, seeds = 2}
e = {set = "cifar100", network = "lenet"}
[[item]]
id = "table-1"
where = "Table 1"
shows = "two methods"
measures = ["error", "ece_raw"]
columns = ["d", "e"]
small = {d = "tiny"}
rows = [["Plain", "vanilla"], ["Mixup", "mixup(alpha=0.4)"]]
published = {error = {d = ["10.0", "9.0±.1"]}}
[[item]]
id = "figure-1"
where = "Figure 1"
shows = "the first of them again"
measures = ["winning_50"]
figures = [{kind = "winning"}, {kind = "embedding"}]
columns = ["d"]
small = {d = "tiny"}
rows = [["Plain", "vanilla"]]
"""


def test_a_plan_of_ones_own_from_the_command_line(tmp_path, here):
    file, out = tmp_path / "mine.toml", tmp_path / "out"
    file.write_text(OWN)

    def call(*words):
        found = CliRunner().invoke(app, ["reproduce", *words, "--plan", str(file), "--out", str(out), "--jobs", "1"])
        return found

    made = call("mine/table-1", "--json")
    assert made.exit_code == 0, made.output
    result = json.loads(made.stdout)
    assert [(c["measure"], c["label"], c["n"]) for c in result["cells"]] == [
        ("error", "Plain", 2),
        ("error", "Mixup", 2),
        ("ece_raw", "Plain", 2),
        ("ece_raw", "Mixup", 2),
    ]
    first = result["cells"][0]
    assert first["difference"] == pytest.approx(first["ours"] - 10)
    runs = sorted((out / "runs").glob("*/runs/*"))
    assert len(runs) == 4
    text = call("mine/figure-1")  # its runs are there already
    assert "winning_50" in text.stdout
    assert [file.name for file in (out / "figures").iterdir()] == ["mine-figure-1-d-small-1.png"]
    assert "d: no figure, no embeddings" in text.stderr, "what was not recorded is not drawn"
    assert sorted((out / "runs").glob("*/runs/*")) == runs
    states = {entry["item"]: entry for entry in listing({"mine": read(OWN, "mine")}, out)}
    assert states["mine/figure-1"]["small"]["words"] == "done"
    assert states["mine/table-1"]["paper"]["words"] == "not run (data missing: CIFAR-100)"
    refused = call("mine/table-9")
    assert refused.exit_code == 2
    assert "figure-1" in refused.stderr


def test_at_the_papers_scale_what_has_no_data_is_left_out_and_said(tmp_path, here, monkeypatch):
    monkeypatch.setenv("LEVELHEAD_DATA", str(tmp_path))
    file = tmp_path / "mine.toml"
    file.write_text(OWN)
    words = ["reproduce", "mine/table-1", "--scale", "paper", "--plan", str(file), "--out", str(tmp_path / "out")]
    made = CliRunner().invoke(app, [*words, "--seeds", "1", "--json"])
    assert made.exit_code == 0, made.output
    result = json.loads(made.stdout)
    assert result["left_out"] == {"e": "data missing: CIFAR-100"}
    assert [cell["n"] for cell in result["cells"] if cell["column"] == "d"] == [1, 1, 1, 1]


def test_the_plan_in_the_docs_can_be_copied_and_run(tmp_path, here):
    """As it stands there, on a smaller design."""
    text = (Path(__file__).parents[2] / "docs" / "reproduce.md").read_text().split("```toml\n")[1].split("```")[0]
    read(text, "the docs")
    file = tmp_path / "mine.toml"
    small = '{set = "digits", network = "mlp(width=16, depth=1)", training = {epochs = 1}, seeds = 1}'
    file.write_text(re.sub(r"photos = \{set.*\}", f"photos = {small}", text))
    words = ["reproduce", "mine/table-1", "--plan", str(file), "--out", str(tmp_path / "out"), "--jobs", "1", "--json"]
    made = CliRunner().invoke(app, words)
    assert made.exit_code == 0, made.output
    cells_made = json.loads(made.stdout)["cells"]
    assert [cell["n"] for cell in cells_made] == [1] * 12
    assert {cell["label"] for cell in cells_made} == {"plain", "mixup 0.2", "mixup 1", "mixup 2"}
    listed = CliRunner().invoke(app, ["reproduce", "mine", "--plan", str(file), "--out", str(tmp_path / "out")])
    assert "done: 4/4 runs" in " ".join(listed.stdout.split())


def test_an_item_on_other_data(tmp_path, here):
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    np.savez(tmp_path / "mine.npz", train_x=rng.normal(size=(300, 4)) + labels[:, None], train_y=labels)
    file, out = tmp_path / "mine.toml", tmp_path / "out"
    file.write_text(OWN)
    words = ["--plan", str(file), "--out", str(out), "--jobs", "1", "--json", "--data", str(tmp_path / "mine.npz")]
    made = CliRunner().invoke(app, ["reproduce", "mine/table-1", "--seeds", "1", *words])
    assert made.exit_code == 0, made.output
    result = json.loads(made.stdout)
    assert [(cell["label"], cell["n"], cell["published"]) for cell in result["cells"]] == [
        ("Plain", 1, ""), ("Mixup", 1, ""), ("Plain", 1, ""), ("Mixup", 1, "")
    ]  # fmt: skip
    assert "mine" in result["designs"]["d"]
    assert not list((out / "results").glob("tiny/*")), "they are no runs of the bed"
    for item in ("mine", None):
        assert CliRunner().invoke(app, ["reproduce", *([item] if item else []), *words]).exit_code == 2
    assert CliRunner().invoke(app, ["reproduce", "mbls/proposition-1", *words]).exit_code == 2


def test_a_plans_own_bed_and_one_that_is_not_there():
    bed_of = '[bed]\nmy = {set = "spiral", network = "mlp", seeds = 1}\n'
    item = (
        '[[item]]\nid = "a"\nwhere = "w"\nshows = "s"\nmeasures = ["error"]\ncolumns = ["d"]\nrows = [["x", "pls"]]\n'
    )
    head = 'title = "t"\nidea = "i"\nsentence = "pls"\nselection = "last epoch"\n[design]\nd = {set = "digits"}\n'
    plan = read(head + bed_of + item + 'small = {d = "my"}', "m")
    assert plan.design_of(plan.item[0], "d", "small")[1].set == "spiral"
    with pytest.raises(ValueError, match="m: a, d: unknown bed 'mi'"):
        read(head + bed_of + item + 'small = {d = "mi"}', "m")


def test_runs_of_a_comparison_are_taken_and_a_strange_one_is_refused(tmp_path, here):
    file, out = tmp_path / "mine.toml", tmp_path / "out"
    file.write_text(OWN)
    words = ["--model", "mlp(width=16, depth=1)", "--method", "vanilla", "--seeds", "2", "--jobs", "1"]
    for epochs in ("2", "1"):
        given = ["compare", "--data", "digits", *words, "--epochs", epochs, "--out", str(tmp_path / epochs)]
        assert CliRunner().invoke(app, given).exit_code == 0

    def call(source, name="mine/figure-1"):
        given = ["reproduce", name, "--plan", str(file), "--out", str(out), "--from", str(source), "--jobs", "1"]
        return CliRunner().invoke(app, given)

    refused = call(tmp_path / "1")
    assert refused.exit_code == 2
    assert "its runs are not those of d: recipe.epochs (1 there, 2 here)" in " ".join(refused.stderr.split())
    assert not (out / "runs").exists(), "nothing was trained"
    made = call(tmp_path / "2")
    assert made.exit_code == 0, made.output
    assert "2 of 2 runs taken" in made.stderr
    assert list((out / "figures").glob("mine-figure-1-d-small-1.png")), "a taken run can be drawn"
    assert call(tmp_path).exit_code == 2, "no comparison"


def test_label_entropy_is_that_of_the_beta():
    heads, rows = label_entropy()
    assert heads[0] == "alpha"
    by_alpha = {row[0]: row for row in rows}
    assert by_alpha[1.0][1] == pytest.approx(0.5, abs=1e-3)  # uniform: mean entropy is 1/2 nat
    shares = [row[-1] for row in rows]
    assert shares == sorted(shares, reverse=True), "small alpha hardly mixes"


def test_the_proposition_holds_on_every_draw():
    _, rows = proposition()
    assert np.array(rows)[:, 1:].min() > -1e-6


def test_times_for_people():
    assert [speed.words(t) for t in (40, 5400, 200000, 4e7)] == ["1 min", "1.5 h", "2.3 days", "1.3 years"]


def test_an_epoch_is_chosen_on_examples_of_its_own():
    asked = {"set": "digits", "network": "mlp(width=16, depth=1)", "train_size": 200}
    plain, chosen = (
        comparison(Design(**asked, training={"epochs": 2, **more}), ["vanilla"], [0], devices="cpu")
        for more in ({}, {"select": "nll"})
    )
    assert set(plain.data.splits) == {"train", "cal", "test"}
    assert set(chosen.data.splits) == {"train", "val", "cal", "test"}
    chosen.check()
