import json

import numpy as np
import pytest

from levelhead.report.embed import MAX_POINTS, compact, script_json, significant, thinned


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456, 0.1235),
        (123456.0, 123500),
        (-1.0, -1),
        (1e-9, 1e-9),
        (0.0, 0),
        (float("nan"), None),
        (float("-inf"), None),
    ],
)
def test_four_significant_digits(value, shown):
    assert significant(value) == shown


def test_whole_numbers_stay_exact():
    assert compact({"n": 123456, "seeds": np.array([123457]), "flag": True, "none": None}) == {
        "n": 123456,
        "seeds": [123457],
        "flag": True,
        "none": None,
    }
    assert compact((np.float32(0.1), np.int64(3), "text")) == [0.1, 3, "text"]


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "<!--", "]]>", "a & b", "\u2028\u2029", "naïve ✓ \"'\\"]
)
def test_no_text_can_leave_its_script(text):
    shown = script_json({"name": text, text: 1})
    assert not set("<>&\u2028\u2029") & set(shown)
    assert json.loads(shown) == {"name": text, text: 1}


def test_thinning_keeps_both_ends():
    assert thinned(5).tolist() == [0, 1, 2, 3, 4]
    kept = thinned(100_000)
    assert len(kept) == MAX_POINTS
    assert (kept[0], kept[-1]) == (0, 99_999)
    assert len(thinned(MAX_POINTS + 1)) <= MAX_POINTS
    assert (np.diff(kept) > 0).all()
