"""The ledger of claims as a page: a row a claim, with the test, the rule, what is published and what came out here."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from levelhead.reproduce import verdicts
from levelhead.reproduce.claims import PRINTED_ONLY, Judged, OnBed, Row, claims, judge, papers, train_accuracy
from levelhead.reproduce.designs import bed, beds
from levelhead.reproduce.store import Records, Results
from levelhead.reproduce.verdicts import Finding

_RULES = {
    "less": "paired difference below the margin",
    "more": "paired difference above the margin",
    "below": "mean below",
    "above": "mean above",
    "value": "interval within .02 of the published value",
    "argmin": "the best of the claimed range beats every value outside",
    "monotone": "Spearman's correlation, a seed each, excludes 0",
    "slope": "slope, a seed each, excludes 0",
    "flat": "log ratio of ranges below 0",
    "robust": "log ratio of ranges below 0",
    "nearer": "paired difference of distances below 0",
    "rise": "slope over the last half below the margin",
}
_ORDER = (
    verdicts.HOLDS,
    verdicts.FAILS,
    verdicts.OFF_REGIME,
    verdicts.CANNOT_TELL,
    verdicts.ABSENT,
    verdicts.NOT_RUN,
)


def load(results: Path) -> dict[str, Records]:
    """All runs of all beds, by bed, sentence and seed."""
    kept = Results(results)
    return {name: kept.load(name, design) for name, design in beds().items()}


def page(results: Path) -> str:
    """The page, in Markdown."""
    records = load(results)
    rows = [judge(claim, records) for claim in claims()]
    return "\n".join([*_head(rows, records), *_tables(rows), *_many(rows), *_bed_table(records)]) + "\n"


def _head(rows: Sequence[Row], records: Mapping[str, Records]) -> Iterator[str]:
    counted = Counter(row.verdict for row in rows)
    yield from ("---", "hide:", "  - toc", "---", "# The papers' claims, run here", "")
    yield (
        "Claims, tests and rules were written down before anything ran. A claim is tested on small beds that two cores "
        "manage, not at the papers' scale; failures stay in. Paired over seeds, 95 % Student-t intervals in brackets: "
        "*holds*, the interval lies wholly on the claimed side; *fails*, wholly on the other; *cannot tell*, neither, "
        "with the smallest difference that so many seeds could have shown; *premise absent*, the effect that the "
        "claim builds on is not there; *not run*, with the reason. Where plain training stayed below 99 % in training, "
        "*fails* is *fails at this scale*. With several beds a claim holds only if it holds on each that was run; with "
        "several comparators all must be beaten. Tests in italics are printed and decide nothing."
    )
    yield ""
    runs = sum(len(seeds) for found in records.values() for seeds in found.values())
    yield f"{len(rows)} claims, {runs} runs: {', '.join(f'{counted[v]} {v}' for v in _ORDER if counted[v])}."
    imported = sum(not r["complete"] for found in records.values() for seeds in found.values() for r in seeds.values())
    if imported:
        yield ""
        yield (
            f"{imported} of the runs come from an earlier study on the same design with three seeds, which kept a part "
            "of the measures; they count where they hold what a claim reads, and are made again where they do not."
        )
    yield ""
    yield "`make claims` runs what is missing, in the order of what a user's choice depends on, and writes this page."


def _tables(rows: Sequence[Row]) -> Iterator[str]:
    for paper, title in papers().items():
        yield from ("", f"## {title}", "", "| | claim | rule | published | here | verdict |", "|-|-|-|-|-|-|")
        for row in rows:
            if row.claim.paper == paper:
                yield _row(row)


def _row(row: Row) -> str:
    claim = row.claim
    rules = "; ".join(dict.fromkeys(_RULES[test.rule] for test in claim.tests)) or "none yet"
    says = f"{claim.says} ({claim.where})" + (f". {claim.note[0].upper()}{claim.note[1:]}" if claim.note else "")
    cells = (
        f"**{claim.id}**",
        says,
        rules,
        claim.published,
        "<br>".join(line for found in row.beds for line in _lines(found)),
        f"**{row.verdict}**",
    )
    return "| " + " | ".join(_cell(text) for text in cells) + " |"


def _lines(found: OnBed) -> Iterator[str]:
    missing = [each for each in found.judged if each.finding.verdict == verdicts.NOT_RUN and not each.printed]
    run = [each for each in found.judged if each.finding.verdict != verdicts.NOT_RUN]
    n = f", n = {found.n}" if found.n else ""
    if found.verdict == verdicts.NOT_RUN and not run:
        yield f"**{found.bed}**: not run, {found.why}"
        return
    partly = f" ({len(missing)} of {len(found.judged)} tests not run)" if missing else ""
    yield f"**{found.bed}**{n}: {found.verdict if found.why != PRINTED_ONLY else found.why}{partly}"
    for each in run:
        yield _line(each)


def _line(judged: Judged) -> str:
    mark = "*" if judged.printed else ""
    return f"{mark}{judged.words}{mark}: {numbers(judged.finding)}"


def numbers(found: Finding) -> str:
    """A finding's numbers and verdict in a line."""
    if found.verdict == verdicts.NOT_RUN:
        return verdicts.NOT_RUN
    if math.isnan(found.lo):
        return f"{found.mean:+.4f}, one seed" if found.n == 1 else found.verdict
    words = f"{found.mean:+.4f} [{found.lo:+.4f}, {found.hi:+.4f}], {found.verdict}"
    if found.verdict == verdicts.CANNOT_TELL:
        words += f" (n = {found.n} shows {found.detectable:.4f})"
    return words


def _many(rows: Sequence[Row]) -> Iterator[str]:
    """What so many tests do by chance."""
    tested = [(row.claim.id, found) for row in rows for found in row.beds if not math.isnan(found.p_value)]
    adjusted = verdicts.holm([found.p_value for _, found in tested])
    decided = sum(found.verdict in (verdicts.HOLDS, verdicts.FAILS, verdicts.OFF_REGIME) for _, found in tested)
    yield from ("", "## So many tests", "")
    yield (
        f"{len(tested)} claims on beds were tested by an interval and {decided} of them decided. If none of the "
        f"effects existed, {(1 - verdicts.LEVEL) * len(tested):.1f} come by chance, half of them *holds*. "
        "p: two-sided, of the weakest part of the claim; Holm: adjusted over all of these."
    )
    if not tested:
        return
    yield from ("", "| claim | bed | n | verdict | p | Holm |", "|-|-|-|-|-|-|")
    for (name, found), holm in sorted(zip(tested, adjusted), key=lambda pair: pair[0][1].p_value):
        yield f"| {name} | {found.bed} | {found.n} | {found.verdict} | {_p(found.p_value)} | {_p(holm)} |"


def _bed_table(records: Mapping[str, Records]) -> Iterator[str]:
    yield from ("", "## The beds", "")
    yield "| bed | data | training examples | network | epochs | seeds | runs | plain: in training | machine, commit |"
    yield "|-|-|-|-|-|-|-|-|-|"
    used = dict.fromkeys(name for claim in claims() for name in claim.beds)
    for name in used:
        design, found = bed(name), records.get(name, {})
        runs = [record for seeds in found.values() for record in seeds.values()]
        known = train_accuracy(found)
        made = sorted({f"{record['machine']}, {record['commit']}" for record in runs})
        data = next((record["data"] for record in runs if record.get("data")), design.about.title)
        cells = (
            name, data, f"{design.images:,}", design.network, design.epochs, design.seeds, len(runs),
            "" if known is None else f"{100 * known:.1f} %", "; ".join(made) or design.waits or "not run",
        )  # fmt: skip
        yield "| " + " | ".join(_cell(str(cell)) for cell in cells) + " |"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else "< .0001"


def _cell(text: str) -> str:
    return text.replace("|", "&#124;").replace(" < ", " &lt; ").replace("_", "\\_")
