"""One forward pass of the user's model, watched and changed by hooks that live no longer than they must.

So hidden states can be read (the features that a second head learns on) and blended (manifold mixup, embedded tokens)
in any model, and the model is what it was afterwards. Shapes: B rows of the batch, C classes.
"""

import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from levelhead.batch import Inputs
from levelhead.eager import eager


class Hook(NamedTuple):
    """Something to do at a layer: ``before`` it runs (its arguments) or ``after`` (arguments and output)."""

    layer: nn.Module
    act: Callable[..., Any]
    before: bool = False


@eager(recursive=False)
def call(model: nn.Module, inputs: Inputs, hooks: Sequence[Hook] = ()) -> Any:
    """``model(inputs)``, or ``model(**inputs)`` for a dictionary, with hooks that are gone when this returns."""
    handles = [
        hook.layer.register_forward_pre_hook(hook.act) if hook.before else hook.layer.register_forward_hook(hook.act)
        for hook in hooks
    ]
    try:
        return model(**inputs) if isinstance(inputs, Mapping) else model(inputs)
    finally:
        for handle in handles:
            handle.remove()


def find_logits(output: Any) -> Tensor:
    """The logits in what a model gave: a tensor, a tuple whose first tensor they are, a dictionary or a Hugging Face
    output with ``logits`` (or torchvision's ``out``)."""
    found = output
    if isinstance(output, Mapping):
        found = next((output[name] for name in ("logits", "out") if name in output), None)
    elif hasattr(output, "logits"):
        found = output.logits
    elif isinstance(output, tuple | list):
        found = next((each for each in output if isinstance(each, Tensor)), None)
    if not isinstance(found, Tensor) or found.ndim < 2:
        came = tuple(found.shape) if isinstance(found, Tensor) else type(output).__name__
        if isinstance(output, Mapping) and found is None:
            came = f"a dictionary with {', '.join(map(str, output))}"
        raise ValueError(
            f"the model must give logits (B, C), or something that holds them as 'logits', but gave {came}"
        )
    return found


def read_logits(output: Any, rows: int, num_classes: int, trailing: Sequence[int] = ()) -> Tensor:
    """The logits of an output, which must have the shape ``(rows, num_classes, *trailing)``."""
    found, wanted = find_logits(output), (rows, num_classes, *trailing)
    if found.shape != wanted:
        raise ValueError(f"the model must give logits {wanted}, but gave {tuple(found.shape)}")
    return found


class Features:
    """Reads what goes into a layer during one pass."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer, self.seen = layer, list[Tensor]()

    @property
    def hook(self) -> Hook:
        """The hook that reads."""
        return Hook(self.layer, lambda _, args: self.seen.append(args[0]), before=True)

    def read(self, rows: int) -> Tensor:
        """The features ``(B, m)``, or ``(B, m, H, W)`` before a convolution."""
        wanted = 2 if isinstance(self.layer, nn.Linear) else 4
        if len(self.seen) != 1 or self.seen[0].ndim != wanted or self.seen[0].shape[0] != rows:
            came = ", ".join(str(tuple(features.shape)) for features in self.seen) or "nothing"
            shape = f"({rows}, m)" if wanted == 2 else f"({rows}, m, H, W)"
            raise ValueError(
                f"the classifier layer should see features {shape} once in a forward pass, but saw {came}; "
                "name the right layer with classifier='...'"
            )
        return self.seen[0]


class Rewrite:
    """Changes what comes out of a layer during one pass, and again when a checkpoint computes that pass anew."""

    def __init__(self, layer: nn.Module, name: str, change: Callable[[Tensor], Tensor], rows: int) -> None:
        self.layer, self.name, self.change, self.rows = layer, name, change, rows
        self.seen, self.within, self.lasting = 0, True, False
        self.handle = layer.register_forward_hook(eager()(self._act))

    def close(self) -> None:
        """The pass is over, and the hook gone; inside a checkpoint it stays, for :meth:`last_as_long_as`."""
        self.within = False
        if not self.lasting:
            self.handle.remove()

    def last_as_long_as(self, logits: Tensor) -> None:
        """Let a hook that is still needed go with the graph of ``logits``, if no gradient comes by before."""
        if self.lasting and logits.requires_grad:
            token = _Token()
            weakref.finalize(token, self.handle.remove)
            logits.register_hook(lambda _, token=token: None)  # the graph holds the token, and nobody else
        elif self.lasting:
            self.handle.remove()

    def check(self) -> None:
        """Refuse a layer that the pass did not visit exactly once."""
        if self.seen != 1:
            raise ValueError(
                f"the layer {self.name!r} ran {self.seen} times in a forward pass; hidden states are mixed at layers "
                "that run once: name others with layers=[...]"
            )

    def _act(self, _: nn.Module, __: Any, output: Any) -> Any:
        checkpointed = _checkpoint_frames()
        if not self.within and not checkpointed & {"backward", "unpack_hook"}:
            return None  # not the pass computed anew, but somebody else's pass through the model
        first, *rest = output if isinstance(output, tuple) else (output,)
        if not isinstance(first, Tensor) or first.shape[:1] != (self.rows,):
            came = tuple(first.shape) if isinstance(first, Tensor) else type(first).__name__
            raise ValueError(
                f"the layer {self.name!r} gives {came}, but mixing needs a tensor with {self.rows} rows, one an "
                "example; name another with layers=[...]"
            )
        changed = self.change(first)
        self.seen += self.within
        if checkpointed:
            self.lasting = True
            if changed.requires_grad:
                changed.register_hook(lambda _: self.handle.remove())
        return (changed, *rest) if isinstance(output, tuple) else changed


class _Token:
    """Something that can be seen to go."""


def _checkpoint_frames() -> set[str]:
    """The functions of ``torch.utils.checkpoint`` that we are called from; it will run, or runs, the same layers again.

    The stack is the only place that tells: there is no public way to ask.
    """
    found, frame = set(), sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "torch.utils.checkpoint":
            found.add(frame.f_code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return found


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside, and every module's own mode again afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def dropping(
    model: nn.Module, layer: nn.Module | None, rate: float | None, generator: torch.Generator
) -> Iterator[tuple[Hook, ...]]:
    """Dropout at ``rate``: in the model's own dropout layers, or on what goes into ``layer`` where it has none.

    With ``rate=None`` every dropout layer of the model keeps its own.
    Yields the hooks that a pass needs for it. The model's layers draw from the global generator, as they always do;
    the other draws come from ``generator``.
    """
    if layer is not None:
        assert rate is not None

        def drop(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            kept = torch.rand(args[0].shape, generator=generator) >= rate
            return (args[0] * kept.to(args[0].device, args[0].dtype) / (1 - rate), *args[1:])

        yield (Hook(layer, eager()(drop), before=True),)
        return
    layers = own_dropout(model)
    before = [(each, each.p, each.training) for each in layers]
    try:
        for each in layers:
            each.p, each.training = each.p if rate is None else rate, True
        yield ()
    finally:
        for each, p, training in before:
            each.p, each.training = p, training


def own_dropout(model: nn.Module) -> list[Any]:
    """The model's dropout layers that drop something."""
    return [each for each in model.modules() if isinstance(each, nn.modules.dropout._DropoutNd) and each.p > 0]


def is_stochastic(model: nn.Module) -> bool:
    """Whether two passes in training mode can differ: dropout, or stochastic depth as torchvision and timm call it."""
    depth = ("StochasticDepth", "DropPath")
    return bool(own_dropout(model)) or any(type(each).__name__ in depth for each in model.modules())
