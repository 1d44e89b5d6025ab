"""Write the pages of the documentation that are made from tables: the methods, and the benchmarks' results."""

import json
from pathlib import Path
from typing import Any

import levelhead as lh
from levelhead.report.listings import methods_table

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "bench" / "results"


def methods() -> str:
    """The page of named methods."""
    cards = list(lh.methods().values())
    lines = [
        "# Methods",
        "",
        "A method is a sentence, `mixing | targets | loss | penalty`. These have names; `levelhead methods NAME` shows",
        "a card, `levelhead methods --table` prints the table below. `passes` is forward-backward passes of a batch in",
        "a training step.",
        "",
        methods_table(cards),
        "",
        "## The sentences",
        "",
        "What each name stands for, with every argument that has an effect. Any part can be changed, and whatever",
        "parses can be trained.",
    ]
    for card in cards:
        lines += ["", f"### {card.name}", "", "```text", card.sentence, "```"]
    return "\n".join(lines) + "\n"


def benchmarks() -> str:
    """The page of what things cost."""
    lines = ["# What it costs", "", "Made by `make bench`; ratios within one run, median [lowest, highest]."]
    for name, title in (
        ("step_cost", "A training step"),
        ("throughput", "The training loop"),
        ("import_time", "Start"),
    ):
        path = RESULTS / f"{name}.json"
        if path.exists():
            lines += ["", f"## {title}", "", *benchmark(json.loads(path.read_text()))]
    return "\n".join(lines) + "\n"


def benchmark(result: dict[str, Any]) -> list[str]:
    """One bench script's result as lines of Markdown."""
    made = (
        f"{result['repetitions']} repetitions, {result['machine']}, torch {result['torch']}, commit {result['commit']}"
    )
    lines = [f"`{result['command']}`: {made}.", "", "| what | passes | value | limit | met |", "|-|-|-|-|-|"]
    for what, row in result["rows"].items():
        ratio = row.get("ratio")
        value = f"{ratio['median']:.3f} [{ratio['lo']:.3f}, {ratio['hi']:.3f}]" if ratio else f"{row['value']:.3f} s"
        passes = f"{row['passes']:g}" if "passes" in row else ""
        met = "yes" if row["met"] else "no"
        lines.append(
            f"| {what if passes else what.replace('_', ' ')} | {passes} | {value} | {row['limit']:g} | {met} |"
        )
    return lines


def readme() -> str:
    """The README with the leaderboard of the real run whose files are kept in docs/results."""
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- leaderboard: made by docs/generate.py -->\n", "<!-- end of leaderboard -->"
    before, rest = text.split(begin)
    return before + begin + leaderboard(DOCS / "results" / "fashion-mnist") + end + rest.split(end)[1]


def leaderboard(folder: Path) -> str:
    """A comparison's summary as a table of Markdown, with the command, n and the machine."""
    summary, about = (json.loads((folder / f"{name}.json").read_text()) for name in ("summary", "comparison"))
    lines = [
        f"`{about['command']}`",
        "",
        "| method | NLL scaled | against vanilla | ECE raw | ECE scaled | gap raw | accuracy | passes |",
        "|-|-|-|-|-|-|-|-|",
    ]
    for row in summary["rows"]:
        nll, ece, ece_scaled, gap, accuracy = (
            row["metrics"][name] for name in ("nll_scaled", "ece_raw", "ece_scaled", "gap_raw", "accuracy_raw")
        )
        against = "baseline"
        if nll["diff"] is not None:
            against = f"{nll['diff']:+.3f} [{nll['diff_lo']:+.3f}, {nll['diff_hi']:+.3f}]"
            against += " ~" if nll["diff_lo"] <= 0 <= nll["diff_hi"] else ""
        name = f"**{row['method']}**" if row["recommended"] else row["method"]
        lines.append(
            f"| {name} | {nll['mean']:.3f} ± {(nll['hi'] - nll['lo']) / 2:.3f} | {against} | {ece['mean']:.3f} | "
            f"{ece_scaled['mean']:.3f} | {gap['mean']:+.3f} | {100 * accuracy['mean']:.1f} % | {row['passes']:g} |"
        )
    machine, network = about["machine"], about["identity"]["network"]["name"]
    lines += [
        "",
        f"Test, n = {summary['n_test']:,}; mean over {summary['rows'][0]['n_seeds']} seeds, 95 % Student-t intervals; "
        "~ the seeds cannot tell it from zero; bold: recommended by NLL on cal. "
        f"{network} network, {machine['cores']} cores ({machine['processor']}), two runs at once (other work ran "
        f"beside them, so seconds say little), levelhead {about['levelhead']}, torch {about['versions']['torch']}.",
        "",
        "\n>\n".join(f"> {sentence}" for sentence in summary["verdict"]),
        "",
    ]
    return "\n".join(lines)


PAGES = {"methods.md": methods, "benchmarks.md": benchmarks, "../README.md": readme}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (DOCS / page).write_text(make(), encoding="utf-8")
