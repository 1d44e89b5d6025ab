"""Which labelling of the blocks is cheapest: a minimum cut, for all images of a batch in one graph.

The labels are ordered and the disagreement w (i - j)^2 is convex, so one cut of a layered graph is exact (Ishikawa
2003). The released code swaps pairs of labels until nothing improves, which is a local optimum; ``swap`` is that.
Shapes: B batch, R rows and S columns, m labels; see ``Costs``.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from levelhead.mixing._puzzle_terms import Costs

Labels = NDArray[np.int64]


def energy(labels: Labels, costs: Costs) -> NDArray[np.int64]:
    """The cost of labellings ``(B, R, S)`` of a batch, or of many of one image: ``(B,)``."""
    own = np.take_along_axis(costs.unary, labels[..., None], -1)[..., 0].sum((1, 2))
    down = (costs.down * np.diff(labels, axis=1) ** 2).sum((1, 2))
    return own + down + (costs.right * np.diff(labels, axis=2) ** 2).sum((1, 2))


def cut(costs: Costs) -> Labels:
    """The labelling of least energy ``(B, R, S)``, by one cut of a layered graph.

    Label i is written as m-1 nodes, x_k = 1 where i >= k, and with L = m - 1

        (i - j)^2 = sum_kl |x_ik - x_jl| - i (L - i) - j (L - j)

    so every pair of layers of two neighbours gets an edge of weight w, and the rest is unary.
    """
    unary, down, right = costs
    layers = unary.shape[-1] - 1
    label = np.arange(layers + 1)
    weight = np.zeros(unary.shape[:-1], np.int64)  # of all of a cell's edges
    for first, second, each in _edges(weight, down, right):
        first += each
        second += each
    steps = np.moveaxis(np.diff(unary - weight[..., None] * label * (layers - label), axis=-1), -1, 0)
    graph, nodes = _graph(steps)
    for lower, upper in pairwise(nodes):
        # x_k+1 = 1 without x_k = 1 costs more than any labelling
        _connect(graph, lower, upper, np.full(lower.shape, 1 + np.abs(steps).sum()), 0)
    for one, other in product(nodes, nodes):
        for (first, _, each), (_, second, _) in zip(_edges(one, down, right), _edges(other, down, right)):
            _connect(graph, first, second, each, each)
    return _solve(graph, nodes).sum(0)


def swap(costs: Costs) -> Labels:
    """A labelling that no exchange between two labels improves, from image 1 everywhere, as the released code seeks."""
    labels = np.zeros(costs.unary.shape[:-1], np.int64)
    least = energy(labels, costs)
    while True:
        before = least
        # in the released code's order: of each label's partners, the farthest first
        for low, high in sorted(combinations(range(costs.unary.shape[-1]), 2), key=lambda pair: (pair[0], -pair[1])):
            tried = _exchange(labels, low, high, costs)
            reached = energy(tried, costs)
            labels = np.where((reached < least)[:, None, None], tried, labels)
            least = np.minimum(least, reached)
        if (least == before).all():
            return labels


#: The ways to solve a puzzle, by the word that chooses them.
SOLVERS = {"exact": cut, "swap": swap}


def _exchange(labels: Labels, low: int, high: int, costs: Costs) -> Labels:
    """The best relabelling of the cells that have one of two labels, with these two labels."""
    unary, down, right = costs
    free = (labels == low) | (labels == high)
    step = unary[..., high] - unary[..., low]
    edges = zip(_edges(step, down, right), _edges(labels, down, right), _edges(free, down, right))
    inside = []
    for (first, second, each), (label_one, label_two, _), (free_one, free_two, _) in edges:
        # a neighbour that keeps its label c adds w ((high - c)^2 - (low - c)^2) to the step of a free cell
        first += np.where(free_two, 0, each * (high - low) * (high + low - 2 * label_two))
        second += np.where(free_one, 0, each * (high - low) * (high + low - 2 * label_one))
        inside.append(np.where(free_one & free_two, each * (high - low) ** 2, 0))
    graph, nodes = _graph(np.where(free, step, 0))
    for first, second, each in _edges(nodes, *inside):
        _connect(graph, first, second, each, each)
    return np.where(free, np.where(_solve(graph, nodes), high, low), labels)


def _edges(cells: Any, down: Any, right: Any) -> Iterator[tuple[Any, Any, Any]]:
    """First ends, second ends and weights of the vertical, then the horizontal pairs: views of ``cells (B, R, S)``."""
    yield cells[:, :-1], cells[:, 1:], down
    yield cells[:, :, :-1], cells[:, :, 1:], right


def _graph(steps: Labels) -> tuple[Any, Any]:
    """A graph with a node for every entry of ``steps``: what the node being 1 costs, where 0 costs nothing."""
    import maxflow  # an extra, under another licence than ours

    graph = maxflow.Graph[int](steps.size, 4 * steps.size)
    nodes = graph.add_grid_nodes(steps.shape)
    graph.add_grid_tedges(nodes, steps.clip(min=0), (-steps).clip(min=0))
    return graph, nodes


def _connect(graph: Any, first: Any, second: Any, there: Any, back: Any) -> None:
    """Edges from all of ``first`` to all of ``second``, each with its own capacity, and back."""
    back = np.broadcast_to(back, there.shape)
    graph.add_edges(first.ravel(), second.ravel(), there.ravel(), back.ravel())


def _solve(graph: Any, nodes: Any) -> NDArray[np.bool_]:
    graph.maxflow()
    return graph.get_grid_segments(nodes)
