"""The table of methods as LaTeX and Markdown: the page's numbers and marks, names as text."""

import json
import re

import pytest

from levelhead.plots.comparison import read
from levelhead.plots.standing import standing
from levelhead.report.page import build
from levelhead.report.typeset import caption, escaped_latex, escaped_markdown, latex, markdown, table_of

HOSTILE = r"50%_a|b & \input{x} $y$ [z](w) *v* <b>"


@pytest.fixture
def folder(comparison):
    return comparison(methods=("vanilla", HOSTILE, "mixup", "uls"), recommended="mixup")


def result(method, seed, nll, role="test"):
    return {"method": method, "seed": seed, "role": role, "scaled": {"nll": nll}}


def test_standing_by_hand():
    # the second is .01 above the best whatever the seed; the third above and below it; the fourth has one seed
    rows = [(0.30, 0.31, 0.29, 0.5), (0.40, 0.411, 0.43, None), (0.35, 0.359, 0.36, None)]
    results = [
        result(name, seed, value)
        for seed, row in enumerate(rows)
        for name, value in zip("abcd", row, strict=True)
        if value is not None
    ]
    found = {each.method: each for each in standing(results, measure="nll", state="scaled")}
    assert {name: each.mark for name, each in found.items()} == {"a": "best", "b": "worse", "c": "same", "d": ""}
    assert found["b"].table()["diff"] == pytest.approx(0.01)
    assert found["a"].table()["diff"] is None
    assert found["d"].table()["diff_lo"] is None


def test_the_best_is_the_highest_where_more_is_better_and_nobody_stands_alone():
    results = [result(name, seed, value) for seed in (0, 1) for name, value in (("a", 0.5 + seed), ("b", 0.7 + seed))]
    marks = [each.mark for each in standing(results, measure="nll", state="scaled", lower_is_better=False)]
    assert marks == ["worse", "best"]
    assert standing(results[:1], measure="nll", state="scaled") == ()
    assert standing(results, measure="nll", state="raw") == ()
    assert standing(results, measure="nll", state="scaled", role="cal") == ()


@pytest.mark.parametrize("sign", [1, -1])
def test_nobody_is_worse_than_a_best_whose_other_seeds_were_easier(sign):
    # a has easy seeds alone; on those that both have, b is better on each, and c worse
    rows = {"a": [0.50, 0.52, 0.51, 0.3, 0.3, 0.3], "b": [0.45, 0.471, 0.46], "c": [0.60, 0.622, 0.61]}
    results = [result(name, seed, sign * value) for name, row in rows.items() for seed, value in enumerate(row)]
    found = standing(results, measure="nll", state="scaled", lower_is_better=sign > 0)
    assert {each.method: each.mark for each in found} == {"a": "best", "b": "", "c": "worse"}


def test_latex_is_a_whole_table_with_every_cell_and_no_name_is_a_command(folder):
    text = latex(read(folder))
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 2 + 2 * 4  # two of headings; intervals below the numbers
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows[1:]} == {10}
    assert text.count(r"\multicolumn") == 5
    for opening, closing in ((r"(?<!\\)\{", r"(?<!\\)\}"), (r"\\begin", r"\\end")):
        assert len(re.findall(opening, text)) == len(re.findall(closing, text))
    assert r"50\%\_a\textbar{}b \& \textbackslash{}input\{x\} \$y\$ [z](w) *v* \textless{}b\textgreater{}" in text
    assert r"\input{" not in text
    assert text.count(r"\textbf{") == 4
    assert "n = 600; means over 3 seeds with 95 \\% Student-t intervals" in text


def test_markdown_has_a_cell_for_every_heading_and_no_name_is_markup(folder):
    lines = markdown(read(folder)).splitlines()
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines[:6]}) == 1
    assert escaped_markdown(HOSTILE) in "\n".join(lines)
    assert escaped_markdown("~~x~~ &lt;") == r"\~\~x\~\~ \&lt;"
    assert escaped_markdown(HOSTILE) == r"50%\_a&#124;b \& \\input{x} \$y\$ \[z](w) \*v\* &lt;b>"
    assert sum(line.count("**") for line in lines[:6]) == 2 * 4


def test_one_seed_has_a_best_and_no_marks_of_chance(comparison):
    found = read(comparison(seeds=1))
    assert "one seed, so there are no intervals" in caption(found)
    assert "†" not in markdown(found)
    assert r"\scriptsize" not in latex(found)


def test_another_word_is_refused(folder):
    with pytest.raises(ValueError, match="must be latex or markdown, not 'excel'"):
        table_of(read(folder), "excel")
    assert escaped_latex("−1 ± 2 ~ ^") == r"$-$1 $\pm$ 2 \textasciitilde{} \textasciicircum{}"


def test_all_numbers_of_the_page_lie_beside_it(folder):
    page = build(folder).read_text(encoding="utf-8")
    found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert found["format"] == {"name": "levelhead comparison", "version": 1}
    assert {name: found[name] for name in ("rows", "verdict", "n_test", "baseline")} == {
        name: summary[name] for name in ("rows", "verdict", "n_test", "baseline")
    }
    assert {row["mark"] for row in found["standing"]["nll_scaled"]} <= {"best", "same", "worse"}
    best = next(row["method"] for row in found["standing"]["nll_scaled"] if row["mark"] == "best")
    assert best == summary["rows"][0]["method"]
    assert page.count('class="leader"') == len(found["standing"]) == 4
    assert set(found["figures"]) == {"differences", "tradeoff", "loss", "cal_nll", "turned"}
    for method in ("vanilla", "mixup", "uls"):
        for state in ("raw", "scaled"):
            view = found["diagrams"][method][state]
            assert sum(row["count"] for row in view["reliability"]) == 3 * 600
            assert sum(row["right"] + row["wrong"] for row in view["confidence"]) == 3 * 600
        assert sum(row["count"] for row in found["per_class"][method]) == 600
        assert found["mistakes"][method][0]["confidence"] > 0.5
