"""Write the pages of the documentation that are made from tables: the methods, and the benchmarks' results."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import levelhead as lh
from levelhead.data import names
from levelhead.data.facts import FACTS
from levelhead.report.listings import methods_table
from levelhead.reproduce import ledger, pages
from levelhead.reproduce.plans import plans

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "bench" / "results"


def methods() -> str:
    """The page of named methods."""
    lines = [
        "# Methods",
        "",
        "A method is a sentence, `mixing | targets | loss | penalty`. These have names; `levelhead methods NAME` shows",
        "a card, `levelhead methods --table` prints what follows. *Passes* are forward-backward passes of a batch in a",
        "training step. Below each name: how it is written, the sentence it stands for with every argument that has an",
        "effect, and its equation. Any part can be changed, and whatever parses can be trained.",
        "",
        methods_table(list(lh.methods().values())),
    ]
    return "\n".join(lines) + "\n"


def data_sets() -> str:
    """The page of data sets that have a name."""
    lines = [
        "# Data sets by name",
        "",
        "`levelhead data` prints this table with whether the files are there; `levelhead data NAME` shows one with its",
        "folders, layouts, files and sizes. Where a set has only its number of classes, its files name them.",
        "",
        "| name | set | kind | classes | train / val / test | augmented | licence | cite |",
        "|-|-|-|-|-|-|-|-|",
    ]
    for name in names():
        facts = FACTS[name]
        sizes = [f"{facts.sizes[role]:,}" if role in facts.sizes else "-" for role in ("train", "val", "test")]
        cells = (
            *(f"`{name}`", f"[{facts.title}]({facts.homepage})" if facts.homepage != "none" else facts.title),
            *(facts.kind, f"{facts.num_classes:,}", " / ".join(sizes), facts.augment.words),
            *(facts.licence, facts.citation),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Notes:", ""]
    lines += [f"- `{name}`: {FACTS[name].note}" for name in names() if FACTS[name].note]
    return "\n".join(lines) + "\n"


def benchmarks() -> str:
    """The page of what things cost."""
    lines = ["# What it costs", "", "Made by `make bench`; ratios within one run, median [lowest, highest]."]
    for name, title in (
        ("step_cost", "A training step"),
        ("puzzle_cost", "PuzzleMix beside its passes"),
        ("metrics", "The measures, and the libraries people use"),
        ("throughput", "The training loop"),
        ("loading", "Loading"),
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
    lines = [f"`{result['command']}`: {made}.", ""]
    if any("overhead" in row for row in result["rows"].values()):
        return lines + step_costs(result["rows"])
    if any("peak_mb" in row for row in result["rows"].values()):
        return lines + measure_costs(result["rows"])
    lines += ["| what | value | limit | met |", "|-|-|-|-|"]
    for what, row in result["rows"].items():
        ratio = row.get("ratio")
        value = f"{ratio['median']:.3f} [{ratio['lo']:.3f}, {ratio['hi']:.3f}]" if ratio else f"{row['value']:.3f} s"
        lines.append(f"| {what.replace('_', ' ')} | {value} | {row['limit']:g} | {'yes' if row['met'] else 'no'} |")
    return lines


def step_costs(rows: dict[str, dict[str, Any]]) -> list[str]:
    """The cost of a step of every method as a table."""
    lines = [
        "`ratio` is to plain training; `overhead` is what is not passes: the step over a bare loop that takes as many",
        "examples through the same network.",
        "",
        "| method | passes | ratio | overhead | limit | met |",
        "|-|-|-|-|-|-|",
    ]
    for what, row in rows.items():
        ratio, over = row["ratio"], {key: 100 * value for key, value in row["overhead"].items()}
        limit, met = (f"{100 * row['limit']:g} %", "yes" if row["met"] else "no") if "limit" in row else ("", "")
        lines.append(
            f"| {what} | {row['passes']:g} | {ratio['median']:.3f} [{ratio['lo']:.3f}, {ratio['hi']:.3f}] | "
            f"{over['median']:+.1f} % [{over['lo']:+.1f}, {over['hi']:+.1f}] | {limit} | {met} |"
        )
    return lines


def measure_costs(rows: dict[str, dict[str, Any]]) -> list[str]:
    """What measures cost, for every size of data, ours beside the peers."""
    lines = [
        "From float32 logits in memory to the number; time as a ratio to one `torch.softmax` over the same array,",
        "memory beyond the input at its highest. A limit is met if the lowest ratio is under it.",
    ]
    for shape in dict.fromkeys(name.split(": ")[0] for name in rows):
        lines += ["", f"### {shape} logits", "", "| measure | by | softmaxes | MB | limit | met |", "|-|-|-|-|-|-|"]
        for name, row in rows.items():
            if name.split(": ")[0] != shape:
                continue
            measure, _, peer = name.split(": ")[1].partition(", ")
            ratio, limit = row["ratio"], row.get("limit")
            memory = "" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}"
            time = f"{ratio['median']:.2f} [{ratio['lo']:.2f}, {ratio['hi']:.2f}]"
            met = "" if limit is None else "yes" if row["met"] and row.get("memory_met", True) else "no"
            lines.append(
                f"| {measure.replace('_', ' ')} | {peer or '**levelhead**'} | {time} | {memory} | "
                f"{'' if limit is None else f'{limit:g}'} | {met} |"
            )
    return lines


def study() -> str:
    """The page of every method on Fashion-MNIST, and what of the papers' claims is seen there."""
    result = json.loads((RESULTS / "method_study.json").read_text())
    runs, seeds = result["runs"], result["n_seeds"]

    def each(name: str, measure: str) -> list[float]:
        return [run[measure] for run in runs[name]]

    lines = [
        *("---", "hide:", "  - toc", "---"),  # the table needs the page's width
        "# Every method on Fashion-MNIST",
        "",
        "10,000 training images, 20 epochs, the `small` network (77,466 parameters): minutes a run on two cores, not",
        "the papers' regime of hundreds of epochs and large networks. What they report there need not show here.",
        "",
        f"`{result['command']}`",
        "",
        f"Test, n = {result['n_test']:,}; mean ± standard deviation over {seeds} seeds. ECE with 15 bins; gap is mean",
        "confidence minus accuracy; OE weighs over-confident bins only; scaled: after division by the temperature T",
        "that was fitted on 6,000 other examples. "
        f"{result['machine']}, torch {result['torch']}, commit {result['commit']}.",
        "",
        "| method | accuracy | NLL scaled | ECE raw | ECE scaled | gap raw | OE raw | T | median winning score |",
        "|-|-|-|-|-|-|-|-|-|",
    ]
    order = list(lh.methods())
    for name in sorted(runs, key=lambda name: order.index(name.split("(")[0])):
        accuracy = [100 * value for value in each(name, "accuracy_raw")]
        columns = [f"{mean(accuracy):.1f} ± {stdev(accuracy):.1f} %"]
        for measure in ("nll_scaled", "ece_raw", "ece_scaled", "gap_raw", "oe_raw", "temperature", "winning_50"):
            values = each(name, measure)
            sign = "+" if measure == "gap_raw" else ""
            columns.append(f"{mean(values):{sign}.3f} ± {stdev(values):.3f}")
        lines.append(f"| `{name}` | {' | '.join(columns)} |")
    lines += [
        "",
        "## What of the papers' claims is seen here",
        "",
        f"Paired over {seeds} seeds, 95 % Student-t intervals; *holds*: wholly on the claimed side; *fails*: wholly on",
        "the other; *cannot tell*: neither. A value holds where its mean over the seeds lies in the stated range.",
        "",
        "| claim | paper | numbers | here |",
        "|-|-|-|-|",
        *(f"| {claim} | {paper} | {numbers} | {verdict} |" for claim, paper, numbers, verdict in claims(each)),
    ]
    return "\n".join(lines) + "\n"


def claims(each: Callable[[str, str], list[float]]) -> Iterator[tuple[str, str, str, str]]:
    """Claim, paper, numbers and verdict, from runs paired by seed."""

    def below(less: list[float], more: list[float]) -> tuple[str, str]:
        gap = lh.metrics.paired(less, more)
        verdict = "holds" if gap.hi < 0 else "fails" if gap.lo > 0 else "cannot tell"
        numbers = f"{mean(less):+.4f} against {mean(more):+.4f}: {gap.mean:+.4f} [{gap.lo:+.4f}, {gap.hi:+.4f}]"
        return numbers, verdict

    calibration = "mixup for calibration"
    steps = ["vanilla", "mixup(alpha=0.1)", "mixup", "mixup(alpha=1)"]
    for less, more in zip(steps[1:], steps):
        yield (
            f"OE falls with alpha: {less} below {more}",
            calibration,
            *below(each(less, "oe_raw"), each(more, "oe_raw")),
        )
    for measure in ("oe_raw", "gap_raw"):
        what = f"mixing features alone stays over-confident: {measure.split('_')[0]} of mixup below mixup_features"
        yield what, calibration, *below(each("mixup", measure), each("mixup_features", measure))
    alone = lh.metrics.student_t(each("mixup_features", "gap_raw"))
    yield (
        "mixup_features is over-confident at all: gap above 0",
        calibration,
        f"{alone.mean:+.4f} [{alone.lo:+.4f}, {alone.hi:+.4f}]",
        "holds" if alone.lo > 0 else "fails" if alone.hi < 0 else "cannot tell",
    )
    for name, wanted, paper in (("pls", 0.35, "PLS"), ("pls(detach=true)", 0.30, "none: what detaching would give")):
        values = each(name, "true_class_target")
        yield (
            f"mean target of the true classes under {name} near {wanted} (± .02)",
            paper,
            f"{mean(values):.3f} ± {stdev(values):.4f}",
            "holds" if abs(mean(values) - wanted) <= 0.02 else "fails",
        )
    quartiles = [mean(each("pls", f"winning_{q}")) for q in (25, 50, 75)]
    verdict = "holds" if 0.45 <= quartiles[1] <= 0.6 else "fails"
    numbers = "quartiles " + ", ".join(f"{value:.3f}" for value in quartiles)
    yield "winning scores under PLS gather near one half (median .45 to .6)", "PLS", numbers, verdict
    distance = {name: [abs(log(t)) for t in each(name, "temperature")] for name in ("mbls", "vanilla")}
    yield (
        "MbLS needs a temperature nearer 1: size of log T below vanilla's",
        "MbLS",
        *below(distance["mbls"], distance["vanilla"]),
    )
    yield (
        "ULS on top of mixup is more under-confident: gap below mixup's",
        "PLS, LaMix",
        *below(each("mixup_uls", "gap_raw"), each("mixup", "gap_raw")),
    )


def readme() -> str:
    """The README with the leaderboard of the real run whose files are kept in docs/results."""
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- leaderboard: made by docs/generate.py -->\n", "<!-- end of leaderboard -->"
    before, rest = text.split(begin)
    return before + begin + leaderboard(DOCS / "results" / "fashion-mnist") + end + rest.split(end)[1]


def segmentation() -> str:
    """The page of segmentation with what CamVid gives."""
    text = (DOCS / "segmentation.md").read_text(encoding="utf-8")
    begin, end = "<!-- camvid: made by docs/generate.py -->\n", "<!-- end of camvid -->"
    before, rest = text.split(begin)
    path = RESULTS / "camvid.json"
    lines = camvid(json.loads(path.read_text())) if path.exists() else [CAMVID_MISSING]
    return before + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1]


CAMVID_MISSING = "The first command above makes it, and `python bench/camvid.py FOLDER COMMIT` keeps it."


def camvid(result: dict[str, Any]) -> list[str]:
    """Three methods on CamVid, over all pixels of test."""
    recipe, network = result["recipe"], result["network"]
    lines = [
        f"`{result['command']}`",
        "",
        f"{result['data']}. Network `{network['name']}` ({network['parameters']:,} parameters), {recipe['epochs']} "
        f"epochs; {result['pixels']:,} pixels of {result['images']} test images; mean ± standard deviation over "
        f"{result['n_seeds']} seeds. {result['machine']}, torch {result['torch']}, commit {result['commit']}. The copy "
        "is halved and lossy, and the network small: not the published benchmark.",
        "",
        "| method | mIoU | accuracy | ECE raw | ECE scaled | batch ECE raw | NLL raw | NLL scaled | T |",
        "|-|-|-|-|-|-|-|-|-|",
    ]
    columns = (
        *(("miou_raw", 100, ".1f"), ("pixel_accuracy_raw", 100, ".1f")),
        *(("pixel_ece_raw", 1, ".4f"), ("pixel_ece_scaled", 1, ".4f"), ("batch_ece_raw", 1, ".4f")),
        *(("pixel_nll_raw", 1, ".3f"), ("pixel_nll_scaled", 1, ".3f"), ("temperature", 1, ".3f")),
    )
    for name, runs in result["runs"].items():
        lines.append(f"| `{name}` | {' | '.join(over_seeds(runs, columns))} |")
    lines += ["", "IoU by class, in per cent:", ""]
    lines += [f"| class | {' | '.join(f'`{name}`' for name in result['iou'])} |", "|-" * (1 + len(result["iou"])) + "|"]
    for at, name in enumerate(result["classes"]):
        values = [each[at] for each in result["iou"].values()]
        shown = " | ".join("" if value is None else f"{100 * value:.1f}" for value in values)
        lines.append(f"| {name} | {shown} |")
    return lines


def real_data() -> str:
    """The page of comparisons on texts and photographs."""
    text = (DOCS / "real-data.md").read_text(encoding="utf-8")
    for name, further in (("trec", kim), ("mr", kim), ("newsgroups", order_of_ece), ("cifar10", None)):
        begin, end = f"<!-- {name}: made by docs/generate.py -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(begin)
        path, lines = RESULTS / f"{name}.json", ["Not run yet."]
        if path.exists():
            result = json.loads(path.read_text())
            lines = compared(result) + (["", *further(name, result["runs"])] if further else [])
        text = before + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1]
    return text


def compared(result: dict[str, Any]) -> list[str]:
    """A comparison that bench/comparison.py kept: how it was made, and every method's measures over the seeds."""
    recipe, network, sizes = result["recipe"], result["network"], result["sizes"]
    parts = ", ".join(f"{role} {size:,}" for role, size in sizes.items())
    lines = [
        f"`{result['command']}`",
        "",
        f"{result['data']}: {parts}. Network `{network['name']}` ({network['parameters']:,} parameters), "
        f"{recipe['epochs']} epochs of {recipe['optimizer']}; {result['n_seeds']} seeds; n = {result['n_test']:,}. "
        f"{result['machine']}, torch {result['torch']}, commit {result['commit']}.",
        "",
        "| method | accuracy | ECE raw | ECE scaled | gap raw | OE raw | NLL scaled | T | ECE raw against `vanilla` |",
        "|-|-|-|-|-|-|-|-|-|",
    ]
    columns = (
        *(("accuracy_raw", 100, ".1f"), ("ece_raw", 1, ".3f"), ("ece_scaled", 1, ".3f"), ("gap_raw", 1, "+.3f")),
        *(("oe_raw", 1, ".3f"), ("nll_scaled", 1, ".3f"), ("temperature", 1, ".2f")),
    )
    for name, runs in result["runs"].items():
        cells = over_seeds(runs, columns)
        cells.append("" if name == "vanilla" else against(runs, result["runs"]["vanilla"], "ece_raw"))
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return lines


def over_seeds(runs: list[dict[str, Any]], columns: Sequence[tuple[str, int, str]]) -> list[str]:
    """A method's cells: of each column's measure, factor and format, the mean over the seeds and its spread."""
    cells = []
    for key, scale, form in columns:
        values = [scale * run[key] for run in runs]
        spread = f" ± {stdev(values):{form.lstrip('+')}}" if len(values) > 1 else ""
        cells.append(f"{mean(values):{form}}{spread}{' %' if scale == 100 else ''}")
    return cells


def against(runs: list[dict[str, Any]], others: list[dict[str, Any]], measure: str) -> str:
    """A measure's difference between two methods, paired by seed."""
    gap = lh.metrics.paired(*([run[measure] for run in each] for each in (runs, others)))
    return f"{gap.mean:+.3f} [{gap.lo:+.3f}, {gap.hi:+.3f}]{' ~' if gap.lo <= 0 <= gap.hi else ''}"


#: Accuracy of Kim's CNN-rand (2014, table 2), in per cent.
KIM = {"trec": 91.2, "mr": 76.1}


def kim(name: str, runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Plain training beside Kim's, and what mixup does to over-confidence."""
    found = 100 * mean(run["accuracy_raw"] for run in runs["vanilla"])
    within = "within" if abs(found - KIM[name]) <= 2 else "not within"
    each = [
        f"`{method}` {against(runs[method], runs['vanilla'], 'oe_raw')}"
        for method in runs
        if method.startswith("mixup(")
    ]
    return [
        f"Kim's network with vectors drawn at random (CNN-rand) reached {KIM[name]} %; here `vanilla` has "
        f"{found:.1f} %, {within} two points. Over-confidence error against `vanilla`: "
        f"{'; '.join(each) or 'no mixup was run'}.",
    ]


#: ECE in per cent of MbLS, table 1: GPCN on all 19,997 posts with GloVe's 100 numbers a word.
MBLS_NEWS = {"vanilla": 22.75, "focal(gamma=3)": 10.80, "uls(smoothing=0.05)": 8.07, "mbls": 5.40}


def order_of_ece(_: str, runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The methods by their ECE, largest first, each step with its interval, and the paper's order."""

    def listed(values: dict[str, float]) -> str:
        return ", ".join(f"`{name}` {values[name]:.1f} %" for name in sorted(values, key=lambda name: -values[name]))

    here = {name: 100 * mean(run["ece_raw"] for run in each) for name, each in runs.items()}
    order = sorted(here, key=lambda name: -here[name])
    steps = [
        f"`{less}` against `{more}` {against(runs[less], runs[more], 'ece_raw')}" for more, less in pairwise(order)
    ]
    return [
        f"ECE from the largest: {listed(here)}; step by step {'; '.join(steps)}. The paper has, on its own split and "
        f"vectors, {listed(MBLS_NEWS)}.",
    ]


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


def claims_ledger() -> str:
    """The ledger of the papers' claims."""
    return ledger.page(RESULTS / "claims")


PAGES = {
    "methods.md": methods,
    "data-sets.md": data_sets,
    "fashion-mnist.md": study,
    "segmentation.md": segmentation,
    "real-data.md": real_data,
    "claims.md": claims_ledger,
    **{
        f"papers/{paper}.md": partial(pages.page, paper, RESULTS / "claims", DOCS / "assets" / "papers")
        for paper in plans()
    },
    "benchmarks.md": benchmarks,
    "../README.md": readme,
}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (DOCS / page).parent.mkdir(exist_ok=True)
        (DOCS / page).write_text(make(), encoding="utf-8")
