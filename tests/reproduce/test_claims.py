"""The ledger's claims are those of the paper list, ask for runs that can be made, and are judged from runs alone."""

import math

import pytest

from levelhead.reproduce import claims, ledger, pages, verdicts
from levelhead.reproduce.claims import Choice, Claim, Test, judge, reading, wanted
from levelhead.reproduce.designs import bed, beds
from levelhead.reproduce.store import Results, missing
from levelhead.spec import parse

#: Every claim that was fixed beforehand, by paper.
FIXED = {
    "mixup-calibration": [f"M{n}" for n in range(1, 18)],
    "pls": [f"P{n}" for n in range(1, 12)],
    "lamix": [f"A{n}" for n in range(1, 13)],
    "logitmix": [f"L{n}" for n in range(1, 10)],
    "mbls": [f"B{n}" for n in range(1, 11)],
}


def records(numbers, name="F"):
    """Runs by bed from ``{method: [measures of seed 0, ...]}``."""
    found = {}
    for method, seeds in numbers.items():
        found[str(parse(method))] = {
            seed: {"measures": measures, "series": measures.pop("series", {}), "complete": False}
            for seed, measures in enumerate(seeds)
        }
    return {name: found}


def ece(*values, **others):
    return [{"ece_raw": value, **others} for value in values]


def claim(**given):
    usual = {"id": "X1", "paper": "pls", "says": "it", "where": "Tab 1", "published": "1", "beds": ("F",)}
    return Claim(**usual | given)


BELOW = Test(rule="less", measure="ece_raw", ours=("mixup(alpha=0.4)",), others=("vanilla",))


def test_every_claim_is_a_row():
    found = {}
    for each in claims.claims():
        found.setdefault(each.paper, []).append(each.id)
    assert found == FIXED
    assert list(claims.papers()) == list(FIXED)


@pytest.mark.parametrize("each", claims.claims(), ids=lambda each: each.id)
def test_a_claim_has_tests_that_can_be_run_or_says_what_it_waits_for(each):
    assert bool(each.waits) != bool(each.tests)
    for name in each.beds:
        design = bed(name)
        if each.waits:
            continue
        assert each.on(name), f"{each.id} has no test on {name}"
        for asked in wanted(each, name):
            assert parse(asked.method).passes > 0
            assert asked.seeds <= design.seeds


def test_those_that_a_choice_depends_on_come_first_and_sweeps_last():
    order = [each.id for each in claims.in_order()]
    assert order[:12] == ["M1", "M2", "M6", "P1", "P5", "A1", "L1", "L2", "B1", "B2", "B3", "B4"]
    sweeps = [each.sweep for each in claims.in_order()]
    assert sweeps == sorted(sweeps)
    assert sorted(order) == sorted(each.id for each in claims.claims())


def test_choices_are_made_on_cal():
    assert all(choice.measure.startswith("cal_") for choice in claims.choices().values())


def test_pairs_are_the_seeds_that_both_have():
    runs = records({"mixup(alpha=0.4)": ece(0.01, 0.02, 0.03), "vanilla": ece(0.05, 0.06)})
    row = judge(claim(tests=(BELOW,)), runs)
    assert (row.verdict, row.beds[0].n) == (verdicts.HOLDS, 2)
    assert row.beds[0].judged[0].finding.mean == pytest.approx(-0.04)


def test_all_comparators_must_be_beaten_and_a_missing_one_is_not_run():
    test = BELOW.model_copy(update={"others": ("vanilla", "uls(smoothing=0.1)")})
    runs = {"mixup(alpha=0.4)": ece(0.01, 0.02, 0.03), "vanilla": ece(0.05, 0.06, 0.07)}
    assert judge(claim(tests=(test,)), records(runs)).verdict == verdicts.NOT_RUN
    runs = {"mixup(alpha=0.4)": ece(0.01, 0.02, 0.03), "vanilla": ece(0.05, 0.06, 0.07), "uls": ece(0.0, 0.01, 0.02)}
    assert judge(claim(tests=(test,)), records(runs)).verdict == verdicts.FAILS


def test_printed_tests_decide_nothing():
    other = BELOW.model_copy(update={"rule": "more", "printed": True})
    runs = {"mixup(alpha=0.4)": ece(0.01, 0.02, 0.03), "vanilla": ece(0.05, 0.06, 0.07)}
    row = judge(claim(tests=(BELOW, other)), records(runs))
    assert [each.finding.verdict for each in row.beds[0].judged] == [verdicts.HOLDS, verdicts.FAILS]
    assert row.verdict == verdicts.HOLDS


def test_a_bed_with_printed_tests_alone_gives_no_verdict():
    runs = records({"mixup(alpha=0.4)": ece(0.01, 0.02, 0.03), "vanilla": ece(0.05, 0.06, 0.07)})
    row = judge(claim(tests=(BELOW.model_copy(update={"printed": True}),)), runs)
    assert (row.verdict, row.beds[0].why) == (verdicts.NOT_RUN, claims.PRINTED_ONLY)


def test_failing_below_the_regime_is_said():
    def verdict(train_accuracy):
        vanilla = ece(0.01, 0.02, 0.03, train_accuracy=train_accuracy)
        runs = records({"mixup(alpha=0.4)": ece(0.05, 0.06, 0.07), "vanilla": vanilla})
        return judge(claim(tests=(BELOW,)), runs).verdict

    assert verdict(0.95) == verdicts.OFF_REGIME
    assert verdict(0.999) == verdicts.FAILS


def test_an_absent_premise_decides():
    premise = Test(rule="less", measure="accuracy_raw", ours=("cutmix",), others=("vanilla",))
    test = Test(rule="more", measure="accuracy_raw", ours=("mixup",), others=("cutmix",))

    def verdict(cutmix):
        numbers = {"mixup": (0.9, 0.91, 0.92), "cutmix": cutmix, "vanilla": (0.8, 0.81, 0.82)}
        runs = {name: [{"accuracy_raw": value} for value in values] for name, values in numbers.items()}
        return judge(claim(premise=premise, tests=(test,)), records(runs)).verdict

    assert verdict((0.7, 0.71, 0.72)) == verdicts.HOLDS
    assert verdict((0.85, 0.86, 0.87)) == verdicts.ABSENT


def test_a_premise_that_fails_decides_even_where_the_claim_has_no_number():
    """A6: where training accuracy never reaches 100 %, there is no slope after it."""
    a6 = next(each for each in claims.claims() if each.id == "A6")

    def row(*parts):
        runs = [{"fitted_part": part, "spread_slope": None, "accuracy_raw": 0.8} for part in parts]
        return judge(a6, records({"lamix": runs}, "C-three"))

    found = row(0.0, 0.0, 0.02)
    assert found.verdict == verdicts.ABSENT
    assert "**C-three**: premise absent" in " ".join(ledger._lines(found.beds[0]))
    assert pages._claim(found).endswith("(C-three: premise absent)")
    assert row(0.0).verdict == verdicts.NOT_RUN, "one seed tells nothing"
    assert row().verdict == verdicts.NOT_RUN


def test_a_claim_holds_only_if_it_holds_on_every_bed_that_was_run():
    runs = records({"mixup(alpha=0.4)": ece(0.01, 0.02, 0.03), "vanilla": ece(0.05, 0.06, 0.07)})
    there = {"mixup(alpha=0.4)": ece(0.05, 0.06, 0.07), "vanilla": ece(0.01, 0.02, 0.03)}
    both = claim(beds=("F", "C"), tests=(BELOW,))
    assert judge(both, runs).verdict == verdicts.HOLDS
    assert judge(both, runs | records(there, "C")).verdict == verdicts.FAILS


def test_hyper_parameters_are_chosen_by_the_mean_on_cal(monkeypatch):
    choice = Choice(methods=("uls(smoothing=0.1)", "uls(smoothing=0.2)"), measure="cal_nll_raw", lowest=True)
    monkeypatch.setattr(claims, "choices", lambda: {"u": choice})
    runs = {
        "uls(smoothing=0.1)": ece(0.0, 0.0, 0.0, cal_nll_raw=0.5),  # best on test, worse on cal
        "uls(smoothing=0.2)": ece(0.3, 0.31, 0.32, cal_nll_raw=0.4),
        "vanilla": ece(0.1, 0.11, 0.12),
    }
    test = Test(rule="less", measure="ece_raw", ours=("choice:u",), others=("vanilla",))
    row = judge(claim(tests=(test,)), records(runs))
    assert row.verdict == verdicts.FAILS
    assert "uls(smoothing=0.2)" in row.beds[0].judged[0].words


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ({"rule": "monotone", "falling": True}, verdicts.HOLDS),
        ({"rule": "monotone", "falling": True, "floor": 0.25}, verdicts.CANNOT_TELL),  # one value is left
        ({"rule": "argmin", "inside": (1, 2)}, verdicts.HOLDS),
        ({"rule": "argmin", "inside": (0, 0)}, verdicts.FAILS),
        ({"rule": "slope", "falling": False}, verdicts.FAILS),
    ],
)
def test_sweeps(test, verdict):
    runs = {
        "vanilla": ece(0.3, 0.31, 0.29),
        "mixup(alpha=1)": ece(0.2, 0.22, 0.21),
        "mixup(alpha=2)": ece(0.1, 0.1, 0.12),
    }
    given = {"measure": "ece_raw", "family": "mixup(alpha={})", "at": (0, 1, 2), "zero": "vanilla"}
    assert judge(claim(tests=(Test(**given | test),)), records(runs)).verdict == verdict


def test_rise_is_the_line_through_the_last_half():
    def runs(step):
        seeds = [
            {"series": {"ece": [0.9, 0.5, 0.3, 0.2] + [0.1 + step * k + noise for k in range(4)]}}
            for noise in (0, 0.01)
        ]
        return records({"mixup(alpha=0.4)": seeds})

    test = Test(rule="rise", series="ece", ours=("mixup(alpha=0.4)",), margin=0.005)
    assert judge(claim(tests=(test,)), runs(0.001)).verdict == verdicts.HOLDS
    found = judge(claim(tests=(test,)), runs(0.01))
    assert found.verdict == verdicts.FAILS
    assert found.beds[0].judged[0].finding.mean == pytest.approx(0.04)


def test_what_follows_from_a_measure():
    record = {"measures": {"accuracy_raw": 0.9, "temperature": 0.5}}
    assert reading(record, "error") == pytest.approx(0.1)
    assert reading(record, "abs_log_temperature") == pytest.approx(math.log(2))
    assert reading(record, "oe_raw") is None


def test_the_page_has_a_row_for_every_claim_and_says_what_so_many_tests_do(tmp_path):
    design = bed("F")
    results = Results(tmp_path)
    for method, base in (("vanilla", 0.05), ("mixup(alpha=0.4)", 0.01)):
        for seed in range(3):
            record = {
                "method": method, "sentence": str(parse(method)), "seed": seed, "series": {}, "complete": True,
                "record": [], "probes": [], "measures": {"ece_raw": base + 0.001 * seed, "train_accuracy": 0.995},
            }  # fmt: skip
            results.add("F", design, record, machine="2 cores", commit="abc", data="Fashion-MNIST")
    page = ledger.page(tmp_path)
    for each in claims.claims():
        assert f"| **{each.id}** |" in page
    assert "59 claims, 6 runs: 1 holds, 58 not run" in page
    assert "mixup(alpha=0.4) &lt; vanilla: -0.0400 [-0.0400, -0.0400], holds" in page
    assert "1 claims on beds were tested" in page
    assert "99.5 %" in page


def test_a_run_is_made_again_only_for_a_claim_that_reads_what_it_lacks():
    held = records({method: ece(0.01, 0.02, 0.03, accuracy_raw=0.9) for method in ("vanilla", "mixup(alpha=0.4)")})["F"]

    def left(name):
        (found,) = claims.in_order([name])
        return [(each.method, seed) for each, seed in missing(wanted(found, "F"), held)]

    assert left("M1") == [(method, seed) for seed in (3, 4) for method in ("vanilla", "mixup(alpha=0.4)")]
    assert len(left("M9")) == 10, "confidence out of distribution was not kept"
    assert len(left("M11")) == 5
    assert {method for method, seed in left("B1") if seed == 0} >= {"mbls(m=0, weight=0.1)"}


def test_every_bed_of_a_claim_exists():
    assert {name for each in claims.claims() for name in each.beds} <= set(beds())
