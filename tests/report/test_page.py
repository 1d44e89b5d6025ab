import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from levelhead.report import build
from report.conftest import HOSTILE, METHODS

VOID = {"meta", "link", "br", "input", "img", "hr"}
LIMIT = 8_000_000


class Page(HTMLParser):
    """Reads a page strictly: every element closed in order; keeps text, attributes and scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice in <{tag}>"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def figures(self):
        return json.loads(self.scripts[0])

    def ids(self):
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    def with_class(self, name):
        return [(tag, a) for tag, a in self.tags if name in (a.get("class") or "").split()]


@pytest.fixture(scope="module")
def page(usual):
    return Page(build(usual))


def test_it_is_one_well_formed_page_within_the_limit(page, usual):
    assert page.source.lstrip().lower().startswith("<!doctype html>")
    assert (usual / "report.html").stat().st_size < LIMIT
    assert len(page.ids()) == len(set(page.ids()))
    assert len(page.scripts) == 4  # figures, the classes' texts, plotly, behaviour


def test_nothing_is_loaded_from_anywhere(page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(name) or ""
            assert value.startswith(("#", "data:")) or not value, f"<{tag} {name}={value}>"
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    style = page.source[page.source.index("<style>") : page.source.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_links_within_the_page_lead_somewhere(page):
    targets = {a["href"][1:] for tag, a in page.tags if tag == "a"}
    assert targets <= set(page.ids())
    references = {word for _, a in page.tags for word in (a.get("aria-labelledby") or "").split()}
    assert references <= set(page.ids())


def test_user_text_is_escaped_everywhere(page):
    assert HOSTILE in page.text  # as a class and in the verdict, as text
    assert HOSTILE not in page.source
    assert "alert(1)" not in page.scripts[1] + page.scripts[2]
    assert not any(tag == "script" and "alert" in str(a) for tag, a in page.tags)


def test_hostile_names_of_methods_stay_text(comparison):
    names = ("vanilla", HOSTILE, '"><img src=x onerror=alert(2)>', "</script><b>", "a' & b")
    hostile = Page(build(comparison(methods=names, seeds=1, name=HOSTILE)))
    assert "img" not in {tag for tag, _ in hostile.tags}
    assert not [a for _, a in hostile.tags if any(name.startswith("on") for name in a)]
    for name in names:
        assert name in hostile.text.replace("\xa0", " ")
    # plotly reads HTML in its texts, so there a name is escaped once more
    labels = hostile.figures["differences"]["layout"]["yaxis"]["ticktext"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in labels
    assert not any("<" in trace["name"] for trace in hostile.figures["tradeoff"]["traces"] if "name" in trace)


def test_the_first_screen_says_what_was_asked_and_what_to_do(page):
    first = page.text[: page.text.index("Leaderboard Is it real?")]
    for words in (
        "pets",
        "442 train, 300 cal, 600 test",
        "small, 77,690 parameters",
        "Take the first",
        "Tentatively take mixup",
    ):
        assert words in first
    assert "NLL on cal (chosen by this)" in first
    assert "Few seeds cannot show small differences." in first


def test_the_table_is_semantic_and_sortable(page):
    tables = [a for tag, a in page.tags if tag == "table" and a.get("class") == "sortable"]
    assert [a["id"] for a in tables] == ["leading", "everything-0", "everything-1", "everything-2", "classes"]
    headings = [a for tag, a in page.tags if tag == "th" and a.get("scope") == "col"]
    assert [a["aria-sort"] for a in headings if "aria-sort" in a] == ["ascending"] * 2  # leading, classes
    sortable = sum(tag == "th" and a.get("scope") == "row" and "data-sort" in a for tag, a in page.tags)
    assert sortable == 4 * len(METHODS) + 4  # four tables a row a method, one a row a class
    assert sum(tag == "button" for tag, _ in page.tags) >= 12


def test_rows_show_the_summary_rounded_and_sort_by_it_unrounded(page, usual):
    summary = json.loads((usual / "summary.json").read_text())
    values = {a["data-sort"] for tag, a in page.tags if tag == "td" and "data-sort" in a}
    for row in summary["rows"]:
        for key in ("nll_scaled", "ece_raw", "gap_raw", "accuracy_raw"):
            assert repr(row["metrics"][key]["mean"]) in values
        assert f"{100 * row['metrics']['accuracy_raw']['mean']:.2f} %" in page.text


def test_differences_that_the_seeds_cannot_tell_are_marked(page, usual):
    summary = json.loads((usual / "summary.json").read_text())
    keys = [f"{key}_{state}" for key in ("nll", "ece", "brier", "oe", "mce") for state in ("raw", "scaled")]
    cells = [row["metrics"][key] for row in summary["rows"] for key in keys if not row["baseline"]]
    assert any(c["diff_lo"] <= 0 <= c["diff_hi"] for c in cells)
    assert page.with_class("same")
    assert page.with_class("better")
    assert "seeds cannot tell" in page.text


def test_every_figure_has_a_place_and_data(page):
    figures, places = page.figures, [a["id"] for _, a in page.with_class("plot")]
    wanted = {"differences", "tradeoff", "loss", "cal_nll"}
    wanted |= {f"{kind}-{i}" for kind in ("reliability", "confidence") for i in range(len(METHODS))}
    assert set(places) == set(figures) == wanted
    for name, figure in figures.items():
        for traces in figure["states"].values() if "states" in figure else [figure["traces"]]:
            assert traces, name
            assert all(len(trace["x"]) == len(trace["y"]) <= 2000 for trace in traces)
            assert any(len(trace["x"]) for trace in traces), name
    assert all(a.get("aria-label") and a.get("role") == "img" for _, a in page.with_class("plot"))


def test_diagrams_hold_every_prediction_before_and_after(page):
    for name in ("reliability-0", "confidence-0"):
        states = page.figures[name]["states"]
        index = 0 if name.startswith("reliability") else 2
        for traces in states.values():
            counts = [point[index] for trace in traces for point in trace.get("customdata", [])]
            assert sum(counts) == 3 * 600
            assert 0 not in counts  # an empty bin is not drawn


def test_curves_are_means_over_seeds(page):
    (vanilla,) = [t for t in page.figures["loss"]["traces"] if t["name"] == "vanilla"]
    assert vanilla["x"] == list(range(1, 9))
    assert vanilla["y"][0] == pytest.approx(0.4 + 1.55 * 2.718281828 ** (-1 / 3), rel=1e-3)  # seeds 1.5, 1.55, 1.6


def test_numbers_have_at_most_four_digits(page):
    numbers = re.findall(r"-?\d+\.\d+(?:e-?\d+)?", page.scripts[0])
    assert numbers
    assert all(len(re.sub(r"e.*|[-.]", "", number).lstrip("0")) <= 4 for number in numbers)


def test_data_and_how_to_repeat_it(page):
    for words in ("naïve ✓", "dog & cow", "The rarest class in train is cat (100)", "cal was cut from train"):
        assert words in page.text
    for words in ("levelhead compare --data pets", "data.fingerprint", "f00d" * 16, "recipe.lr", "0.1", "2.13.0"):
        assert words in page.text
    assert "runs/0000000000000002" in page.text


def test_the_same_folder_gives_the_same_page_and_nothing_else(usual):
    first = build(usual).read_bytes()
    assert build(usual).read_bytes() == first
    assert sorted(path.name for path in usual.iterdir()) == [
        "comparison.json",
        "metrics.json",
        "report.html",
        "results.json",
        "runs",
        "summary.json",
    ]


def test_one_seed(comparison):
    page = Page(build(comparison(seeds=1, cal_nll=False, recommended="vanilla")))
    assert "one seed, so there are no intervals" in page.text
    assert "One seed has no interval" in page.text
    assert not page.with_class("same")
    assert "cal_nll" not in page.figures
    assert "It is the baseline itself." in page.text
    assert "Take vanilla" in page.text


def test_no_baseline_and_no_recommendation(comparison):
    page = Page(build(comparison(methods=("mixup", "pls"), baseline=None)))
    assert "There is no baseline among the methods" in page.text
    assert "No method is recommended" in page.text
    assert "differences" not in page.figures
    assert "None" not in page.text


def test_a_recommendation_that_the_seeds_can_tell_is_not_tentative(comparison):
    folder = comparison(methods=("vanilla", "mixup"), recommended="mixup")
    summary = json.loads((folder / "summary.json").read_text())
    for row in summary["rows"]:
        row["cal_nll"] |= {"diff": -0.2, "diff_lo": -0.3, "diff_hi": -0.1}
    (folder / "summary.json").write_text(json.dumps(summary))
    text = Page(build(folder)).text
    assert "Take mixup" in text
    assert "Tentatively" not in text


def test_failed_runs_are_named(comparison):
    failed = [{"method": "pls", "seed": 2, "reason": "the loss became NaN at step 7"}]
    page = Page(build(comparison(methods=("vanilla", "pls"), failed=failed)))
    assert "pls, seed 2, failed and is in no number here: the loss became NaN at step 7" in page.text


def test_no_history_and_lost_predictions(comparison):
    folder = comparison(methods=("vanilla", "pls"), seeds=2)
    for path in folder.glob("runs/*/run.json"):
        path.write_text(json.dumps({"method": "vanilla", "history": []}))
    for path in folder.glob("runs/00000001*/test.safetensors"):
        path.unlink()
    page = Page(build(folder))
    assert "loss" not in page.figures
    assert "Its predictions are not in the folder" in page.text
    assert "pls, seed 1, cannot be shown" in page.text
    assert {"reliability-0", "confidence-0"} <= set(page.figures) or {"reliability-1", "confidence-1"} <= set(
        page.figures
    )


def test_probabilities_instead_of_logits(comparison):
    page = Page(build(comparison(methods=("vanilla", "uls"), kind="probs")))
    assert page.figures["reliability-0"]["states"]["scaled"]


def test_no_temperature_means_no_view_after_scaling(comparison):
    folder = comparison(methods=("vanilla", "uls"), seeds=1)
    results = json.loads((folder / "results.json").read_text())
    for result in results:
        result["temperature"], result["scaled"] = None, None
    (folder / "results.json").write_text(json.dumps(results))
    page = Page(build(folder))
    assert page.figures["confidence-0"]["states"]["scaled"] is None
    assert page.figures["reliability-0"]["states"]["raw"]


def test_no_run_has_finished(comparison):
    folder = comparison(methods=("vanilla",), seeds=1)
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, "rows": [], "verdict": [], "recommended": None}))
    (folder / "results.json").write_text("[]")
    page = Page(build(folder))
    assert "No run has finished" in page.text
    assert page.figures == {}


def test_nothing_but_rows(comparison):
    """The least that counts as a comparison: names of methods and no number at all."""
    folder = comparison(methods=("vanilla",), seeds=1)
    (folder / "summary.json").write_text('{"rows": [{"method": "a"}, {"method": "b"}]}')
    (folder / "comparison.json").write_text("{}")
    (folder / "results.json").write_text("[]")
    shutil.rmtree(folder / "runs")
    page = Page(build(folder))
    assert "a" in page.text
    assert "No verdict was written" in page.text


def test_two_hundred_classes(comparison):
    names = [f"species {i}" for i in range(200)]
    page = Page(build(comparison(classes=names, methods=("vanilla", "mixup"), n_test=400)))
    assert "200 classes" in page.text
    assert "species 199" in page.text
    assert len(page.figures["confidence-0"]["states"]["raw"][0]["x"]) > 1


def test_forty_methods_of_many_epochs_stay_within_the_limit(comparison):
    methods = ["vanilla", *(f"method {i}" for i in range(39))]
    path = build(comparison(methods=methods, seeds=1, n_test=60, n_cal=40, epochs=2500))
    assert path.stat().st_size < LIMIT
    figures = Page(path).figures
    assert len(figures["loss"]["traces"]) == 40
    assert max(len(trace["x"]) for trace in figures["loss"]["traces"]) <= 2000
    assert figures["loss"]["traces"][0]["x"][-1] == 2500


def test_a_folder_that_is_no_comparison(tmp_path):
    with pytest.raises(ValueError, match=r"comparison\.json, summary\.json, results\.json missing"):
        build(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_heavy_libraries_are_imported_when_needed_only():
    code = (
        "import sys, levelhead.plots, levelhead.report, levelhead.plots.leaderboard, levelhead.report.terminal;"
        "print([m for m in ('matplotlib', 'plotly', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
