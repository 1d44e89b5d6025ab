"""The command line: verbs only. Every verb imports what it needs when it runs, so that ``--help`` answers at once.

Exit status: 0 done; 1 the work failed; 2 words, arguments or data content are wrong; 3 a gate was not met; 130
interrupted.
"""

import functools
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from levelhead.compare.settings import Comparison
    from levelhead.data import Dataset

app = typer.Typer(
    name="levelhead",
    help="Train classifiers that are accurate and know how sure they are, and see which way of training gives that.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_DATA = "The data"
_METHOD = "What is compared"
_TRAINING = "Training"
_WORK = "The work"
_FILES = "The files"
_GATES = "Gates"

Data = Annotated[
    str,
    typer.Option(
        "--data", "-d", metavar="NAME|PATH", rich_help_panel=_DATA,
        help="A name (digits, fashion-mnist, cifar10, trec, ...; 'levelhead data' lists them); or a folder of class "
        "folders, an .npz, .csv, .parquet, .jsonl, hf:NAME, or your package.module:function.",
    ),
]  # fmt: skip
DataDir = Annotated[
    Path | None,
    typer.Option(rich_help_panel=_DATA, help="Where named data sets are (else LEVELHEAD_DATA, else a download).",
                 envvar="LEVELHEAD_DATA", show_envvar=False),
]  # fmt: skip
Label = Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_DATA, help="Label column of a table.")]
TextColumn = Annotated[
    str | None, typer.Option("--text", metavar="COLUMN", rich_help_panel=_DATA, help="Column of texts in a table.")
]
MaxWords = Annotated[
    int | None, typer.Option(rich_help_panel=_DATA, help="Words used of a text, the first; 400 if not said.")
]
ImageColumn = Annotated[
    str | None,
    typer.Option("--image", metavar="COLUMN", rich_help_panel=_DATA,
                 help="Column of paths of images in a table, relative to it."),
]  # fmt: skip
SplitColumn = Annotated[
    str | None,
    typer.Option("--split", metavar="COLUMN", rich_help_panel=_DATA,
                 help="Column of a table that says train, val, cal or test."),
]  # fmt: skip
Group = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", rich_help_panel=_DATA,
                 help="Column of a table that says what a row belongs to (an object, an author): never parted."),
]  # fmt: skip
GroupPattern = Annotated[
    str | None,
    typer.Option(metavar="REGEX", rich_help_panel=_DATA,
                 help="The same for a folder of images: what it finds in a path is the image's group."),
]  # fmt: skip
Fit = Annotated[
    str | None,
    typer.Option(metavar="cover|central|letterbox|stretch", rich_help_panel=_DATA,
                 help="How images get their size: cut at the centre (cover, the default; central: of 8/7 of the size, "
                      "as for ImageNet), whole on black (the default with masks), distorted."),
]  # fmt: skip
SkipBroken = Annotated[
    bool,
    typer.Option(
        "--skip-broken", rich_help_panel=_DATA, help="Go on without images (and their masks) that cannot be read."
    ),
]
TrainSize = Annotated[
    int | None, typer.Option(rich_help_panel=_DATA, help="Use a stratified part of train of this size.")
]
CalSize = Annotated[int | None, typer.Option(rich_help_panel=_DATA, help="Examples cut from train for calibration.")]
TestSize = Annotated[int | None, typer.Option(rich_help_panel=_DATA, help="Examples cut from train for testing.")]
ValSize = Annotated[
    int | None, typer.Option(rich_help_panel=_DATA, help="Examples cut from train to select an epoch on.")
]
SplitSeed = Annotated[int, typer.Option(rich_help_panel=_DATA, help="Decides which examples are cut from train.")]
ImageSize = Annotated[
    int | None, typer.Option(rich_help_panel=_DATA, help="Side to which images of files are brought.")
]
StreamWord = Annotated[
    str,
    typer.Option(rich_help_panel=_DATA, metavar="auto|always|never",
                 help="Leave encoded images on disk; auto: where half of the free memory would not hold them."),
]  # fmt: skip
Workers = Annotated[
    int | None, typer.Option(min=0, rich_help_panel=_DATA, help="Processes that decode images; one a core, at most 4.")
]
Model = Annotated[
    str,
    typer.Option(rich_help_panel=_TRAINING, metavar="NAME",
                 help="auto, small, preact_resnet18(width=64), lenet, mlp, timm:NAME, or your package.module:function.",
    ),
]  # fmt: skip
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", rich_help_panel=_TRAINING, metavar="NAME",
                 help="A paper's: pls, puzzlemix-cifar, mixup-calibration, mbls-cifar, kim, ...; the options below "
                 "replace its parts."),
]  # fmt: skip
Epochs = Annotated[int | None, typer.Option(rich_help_panel=_TRAINING, help="Passes over train.")]
Batch = Annotated[int | None, typer.Option(rich_help_panel=_TRAINING, help="Examples in a step.")]
Optimizer = Annotated[
    str | None, typer.Option(rich_help_panel=_TRAINING, metavar="NAME", help="sgd, adam, adamw or adadelta.")
]
Lr = Annotated[float | None, typer.Option(rich_help_panel=_TRAINING, help="Peak learning rate.")]
Momentum = Annotated[float | None, typer.Option(rich_help_panel=_TRAINING)]
Nesterov = Annotated[bool | None, typer.Option(rich_help_panel=_TRAINING)]
WeightDecay = Annotated[float | None, typer.Option(rich_help_panel=_TRAINING)]
Schedule = Annotated[
    str | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="WORD",
                 help="one_cycle(warmup=0.2), cosine, linear, steps(at=[0.5, 0.75], by=0.1), constant."),
]  # fmt: skip
Clip = Annotated[float | None, typer.Option(rich_help_panel=_TRAINING, help="Largest gradient norm.")]
Crop = Annotated[
    int | None, typer.Option(rich_help_panel=_TRAINING, help="Random crop after padding by so many pixels.")
]
Flip = Annotated[bool | None, typer.Option(rich_help_panel=_TRAINING, help="Random mirror images.")]
ResizedCrop = Annotated[
    float | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="SHARE",
                 help="Random window of at least this share of the original image, scaled: 0.08 as for ImageNet."),
]  # fmt: skip
CropSize = Annotated[
    int | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="SIDE",
                 help="Train on random windows of larger images; ask about their centre, of maps about the whole."),
]  # fmt: skip
Jitter = Annotated[
    str | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="AMOUNTS",
                 help="Random colours: 0.4, or 'brightness=0.3, contrast=0.3, saturation=0.1, hue=0.1, prob=0.5'."),
]  # fmt: skip
DropLast = Annotated[
    bool | None, typer.Option("--drop-last", rich_help_panel=_TRAINING, help="Leave out a last, smaller update.")
]
Accumulate = Annotated[
    int | None, typer.Option(rich_help_panel=_TRAINING, help="Batches whose gradients make one update.")
]
Warmup = Annotated[
    float | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="EPOCHS", help="Epochs in which the rate rises in a line."),
]
LrPer = Annotated[
    int | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="EXAMPLES",
                 help="Examples that --lr is for: the rate grows with those of an update, as in 0.1 per 256."),
]  # fmt: skip
StopAtAccuracy = Annotated[
    float | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="X", help="End after the epoch that reaches it on train."),
]
StopTop = Annotated[
    int | None, typer.Option(rich_help_panel=_TRAINING, metavar="K", help="Judge that by the K largest logits.")
]
StopOn = Annotated[
    str | None, typer.Option(rich_help_panel=_TRAINING, metavar="ROLE", help="Judge that on train or val.")
]
Select = Annotated[
    str | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="MEASURE",
                 help="Keep the epoch that is best on val by nll or accuracy; or the last."),
]  # fmt: skip
Ema = Annotated[
    float | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="DECAY", help="Average the weights over updates, as with 0.999."),
]
Pretrained = Annotated[
    str | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="FILE|cache",
                 help="Start from these weights, or another package's in its cache ('download' fetches them)."),
]  # fmt: skip
LayerDecay = Annotated[
    float | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="X", help="Each layer learns at X times the rate above it."),
]
FreezeEpochs = Annotated[
    int | None,
    typer.Option(rich_help_panel=_TRAINING, help="Epochs at the start in which only the classifier learns."),
]
ClassWeights = Annotated[
    str | None,
    typer.Option(rich_help_panel=_TRAINING, metavar="balanced|none|FILE",
                 help="What an example of each class weighs in the loss: alike for all classes in sum (balanced), or "
                 "as a .json of class names and numbers says."),
]  # fmt: skip
Precision = Annotated[str, typer.Option(rich_help_panel=_WORK, help="32, bf16, 16 or 64.")]
Devices = Annotated[str, typer.Option(rich_help_panel=_WORK, help="auto, cpu, cuda, or cuda:0,cuda:1 to spread runs.")]
Threads = Annotated[int, typer.Option(rich_help_panel=_WORK, min=1, help="CPU threads of one run.")]
Jobs = Annotated[str, typer.Option(rich_help_panel=_WORK, help="Runs at once: auto (one a core) or a number.")]
Out = Annotated[Path | None, typer.Option(rich_help_panel=_WORK, help="Folder of the results; one a comparison.")]
Record = Annotated[
    list[str] | None,
    typer.Option(rich_help_panel=_WORK, metavar="WHAT",
                 help="Keep what happens in every epoch: targets, epochs (predictions) or embeddings; repeatable."),
]  # fmt: skip
Probe = Annotated[
    list[str] | None,
    typer.Option("--probe", rich_help_panel=_METHOD, metavar="WORD|NAME|PATH",
                 help="Inputs the models should doubt: fgsm(eps=8/255), gaussian_noise, uniform_noise, leave_hull, "
                      "mc_dropout, natural_adversarial:PATH, or other data by name or path; repeatable."),
]  # fmt: skip
MaxGate = Annotated[
    float | None, typer.Option(metavar="X", rich_help_panel=_GATES, help="Exit with status 3 if it is above.")
]
Json = Annotated[bool, typer.Option("--json", rich_help_panel=_WORK, help="Print JSON instead of tables.")]


def verb(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what can go wrong into a sentence on standard error and an exit status."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        from levelhead.errors import WorkFailed

        try:
            function(*args, **kwargs)
        except typer.Exit:  # a RuntimeError, which says that all is well
            raise
        except ValueError as error:
            _fail(str(error), 2)
        except BrokenPipeError:  # the reader of our output went away, for example head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (WorkFailed, OSError, MemoryError) as error:
            _fail(str(error) or type(error).__name__, 1)
        except RuntimeError as error:
            from levelhead.train.processes import lost

            if not lost(error):
                raise
            _fail("another process of the group is gone; the same command goes on from the last checkpoint", 1, True)
        except KeyboardInterrupt:
            _fail("interrupted", 130, True)

    return guarded


def _fail(message: str, status: int, shared: bool = False) -> None:
    """End with a sentence. Of a group, every process tells its own trouble, and the first what is ``shared`` by all."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from levelhead.train.processes import joined, number, started

        if number():
            # what is wrong before they have met is wrong for all of them
            message = "" if shared or not joined() else f"process {number()} of {started()}: {message}"
        if joined():
            # nobody waits for the others, who may never come
            print(f"levelhead: {message}" if message else "", end="\n" if message else "", file=sys.stderr, flush=True)
            sys.stdout.flush()
            os._exit(status)
        if not message:
            raise typer.Exit(status)
    print(f"levelhead: {message}", file=sys.stderr)
    raise typer.Exit(status)


def _version(value: bool) -> None:
    if value:
        from levelhead._version import __version__

        print(f"levelhead {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
@verb
def compare(
    data: Data = "digits",
    data_dir: DataDir = None,
    label: Label = None,
    text: TextColumn = None,
    max_words: MaxWords = None,
    image: ImageColumn = None,
    split: SplitColumn = None,
    group: Group = None,
    group_pattern: GroupPattern = None,
    train_size: TrainSize = None,
    cal_size: CalSize = None,
    test_size: TestSize = None,
    val_size: ValSize = None,
    split_seed: SplitSeed = 0,
    image_size: ImageSize = None,
    stream: StreamWord = "auto",
    workers: Workers = None,
    fit: Fit = None,
    skip_broken: SkipBroken = False,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", rich_help_panel=_METHOD,
                     help="A name (see 'levelhead methods') or a sentence; give it again for each method."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, rich_help_panel=_METHOD, help="Runs of each method.")] = 3,
    probe: Probe = None,
    model: Model = "auto",
    pretrained: Pretrained = None,
    recipe: RecipeName = None,
    epochs: Epochs = None,
    batch: Batch = None,
    optimizer: Optimizer = None,
    lr: Lr = None,
    momentum: Momentum = None,
    nesterov: Nesterov = None,
    weight_decay: WeightDecay = None,
    schedule: Schedule = None,
    clip: Clip = None,
    crop: Crop = None,
    flip: Flip = None,
    resized_crop: ResizedCrop = None,
    crop_size: CropSize = None,
    jitter: Jitter = None,
    drop_last: DropLast = None,
    accumulate: Accumulate = None,
    warmup: Warmup = None,
    lr_per: LrPer = None,
    stop_at_accuracy: StopAtAccuracy = None,
    stop_top: StopTop = None,
    stop_on: StopOn = None,
    select: Select = None,
    ema: Ema = None,
    layer_decay: LayerDecay = None,
    freeze_epochs: FreezeEpochs = None,
    class_weights: ClassWeights = None,
    precision: Precision = "32",
    devices: Devices = "auto",
    threads: Threads = 1,
    jobs: Jobs = "auto",
    out: Out = None,
    record: Record = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Compare ways of training on your data: methods times seeds, a leaderboard with intervals, a page, a verdict."""
    from levelhead.compare.settings import DEFAULT_METHODS

    given = dict(locals())
    comparison = _plan(given, list(method or DEFAULT_METHODS), tuple(range(seeds)))
    summary, folder = _carry_out(comparison, given)
    console = _console()
    if as_json:
        print(json.dumps(summary, indent=1, ensure_ascii=False))
    else:
        from levelhead.report.terminal import print_summary

        print_summary(summary, console)
        console.print(f"\nThe page: {folder / 'report.html'}", soft_wrap=True, markup=False, highlight=False)
    _end(summary)


@app.command()
@verb
def train(
    method: Annotated[
        str, typer.Option("--method", "-m", rich_help_panel=_METHOD, help="A name or a sentence.")
    ] = "vanilla",
    seed: Annotated[int, typer.Option(min=0, rich_help_panel=_METHOD, help="Of weights, data order and mixing.")] = 0,
    data: Data = "digits",
    data_dir: DataDir = None,
    label: Label = None,
    text: TextColumn = None,
    max_words: MaxWords = None,
    image: ImageColumn = None,
    split: SplitColumn = None,
    group: Group = None,
    group_pattern: GroupPattern = None,
    train_size: TrainSize = None,
    cal_size: CalSize = None,
    test_size: TestSize = None,
    val_size: ValSize = None,
    split_seed: SplitSeed = 0,
    image_size: ImageSize = None,
    stream: StreamWord = "auto",
    workers: Workers = None,
    fit: Fit = None,
    skip_broken: SkipBroken = False,
    model: Model = "auto",
    pretrained: Pretrained = None,
    recipe: RecipeName = None,
    epochs: Epochs = None,
    batch: Batch = None,
    optimizer: Optimizer = None,
    lr: Lr = None,
    momentum: Momentum = None,
    nesterov: Nesterov = None,
    weight_decay: WeightDecay = None,
    schedule: Schedule = None,
    clip: Clip = None,
    crop: Crop = None,
    flip: Flip = None,
    resized_crop: ResizedCrop = None,
    crop_size: CropSize = None,
    jitter: Jitter = None,
    drop_last: DropLast = None,
    accumulate: Accumulate = None,
    warmup: Warmup = None,
    lr_per: LrPer = None,
    stop_at_accuracy: StopAtAccuracy = None,
    stop_top: StopTop = None,
    stop_on: StopOn = None,
    select: Select = None,
    ema: Ema = None,
    layer_decay: LayerDecay = None,
    freeze_epochs: FreezeEpochs = None,
    class_weights: ClassWeights = None,
    precision: Precision = "32",
    devices: Devices = "auto",
    threads: Threads = 1,
    out: Out = None,
    record: Record = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Train one method with one seed; a later 'compare' with the same settings finds the run and uses it."""
    given = {**locals(), "jobs": "1"}
    comparison = _plan(given, [method], (seed,))
    summary, folder = _carry_out(comparison, given)
    run = comparison.runs()[0]
    entries = [entry for entry in json.loads((folder / "results.json").read_text()) if entry["run"] == run.hash]
    if as_json:
        print(json.dumps(entries, indent=1, ensure_ascii=False))
    elif entries:
        from levelhead.report.listings import print_measures

        console = _console()
        test = next(entry for entry in entries if entry["role"] == "test")
        print_measures(test, console)
        console.print(
            f"\nModel and predictions: {folder / 'runs' / run.hash}",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )
    _end(summary)


@app.command()
@verb
def methods(
    name: Annotated[str | None, typer.Argument(help="One method, for its card.")] = None,
    table: Annotated[bool, typer.Option("--table", help="All cards as Markdown, as in the docs.")] = False,
    as_json: Json = False,
) -> None:
    """Show the named methods: sentence, paper, passes a batch."""
    from levelhead.errors import unknown
    from levelhead.report.listings import methods_table, print_card, print_methods
    from levelhead.spec import methods as cards

    known = cards()
    if name is not None and name not in known:
        raise unknown("method", name, known)
    chosen = dict(known) if name is None else {name: known[name]}
    if as_json:
        from dataclasses import asdict

        print(json.dumps({key: asdict(card) for key, card in chosen.items()}, indent=1, ensure_ascii=False))
    elif table:
        print(methods_table(list(chosen.values())))
    elif name is None:
        print_methods(list(chosen.values()), _console())
    else:
        print_card(chosen[name], _console())


@app.command("models")
@verb
def networks(
    name: Annotated[str | None, typer.Argument(help="One network, or torchvision:NAME and the like.")] = None,
    num_classes: Annotated[int, typer.Option(min=2, help="Classes that are counted for.")] = 10,
    as_json: Json = False,
) -> None:
    """Show the networks: arguments, parameters and multiply-adds for one input."""
    from dataclasses import asdict

    from levelhead.models import card, catalogue
    from levelhead.report.listings import print_networks

    cards = list(catalogue(num_classes).values()) if name is None else [card(name, num_classes)]
    if as_json:
        print(json.dumps([asdict(each) for each in cards], indent=1, ensure_ascii=False))
    else:
        print_networks(cards, _console())


@app.command("data")
@verb
def data_sets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME|PATH]", help="One data set, as for --data.")] = None,
    data_dir: DataDir = None,
    label: Label = None,
    text: TextColumn = None,
    image: ImageColumn = None,
    split: SplitColumn = None,
    group: Group = None,
    skip_broken: SkipBroken = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Write its examples as a picture, a row a class.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the data sets that have a name, or one of them: facts, counts, and examples of each class."""
    from levelhead.report.datasets import print_set, print_sets
    from levelhead.showcase import show, table

    folder = None if data_dir is None else str(data_dir)
    if name is None:
        found: Any = table(folder)
    else:
        found = show(
            name, data_dir=folder, out=out, label=label, text=text, image=image, split=split, group=group,
            skip_broken=skip_broken,
        )  # fmt: skip
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    elif name is None:
        print_sets(found, _console())
    else:
        print_set(found, _console())


@app.command()
@verb
def reproduce(
    item: Annotated[
        str | None, typer.Argument(metavar="PAPER/ITEM", help="pls/table-1; a paper alone, or none: list.")
    ] = None,
    scale: Annotated[
        str, typer.Option(metavar="small|paper", rich_help_panel=_TRAINING,
                          help="small: beds that two cores manage; paper: the paper's own data, network and recipe.")
    ] = "small",
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", metavar="NAME|PATH", rich_help_panel=_DATA,
                     help="Other data than the item's, as for compare: its methods, measures and recipe on these."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=1000, rich_help_panel=_TRAINING, help="Runs a method; else the plan's.")
    ] = None,
    curves: Annotated[
        bool, typer.Option("--curves", rich_help_panel=_TRAINING,
                           help="Keep the predictions of every epoch: curves, and the best test epoch that some print.")
    ] = False,
    plan: Annotated[
        list[Path] | None,
        typer.Option(metavar="PLAN.toml", help="A plan of your own, which goes by its file's name; repeatable."),
    ] = None,
    source: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FOLDER",
                     help="Take the finished runs of this comparison in place of training the same again; repeatable."),
    ] = None,
    data_dir: DataDir = None,
    devices: Devices = "auto",
    jobs: Jobs = "auto",
    out: Out = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """List the five papers' tables and figures, or make one and print our numbers beside the published ones."""
    from levelhead.compare.settings import find_devices
    from levelhead.progress import Display
    from levelhead.reproduce import reproduce as papers
    from levelhead.reproduce.elsewhere import on_data
    from levelhead.reproduce.plans import SCALES, with_own
    from levelhead.spec import parse

    if scale not in SCALES:
        raise ValueError(f"--scale must be one of {', '.join(SCALES)}, not {scale!r}")
    plans, folder, console = with_own(plan or ()), out or papers.OUT, _console()
    if item is None or item in plans:
        if data:
            raise ValueError("--data is for one item: say PAPER/ITEM")
        found = papers.listing(plans if item is None else {item: plans[item]}, folder)
        if as_json:
            print(json.dumps(found, indent=1, ensure_ascii=False))
        else:
            papers.print_listing(found, console, detail=item is not None)
        return
    errors = _console(stderr=True)
    paper, study, chosen = papers.find(plans, item)
    if data:
        study, chosen = on_data(study, chosen, scale, data, data_dir)
    result = papers.reproduce(
        paper,
        study,
        chosen,
        scale,
        out=folder,
        seeds=seeds,
        curves=curves,
        jobs=_jobs(jobs, 1, find_devices(devices)),
        data_dir=data_dir,
        devices=devices,
        command=shlex.join(["levelhead", *sys.argv[1:]]),
        watch=lambda runs: Display(errors, {run.hash: parse(run.sentence).passes for run in runs}),
        say=lambda text: errors.print(text, soft_wrap=True, markup=False, highlight=False),
        sources=tuple(source or ()),
    )
    if as_json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        papers.print_result(result, console)
    _end({"failed": [{"method": run, "seed": "", "reason": why} for run, why in result.get("failed", {}).items()]})


@app.command()
@verb
def evaluate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Predictions: .npz, .safetensors, .parquet or .csv.")
    ],
    cal: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", rich_help_panel=_FILES,
                     help="Predictions to fit a temperature on; one for each file, in order. Else it is cross-fitted."),
    ] = None,
    ood: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", rich_help_panel=_FILES,
                     help="The model's predictions on other inputs, to be told from these; one for each file."),
    ] = None,
    votes: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", rich_help_panel=_FILES,
                     help="How people labelled the examples: (N, C) shares or counts, .npy or as above; for all files, "
                     "or one for each."),
    ] = None,
    by_group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="COLUMN|FILE", rich_help_panel=_FILES,
                     help="Also judge each group of the examples: a column of the file, or FILE or FILE:COLUMN with a "
                     "row for each; repeatable."),
    ] = None,
    logits: Annotated[
        bool, typer.Option("--logits", rich_help_panel=_FILES, help="Columns that do not say it are logits.")
    ] = False,
    probs: Annotated[
        bool, typer.Option("--probs", rich_help_panel=_FILES, help="Columns that do not say it are probabilities.")
    ] = False,
    scores: Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=_FILES, help="The array, or NAME_0, NAME_1...")
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=_FILES, help="The column of labels.")
    ] = None,
    n_bins: Annotated[int, typer.Option(min=1, help="Bins of ECE and its relatives.")] = 15,
    report: Annotated[
        Path | None, typer.Option(metavar="PAGE.html",
                     help="Write one page with figures, which opens anywhere, and its headline as PAGE.png.")
    ] = None,
    max_ece: MaxGate = None,
    max_debiased_ece: MaxGate = None,
    max_adaptive_ece: MaxGate = None,
    max_classwise_ece: MaxGate = None,
    max_mce: MaxGate = None,
    max_oe: MaxGate = None,
    max_gap: MaxGate = None,
    max_nll: MaxGate = None,
    max_brier: MaxGate = None,
    max_aurc: MaxGate = None,
    max_augrc: MaxGate = None,
    min_accuracy: Annotated[
        float | None, typer.Option(metavar="X", rich_help_panel=_GATES, help="Exit with status 3 if it is below.")
    ] = None,
    not_worse: Annotated[
        list[str] | None,
        typer.Option(metavar="nll|brier|accuracy", rich_help_panel=_GATES,
                     help="Exit with status 3 if a file is worse than the first by more than chance; repeatable."),
    ] = None,
    gate_on: Annotated[
        str | None, typer.Option(metavar="raw|scaled", rich_help_panel=_GATES, help="Which values gates judge; raw.")
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Judge anybody's predictions: how sure against how right, what a temperature mends, how models compare."""
    limits = {name: value for name, value in locals().items() if name.startswith(("max_", "min_"))}
    if gate_on not in (None, "raw", "scaled"):
        raise ValueError(f"--gate-on must be raw or scaled, not {gate_on!r}")
    if gate_on and not {*(not_worse or ())} - {"accuracy"} and all(value is None for value in limits.values()):
        raise ValueError(
            "--gate-on has no effect without a gate such as --max-ece 0.05 (--not-worse accuracy is judged as it comes)"
        )
    if logits and probs:
        raise ValueError("--logits and --probs exclude each other: which are the numbers?")
    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--report writes a page, PAGE.html; {report} ends in {report.suffix or 'nothing'!r}")
    from levelhead import evaluate as evaluation
    from levelhead.report.evaluation_terminal import print_evaluation, unmet

    found = evaluation.evaluate(
        files,
        cal=cal or (),
        ood=ood or (),
        votes=votes or (),
        group=by_group or (),
        n_bins=n_bins,
        kind="logits" if logits else "probs" if probs else None,
        scores=scores,
        label=label,
        gates=limits,
        gate_on="scaled" if gate_on == "scaled" else "raw",
        not_worse=not_worse or (),
    )
    if report is not None:
        from levelhead.report.evaluation_page import write

        write(found, report, shlex.join(["levelhead", *sys.argv[1:]]))
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        console = _console()
        print_evaluation(found, console)
        if report is not None:
            beside = f"{report.stem}-metrics.json, {report.with_suffix('.png').name} and {report.stem}-bins.csv"
            said = f"\nThe page: {report}; beside it {beside}"
            console.print(said, soft_wrap=True, markup=False, highlight=False)
    missed = unmet(found)
    if missed:
        _fail(missed, 3)


@app.command()
@verb
def figure(
    kind: Annotated[
        str,
        typer.Argument(help="reliability, confidence, winning, coverage, tradeoff, curves, sweep, density, "
                            "soft_targets, embedding, surface, activation_maps or label_entropy."),
    ],
    folder: Annotated[Path | None, typer.Argument(help="The folder of a comparison.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where it goes: .png, .svg or .pdf.")] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", help="Of the comparison, repeatable; all if not said.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Whose run is shown; the first if not said.")] = None,
    argument: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of sweep: what goes along the axis, such as alpha.")
    ] = None,
    measure: Annotated[str, typer.Option(metavar="NAME", help="Of sweep and tradeoff.")] = "ece",
    scaled: Annotated[bool, typer.Option("--scaled", help="Of sweep: after temperature scaling.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Draw one of the papers' figures from a comparison, or give its data with --json."""
    from levelhead.figures import figure as draw

    if out is None:
        raise ValueError(f"--out is missing: a file such as {kind}.png")
    rows = draw(
        kind, folder, out, methods=tuple(method or ()), seed=seed, argument=argument, measure=measure, scaled=scaled,
        data_dir=data_dir,
    )  # fmt: skip
    print(json.dumps(rows, indent=1, ensure_ascii=False) if as_json else f"Written: {out}")


@app.command()
@verb
def predict(
    run: Annotated[Path, typer.Argument(help="The folder of a run, or of a comparison with --method and --seed.")],
    data: Annotated[
        str,
        typer.Option("--data", "-d", metavar="NAME|PATH", rich_help_panel=_DATA,
                     help="As in compare; for images also a folder of images without labels."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The predictions: .safetensors, .npz, .parquet or .csv.")
    ],
    part: Annotated[
        str | None, typer.Option(metavar="PART", rich_help_panel=_DATA,
                                 help="train, val, cal, test or all; test if there is one, else all.")
    ] = None,
    method: Annotated[str | None, typer.Option("--method", "-m", help="Of a comparison's folder.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of a comparison's folder.")] = None,
    data_dir: DataDir = None,
    label: Label = None,
    text: TextColumn = None,
    image: ImageColumn = None,
    split: SplitColumn = None,
    group: Group = None,
    skip_broken: SkipBroken = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Say what a trained run makes of other data, as a file of predictions."""
    from levelhead.report.listings import print_predicted
    from levelhead.trained import find_run, load_run, predict_source

    trained = load_run(find_run(run, method, seed))
    said = predict_source(
        trained, data, part=part, data_dir=data_dir, label=label, text=text, image=image, split=split, group=group,
        skip_broken=skip_broken,
    )  # fmt: skip
    said.save(out)
    counts = {"n": said.num_examples, "out": str(out), "labelled": said.has_labels}
    if as_json:
        print(json.dumps({"run": str(trained.folder), "sentence": trained.about["sentence"]} | counts, indent=1))
    else:
        print_predicted(trained.about, said, out, _console())


@app.command()
@verb
def calibrate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Predictions to calibrate: .npz, .safetensors, .parquet or .csv."),
    ] = None,
    cal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Predictions to fit on, of other examples than FILE's.")
    ] = None,
    calibrator: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="temperature (if not said), temperature(criterion=ece), vector, matrix, "
                                          "platt, beta, isotonic or histogram."),
    ] = None,
    fitted: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A calibrator that --save wrote, in place of --cal.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The calibrated predictions: a file, or a folder for several.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the calibrator (.safetensors).")
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Calibrate predictions: fit on one file, apply to others, never to the rows it was fitted on."""
    from levelhead.calibrate.by_file import calibrate_files
    from levelhead.report.listings import print_calibration

    if fitted is not None and calibrator is not None:
        raise ValueError(f"--calibrator has no effect with --fitted: {fitted} says which it is")
    found = calibrate_files(
        files or (), cal=cal, calibrator=calibrator or "temperature", fitted=fitted, out=out, save=save
    )
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print_calibration(found, save, _console())


@app.command()
@verb
def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a comparison.")],
    table: Annotated[
        str | None,
        typer.Option(metavar="latex|markdown", help="Print the table of methods instead, for a paper or a text."),
    ] = None,
) -> None:
    """Build the page of a comparison again, or print its table of methods."""
    if table is not None:
        from levelhead.plots.comparison import read
        from levelhead.report.typeset import table_of

        print(table_of(read(folder), table), end="")
        return
    from levelhead.report import build

    print(build(folder))


@app.command()
@verb
def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show versions, devices, extras and the data sets that are found."""
    from levelhead.doctor import examine
    from levelhead.report.listings import print_findings

    findings = examine(data_dir)
    if as_json:
        print(json.dumps(findings, indent=1, ensure_ascii=False))
    else:
        print_findings(findings, _console())


def main() -> None:
    """The ``levelhead`` command."""
    # a network of the user's own, package.module:function, may lie in the folder where the command is typed
    sys.path.insert(0, os.getcwd())
    app()


def _plan(given: dict[str, Any], wanted: list[str], seeds: tuple[int, ...]) -> "Comparison":
    """Check every word before anything is loaded or written, then load the data and put the comparison together."""
    from levelhead import models
    from levelhead.compare.probing import wanted as wanted_probes
    from levelhead.compare.settings import PRECISIONS, Comparison, distinct, find_devices, starting_weights
    from levelhead.data import load
    from levelhead.train import Recipe, augmented, check_records, make_recipe
    from levelhead.train.class_weights import written_weights
    from levelhead.train.processes import first_alone, started

    methods = distinct(wanted)
    record = check_records(tuple(given["record"] or ()))
    devices = find_devices(given["devices"])
    _jobs(given["jobs"], given["threads"], devices)
    if started() > 1 and (":" in given["devices"] or given["jobs"] not in ("auto", "1")):
        raise ValueError("under torchrun its processes are the jobs, each with a device: leave --jobs and numbers out")
    if given["precision"] not in PRECISIONS:
        raise ValueError(f"--precision must be one of {', '.join(PRECISIONS)}, not {given['precision']!r}")
    chosen = {name: given[name] for name in Recipe.model_fields}
    chosen["class_weights"] = given["class_weights"] and written_weights(given["class_weights"])
    asked = make_recipe("", "image", given["recipe"], **chosen)  # wrong numbers are said before the data are read
    names = (
        "data_dir",
        "label",
        "text",
        "max_words",
        "image",
        "split",
        "group",
        "group_pattern",
        "train_size",
        "cal_size",
        "test_size",
        "val_size",
        "split_seed",
        "image_size",
        "stream",
        "workers",
        "fit",
        "skip_broken",
    )
    if given["resized_crop"]:
        if given["stream"] == "never":
            raise ValueError(
                "--resized-crop reads the original images again and again, so they stream: not --stream never"
            )
        given = {**given, "stream": "always"}
    with first_alone(devices[0].split(":")[0], given["precision"]):
        data = load(given["data"], **{name: given[name] for name in names}, needs_val=asked.needs_val)
    recipe = make_recipe(data.name, data.kind, given["recipe"], **augmented(data, given["recipe"], chosen))
    data = data.cut(recipe.crop_size)
    kind = devices[0].split(":")[0]
    network = models.auto(data.kind, kind) if given["model"] == "auto" else given["model"]
    network = models.with_pretrained(network, given["pretrained"])
    return Comparison(
        data=data,
        methods=methods,
        seeds=seeds,
        network=network,
        recipe=recipe,
        devices=devices,
        precision=given["precision"],
        threads=given["threads"],
        record=record,
        processes=started(),
        weights=starting_weights(network, data),
        probes=wanted_probes(
            given.get("probe") or (), data, data_dir=given["data_dir"], label=given["label"], network=network
        ),
    )


def _jobs(text: str, threads: int, devices: tuple[str, ...]) -> int:
    if text == "auto":
        return len(devices) if devices[0] != "cpu" else max(1, (os.cpu_count() or 1) // threads)
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise ValueError(f"--jobs must be auto or a whole number from 1 to 1024, not {text!r}")
    return int(text)


#: What a finished run that is only to be asked probes costs, in passes of training.
_PROBES_ONLY = 0.05


def _carry_out(comparison: "Comparison", given: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    """Run the comparison into its folder, with the progress on standard error; build the page."""
    from levelhead.train.processes import number

    if number():  # the first process of the group does all the rest
        from levelhead.compare.together import follow

        follow(comparison)
        raise typer.Exit
    from levelhead.compare.compare import compare as carry_out
    from levelhead.compare.compare import unfinished
    from levelhead.compare.folder import Folder, default_folder
    from levelhead.progress import Display
    from levelhead.report import build
    from levelhead.spec import parse

    folder = given["out"] or default_folder(comparison)
    console = _console(stderr=True)
    if not given["as_json"]:
        _show_data(comparison.data, console)
    place = Folder(folder)
    missing = unfinished(comparison, place)
    command = shlex.join([*_launcher(), *sys.argv[1:]])
    try:
        with Display(
            console, {run.hash: _PROBES_ONLY if place.finished(run) else parse(run.sentence).passes for run in missing}
        ) as display:
            jobs = _jobs(given["jobs"], given["threads"], comparison.devices)
            summary = carry_out(comparison, folder, jobs=jobs, command=command, report=display)
    except KeyboardInterrupt:
        print(
            f"\nStopped; what is done is kept. Type the same command again to go on:\n  {command}",
            file=sys.stderr,
        )
        raise
    if summary["rows"]:
        build(folder)
    return summary, folder


def _launcher() -> list[str]:
    """How this command was started: by itself, or by torchrun."""
    from levelhead.train.processes import started

    if started() == 1:
        return ["levelhead"]
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    nodes = [f"--nnodes={started() // here}"] if started() > here else []
    return ["torchrun", *nodes, f"--nproc_per_node={here}", "-m", "levelhead"]


def _show_data(data: "Dataset", console: "Console") -> None:
    from levelhead.report.listings import print_data

    print_data(data.name, data.origin, data.shape, data.classes, data.counts(), data.notes, console)


def _console(stderr: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr)


def _end(summary: dict[str, Any]) -> None:
    """Exit status 1 where a run failed; everything else was written all the same."""
    from levelhead.errors import WorkFailed

    if summary["failed"]:
        reasons = "; ".join(f"{run['method']} seed {run['seed']}: {run['reason']}" for run in summary["failed"])
        raise WorkFailed(f"{len(summary['failed'])} of the runs failed ({reasons})")
