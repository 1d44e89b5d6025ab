"""The figures of an evaluation's page, from its JSON: what stands behind its diagrams, abstaining, prediction sets."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from levelhead.plots.pooled import Pooled
from levelhead.plots.reliability import FEW
from levelhead.plots.tradeoff import Point, Tradeoff
from levelhead.report import figures
from levelhead.report.figures import COLOURS, DASHES, Figure, text

_GREY = "rgba(128,128,128,0.22)"
_UNTOLD = {"hoverinfo": "skip", "showlegend": False, "untold": True}  # not a row of the numbers
_NAMED = 40  # groups along an axis
_SETS = 0.9  # the level whose sets are drawn; the table has both


def reliability(view: Pooled, entry: Mapping[str, Any]) -> Figure:
    """The reliability diagram before the range of honest bins and the relabelling without bins."""
    figure = figures.reliability(view)
    for state, traces in figure["states"].items():
        if traces is None:
            continue
        rows = {row["from"]: row for row in entry["reliability"][state] if row["count"]}
        for trace in traces:
            places = [rows[point[1]] for point in trace["customdata"]]
            trace["customdata"] = [
                (*point, row["calibrated_lo"], row["calibrated_hi"])
                for point, row in zip(trace["customdata"], places, strict=True)
            ]
        curve = entry["isotonic"][state]
        line = {"color": "@ink", "width": 1, "dash": "dot"}
        smooth = {"type": "scatter", "mode": "lines", "x": curve["confidence"], "y": curve["accuracy"], "line": line}
        figure["states"][state] = [*_honest(list(rows.values())), smooth | _UNTOLD, *traces]
    figure["columns"] += ["honest from", "honest to"]
    return figure


def _honest(rows: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """The range of honest bins, through those with enough examples to have one worth seeing."""
    rows = [row for row in rows if row["count"] >= FEW and row["calibrated_lo"] is not None]
    x = [row["confidence"] for row in rows]
    return _band(x, [row["calibrated_lo"] for row in rows], [row["calibrated_hi"] for row in rows])


def _band(x: Sequence[float], lo: Sequence[float], hi: Sequence[float]) -> list[Figure]:
    line = {"type": "scatter", "mode": "lines", "x": x, "line": {"width": 0}} | _UNTOLD
    return [line | {"y": lo}, line | {"y": hi, "fill": "tonexty", "fillcolor": _GREY}]


def risk_coverage(models: Sequence[tuple[str, Mapping[str, Any]]]) -> Figure:
    """Error of the most confident share of examples, a line a model.

    A single one has the band of its interval, and beside it what the best order of its examples and none would do.
    """
    single = len(models) == 1
    traces: list[Figure] = []
    for index, (name, states) in enumerate(models):
        curve = states["raw"]["curve"]
        x, colour = [100 * c for c in curve["coverage"]], "@raw" if single else f"@m{index % COLOURS}"
        if single:
            traces += _band(x, curve["lo"], curve["hi"])
            for words, values, dash in (
                ("best order", curve["oracle"], "dot"),
                ("no order", [curve["risk"][-1]] * len(x), "dash"),
            ):
                traces.append(
                    {
                        "type": "scatter",
                        "mode": "lines",
                        "name": words,
                        "x": x,
                        "y": values,
                        "line": {"color": "@muted", "width": 1.2, "dash": dash},
                        "hovertemplate": f"{words}: %{{y:.2%}}<extra></extra>",
                        "untold": True,
                    }
                )
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "by confidence" if single else text(name, 32),
                "x": x,
                "y": curve["risk"],
                "customdata": list(zip(curve["lo"], curve["hi"], strict=True)),
                "line": {"color": colour, "width": 1.8, "dash": DASHES[index // COLOURS % len(DASHES)]},
                "hovertemplate": "coverage %{x:.1f} %<br>error %{y:.2%} [%{customdata[0]:.2%}, %{customdata[1]:.2%}]"
                "<extra></extra>",
            }
        )
    return {
        "columns": ["model", "coverage, %", "error", "from", "to"],
        "traces": traces,
        "layout": {
            "xaxis": {"title": "coverage: share answered, surest first, %", "range": [0, 100]},
            "yaxis": {"title": "error", "tickformat": ".1%", "rangemode": "tozero"},
            "showlegend": True,
        },
        "height": 330,
        "zoom": True,
    }


def tradeoff(entries: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Accuracy against the calibration error without its bias, before and after scaling; None for fewer than two."""
    points = tuple(
        Point(entry["name"], (0,), *(np.array([value]) for value in (entry["raw"]["accuracy"], *errors)))
        for entry in entries
        if entry.get("scaled") and None not in (errors := [entry[state]["debiased_ece"] for state in ("raw", "scaled")])
    )
    if len(points) < 2:
        return None
    figure = figures.tradeoff(
        Tradeoff("debiased_ece", "test", entries[0]["n"], points), figures.looks([p.method for p in points], None)
    )
    figure["layout"]["xaxis"]["title"] = "ECE without its bias, lower is better"
    figure["columns"][1] = "debiased ECE"
    return figure


def groups(found: Mapping[str, Any]) -> Figure:
    """Accuracy with its interval and mean confidence of each group, before and after scaling: apart, they are gaps.

    Numbers, such as levels of a corruption, lie on an axis and are joined.
    """
    rows = found["raw"]
    x = [float(row["group"]) if found["numeric"] else text(row["group"]) for row in rows]
    axis: Figure = {"title": text(found["by"], 40), "type": "linear"}
    if not found["numeric"]:  # a place for each whole name, as long names may begin alike
        shown = range(0, len(rows), math.ceil(len(rows) / _NAMED))
        named = {"tickvals": [x[k] for k in shown], "ticktext": [text(rows[k]["group"], 24) for k in shown]}
        axis |= {"type": "category"} | named
    mode = "lines+markers" if found["numeric"] else "markers"

    def trace(name: str, y: Sequence[float], colour: str, symbol: str, dash: str) -> Figure:
        return {
            "type": "scatter",
            "mode": mode,
            "name": name,
            "x": x,
            "y": y,
            "customdata": [[row["n"]] for row in rows],
            "marker": {"color": colour, "symbol": symbol, "size": 9},
            "line": {"color": colour, "width": 1.4, "dash": dash},
            "hovertext": x,
            "hovertemplate": f"%{{hovertext}}: {name} %{{y:.1%}}, n = %{{customdata[0]:,}}<extra></extra>",
        }

    accuracy = [row["accuracy"] for row in rows]
    lo, hi = zip(*(row["accuracy_interval"] for row in rows), strict=True)
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [b - a for a, b in zip(accuracy, hi, strict=True)],
        "arrayminus": [a - b for a, b in zip(accuracy, lo, strict=True)],
        "thickness": 1.2,
        "width": 4,
    }
    traces = [trace("accuracy", accuracy, "@ink", "circle", "solid") | {"error_y": bars}]
    for state, name, colour, symbol, dash in (
        ("raw", "confidence", "@raw", "diamond-open", "dash"),
        ("scaled", "confidence, scaled", "@scaled", "diamond", "dot"),
    ):
        if state in found:
            traces.append(trace(name, [row["confidence"] for row in found[state]], colour, symbol, dash))
    return {
        "columns": ["what", text(found["by"], 24), "value", "examples"],
        "traces": traces,
        "layout": {
            "xaxis": axis,
            "yaxis": {"title": "accuracy and confidence", "tickformat": ".0%"},
            "showlegend": True,
        },
        "height": 320,
    }


def set_sizes(found: Mapping[str, Any]) -> Figure:
    """How many examples have a prediction set of how many classes, the two scores side by side."""
    rows = [row for row in found["rows"] if abs(row["level"] - _SETS) < 1e-9]
    traces = [
        {
            "type": "bar",
            "name": row["score"].upper(),
            "x": list(range(1, len(row["sizes"]))),
            "y": [count / sum(row["sizes"]) for count in row["sizes"][1:]],
            "customdata": [[count] for count in row["sizes"][1:]],
            "marker": {"color": colour, "line": {"width": 0}, "pattern": {"shape": pattern, "size": 5}},
            "hovertemplate": f"{row['score'].upper()}, %{{x}} classes: "
            "%{customdata[0]:,} (%{y:.2%})<extra></extra>",
        }
        for row, colour, pattern in zip(rows, ("@m0", "@m1"), ("", "/"), strict=True)
    ]
    most = max(len(row["sizes"]) for row in rows)
    return {
        "columns": ["score", "classes in the set", "share", "examples"],
        "traces": traces,
        "layout": {
            "xaxis": {"title": "classes in the set"} | ({"dtick": 1} if most <= 20 else {}),
            "yaxis": {"title": "share of examples", "tickformat": ".0%", "rangemode": "tozero"},
            "barmode": "group",
            "bargap": 0.25,
            "showlegend": True,
        },
        "height": 260,
    }
