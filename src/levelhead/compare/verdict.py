"""The leaderboard in words: which method to take, what it buys, what it costs, what so few seeds cannot show.

The choice is made on cal, by NLL with a cross-fitted temperature; test is only reported. A method gets the credit only
beyond the temperature-scaled baseline, and only where the seeds can tell the two apart.
"""

from collections.abc import Sequence
from typing import Any

from levelhead.compare.leaderboard import Row, column


def choose(table: Sequence[Row]) -> Row | None:
    """The row to recommend: the lowest NLL on cal. How sure that is, the words say."""
    measured = [row for row in table if row["cal_nll"]["mean"] is not None]
    return min(measured, key=lambda row: row["cal_nll"]["mean"], default=None)


def words(table: Sequence[Row], chosen: Row | None, n_cal: int) -> list[str]:
    """Two to five plain sentences."""
    if chosen is None:
        return ["No method can be recommended: none has a finite NLL on the calibration split."]
    baseline = next((row for row in table if row["baseline"]), None)
    sentences = [_choice(chosen, baseline, len(table), n_cal)]
    if baseline and not chosen["baseline"]:
        sentences += [_gain(chosen, baseline), _cost(chosen, baseline)]
    sentences += _confidence_remarks(table)
    sentences.append(_limits(table, baseline))
    return sentences


def warnings(table: Sequence[Row], n_cal: int, n_test: int) -> list[str]:
    """What a reader should keep in mind."""
    said = []
    seeds = {row["n_seeds"] for row in table}
    if len(seeds) > 1:
        said.append(
            f"Methods have different numbers of seeds ({min(seeds)} to {max(seeds)}); differences use those both have."
        )
    if not any(row["baseline"] for row in table):
        said.append("Vanilla is not among the methods, so there are no paired differences; add --method vanilla.")
    if n_cal < 300:
        said.append(f"The calibration split has only {n_cal} examples: temperatures and the recommendation are unsure.")
    if n_test < 500:
        said.append(
            f"The test split has only {n_test} examples: "
            f"calibration errors below about {0.85 / n_test**0.5:.2f} cannot be seen."
        )
    return said


def _could_be_chance(difference: dict[str, Any]) -> bool:
    """Whether the interval of a paired difference contains zero. One seed has no interval: then it is not known."""
    low, high = difference["diff_lo"], difference["diff_hi"]
    return low is not None and low <= 0 <= high


def _choice(chosen: Row, baseline: Row | None, methods: int, n_cal: int) -> str:
    where = f"on the calibration split (n={n_cal}, temperature cross-fitted)"
    nll = f"{chosen['cal_nll']['mean']:.4f}"
    if methods == 1:
        return f"There is one method only, {chosen['method']}: scaled NLL {nll} {where}."
    lowest = f"its NLL {nll} {where} is the lowest of {methods} methods"
    if chosen["baseline"]:
        return f"Take vanilla with temperature scaling: {lowest}."
    if baseline is None:
        return f"Take {chosen['method']}: {lowest}."
    against = f"{_difference(chosen['cal_nll'])} against vanilla"
    if chosen["cal_nll"]["diff_lo"] is None:
        return f"Tentatively take {chosen['method']}: {lowest}, {against}."
    if _could_be_chance(chosen["cal_nll"]):
        return (
            f"Tentatively take {chosen['method']}: {lowest}, but {against} could be chance over "
            f"{chosen['n_seeds']} seeds; vanilla with temperature scaling is the plain choice until more seeds tell."
        )
    return f"Take {chosen['method']}: {lowest}, {against}."


def _gain(chosen: Row, baseline: Row) -> str:
    nll, accuracy, ece = (chosen["metrics"][name] for name in ("nll_scaled", "accuracy_raw", "ece_scaled"))
    doubt = " - which the seeds cannot tell from none on test" if _could_be_chance(nll) else ""
    return (
        f"On test, both with their own temperature, its NLL is {column(chosen, 'nll_scaled'):.4f} against "
        f"{column(baseline, 'nll_scaled'):.4f}, a difference of {_difference(nll)}{doubt}; accuracy differs by "
        f"{_difference(accuracy, 100, ' points', 2)}, scaled ECE by {_difference(ece)}."
    )


def _cost(chosen: Row, baseline: Row) -> str:
    passes = chosen["passes"] / baseline["passes"]
    seconds = chosen["seconds"] / baseline["seconds"] if baseline["seconds"] else float("nan")
    share = (
        "the same number of forward-backward passes" if passes == 1 else f"{passes:g} times the forward-backward passes"
    )
    return f"It costs {share} a step, {seconds:.2f} times the seconds of vanilla here."


def _confidence_remarks(table: Sequence[Row]) -> list[str]:
    under = [row["method"] for row in table if row["remark"].startswith("under-confident")]
    if not under:
        return []
    verb = "is" if len(under) == 1 else "are"
    return [
        f"{_listed(under)} {verb} under-confident before scaling: a high raw ECE there is timidity, "
        "which the temperature mends, not over-confidence."
    ]


def _limits(table: Sequence[Row], baseline: Row | None) -> str:
    seeds = min(row["n_seeds"] for row in table)
    if seeds == 1:
        return "One seed cannot show whether any of these differences is more than chance; give --seeds 3 or more."
    halves = [
        (nll["diff_hi"] - nll["diff_lo"]) / 2
        for row in table
        if (nll := row["metrics"]["nll_scaled"])["diff_lo"] is not None
    ]
    if not baseline or not halves:
        return f"{seeds} seeds give wide intervals; more seeds narrow them."
    typical = sorted(halves)[len(halves) // 2]
    unclear = [row["method"] for row in table if _could_be_chance(row["metrics"]["nll_scaled"])]
    cannot = f"cannot tell {_listed(unclear)} from vanilla, nor" if unclear else "cannot show"
    return (
        f"{seeds} seeds {cannot} differences in scaled NLL of less than about {typical:.3f} "
        "(95 % intervals, not corrected for the number of methods)."
    )


def _difference(found: dict[str, Any], scale: float = 1, unit: str = "", digits: int = 4) -> str:
    if found["diff"] is None:
        return "an unknown difference"
    text = f"{found['diff'] * scale:+.{digits}f}"
    if found["diff_lo"] is not None:
        text += f" [{found['diff_lo'] * scale:+.{digits}f}, {found['diff_hi'] * scale:+.{digits}f}]"
    return text + unit


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
