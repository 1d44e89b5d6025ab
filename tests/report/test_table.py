import pytest

from levelhead.report.measures import BY_KEY
from levelhead.report.table import difference_cell, everything, leading, value_cell

STATISTICS = {"mean": 0.4123, "lo": 0.4, "hi": 0.4246, "diff": -0.0312, "diff_lo": -0.05, "diff_hi": -0.0124}


def row(method, **more):
    nothing = dict.fromkeys(STATISTICS)
    metrics = {f"{key}_{state}": dict(STATISTICS) for key in BY_KEY for state in ("raw", "scaled")}
    if method == "vanilla":
        metrics = {name: {**nothing, "mean": 0.44} for name in metrics}
    return {"method": method, "sentence": method, "n_seeds": 3, "passes": 1, "seconds": 40.0, "metrics": metrics} | more


SUMMARY = {"baseline": "vanilla", "rows": [row("mixup", recommended=True), row("vanilla", baseline=True)]}


def heads(table):
    return [(group.head, [column.head for column in group.columns]) for group in table.groups]


def all_heads(summary):
    return [found for _, table in everything(summary) for found in heads(table)]


def test_scaled_nll_comes_first_then_calibration_before_scaling():
    assert heads(leading(SUMMARY)) == [
        ("after scaling", ["NLL", "vs vanilla", "ECE"]),
        ("before scaling", ["ECE", "vs vanilla", "gap"]),
        ("either", ["accuracy", "vs vanilla"]),
        ("", ["T"]),
        ("cost", ["passes", "time"]),
    ]


def test_without_a_baseline_there_are_no_differences():
    alone = {"baseline": None, "rows": [row("vanilla")]}
    assert not any("vs" in head for _, columns in heads(leading(alone)) for head in columns)
    assert not any("vs" in head for _, columns in all_heads(alone) for head in columns)


def test_cells_of_a_row():
    mixup, vanilla = leading(SUMMARY).rows
    texts = [cell.text for cell, _ in mixup.cells]
    assert texts[:3] == ["0.412", "−0.031", "0.412"]
    assert [cell.small for cell, _ in mixup.cells][:2] == ["[0.400, 0.425]", "[−0.050, −0.012]"]
    assert texts[6:8] == ["41.23 %", "−3.12"]
    assert texts[8:] == ["–", "1", "40 s"]
    assert [starts for _, starts in mixup.cells] == [True, False, False] * 2 + [True, False, True, True, False]
    assert vanilla.cells[1][0].text == ""
    assert vanilla.cells[1][0].sort is None
    assert (mixup.recommended, vanilla.baseline) == (True, True)


@pytest.mark.parametrize(
    ("key", "lo", "hi", "verdict"),
    [
        ("nll", -0.05, 0.01, "same"),
        ("nll", -0.05, -0.01, "better"),
        ("accuracy", -0.05, -0.01, "worse"),
        ("gap", -0.05, -0.01, ""),  # neither way is better
        ("nll", None, None, ""),  # one seed
    ],
)
def test_what_a_difference_amounts_to(key, lo, hi, verdict):
    assert difference_cell(BY_KEY[key], {"diff": -0.03, "diff_lo": lo, "diff_hi": hi}).verdict == verdict


def test_undefined_numbers_are_dashes_and_sort_nowhere():
    for nothing in ({}, {"mean": None}, {"mean": float("nan")}):
        cell = value_cell(BY_KEY["nll"], nothing)
        assert (cell.text, cell.sort) == ("–", None)
    assert difference_cell(BY_KEY["nll"], {"diff": None}).text == ""


def test_one_seed_has_a_mean_and_no_interval():
    cell = value_cell(BY_KEY["ece"], {"mean": 0.05, "lo": None, "hi": None})
    assert (cell.text, cell.small) == ("0.050", "")


def test_a_column_has_one_number_of_decimals():
    rows = [row("a"), row("b"), row("c")]
    for lo, item in zip((0.4122, 0.3, 0.3), rows):
        item["metrics"]["nll_scaled"] = {"mean": 0.41234, "lo": lo, "hi": 0.4124}
    texts = [item.cells[0][0].text for item in leading({"baseline": None, "rows": rows}).rows]
    assert texts == ["0.412"] * 3


def test_everything_has_all_nine_measures_before_and_after():
    groups = dict(all_heads(SUMMARY))
    assert len(groups) == 9
    assert groups["accuracy"] == ["mean", "vs vanilla"]
    assert groups["MCE"] == ["before", "vs vanilla", "after", "vs vanilla"]


def test_measures_that_no_row_has_are_left_out():
    few = {"baseline": None, "rows": [{"method": "a", "metrics": {"nll_scaled": {"mean": 1.0}}}]}
    assert all_heads(few) == [("NLL", ["after"])]
    assert leading(few).rows[0].cells[0][0].text == "1.000"
    assert leading({"baseline": None, "rows": [{"method": "a"}]}).rows[0].cells[0][0].text == "–"


def test_a_long_baseline_is_shortened_in_headings():
    long = {"baseline": "identity | one_hot | cross_entropy", "rows": SUMMARY["rows"]}
    assert leading(long).groups[0].columns[1].head == "vs identity | on…"
    assert "identity | one_hot | cross_entropy" in leading(long).groups[0].columns[1].title
