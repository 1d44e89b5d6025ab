import pytest

from levelhead.report import rounding


@pytest.mark.parametrize(
    ("value", "digits", "sign", "shown"),
    [
        (0.12345, 3, False, "0.123"),
        (-0.5, 1, False, "−0.5"),
        (0.5, 1, True, "+0.5"),
        (-0.0004, 3, True, "0.000"),  # no sign before a zero
        (0.0, 2, True, "0.00"),
        (12345.678, 1, False, "12,345.7"),
        (None, 3, False, "–"),
        (float("nan"), 3, False, "–"),
        (float("inf"), 3, False, "–"),
    ],
)
def test_fixed(value, digits, sign, shown):
    assert rounding.fixed(value, digits, sign=sign) == shown


def test_narrow_intervals_get_a_fourth_decimal():
    assert rounding.digits_for(0.4, 0.39, 0.41) == 3
    assert rounding.digits_for(0.4, 0.399, 0.401) == 4
    assert rounding.digits_for(0.4) == 3
    assert rounding.digits_for(-0.004) == 4
    assert rounding.digits_for(None) == 3


def test_bounds():
    assert rounding.bounds(-0.1, 0.2, 2) == "[−0.10, 0.20]"
    assert rounding.bounds(None, 0.2, 2) == ""
    assert rounding.bounds(float("nan"), float("nan"), 2) == ""


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([40.0, 162.4], ["40 s", "162 s"]),
        ([3.25, 40.0], ["3.2 s", "40.0 s"]),
        ([60.0, 600.0, None], ["1.0 min", "10.0 min", "–"]),
        ([1800.0, 10_800.0], ["0.50 h", "3.00 h"]),
        ([], []),
        ([None], ["–"]),
    ],
)
def test_a_column_of_durations_has_one_unit(values, shown):
    assert rounding.durations(values) == shown


def test_counts_and_multiples():
    assert rounding.count(10_000) == "10,000"
    assert rounding.count(None) == "–"
    assert [rounding.times(x) for x in (1, 2.0, 1.5, 0.333, None)] == ["1", "2", "1.5", "0.33", "–"]


@pytest.mark.parametrize(
    ("lo", "hi", "apart"),
    [(-0.1, 0.1, False), (0.0, 0.1, False), (0.01, 0.1, True), (-0.2, -0.1, True), (None, None, None)],
)
def test_told_apart_is_leaving_out_zero(lo, hi, apart):
    assert rounding.told_apart({"diff_lo": lo, "diff_hi": hi}) is apart


def test_half_width():
    assert rounding.half_width({"lo": 0.2, "hi": 0.3}) == pytest.approx(0.05)
    assert rounding.half_width({"lo": None, "hi": None}) is None
    assert rounding.half_width(None) is None
