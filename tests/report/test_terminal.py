import copy
import io
import json

import pytest
from rich.console import Console

from levelhead.report.terminal import leaderboard, notes, print_summary
from report.conftest import HOSTILE


@pytest.fixture(scope="module")
def summary(usual):
    return json.loads((usual / "summary.json").read_text())


def printed(summary, width=110, terminal=False):
    stream = io.StringIO()
    print_summary(summary, Console(file=stream, width=width, force_terminal=terminal, legacy_windows=False))
    return stream.getvalue()


@pytest.mark.parametrize("width", [110, 80])
def test_every_number_of_every_row_is_there(summary, width):
    lines = printed(summary, width).splitlines()
    assert max(map(len, lines)) <= width
    for row in summary["rows"]:
        line = next(line for line in lines if line.startswith(row["method"][:10]))
        metrics = row["metrics"]
        nll = metrics["nll_scaled"]
        assert f"{nll['mean']:.3f} ±{(nll['hi'] - nll['lo']) / 2:.3f}" in line
        assert f"{metrics['ece_raw']['mean']:.3f}" in line
        assert f"{metrics['gap_raw']['mean']:+.3f}" in line
        assert f"{100 * metrics['accuracy_raw']['mean']:.1f}" in line
        assert f"{row['temperature']:.2f}" in line
        assert f"{row['seconds']:.0f} s" in line


def test_best_is_first_and_marks_are_explained(summary):
    text = printed(summary)
    order = [text.index(f"\n{row['method']}") for row in summary["rows"]]
    assert order == sorted(order)
    assert "mixup *" in text
    assert "* recommended, by its NLL on cal." in text
    assert "(base)" in text
    undecided = [r for r in summary["rows"] if not r["baseline"] and r["metrics"]["nll_scaled"]["diff_lo"] <= 0]
    undecided = [r for r in undecided if r["metrics"]["nll_scaled"]["diff_hi"] >= 0]
    table = text[: text.index("test, n =")]
    assert table.count("~") == len(undecided) > 0
    assert "~ these seeds cannot tell" in text


def test_verdict_warnings_and_failures_follow(summary):
    failed = {**summary, "failed": [{"method": "pls", "seed": 2, "reason": "the loss became NaN at step 7"}]}
    text = printed(failed)
    assert text.index("test, n = 600") < text.index(summary["verdict"][0]) < text.index("Warning: Few seeds")
    assert HOSTILE in text
    assert "Warning: pls, seed 2, failed: the loss became NaN at step 7" in text


def test_no_colour_codes_unless_it_is_a_terminal(summary):
    assert "\x1b" not in printed(summary)
    assert "\x1b[" in printed(summary, terminal=True)


def test_names_are_not_markup(summary):
    odd = copy.deepcopy(summary)
    odd["rows"][0]["method"], odd["baseline"] = "[red]x[/red]", "[b]"
    text = printed(odd)
    assert "[red]x[/red]" in text
    assert "[b]" in text


def test_one_seed_has_no_intervals_and_says_so(comparison):
    summary = json.loads((comparison(seeds=1) / "summary.json").read_text())
    text = printed(summary)
    assert "±" not in text
    assert "~" not in text
    assert "One seed: no intervals" in text


def test_without_a_baseline_there_is_no_column_for_it(comparison):
    summary = json.loads((comparison(methods=("mixup", "pls"), baseline=None) / "summary.json").read_text())
    assert "vs" not in [column.header.plain.split("\n")[0] for column in leaderboard(summary).columns[1:]]
    assert "None" not in printed(summary)


def test_undefined_numbers_are_dashes():
    row = {
        "method": "a",
        "n_seeds": 1,
        "passes": 1,
        "seconds": None,
        "temperature": None,
        "metrics": {"nll_scaled": None},
    }
    text = printed({"baseline": None, "rows": [row], "n_test": None})
    (line,) = [line for line in text.splitlines() if line.startswith("a ")]
    assert line.split() == ["a", "-", "-", "-", "-", "-", "1", "-"]


def test_no_rows_at_all():
    empty = {
        "baseline": None,
        "rows": [],
        "verdict": ["Nothing finished."],
        "failed": [{"method": "a", "seed": 0, "reason": "NaN"}],
    }
    text = printed(empty)
    assert "Nothing finished." in text
    assert "a, seed 0, failed: NaN" in text
    assert notes(empty)
