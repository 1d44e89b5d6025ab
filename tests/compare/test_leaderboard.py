"""The table and the words: hand-worked numbers, and the honesty of the verdict."""

import csv
import io
import math

import pytest

from levelhead.compare import leaderboard, verdict
from levelhead.compare.measure import MEASURES

VANILLA = leaderboard.BASELINE
MIXUP = "mixup(alpha=0.4) | one_hot | cross_entropy | none"


def entries(method, sentence, cal, test, gap=0.0, passes=1.0, seconds=2.0):
    """One entry a seed and role, with the scaled NLL given and everything else the same."""
    found = []
    for seed, (on_cal, on_test) in enumerate(zip(cal, test)):
        for role, nll in (("cal", on_cal), ("test", on_test)):
            values = dict.fromkeys(MEASURES, 0.1) | {"nll": nll}
            found.append(
                {
                    "method": method,
                    "sentence": sentence,
                    "seed": seed,
                    "role": role,
                    "n": 1000,
                    "raw": values | {"gap": gap},
                    "scaled": values,
                    "temperature": 1.5,
                    "seconds": seconds,
                    "passes": passes,
                    "train_accuracy": 1.0,
                    "run": f"{method}{seed}",
                }
            )
    return found


def table_of(*groups):
    return leaderboard.rows([entry for group in groups for entry in group])


def test_means_and_paired_intervals_by_hand():
    table = table_of(
        entries("vanilla", VANILLA, [0.5, 0.6, 0.7], [0.5, 0.6, 0.7]),
        entries("mixup", MIXUP, [0.4, 0.5, 0.6], [0.4, 0.52, 0.58]),
    )
    assert [row["method"] for row in table] == ["mixup", "vanilla"]
    nll = table[0]["metrics"]["nll_scaled"]
    # differences -.1 -.08 -.12: mean -.1, sd .02, t(2) = 4.302653
    half = 4.302653 * 0.02 / math.sqrt(3)
    assert nll["mean"] == pytest.approx(0.5)
    assert nll["diff"] == pytest.approx(-0.1)
    assert nll["diff_lo"] == pytest.approx(-0.1 - half, abs=1e-6)
    assert nll["diff_hi"] == pytest.approx(-0.1 + half, abs=1e-6)
    assert table[1]["metrics"]["nll_scaled"]["diff"] is None


def test_pairs_are_seeds_that_both_have():
    table = table_of(
        entries("vanilla", VANILLA, [0.5, 0.6], [0.5, 0.6]), entries("mixup", MIXUP, [0.4] * 4, [0.4, 0.5, 9, 9])
    )
    nll = next(row for row in table if row["method"] == "mixup")["metrics"]["nll_scaled"]
    assert nll["diff"] == pytest.approx(-0.1)
    assert nll["mean"] == pytest.approx((0.4 + 0.5 + 9 + 9) / 4)


def test_one_seed_has_no_interval():
    table = table_of(entries("vanilla", VANILLA, [0.5], [0.5]), entries("mixup", MIXUP, [0.4], [0.4]))
    nll = table[0]["metrics"]["nll_scaled"]
    assert nll["diff"] == pytest.approx(-0.1)
    assert nll["lo"] is None
    assert nll["diff_lo"] is None
    words = " ".join(verdict.words(table, verdict.choose(table), 1000))
    assert "Tentatively take mixup" in words
    assert "One seed cannot show" in words


def test_csv_has_the_columns_of_the_contract():
    table = table_of(entries("vanilla", VANILLA, [0.5, 0.6], [0.5, 0.6]))
    read = list(csv.DictReader(io.StringIO(leaderboard.as_csv(table))))
    columns = list(read[0])
    assert columns[:5] == ["method", "sentence", "n_seeds", "passes", "seconds"]
    assert columns[5:11] == [
        "nll_raw",
        "nll_raw_lo",
        "nll_raw_hi",
        "nll_raw_diff",
        "nll_raw_diff_lo",
        "nll_raw_diff_hi",
    ]
    for measure in MEASURES:
        for scaling in ("raw", "scaled"):
            assert f"{measure}_{scaling}_diff_hi" in columns
    assert read[0]["nll_scaled_diff"] == ""


def test_the_choice_is_made_on_cal_and_never_on_test():
    # mixup wins on test by far, vanilla on cal
    table = table_of(
        entries("vanilla", VANILLA, [0.5, 0.51, 0.49], [0.9, 0.9, 0.9]),
        entries("mixup", MIXUP, [0.7, 0.7, 0.71], [0.1, 0.1, 0.1]),
    )
    chosen = verdict.choose(table)
    assert chosen["method"] == "vanilla"
    assert "Take vanilla with temperature scaling" in verdict.words(table, chosen, 1000)[0]


def test_a_difference_that_could_be_chance_is_said_to_be():
    table = table_of(
        entries("vanilla", VANILLA, [0.5, 0.6, 0.7], [0.5, 0.6, 0.7]),
        entries("mixup", MIXUP, [0.3, 0.7, 0.7], [0.3, 0.7, 0.7]),
    )
    chosen = verdict.choose(table)
    first = verdict.words(table, chosen, 1000)[0]
    assert first.startswith("Tentatively take mixup")
    assert "could be chance over 3 seeds; vanilla with temperature scaling is the plain choice" in first


def test_gain_and_cost_are_told_against_the_scaled_baseline():
    table = table_of(
        entries("vanilla", VANILLA, [0.5, 0.6, 0.7], [0.5, 0.6, 0.7], seconds=2),
        entries("mixup", MIXUP, [0.4, 0.5, 0.601], [0.4, 0.5, 0.6], gap=-0.09, passes=2, seconds=3),
    )
    chosen = verdict.choose(table)
    words = " ".join(verdict.words(table, chosen, 1000))
    assert chosen["method"] == "mixup"
    assert "NLL is 0.5000 against 0.6000" in words
    assert "2 times the forward-backward passes" in words
    assert "1.50 times the seconds" in words
    assert "mixup is under-confident before scaling" in words


def test_without_a_baseline_there_are_no_differences_and_the_reader_is_told():
    table = table_of(entries("mixup", MIXUP, [0.4, 0.5], [0.4, 0.5]))
    assert table[0]["metrics"]["nll_scaled"]["diff"] is None
    assert any("Vanilla is not among" in said for said in verdict.warnings(table, 1000, 1000))
    assert verdict.words(table, verdict.choose(table), 1000)


def test_an_undefined_measure_stays_undefined():
    group = entries("vanilla", VANILLA, [0.5, 0.6], [0.5, 0.6])
    group[1]["raw"]["nll"] = None
    table = table_of(group)
    assert table[0]["metrics"]["nll_raw"]["mean"] is None
    assert table[0]["metrics"]["nll_scaled"]["mean"] == pytest.approx(0.55)
