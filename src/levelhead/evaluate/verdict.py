"""The verdict in words: each clause stands only where its test supports it.

In this order: how sure the model is against how right; whether a calibration error can be seen; what a temperature
would mend; which classes stay off; what abstaining buys; how groups differ; how large prediction sets must be; other
inputs; what cannot be judged.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from levelhead.evaluate.entry import FEW, LEVEL
from levelhead.evaluate.pairs import told_apart

Entry = Mapping[str, Any]
SURE = 1 - LEVEL


def words(entry: Entry) -> list[str]:
    """The sentences about one file."""
    sentences = [_accuracy(entry), _error(entry), _temperature(entry), _classes(entry), _abstaining(entry)]
    sentences += [*_groups(entry), _sets(entry), _ood(entry)]
    return [sentence for sentence in [*sentences, _cannot(entry)] if sentence]


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


def _range(interval: Sequence[float] | None, scale: float = 100, digits: int = 1) -> str:
    return "" if not interval else f" [{scale * interval[0]:.{digits}f}, {scale * interval[1]:.{digits}f}]"


def _small(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 0.01 else f"{value:.3f}"


def _p(value: float) -> str:
    return "p < 0.001" if value <= 0.001 else f"p = {value:.2g}"


def _accuracy(entry: Entry) -> str:
    raw, intervals = entry["raw"], entry["intervals"]["raw"]
    gap, interval = raw["gap"], intervals.get("gap")
    what = "The predicted class has a mean share of the votes of" if "votes" in entry else "Accuracy"
    said = (
        f"{what} {_percent(raw['accuracy'])}{_range(intervals.get('accuracy'))} (n = {entry['n']:,}), mean "
        f"confidence {_percent(entry['mean_confidence']['raw'])}: "
    )
    if interval is None:
        return said + "one example shows nothing about confidence."
    if interval[0] <= 0 <= interval[1]:
        reach = max(abs(interval[0]), abs(interval[1]))
        return said + (
            f"on average neither over- nor underconfident as far as this many examples show (the gap is "
            f"{100 * gap:+.1f} points{_range(interval)}, so at most {100 * reach:.1f})."
        )
    direction = "overconfident" if gap > 0 else "underconfident"
    shown = [abs(bound) for bound in interval]
    return said + f"{direction} by {100 * abs(gap):.1f} points{_range(sorted(shown))}."


def _error(entry: Entry) -> str:
    raw, test = entry["raw"], entry["test"]["raw"]
    if raw["ece"] is None or test["p_value"] is None:
        debiased = raw["debiased_ece"]
        known = "votes" in entry and debiased is not None
        return f"Calibration error (ECE) {_small(raw['ece'])}, without its bias {_small(debiased)}." if known else ""
    debiased = f"{_small(raw['debiased_ece'])}{_range(entry['intervals']['raw'].get('debiased_ece'), 1, 3)}"
    if test["p_value"] < SURE:
        sentence = (
            f"Calibration error (ECE) {_small(raw['ece'])}, without its bias {debiased}: more than the "
            f"{_small(test['noise_floor'])} that a perfectly calibrated model would show at this size "
            f"({_p(test['p_value'])})"
        )
        gap = entry["intervals"]["raw"].get("gap")
        if gap and gap[0] <= 0 <= gap[1]:
            sentence += "; it is too sure at some confidences and not sure enough at others"
        return sentence + "."
    gap = entry["intervals"]["raw"].get("gap")
    beyond = "Beyond this gap no" if gap and not gap[0] <= 0 <= gap[1] else "No"
    return (
        f"{beyond} calibration error can be seen: ECE {_small(raw['ece'])} is what a perfectly calibrated model of "
        f"this size would show ({_small(test['noise_floor'])}, {_p(test['p_value'])}); an ECE below "
        f"{_small(test['detectable'])} could not have been told from none."
    )


def _temperature(entry: Entry) -> str:
    scaling = entry.get("scaling")
    if not scaling:
        return ""
    if scaling["status"] == "separable":
        which = "every label that has a probability at all" if entry["raw"].get("nll") is None else "every label"
        return (
            f"No temperature can be fitted: {which} has the highest score, so sharper always looks better; "
            "fit on examples that include errors."
        )
    if scaling["status"] == "hopeless":
        return (
            "No temperature helps: the labels score no higher than the average class. "
            "Check that labels and columns match."
        )
    temperature = entry["temperature"]
    where = (
        f"(fitted on {scaling['file']}, n = {scaling['n']:,})"
        if scaling["origin"] == "cal"
        else "(cross-fitted here: every example is scaled by a temperature that did not see it)"
    )
    named = f"T = {temperature:.3f}{_range(scaling['interval'], 1, 3)} {where}"
    raw, scaled, gain = entry["raw"], entry["scaled"], scaling["gain"]["nll"]
    nll = -gain["mean"] if gain["mean"] is not None else None
    interval = None if gain["interval"] is None else sorted(-bound for bound in gain["interval"])
    mended = raw["ece"] - scaled["ece"]
    if gain["left_out"]:
        return (
            f"Dividing logits by {named} takes ECE from {_small(raw['ece'])} to {_small(scaled['ece'])}; NLL stays "
            f"infinite, since no temperature gives a label with probability 0 any ({gain['left_out']:,} examples)."
        )
    if nll is None or interval is None:
        return f"Dividing logits by {named} takes ECE from {_small(raw['ece'])} to {_small(scaled['ece'])}."
    if interval[0] <= 0 <= interval[1]:
        return f"A temperature would mend nothing that shows: {named} changes NLL by {-nll:+.4f}{_minus(interval)}."
    if nll < 0:
        return (
            f"The temperature makes it worse: {named} raises NLL by {-nll:.4f}{_minus(interval)}; the file it was "
            "fitted on is not like this one."
        )
    after = entry["test"]["scaled"]["p_value"]
    rest = (
        ""
        if after is None
        else " which is within the noise floor,"
        if after >= SURE
        else " which is still more than chance: no single temperature mends the rest,"
    )
    effect = (
        f"takes ECE from {_small(raw['ece'])} to {_small(scaled['ece'])},{rest}"
        if mended > 0
        else (f"leaves ECE no better ({_small(raw['ece'])} before, {_small(scaled['ece'])} after)")
    )
    todo = "" if scaling["origin"] == "cal" else " Before using it, fit it on examples that are not reported (--cal)."
    return (
        f"Dividing logits by {named} {effect} and lowers NLL by {nll:.4f}{_range(interval, 1, 4)}; accuracy stays as "
        f"it is.{todo}"
    )


def _minus(interval: Sequence[float]) -> str:
    return _range(sorted(-bound for bound in interval), 1, 4)


def _classes(entry: Entry) -> str:
    rows = entry["per_class"].get("scaled") or entry["per_class"].get("raw") or []
    off = [row for row in rows if row["p_value"] is not None and row["p_value"] < SURE and row["gap"] is not None]
    if not off:
        return ""
    off.sort(key=lambda row: -abs(row["gap"]))
    named = ", ".join(f"{_class(row)} ({100 * row['gap']:+.1f} points)" for row in off[:3])
    state = "after scaling" if entry["per_class"].get("scaled") else "before scaling"
    more = f" and {len(off) - 3} more" if len(off) > 3 else ""
    verb = "predictions of one class are" if len(off) == 1 else f"predictions of {len(off)} of {len(rows)} classes are"
    return f"Even {state}, {verb} off (Holm-adjusted p < 0.05): {named}{more}." if off else ""


def _class(row: Mapping[str, Any]) -> str:
    return f"class {row['class']}" if row["class"].isdecimal() else str(row["class"])


def _abstaining(entry: Entry) -> str:
    error = 1 - entry["raw"]["accuracy"]
    for target in reversed(entry["selective"]["raw"]["at_risk"]):
        if target["risk"] < error * 0.75 and target["coverage_assured"] >= 0.2:
            return (
                f"Abstaining on the {_percent(1 - target['coverage_assured'])} least confident brings the error from "
                f"{_percent(error)} to at most {_percent(target['risk'], 0)} (upper bound of 95 %; threshold on raw "
                f"confidence {target['threshold_assured']:.4f}; choose it on other data before relying on it)."
            )
    return ""


def _groups(entry: Entry) -> list[str]:
    """For each grouping: whether accuracy differs, and which groups stay off."""
    return [_group_words(found) for found in entry.get("groups") or ()]


def _group_words(found: Mapping[str, Any]) -> str:
    rows = [row for row in found["raw"] if row["n"] >= FEW]
    if len(rows) < 2:
        return f"By {found['by']}: fewer than two groups hold {FEW} examples, so nothing is said of them."
    worst, best = (choose(rows, key=lambda row: row["accuracy"]) for choose in (min, max))
    ends = [
        f"{_percent(row['accuracy'])}{_range(row['accuracy_interval'])} ({row['group']}, n = {row['n']:,})"
        for row in (worst, best)
    ]
    p_value = found["p_value"]
    told = p_value is not None and p_value < SURE
    chance = (
        "" if p_value is None else f", which {'is more than chance' if told else 'could be chance'} ({_p(p_value)})"
    )
    spread = (
        f"the same accuracy, {_percent(best['accuracy'])}, in all that hold {FEW} examples"
        if worst is best
        else f"accuracy from {ends[0]} to {ends[1]}{chance}"
    )
    said = f"By {found['by']}, of {len(found['raw'])} groups: {spread}."
    state, when = ("scaled", "After scaling") if "scaled" in found else ("raw", "As they come")
    off = [row for row in found[state] if row["p_value"] is not None and row["p_value"] < SURE]
    if not off:
        return f"{said} {when}, no group's gap is more than chance."
    off.sort(key=lambda row: -abs(row["gap"]))
    named = ", ".join(
        f"{row['group']} ({100 * row['gap']:+.1f} points{_range(row['gap_interval'])})" for row in off[:3]
    )
    more = f" and {len(off) - 3} more" if len(off) > 3 else ""
    return f"{said} {when}, off by more than chance (Holm-adjusted p < 0.05): {named}{more}."


def _sets(entry: Entry) -> str:
    found = entry.get("sets")
    if not found:
        return ""
    plain = [row for row in found["rows"] if row["score"] == "lac"]
    # the predicted class alone holds the label as often as it is right: more is asked of sets
    row = next((row for row in plain if row["level"] > entry["raw"]["accuracy"]), plain[-1])
    level, size = f"{100 * row['level']:.0f} %", f"{row['mean_size']:.2f}"
    if row["promised"] is None:
        return f"{found['n']} calibration examples are too few for prediction sets that hold {level} of the labels."
    held = f"{_percent(row['coverage'])}{_range(row['interval'])}"
    where = f"(fitted on {found['file']}, n = {found['n']:,})"
    if row["interval"][1] < row["promised"][0]:
        return (
            f"Prediction sets made to hold {level} of the labels {where} hold only {held}: the file they were fitted "
            "on is not like this one."
        )
    return f"Sets of {size} classes on average are needed to hold {level} of the labels {where}; here they hold {held}."


def _ood(entry: Entry) -> str:
    found = entry.get("ood")
    if not found:
        return ""
    name, best = max(found["scores"].items(), key=lambda item: item[1]["auroc"])
    words = {
        "max_softmax": "the confidence",
        "negative_entropy": "the entropy",
        "energy": "the energy",
        "max_logit": "the largest logit",
    }
    interval, counts = best["auroc_interval"], f"(n = {found['n_in']:,} and {found['n_out']:,})"
    area = f"AUROC {best['auroc']:.3f}{_range(interval, 1, 3)} {counts}"
    if interval is None or interval[0] <= 0.5:
        return f"Inputs of {found['file']} cannot be told from its own: at best, by {words[name]}, {area}."
    return (
        f"Inputs of {found['file']} are told from its own best by {words[name]}: {area}; at the threshold that accepts "
        f"95 % of its own it lets in {_percent(best['fpr95_in_positive'])} of the others."
    )


def _cannot(entry: Entry) -> str:
    missing = list(entry["cannot"])
    rows = entry["per_class"].get("raw") or []
    few = [row for row in rows if row["n"] < FEW]
    if few:
        named = f" ({', '.join(map(_class, few[:3]))}{', ...' if len(few) > 3 else ''})"
        verb = "has" if len(few) == 1 else "have"
        missing.append(f"{len(few)} of {len(rows)} classes{named}, which {verb} fewer than {FEW} examples")
    for found in entry.get("groups") or ():
        small = [row["group"] for row in found["raw"] if row["n"] < FEW]
        if small:
            named = f" ({', '.join(small[:3])}{', ...' if len(small) > 3 else ''})"
            verb = "has" if len(small) == 1 else "have"
            missing.append(
                f"{len(small)} of {len(found['raw'])} groups by {found['by']}{named}, which {verb} fewer than {FEW} "
                "examples"
            )
    for name, reason in entry["undefined"]["raw"].items():
        missing.append(f"{name} ({reason})")
    if "votes" not in entry and entry.get("scaling", {}).get("origin") == "cross-fitted":
        missing.append("prediction sets (no --cal given)")
    if "ood" not in entry:
        missing.append("behaviour on other inputs (no --ood given)")
    return f"Cannot be judged: {'; '.join(missing)}." if missing else ""


def compared_words(pair: Mapping[str, Any]) -> list[str]:
    """What a paired comparison says: accuracy, NLL as they come, NLL with each model's own temperature."""
    names = f"{pair['second_name']} against {pair['first_name']}"
    if "cannot" in pair:
        return [f"{names}: not compared as a pair, because {pair['cannot']}."]
    accuracy, test = pair["accuracy"], pair.get("mcnemar")
    told = told_apart(pair, "accuracy")
    said = (
        f"{names}, on the same {pair['n']:,} examples (by {pair['aligned_by']}): "
        f"{'the share of votes' if test is None else 'accuracy'} differs by "
        f"{100 * accuracy['difference']:+.2f} points{_range(accuracy['interval'], 100, 2)}, "
        f"{'which is more than chance' if told else 'which could be chance'}"
        f"{'' if test is None else ' (McNemar ' + _p(test['p_adjusted']) + ')'}."
    )
    sentences = [said]
    for name, state in (("nll_raw", "as they come"), ("nll_scaled", "after scaling")):
        if infinite := pair.get(name, {}).get("infinite"):
            sentences.append(f"NLL {state} is not compared: it is infinite for {infinite:,} of the examples.")
    if "nll_scaled" in pair and None not in (pair["nll_raw"]["difference"], pair["nll_scaled"]["difference"]):
        raw, scaled = pair["nll_raw"], pair["nll_scaled"]
        sentences.append(
            f"NLL differs by {raw['difference']:+.4f}{_range(raw['interval'], 1, 4)} as they come and by "
            f"{scaled['difference']:+.4f}{_range(scaled['interval'], 1, 4)} when each has its own temperature: "
            f"{_credit(pair)}."
        )
    return sentences


def _credit(pair: Mapping[str, Any]) -> str:
    raw, scaled = pair["nll_raw"], pair["nll_scaled"]
    if scaled["interval"] is None:
        return "too few examples to tell"
    if not told_apart(pair, "nll_scaled"):
        if told_apart(pair, "nll_raw"):
            return "what looked like a better model was a temperature, and nothing is left that shows"
        return "they cannot be told apart"
    better = pair["second_name"] if scaled["difference"] < 0 else pair["first_name"]
    turned = told_apart(pair, "nll_raw") and (raw["difference"] < 0) != (scaled["difference"] < 0)
    rest = "contrary to what it looks like before scaling" if turned else "whatever the temperature"
    return f"{better} is better, {rest}"
