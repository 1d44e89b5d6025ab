"""The table of methods for a paper or a page of text: LaTeX with booktabs, Markdown.

The numbers, marks and order are those of the page's leaderboard. Names come from users and are escaped.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from levelhead.plots.comparison import Comparison
from levelhead.report import rounding
from levelhead.report.table import Cell, Table, leading, standings

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    rounding.MINUS: "$-$",
    rounding.DASH: "--",
    "…": r"\ldots{}",
    "†": r"$\dagger$",
    "±": r"$\pm$",
    "\n": " ",
}
_MARKDOWN = {
    "\\": "\\\\",
    "&": "\\&",
    "~": "\\~",
    "|": "&#124;",
    "_": "\\_",
    "*": "\\*",
    "<": "&lt;",
    "`": "\\`",
    "[": "\\[",
    "$": "\\$",
    "\n": " ",
}


def latex(comparison: Comparison) -> str:
    """A `table` environment that needs `\\usepackage{booktabs}`; intervals stand below their numbers."""
    table = _table(comparison)
    heads = [escaped_latex(column.head) for group in table.groups for column in group.columns]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped_latex(caption(comparison))}}}",
        r"\small",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{l{'r' * len(heads)}}}",
        r"\toprule",
        *_groups(table),
        " & ".join(["method", *heads]) + r" \\",
        r"\midrule",
    ]
    for row in table.rows:
        shown = [_marked(cell, escaped_latex(cell.text), r"\textbf{%s}", r"$^{\dagger}$") for cell, _ in row.cells]
        lines.append(" & ".join([escaped_latex(row.method), *shown]) + r" \\")
        if any(cell.small for cell, _ in row.cells):
            small = [rf"{{\scriptsize {escaped_latex(cell.small)}}}" if cell.small else "" for cell, _ in row.cells]
            lines.append(" & ".join(["", *small]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def markdown(comparison: Comparison) -> str:
    """A table of Markdown and the sentence below it."""
    table = _table(comparison)
    heads = [
        f"{column.head} {group.head}" if group.head.endswith("scaling") else column.head
        for group in table.groups
        for column in group.columns
    ]
    lines = [f"| {' | '.join(map(escaped_markdown, ['method', *heads]))} |", f"|-{'|-:' * len(heads)}|"]
    for row in table.rows:
        cells = [f"{_marked(cell, cell.text, '**%s**', ' †')} {cell.small}".rstrip() for cell, _ in row.cells]
        lines.append(f"| {' | '.join([escaped_markdown(row.method), *cells])} |")
    return "\n".join([*lines, "", escaped_markdown(caption(comparison))]) + "\n"


TABLES: Mapping[str, Callable[[Comparison], str]] = {"latex": latex, "markdown": markdown}


def caption(comparison: Comparison) -> str:
    """What was measured on how much, what the marks mean, and by which version."""
    summary, identity = comparison.summary, comparison.about.get("identity") or {}
    seeds = sorted({int(row.get("n_seeds") or 0) for row in summary["rows"]})
    many = "-".join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1]))) if seeds else "0"
    level = f"{100 * (summary.get('confidence') or 0.95):g} %"
    name = str((identity.get("data") or {}).get("name") or comparison.folder.name)
    unit = " pixels" if summary.get("segmentation") else ""
    said = [f"{name}: test, n = {rounding.count(summary.get('n_test'))}{unit}"]
    if seeds and seeds[-1] > 1:
        said[0] += f"; means over {many} seeds with {level} Student-t intervals."
        said.append(
            f"Bold: the best mean of a column; †: the seeds cannot tell it from the best (paired difference, "
            f"{level}, not corrected for the number of methods)."
        )
    else:
        said[0] += "; one seed, so there are no intervals, and no difference can be told from luck."
        said.append("Bold: the best of a column.")
    if summary.get("baseline") is not None:
        said.append(f"vs: paired difference to {summary['baseline']}.")
    said.append(
        f"Scaling: each run by its own temperature T, fitted on cal (n = {rounding.count(summary.get('n_cal'))}{unit}) "
        f"by NLL; ECE with {summary.get('n_bins') or 15} bins, NLL in nats, gap: confidence less accuracy; passes: "
        "forward-backward passes a step."
    )
    if comparison.about.get("levelhead"):
        said.append(f"levelhead {comparison.about['levelhead']}.")
    return " ".join(said)


def escaped_latex(text: str) -> str:
    r"""Text that LaTeX sets as it is.

    >>> print(escaped_latex("50 % of A_1 & {B}"))
    50 \% of A\_1 \& \{B\}
    """
    return "".join(_LATEX.get(character, character) for character in text)


def escaped_markdown(text: str) -> str:
    """Text that Markdown shows as it is: neither the end of a cell nor emphasis, code or HTML.

    >>> print(escaped_markdown("a|b_c <i>"))
    a&#124;b\\_c &lt;i>
    """
    return "".join(_MARKDOWN.get(character, character) for character in text)


def _table(comparison: Comparison) -> Table:
    """The page's leading table without the time, which depends on the machine."""
    found = leading(comparison.summary, standings(comparison))
    *others, cost = found.groups
    rows = tuple(replace(row, cells=row.cells[:-1]) for row in found.rows)
    return Table((*others, replace(cost, columns=cost.columns[:-1])), rows)


def _groups(table: Table) -> list[str]:
    """The line of common headings, and the rules below them."""
    cells, rules, at = [], [], 2
    for group in table.groups:
        end = at + len(group.columns) - 1
        cells.append(rf"\multicolumn{{{len(group.columns)}}}{{c}}{{{escaped_latex(group.head)}}}")
        if group.head:
            rules.append(rf"\cmidrule(lr){{{at}-{end}}}")
        at = end + 1
    return [" & ".join(["", *cells]) + r" \\", " ".join(rules)]


def _marked(cell: Cell, text: str, best: str, same: str) -> str:
    return best % text if cell.standing == "best" else text + same if cell.standing == "same" else text


def table_of(comparison: Comparison, kind: str) -> str:
    """The table as `latex` or `markdown`; ValueError for another word, or where no run has finished."""
    if kind not in TABLES:
        raise ValueError(f"--table must be {' or '.join(TABLES)}, not {kind!r}; leaderboard.csv is the same as numbers")
    if not comparison.summary["rows"]:
        raise ValueError(f"{comparison.folder}: no run has finished, so there is nothing to put into a table")
    return TABLES[kind](comparison)
