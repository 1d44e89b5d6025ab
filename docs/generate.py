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


PAGES = {"methods.md": methods, "benchmarks.md": benchmarks}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (DOCS / page).write_text(make(), encoding="utf-8")
