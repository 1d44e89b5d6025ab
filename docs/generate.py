"""Write the pages of the documentation that are made from tables: the methods, and the benchmarks' results."""

import json
from pathlib import Path

import levelhead as lh

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "bench" / "results"


def methods() -> str:
    """The page of named methods."""
    lines = [
        "# Methods",
        "",
        "A method is a sentence, `mixing | targets | loss | penalty`. These have names. `passes` is forward-backward passes",
        "of a batch in a training step. `levelhead methods NAME` shows a card.",
        "",
        "| name | idea | passes | paper |",
        "|-|-|-|-|",
    ]
    for card in lh.methods().values():
        lines.append(f"| `{card.usage.replace('|', chr(92) + '|')}` | {card.idea} | {card.passes:g} | {card.paper} |")
    for card in lh.methods().values():
        lines += [
            "",
            f"## {card.name}",
            "",
            card.idea.capitalize() + ".",
            "",
            "```text",
            card.sentence,
            card.equation,
            "```",
        ]
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
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        about = f"{result['repetitions']} repetitions, {result['machine']}, torch {result['torch']}, commit {result['commit']}"
        lines += ["", f"## {title}", "", f"`{result['command']}`: {about}.", ""]
        lines += ["| what | passes | value | limit | met |", "|-|-|-|-|-|"]
        for what, row in result["rows"].items():
            ratio = row.get("ratio")
            value = (
                f"{ratio['median']:.3f} [{ratio['lo']:.3f}, {ratio['hi']:.3f}]" if ratio else f"{row['value']:.3f} s"
            )
            passes = f"{row['passes']:g}" if "passes" in row else ""
            lines.append(
                f"| {what.replace('_', ' ') if not passes else what} | {passes} | {value} | {row['limit']:g} | {'yes' if row['met'] else 'no'} |"
            )
    return "\n".join(lines) + "\n"


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
    machine = about["machine"]
    lines += [
        "",
        f"Test, n = {summary['n_test']:,}; mean over {summary['rows'][0]['n_seeds']} seeds, 95 % Student-t intervals; "
        "~ the seeds cannot tell it from zero; bold: recommended by NLL on cal. "
        f"{about['identity']['network']['name']} network, {machine['cores']} cores ({machine['processor']}), two runs at "
        f"once (other work ran beside them, so seconds say little), levelhead {about['levelhead']}, torch {about['versions']['torch']}.",
        "",
        "\n>\n".join(f"> {sentence}" for sentence in summary["verdict"]),
        "",
    ]
    return "\n".join(lines)


PAGES = {"methods.md": methods, "benchmarks.md": benchmarks, "../README.md": readme}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (DOCS / page).write_text(make(), encoding="utf-8")
