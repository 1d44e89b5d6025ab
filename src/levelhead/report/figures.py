"""The page's figures as plotly traces, made from what `levelhead.plots` computes; nothing is computed here.

A figure is a mapping for the page's script: `columns` name what a point holds (trace, x, y, then its custom data),
`traces` (or `states`, two lists to switch between), `layout`, `height`. Colours are tokens such as `@raw` that the
script looks up in the style sheet, so light, dark and print differ there only.
"""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from levelhead.plots.confidence import TICKS, Histogram
from levelhead.plots.curves import NAMES, Curve
from levelhead.plots.differences import Difference
from levelhead.plots.hull import NAMES as DEPARTURES
from levelhead.plots.hull import Departure
from levelhead.plots.pooled import Pooled
from levelhead.plots.reliability import Diagram
from levelhead.plots.tradeoff import Point, Tradeoff
from levelhead.report.embed import MAX_POINTS, thinned

Figure = dict[str, Any]

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x")
DASHES = ("solid", "dash", "dot", "dashdot")
COLOURS = 6  # @m0 to @m5 in the style sheet
_CURVE_POINTS = 60_000  # of all traces of a figure together, so that many methods stay within the page's size


def text(name: object, limit: int = 0) -> str:
    """A name as plotly shows it: it reads some HTML in its texts, so that is escaped; shortened to `limit`."""
    shown = str(name)
    if limit and len(shown) > limit:
        shown = shown[: limit - 1] + "…"
    return html.escape(shown, quote=False)


def looks(methods: Sequence[str], baseline: str | None) -> dict[str, dict[str, str]]:
    """Colour, symbol and dash of every method; the baseline's is the colour of ink."""
    others = [method for method in methods if method != baseline]
    found = {
        method: {
            "color": f"@m{i % COLOURS}",
            "symbol": SYMBOLS[i % len(SYMBOLS)],
            "dash": DASHES[i // COLOURS % len(DASHES)],
        }
        for i, method in enumerate(others)
    }
    if baseline is not None:
        found[baseline] = {"color": "@ink", "symbol": "star", "dash": "solid"}
    return found


def reliability(view: Pooled, *, intervals: bool = True) -> Figure:
    """One method's reliability diagram in both states; without ``intervals`` where rows are not independent."""
    diagonal = {"type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "layer": "below"}
    diagonal["line"] = {"color": "@muted", "width": 1, "dash": "dash"}
    return {
        "columns": ["", "mean confidence", "accuracy", "examples", "from", "to"]
        + (["interval from", "interval to"] if intervals else []),
        "states": {
            "raw": view.raw and _bins(view.raw.diagram, "@raw", "circle", intervals),
            "scaled": view.scaled and _bins(view.scaled.diagram, "@scaled", "square", intervals),
        },
        "layout": {
            "xaxis": {"title": "confidence", "range": [0, 1], "dtick": 0.25, "constrain": "domain"},
            "yaxis": {"title": "accuracy", "range": [0, 1], "dtick": 0.25, "scaleanchor": "x", "constrain": "domain"},
            "shapes": [diagonal],
        },
        "height": 270,
    }


def _bins(diagram: Diagram, colour: str, symbol: str, intervals: bool) -> list[Figure]:
    """Bins with enough examples, joined; then those with few, faint and on their own."""
    few = diagram.filled & ~diagram.steady
    steady = _points(diagram, diagram.steady, colour, symbol, intervals)
    return [steady] + (
        [_points(diagram, few, colour, symbol, intervals) | {"mode": "markers", "opacity": 0.35}] if few.any() else []
    )


def _points(diagram: Diagram, keep: np.ndarray, colour: str, symbol: str, intervals: bool) -> Figure:
    x, y, count = diagram.confidence[keep], diagram.accuracy[keep], diagram.count[keep]
    lo, hi = diagram.lo[keep], diagram.hi[keep]
    bins = np.flatnonzero(keep)
    share = count / max(diagram.n, 1)
    bounds = [lo, hi] if intervals else []
    bars = {
        "type": "data",
        "symmetric": False,
        "array": np.maximum(hi - y, 0),
        "arrayminus": np.maximum(y - lo, 0),
        "thickness": 1.2,
        "width": 0,
        "color": colour,
    }
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "customdata": list(zip(count, diagram.edges[bins], diagram.edges[bins + 1], *bounds, strict=True)),
        **({"error_y": bars} if intervals else {}),
        # Area, not width, is what the eye compares.
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": 4 + 12 * np.sqrt(share),
            "opacity": 1,
            "line": {"width": 0},
        },
        "line": {"color": colour, "width": 1},
        "cliponaxis": False,  # a point at (1, 1) is whole
        "hovertemplate": (
            "confidence %{x:.3f}<br>accuracy %{y:.3f}"
            + (" [%{customdata[3]:.3f}, %{customdata[4]:.3f}]" if intervals else "")
            + "<br>"
            "%{customdata[0]:,} predictions in (%{customdata[1]:.3f}, %{customdata[2]:.3f}]<extra></extra>"
        ),
    }


def confidence(view: Pooled, top: dict[str, float]) -> Figure:
    """One method's confidence histogram in both states; `top` is the height of each state's axis, for all methods."""
    assert view.raw is not None  # a method without predictions has no figure
    edges = view.raw.histogram.edges
    odds = {tick: float(np.log(tick / (1 - tick))) for tick in TICKS}
    shown = [tick for tick in TICKS if edges[0] <= odds[tick] <= edges[-1]]
    return {
        "columns": ["", "", "share", "confidence from", "to", "predictions"],
        "states": {
            "raw": _stacks(view.raw.histogram),
            "scaled": view.scaled and _stacks(view.scaled.histogram),
        },
        "tops": {state: 1.06 * value for state, value in top.items()},
        "layout": {
            "xaxis": {
                "title": "confidence, stretched near 1",
                "range": [edges[0], edges[-1]],
                "tickvals": [odds[tick] for tick in shown],
                # Longer labels would run into each other on a card.
                "ticktext": [f"{tick:g}" if tick <= 0.999 else "" for tick in shown],
                "tickangle": 0,
            },
            "yaxis": {"title": "share", "rangemode": "tozero", "tickformat": ".0%", "nticks": 5},
            "barmode": "stack",
            "bargap": 0.04,
        },
        "height": 190,
    }


def _stacks(histogram: Histogram) -> list[Figure]:
    n, edges, rows = max(histogram.n, 1), histogram.edges, histogram.table()
    bars = []
    for name, counts, pattern in (("right", histogram.right, ""), ("wrong", histogram.wrong, "/")):
        keep = counts > 0
        bars.append(
            {
                "type": "bar",
                "name": name,
                "x": (edges[:-1] + edges[1:])[keep] / 2,
                "y": counts[keep] / n,
                "customdata": [[row["from"], row["to"], row[name]] for row, k in zip(rows, keep, strict=True) if k],
                "marker": {"color": f"@{name}", "line": {"width": 0}, "pattern": {"shape": pattern, "size": 5}},
                "hovertemplate": (
                    f"{name}: %{{customdata[2]:,}} (%{{y:.2%}})<br>"
                    "confidence %{customdata[0]:.5~f} to %{customdata[1]:.5~f}<extra></extra>"
                ),
            }
        )
    marks = [("accuracy", histogram.accuracy, "solid"), ("mean confidence", histogram.mean_confidence, "dot")]
    return bars + [_upright(name, value, dash, edges) for name, value, dash in marks if histogram.n]


def _upright(name: str, value: float, dash: str, edges: np.ndarray) -> Figure:
    with np.errstate(divide="ignore"):
        place = float(np.clip(np.log(value) - np.log1p(-value), edges[0], edges[-1]))
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [place, place],
        "y": [0, 2],  # beyond every axis, which is given its range
        "line": {"color": "@ink", "width": 1.5, "dash": dash},
        "hovertemplate": f"{name} {value:.3f}<extra></extra>",
        "untold": True,  # not a row of the numbers
    }


def tradeoff(data: Tradeoff, look: dict[str, dict[str, str]]) -> Figure:
    """Accuracy against calibration: a step from before (hollow) to after scaling (filled) for each method."""
    traces: list[Figure] = []
    few = len(data.points) <= 12
    for point in data.points:
        style, name = look[point.method], text(point.method)
        means = [point.mean("raw"), point.mean("scaled")]
        accuracy = point.mean("accuracy")
        if few and len(point.seeds) > 1:
            traces.append(_dots(point, style["color"]))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": text(point.method, 32),
                "meta": name,
                "legendgroup": name,
                "x": means,
                "y": [accuracy, accuracy],
                "customdata": [["before scaling"], ["after scaling"]],
                "marker": {
                    "color": style["color"],
                    "symbol": [style["symbol"] + "-open", style["symbol"]],
                    "size": 10,
                    "line": {"width": 1.8, "color": style["color"]},
                    "opacity": 1,
                },
                "line": {"color": style["color"], "width": 1},
                "hovertemplate": "%{meta}<br>%{customdata[0]}: ECE %{x:.4f}<br>accuracy %{y:.4f}<extra></extra>",
            }
        )
    return {
        "columns": ["method", data.measure.upper(), "accuracy", "state"],
        "traces": traces,
        "layout": {
            "xaxis": {"title": f"{data.measure.upper()}, lower is better", "rangemode": "tozero"},
            "yaxis": {"title": "accuracy", "tickformat": ".1%"},
            "showlegend": True,
        },
        "height": _beside_legend(len(data.points)),
        "zoom": True,
    }


def _dots(point: Point, colour: str) -> Figure:
    both = [(x, y) for xs in (point.raw, point.scaled) for x, y in zip(xs, point.accuracy, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers",
        "legendgroup": text(point.method),
        "showlegend": False,
        "x": [x for x, _ in both],
        "y": [y for _, y in both],
        "marker": {"color": colour, "size": 4, "opacity": 0.55},
        "hoverinfo": "skip",
        "untold": True,
    }


def differences(data: Sequence[Difference], baseline: str) -> Figure:
    """Paired differences in scaled NLL: a row a method, a dot a seed, a diamond and a bar for mean and interval."""
    rows = range(len(data))
    traces: list[Figure] = [_seeds(data)] if any(len(d.seeds) > 1 for d in data) else []
    for told, name, colour in ((False, "seeds cannot tell", "@muted"), (True, "told apart", "@accent")):
        chosen = [(row, d) for row, d in zip(rows, data, strict=True) if bool(d.told_apart) is told]
        if chosen:
            single = all(d.told_apart is None for _, d in chosen)
            traces.append(_means(chosen, "one seed, no interval" if single else name, colour))
    return {
        "columns": ["", "difference", "", "method", "interval from", "interval to"],
        "traces": traces,
        "layout": {
            "xaxis": {
                "title": f"scaled NLL, less {text(baseline, 18)}; left is better",
                "zeroline": True,
                "rangemode": "tozero",
            },
            "yaxis": {
                "tickvals": list(rows),
                "ticktext": [text(d.method, 30) for d in data],
                "range": [len(data) - 0.5, -0.5],
                "zeroline": False,
                "showgrid": False,
            },
            "showlegend": True,
            "legendbelow": True,
        },
        "height": 130 + 26 * len(data),
    }


def _seeds(data: Sequence[Difference]) -> Figure:
    dots = [(value, row, seed) for row, d in enumerate(data) for seed, value in zip(d.seeds, d.values, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "one seed",
        "x": [value for value, _, _ in dots],
        "y": [row for _, row, _ in dots],
        "customdata": [[seed] for _, _, seed in dots],
        "marker": {"color": "@muted", "symbol": "circle-open", "size": 6, "opacity": 1},
        "hovertemplate": "seed %{customdata[0]}: %{x:+.4f}<extra></extra>",
        "untold": True,
    }


def _means(chosen: list[tuple[int, Difference]], name: str, colour: str) -> Figure:
    mean = np.array([d.mean for _, d in chosen])
    lo, hi = np.array([d.lo for _, d in chosen]), np.array([d.hi for _, d in chosen])
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": mean,
        "y": [row for row, _ in chosen],
        "customdata": [[text(d.method), d.lo, d.hi] for _, d in chosen],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": hi - mean,
            "arrayminus": mean - lo,
            "thickness": 2,
            "width": 0,
            "color": colour,
        },
        "marker": {"color": colour, "symbol": "diamond", "size": 10, "opacity": 1},
        "hovertemplate": (
            "%{customdata[0]}: %{x:+.4f}<br>[%{customdata[1]:+.4f}, %{customdata[2]:+.4f}]<extra></extra>"
        ),
    }


def curves(data: Sequence[Curve], look: dict[str, dict[str, str]]) -> Figure:
    """A quantity against the epoch, a line a method, thinned to what the page can hold."""
    quantity = data[0].quantity
    limit = min(MAX_POINTS, _CURVE_POINTS // len(data))
    traces = []
    for curve in data:
        keep, style = thinned(len(curve.epochs), limit), look[curve.method]
        traces.append(
            {
                "type": "scatter",
                # A single epoch makes no line; a point shows it.
                "mode": "lines+markers" if len(keep) == 1 else "lines",
                "name": text(curve.method, 32),
                "meta": text(curve.method),
                "x": curve.epochs[keep],
                "y": curve.mean[keep],
                "line": {"color": style["color"], "width": 1.8, "dash": style["dash"]},
                "marker": {"color": style["color"], "symbol": style["symbol"], "size": 7},
                "hovertemplate": "%{meta}<br>epoch %{x}: %{y:.4f}<extra></extra>",
            }
        )
    name = NAMES.get(quantity, quantity)
    return {
        "columns": ["method", "epoch", name],
        "traces": traces,
        "layout": {"xaxis": _epochs(data), "yaxis": {"title": text(name)}, "showlegend": True},
        "height": _beside_legend(len(data)),
        "zoom": True,
    }


def _epochs(data: Sequence[Curve]) -> dict[str, Any]:
    """The axis of epochs; of few, only whole ones are named."""
    longest = max(int(curve.epochs[-1]) for curve in data)
    return {"title": "epoch"} | ({"dtick": 1, "tickformat": "d"} if longest <= 10 else {})


def departures(data: Sequence[Departure], look: dict[str, dict[str, str]]) -> Figure:
    """A quantity against the distance that inputs were moved, a line a method; the interval in the label."""
    quantity = data[0].quantity
    share = quantity != "entropy"
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": text(line.method, 32),
            "meta": text(line.method),
            # a logarithmic axis has no zero
            "x": [None if row["distance"] == 0 else row["distance"] for row in line.table()],
            "y": line.mean,
            "customdata": [[_between(row["lo"], row["hi"])] for row in line.table()],
            "line": {"color": style["color"], "width": 1.8, "dash": style["dash"]},
            "marker": {"color": style["color"], "symbol": style["symbol"], "size": 6},
            "hovertemplate": (
                f"%{{meta}}<br>distance %{{x}}: %{{y:{'.1%' if share else '.3f'}}}%{{customdata[0]}}<extra></extra>"
            ),
        }
        for line in data
        for style in [look[line.method]]
    ]
    name = DEPARTURES[quantity]
    yaxis = {"title": name, "range": [0, 1], "tickformat": ".0%"} if share else {"title": name, "rangemode": "tozero"}
    return {
        "columns": ["method", "distance", name],
        "traces": traces,
        "layout": {"xaxis": {"title": "distance from the example", "type": "log"}, "yaxis": yaxis, "showlegend": True},
        "height": _beside_legend(len(data)),
        "zoom": True,
    }


def _between(lo: float | None, hi: float | None) -> str:
    return "" if lo is None or hi is None else f" [{lo:.3f}, {hi:.3f}]"


def _beside_legend(entries: int) -> int:
    """A height at which the legend beside the figure shows all its entries, within reason."""
    return min(max(360, 60 + 19 * entries), 860)


def heights(views: Sequence[Pooled]) -> dict[str, float]:
    """The share of the fullest bin of each state over all methods, so that their histograms have one axis."""

    def fullest(state: str) -> float:
        histograms = [view.histogram for pooled in views if (view := getattr(pooled, state)) and view.histogram.n]
        return max((float((h.right + h.wrong).max() / h.n) for h in histograms), default=1.0)

    return {"raw": fullest("raw"), "scaled": fullest("scaled")}
