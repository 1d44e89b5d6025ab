"""`levelhead figure KIND FOLDER --out FILE`: the papers' figures from the folder of a comparison.

Each kind is a function from what was asked to a matplotlib figure; computing and drawing are those of
`levelhead.plots`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from levelhead.errors import unknown
from levelhead.plots import (
    activation_maps,
    confidence,
    coverage,
    curves,
    density,
    embedding,
    label_entropy,
    reliability,
    soft_targets,
    style,
    surface,
    sweep,
    tradeoff,
    winning,
)
from levelhead.plots.comparison import Comparison, read
from levelhead.plots.leaderboard import save
from levelhead.plots.pooled import pooled
from levelhead.predictions import Predictions

if TYPE_CHECKING:
    from levelhead.trained import Trained

PANEL = 2.1  # inches


@dataclass(frozen=True)
class Asked:
    """What a figure is to show: methods of a comparison (all, best first, where none is named) and one seed."""

    comparison: Comparison | None
    methods: tuple[str, ...] = ()
    seed: int | None = None
    argument: str | None = None
    measure: str = "ece"
    scaled: bool = False
    data_dir: str | None = None

    @property
    def folder(self) -> Comparison:
        """The comparison, for the kinds that need one."""
        if self.comparison is None:
            raise ValueError("this figure needs the folder of a comparison: levelhead figure KIND FOLDER --out FILE")
        return self.comparison

    def shown(self) -> list[str]:
        """The methods in the order to show."""
        return list(self.methods) or self.folder.methods

    def result(self, method: str) -> dict[str, Any]:
        """The result on test of one method and the seed, the first where none was named."""
        rows = [row for row in self.folder.of(method) if self.seed in (None, row["seed"])]
        if not rows:
            raise ValueError(f"{self.folder.folder} has no run of {method} with seed {self.seed}")
        return rows[0]

    def run(self, method: str) -> Path:
        """The folder of that run."""
        return self.folder.folder / "runs" / str(self.result(method)["run"])


def figure(
    kind: str,
    folder: str | Path | None,
    out: str | Path,
    *,
    methods: tuple[str, ...] = (),
    seed: int | None = None,
    argument: str | None = None,
    measure: str = "ece",
    scaled: bool = False,
    data_dir: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Draw one figure into `out` (.png within 300 kB, .svg or .pdf) and return its data as rows of a table.

    Args:
        kind: a name of `KINDS`.
        folder: of a comparison; `label_entropy` needs none.
        out: where it is written.
        methods: of the comparison, as the leaderboard calls them; by default all.
        seed: whose run is shown where a figure shows single runs; by default the first.
        argument: of `sweep`: the argument along the axis, such as alpha.
        measure: of `sweep` and `tradeoff`: a measure of the leaderboard.
        scaled: of `sweep`: after temperature scaling.
        data_dir: where named data sets lie; for `surface`.

    Raises:
        ValueError: an unknown kind, method or ending, a folder that is none, or one without what the figure needs.
    """
    import warnings

    from matplotlib import rc_context

    if kind not in KINDS:
        raise unknown("figure", kind, KINDS)
    out = Path(out)
    if out.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(
            f"--out {out}: figures are .png, .svg or .pdf files, not {out.suffix or 'without an ending'!r}"
        )
    comparison = None if folder is None else read(folder)
    for method in methods:
        if comparison is not None and method not in comparison.methods:
            raise unknown("method of this comparison", method, comparison.methods)
    asked = Asked(comparison, methods, seed, argument, measure, scaled, None if data_dir is None else str(data_dir))
    with rc_context(cast(Any, style.RC)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        drawn, rows = KINDS[kind](asked)
        save(drawn, out)
    return rows


def _panels(count: int, *, width: float = PANEL, height: float = PANEL, most: int = 4, **shared: bool) -> Any:
    """A figure with so many panels in rows, and these as a flat list."""
    from matplotlib.figure import Figure

    columns = min(count, most)
    rows = math.ceil(count / columns)
    drawn = Figure(figsize=(columns * width, rows * height), layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False, **cast(Any, shared)).ravel()
    for ax in axes[count:]:
        ax.set_axis_off()
    return drawn, list(axes[:count])


_Drawn = tuple[Any, list[dict[str, Any]]]


def _surface(asked: Asked) -> _Drawn:
    from levelhead.data import load
    from levelhead.trained import load_run

    identity = asked.folder.about["identity"]["data"]
    if identity["kind"] != "vector" or list(identity["shape"]) != [2]:
        raise ValueError(f"surface draws data in a plane, such as spiral; {identity['name']} has {identity['shape']}")
    data = load(identity["name"], data_dir=asked.data_dir, split_seed=identity["split"]["split_seed"])
    train = data.splits["train"]
    plane = cast(Any, train.inputs)  # vectors, which do not stream
    found = [
        surface.surface(method, load_run(asked.run(method)).logits, plane, train.labels) for method in asked.shown()
    ]
    drawn, axes = _panels(len(found), height=PANEL + 0.3)
    for ax, each in zip(axes, found, strict=True):
        shades = surface.draw(ax, each)
    bar = drawn.colorbar(shades, ax=axes, shrink=0.8, label=f"probability of {data.classes[1]}")
    bar.outline.set_linewidth(0.4)
    return drawn, [
        {"method": each.method, "unsure": each.unsure, "width": each.width, "resolution": len(each.x)} for each in found
    ]


def _coverage(asked: Asked) -> _Drawn:
    found = [
        coverage.coverage(method, **said.scores, labels=said.labels)
        for method in asked.shown()
        for said in [asked.folder.predictions(asked.result(method))]
    ]
    drawn, (ax,) = _panels(1, width=5.2, height=2.8)
    coverage.draw(ax, found, baseline=asked.folder.baseline)
    return drawn, [row for each in found for row in each.table()]


def _winning(asked: Asked) -> _Drawn:
    drawn, axes = _panels(len(asked.shown()), width=3.6, height=PANEL, most=2)
    rows = []
    for ax, method in zip(axes, asked.shown(), strict=True):
        run = asked.run(method)
        others = {path: Predictions.load(path) for path in sorted(run.glob("probe-*.safetensors"))}
        found = [winning.of("test", Predictions.load(run / "test.safetensors"))]
        found += [winning.of(said.meta["name"], said) for said in others.values() if said.meta.get("outside") == "true"]
        winning.draw(ax, found, title=f"{method}, n = {found[0].n:,}")
        rows += [{"method": method, **row} for each in found for row in each.table()]
    return drawn, rows


def _density(asked: Asked) -> _Drawn:
    parts = []
    for method in asked.shown():
        files = sorted((asked.run(method) / "records").glob("test-*.safetensors"))
        if not files:
            raise ValueError(f"{method} has no predictions of single epochs; train it with --record epochs")
        for place in sorted({0, len(files) // 2, len(files) - 1}):
            said = Predictions.load(files[place])
            name = f"{method}, epoch {int(files[place].stem.split('-')[1])}"
            parts.append(density.of(name, said))
    columns = len(parts) // len(asked.shown())
    drawn, axes = _panels(len(parts), most=columns, width=PANEL + 0.3, height=PANEL + 0.3)
    for ax, each in zip(axes, parts, strict=True):
        density.draw(ax, each)
    return drawn, [row for each in parts for row in each.table()]


def _reliability(asked: Asked) -> _Drawn:
    found = [pooled(asked.folder, method) for method in asked.shown()]
    drawn, axes = _panels(len(found))
    for ax, each in zip(axes, found, strict=True):
        if each.raw is None:
            raise ValueError(f"{each.method}: {' '.join(each.problems)}")
        reliability.draw(ax, each.raw.diagram, title=each.method, colour=style.RAW, label="before scaling")
        if each.scaled is not None:
            reliability.draw(
                ax, each.scaled.diagram, title=each.method, colour=style.SCALED, marker="s", label="after scaling"
            )
    axes[0].legend(loc="upper left")
    states = [
        (each.method, name, view) for each in found for name, view in (("raw", each.raw), ("scaled", each.scaled))
    ]
    return drawn, [
        {"method": method, "state": name, **row}
        for method, name, view in states
        if view
        for row in view.diagram.table()
    ]


def _confidence(asked: Asked) -> _Drawn:
    found = [pooled(asked.folder, method) for method in asked.shown()]
    drawn, axes = _panels(len(found), width=PANEL + 0.4, sharey=True)
    rows = []
    for ax, each in zip(axes, found, strict=True):
        if each.raw is None:
            raise ValueError(f"{each.method}: {' '.join(each.problems)}")
        confidence.draw(ax, each.raw.histogram, title=each.method)
        ax.xaxis.set_tick_params(rotation=60)
        rows += [{"method": each.method, **row} for row in each.raw.histogram.table()]
    axes[0].legend(loc="upper left")
    return drawn, rows


def _tradeoff(asked: Asked) -> _Drawn:
    rows = [row for row in asked.folder.results if row["method"] in asked.shown()]
    found = tradeoff.tradeoff(rows, measure=asked.measure, order=asked.shown())
    drawn, (ax,) = _panels(1, width=5.6, height=3.2)
    tradeoff.draw(ax, found, baseline=asked.folder.baseline)
    return drawn, found.table()


def _curves(asked: Asked) -> _Drawn:
    runs = [run for run in asked.folder.runs.values() if run["method"] in asked.shown()]
    found = [
        curves.curves(runs, quantity=quantity, order=asked.shown()) for quantity in ("loss", "cal_nll", "cal_accuracy")
    ]
    drawn, axes = _panels(len(found), width=3.4, height=2.6, most=3)
    for ax, each in zip(axes, found, strict=True):
        curves.draw(ax, each, baseline=asked.folder.baseline)
        if ax is not axes[-1] and ax.get_legend():
            ax.get_legend().remove()
    return drawn, [row for each in found for curve in each for row in curve.table()]


def _sweep(asked: Asked) -> _Drawn:
    if asked.argument is None:
        raise ValueError("sweep needs --argument NAME, what goes along the axis, such as alpha")
    rows = [row for row in asked.folder.results if row["method"] in asked.shown()]
    state = "scaled" if asked.scaled else "raw"
    found = sweep.sweeps(rows, argument=asked.argument, measure=asked.measure, state=state)
    drawn, (ax,) = _panels(1, width=5.6, height=2.8)
    sweep.draw(ax, found, measure=f"{asked.measure}, {state}", log=min(min(each.values) for each in found) > 0)
    return drawn, [row for each in found for row in each.table()]


def _soft_targets(asked: Asked) -> _Drawn:
    found, lacking = [], []
    for method in asked.shown():
        try:
            found.append(soft_targets.soft_targets(method, asked.run(method)))
        except ValueError as error:
            if asked.methods:
                raise
            lacking.append(error)  # one that mixes nothing, such as the baseline
    if not found:
        raise lacking[0]
    drawn, axes = _panels(len(found) + 1, width=3.8, height=2.6, most=2)
    soft_targets.draw_bars(axes[0], found)
    for ax, each in zip(axes[1:], found, strict=True):
        soft_targets.draw_epochs(ax, each)
    return drawn, [row for each in found for row in each.table()]


def _embedding(asked: Asked) -> _Drawn:
    found = [(method, each) for method in asked.shown() for each in embedding.embeddings(asked.run(method))]
    drawn, axes = _panels(len(found), most=len(found) // len(asked.shown()))
    for ax, (method, each) in zip(axes, found, strict=True):
        title = f"{method}, epoch {each.epoch}\nspread {each.spread:.2f}"
        embedding.draw(ax, each, classes=asked.folder.class_names, title=title)
    handles, labels = axes[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
    return drawn, [{"method": method, **row} for method, each in found for row in each.table()]


def _activation_maps(asked: Asked) -> _Drawn:
    from levelhead.trained import load_run

    names = asked.folder.class_names
    runs = {method: load_run(asked.run(method)) for method in asked.shown()}
    images, labels = _one_of_each(asked, next(iter(runs.values())))
    found = [activation_maps.activation_maps(method, run.activation, images, labels) for method, run in runs.items()]
    drawn, axes = _panels((len(found) + 1) * len(images), width=1.2, height=1.2, most=len(images))
    for ax, image, label in zip(axes, images, labels, strict=False):
        pixels = image.transpose(1, 2, 0) / (255 if image.dtype == "uint8" else 1)
        ax.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel(style.plain(names[label]), labelpad=2)
    axes[0].set_ylabel("image")
    for row, each in enumerate(found, 1):
        for number in range(len(images)):
            ax = axes[row * len(images) + number]
            shades = activation_maps.draw_image(ax, each, number, classes=names)
        axes[row * len(images)].set_ylabel(style.plain(each.method, width=16))
    bar = drawn.colorbar(shades, ax=axes, shrink=0.6, label="activation; line: half of the maximum")
    bar.outline.set_linewidth(0.4)
    return drawn, [row for each in found for row in each.table()]


def _one_of_each(asked: Asked, run: "Trained", most: int = 6) -> tuple[Any, Any]:
    """The first test image of some classes, as the run is shown it, and their labels: LaMix's bird and frog first."""
    import numpy as np

    from levelhead.data import brought_alike, load

    identity = asked.folder.about["identity"]["data"]
    if identity["kind"] != "image":
        raise ValueError(f"activation_maps draws images with one class each; {identity['name']} is {identity['kind']}")
    names = asked.folder.class_names
    split = identity["split"]
    sizes = {name: split.get(name) for name in ("train_size", "cal_size", "test_size")}
    form = brought_alike(identity["name"], shape=run.whole, fit=run.inputs.get("fit", "cover"))
    data = load(identity["name"], data_dir=asked.data_dir, split_seed=split["split_seed"], **sizes, **form)
    test = data.splits["test"]
    order = sorted(range(len(names)), key=lambda column: names[column] not in ("bird", "frog"))
    there = [column for column in order if (test.labels == column).any()][:most]
    rows = np.array([np.flatnonzero(test.labels == column)[0] for column in there])
    return run.shown(images_of(test, rows)), test.labels[rows]


def images_of(split: Any, rows: Any) -> Any:
    """The images `(n, C, H, W)` of some rows of a `levelhead.data.Split`, decoded where they stream."""
    from levelhead.data.lazy import LazyImages
    from levelhead.data.source import Part

    if isinstance(split.inputs, LazyImages):
        return Part.of_encoded(split.inputs, split.labels).read(rows)
    return split.inputs[rows]


def _label_entropy(asked: Asked) -> _Drawn:
    found = [label_entropy.label_entropy(alpha) for alpha in label_entropy.ALPHAS]
    drawn, (ax,) = _panels(1, width=4.6, height=2.6)
    label_entropy.draw(ax, found)
    return drawn, [row for each in found for row in each.table()]


#: Every kind, in the order in which they are listed.
KINDS: dict[str, Callable[[Asked], _Drawn]] = {
    "reliability": _reliability,
    "confidence": _confidence,
    "winning": _winning,
    "coverage": _coverage,
    "tradeoff": _tradeoff,
    "curves": _curves,
    "sweep": _sweep,
    "density": _density,
    "soft_targets": _soft_targets,
    "embedding": _embedding,
    "surface": _surface,
    "activation_maps": _activation_maps,
    "label_entropy": _label_entropy,
}
